import Foundation
import PinSageKit
import PinSageTestSupport
import Testing

@Suite struct DoctorTests {
    private func shell(_ environment: String, _ arguments: String) throws -> ProgramResult {
        try #require(try run("/bin/sh", ["-c", "\(environment) '\(program.path)' \(arguments)"]))
    }

    @Test func itSaysWhatTheMachineComputesWith() throws {
        let result = try pinsage("doctor", "--threads", "2", "--json")
        #expect(result.status == 0, "\(result.errors)")
        let found = try #require(try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
        #expect(
            Set(found.keys).isSuperset(of: ["processor", "isa", "instructions", "threads", "threads_ran", "openmp", "blas", "blas_core", "advice"]))
        let available = try #require(found["isa_available"] as? [String])
        #expect(available == InstructionSet.available.map(\.rawValue))
        #expect(found["isa"] as? String == InstructionSet.preferred.rawValue)
        #expect(found["threads"] as? Int == 2)
        #expect((found["openmp"] as? String)?.contains("omp") == true, "\(found)")
        for key in ["peak_gflops", "blas_gflops"] { #expect(try #require(found[key] as? Double) > 0) }
        let text = try pinsage("doctor", "--threads", "2").output
        for line in ["processor", "kernels", "instructions", "OpenMP", "threads", "OpenBLAS", "products"] {
            #expect(text.contains("\n\(line)") || text.hasPrefix(line), "\(line) in \(text)")
        }
    }

    @Test func aSlowerInstructionSetIsNoted() throws {
        guard InstructionSet.available.last != .scalar else { return }
        let result = try shell("PINSAGE_ISA=scalar", "doctor")
        #expect(result.status == 0 && result.output.contains("unset PINSAGE_ISA"), "\(result.output) \(result.errors)")
    }

    @Test func anOldBlasKernelSetIsNoted() throws {
        // Haswell's kernels run on every processor with AVX2, Nehalem's on all of them; on others OpenBLAS ignores the variable.
        guard InstructionSet.available.contains(.avx2) else { return }
        let result = try shell("OPENBLAS_CORETYPE=Nehalem", "doctor")
        #expect(result.status == 0, "\(result.errors)")
        guard result.output.contains("Nehalem") else { return }  // a BLAS of one kernel set
        #expect(result.output.contains("unset OPENBLAS_CORETYPE"), "\(result.output)")
        #expect(result.output.contains(InstructionSet.available.contains(.avx512) ? "SkylakeX" : "Haswell"), "\(result.output)")
    }

    @Test func instructionSetsThatAreMistypedOrMissingAreErrors() throws {
        let mistyped = try shell("PINSAGE_ISA=avx22", "doctor")
        #expect(mistyped.status == 64 && mistyped.errors.contains("avx22") && mistyped.output.isEmpty, "\(mistyped)")
        #expect(try pinsage("doctor", "--isa", "avx22").status == 64)
        for missing in InstructionSet.allCases where !InstructionSet.available.contains(missing) {
            let result = try pinsage("doctor", "--isa", missing.rawValue)
            #expect(result.status == 64 && result.errors.contains(missing.rawValue) && result.output.isEmpty, "\(result)")
        }
    }
}
