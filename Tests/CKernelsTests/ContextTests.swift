import CKernels
import Testing

@Suite struct ContextTests {
    @Test func everyStatusHasItsName() {
        let names = (0...9).map { String(cString: ps_status_name(ps_status(rawValue: $0))) }
        #expect(
            names == [
                "PS_OK", "PS_NEGATIVE_SIZE", "PS_NULL_POINTER", "PS_SIZE_OVERFLOW", "PS_INDEX_OUT_OF_RANGE", "PS_OVERLAP", "PS_BAD_OFFSETS",
                "PS_BAD_PARAMETER", "PS_UNSUPPORTED_ISA", "PS_WORKSPACE_TOO_SMALL",
            ])
        #expect(String(cString: ps_status_name(ps_status(rawValue: 1000))) == "unknown ps_status")
    }

    @Test func everyInstructionSetHasItsName() {
        let names = (0...3).map { String(cString: ps_isa_name(ps_isa(rawValue: $0))) }
        #expect(names == ["scalar", "avx2", "avx512", "neon"])
        #expect(String(cString: ps_isa_name(ps_isa(rawValue: 77))) == "unknown")
    }

    @Test(arguments: Setting.all) func threadsReallyRun(_ setting: Setting) {
        var context = setting.context()
        #expect(ps_context_probe_threads(&context) == setting.threads)
        #expect(ps_context_probe_threads(nil) == 0)
    }

    @Test func detectionIsSupportedAndTheRestIsRefused() {
        #expect(ps_isa_supported(PS_ISA_SCALAR) == 1)
        #expect(ps_isa_supported(ps_isa_detect()) == 1)
        #expect(ps_isa_supported(ps_isa(rawValue: 77)) == 0)
        var context = ps_context()
        for code in UInt32(0)...4 where ps_isa_supported(ps_isa(rawValue: code)) == 0 {
            #expect(ps_context_make(ps_isa(rawValue: code), 1, &context) == PS_UNSUPPORTED_ISA)
            #expect(context.leaves == nil)
        }
        #expect(ps_context_make(PS_ISA_SCALAR, 0, &context) == PS_BAD_PARAMETER)
        #expect(ps_context_make(PS_ISA_SCALAR, -3, &context) == PS_BAD_PARAMETER)
        #expect(ps_context_make(PS_ISA_SCALAR, 1, nil) == PS_NULL_POINTER)
        #expect(context.leaves == nil)
    }

    @Test(arguments: Setting.all) func leavesAreDescribed(_ setting: Setting) {
        var context = setting.context(), blank = ps_context()
        #expect(String(cString: ps_context_description(&context)) != "unknown")
        #expect(String(cString: ps_context_description(&blank)) == "unknown")
        #expect(String(cString: ps_context_description(nil)) == "unknown")
    }

    @Test func contextsThatWereNotMadeAreRefused() {
        var blank = ps_context()
        var x: [Float] = [1]
        #expect(ps_scale_f32(&blank, 2, 1, &x) == PS_NULL_POINTER)
        #expect(ps_scale_f32(nil, 2, 1, &x) == PS_NULL_POINTER)
        var broken = Setting(isa: PS_ISA_SCALAR, threads: 1).context()
        broken.threads = 0
        #expect(ps_scale_f32(&broken, 2, 1, &x) == PS_BAD_PARAMETER)
        #expect(x == [1])
    }

    @Test func blasNamesItself() {
        #expect(!String(cString: ps_blas_core_name()).isEmpty)
        #expect(!String(cString: ps_blas_configuration()).isEmpty)
    }
}
