import CKernels
import KernelReference
import Testing

@Suite struct NormTests {
    @Test(arguments: Setting.all) func forward(_ setting: Setting) {
        var context = setting.context(), random = Generator(30)
        for width in widths {
            var x = random.floats(9 * width)
            for e in 0..<width {
                x[e] = 0
                x[width + e] *= 0x1p-139  // the inverse of such a norm is no float
                x[2 * width + e] *= 1e37  // nor is the square of such a value
            }
            var y = [Float](repeating: untouched, count: x.count), norms = [Float](repeating: untouched, count: 9)
            #expect(ps_norm_l2_forward_f32(&context, x, Int64(width), 9, Int64(width), &y, Int64(width), &norms) == PS_OK)
            let expected = Reference.normalized(x, rows: 9, width: width)
            expectClose(y, expected.y, units: 4)
            expectClose(norms, expected.norms, units: 2)
            var serial = y, serialNorms = norms, one = Setting(isa: setting.isa, threads: 1).context()
            #expect(ps_norm_l2_forward_f32(&one, x, Int64(width), 9, Int64(width), &serial, Int64(width), &serialNorms) == PS_OK)
            #expect(bits(y) == bits(serial) && bits(norms) == bits(serialNorms))
            var inPlace = x
            let status = inPlace.withUnsafeMutableBufferPointer {
                ps_norm_l2_forward_f32(&context, $0.baseAddress, Int64(width), 9, Int64(width), $0.baseAddress, Int64(width), nil)
            }
            #expect(status == PS_OK)
            #expect(bits(inPlace) == bits(y))
        }
    }

    @Test func stridesAreKept() {
        var context = Setting(isa: ps_isa_detect(), threads: 2).context()
        let x: [Float] = [3, 4, 9, 9, 0, 5, 9, 9]
        var y = [Float](repeating: untouched, count: 6)
        #expect(ps_norm_l2_forward_f32(&context, x, 4, 2, 2, &y, 3, nil) == PS_OK)
        expectClose([y[0], y[1], y[3], y[4]], [0.6, 0.8, 0, 1], units: 2)
        #expect(y[2] == untouched && y[5] == untouched)
    }

    @Test(arguments: Setting.all) func backward(_ setting: Setting) {
        var context = setting.context(), random = Generator(31)
        for width in widths where width > 0 {
            var x = random.floats(7 * width)
            for e in 0..<width { x[width + e] = 0 }
            let normalized = Reference.normalized(x, rows: 7, width: width)
            let y = normalized.y.map(Float.init), norms = normalized.norms.map(Float.init), dy = random.floats(x.count)
            var dx = [Float](repeating: untouched, count: x.count)
            #expect(ps_norm_l2_backward_f32(&context, y, dy, norms, 7, Int64(width), &dx) == PS_OK)
            let scale = (0..<x.count).map { norms[$0 / width] == 0 ? 0 : Double(width) / Double(norms[$0 / width]) }
            expectClose(dx, Reference.normalizedBackward(y: y, dy: dy, norms: norms, width: width), scale: scale, units: 6)
            var serial = dx, one = Setting(isa: setting.isa, threads: 1).context()
            #expect(ps_norm_l2_backward_f32(&one, y, dy, norms, 7, Int64(width), &serial) == PS_OK)
            #expect(bits(dx) == bits(serial))
            var inPlace = dy
            let status = inPlace.withUnsafeMutableBufferPointer {
                ps_norm_l2_backward_f32(&context, y, $0.baseAddress, norms, 7, Int64(width), $0.baseAddress)
            }
            #expect(status == PS_OK)
            #expect(bits(inPlace) == bits(dx))
        }
    }

    @Test func gradientsAgreeWithCentralDifferences() {
        var context = Setting(isa: ps_isa_detect(), threads: 2).context(), random = Generator(32)
        let x = random.floats(24), direction = random.floats(24)
        func loss(_ x: [Float]) -> Double {
            zip(Reference.normalized(x, rows: 3, width: 8).y, direction).map { $0 * Double($1) }.reduce(0, +)
        }
        let normalized = Reference.normalized(x, rows: 3, width: 8)
        var dx = [Float](repeating: 0, count: 24)
        #expect(ps_norm_l2_backward_f32(&context, normalized.y.map(Float.init), direction, normalized.norms.map(Float.init), 3, 8, &dx) == PS_OK)
        // A step of 1e-3 leaves a curvature error of about 1e-6; the f32 gradient is nearer than that.
        expectClose(dx, centralDifferences(x, step: 1e-3, loss: loss), scale: .init(repeating: 1, count: 24), units: 0x1p24 * 1e-5)
    }

    @Test func badArgumentsAreRefused() {
        var c = Setting(isa: PS_ISA_SCALAR, threads: 1).context()
        let x = [Float](repeating: 1, count: 6), out = [Float](repeating: untouched, count: 6)
        expectRefusal(PS_NEGATIVE_SIZE, out) { ps_norm_l2_forward_f32(&c, x, 3, -2, 3, &$0, 3, nil) }
        expectRefusal(PS_NEGATIVE_SIZE, out) { ps_norm_l2_forward_f32(&c, x, 2, 2, 3, &$0, 3, nil) }
        expectRefusal(PS_NULL_POINTER, out) { ps_norm_l2_forward_f32(&c, nil, 3, 2, 3, &$0, 3, nil) }
        expectRefusal(PS_SIZE_OVERFLOW, out) { ps_norm_l2_forward_f32(&c, x, .max, 3, 3, &$0, 3, nil) }
        expectRefusal(PS_OVERLAP, out) { buffer in
            buffer.withUnsafeMutableBufferPointer {
                ps_norm_l2_forward_f32(&c, $0.baseAddress, 2, 2, 2, $0.baseAddress.map { $0 + 1 }, 2, nil)
            }
        }
        expectRefusal(PS_NULL_POINTER, out) { ps_norm_l2_backward_f32(&c, x, x, nil, 2, 3, &$0) }
        expectRefusal(PS_NEGATIVE_SIZE, out) { ps_norm_l2_backward_f32(&c, x, x, x, 2, -3, &$0) }
        expectRefusal(PS_OVERLAP, out) { buffer in
            buffer.withUnsafeMutableBufferPointer { ps_norm_l2_backward_f32(&c, $0.baseAddress, x, x, 2, 3, $0.baseAddress) }
        }
    }
}
