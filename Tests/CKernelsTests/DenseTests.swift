import CKernels
import KernelReference
import Testing

@Suite struct DenseTests {
    @Test(arguments: Setting.all) func forwardIsTheConcatenatedProduct(_ setting: Setting) {
        var context = setting.context(), random = Generator(10)
        for (B, D1, D2, E) in [
            (0, 3, 2, 4), (1, 1, 0, 1), (5, 3, 2, 7), (17, 33, 16, 31), (9, 0, 5, 8), (3, 0, 0, 4), (4, 8, 8, 0), (67, 16, 7, 65),
        ] {
            for relu in [false, true] {
                for (withBias, isExtreme) in [(false, false), (true, false), (true, true)] {
                    // Apart: beside one value of 1e15 the allowed error would hide everything else.
                    let x1 = isExtreme ? random.extremes(B * D1) : random.floats(B * D1), x2 = random.floats(B * D2),
                        weight = random.floats(E * (D1 + D2))
                    let bias = withBias ? random.floats(E) : []
                    var y = [Float](repeating: untouched, count: B * E)
                    let status = bias.withUnsafeBufferPointer {
                        ps_dense_forward_f32(
                            &context, x1, Int64(D1), x2, Int64(D2), weight, withBias ? $0.baseAddress : nil, Int64(B), Int64(D1), Int64(D2),
                            Int64(E), relu ? PS_ACTIVATION_RELU : PS_ACTIVATION_NONE, &y)
                    }
                    #expect(status == PS_OK)
                    let expected = Reference.dense(x1, x2, weight: weight, bias: bias, rows: B, d1: D1, d2: D2, outputs: E, relu: relu)
                    let scale = Reference.dense(
                        magnitudes(x1), magnitudes(x2), weight: magnitudes(weight), bias: magnitudes(bias), rows: B, d1: D1, d2: D2,
                        outputs: E, relu: false)
                    expectClose(y, expected, scale: scale, units: Double(D1 + D2) + 2, "\((B, D1, D2, E, relu, withBias, isExtreme))")
                }
            }
        }
    }

    @Test(arguments: Setting.all) func bfloat16ForwardAccumulatesInFloat(_ setting: Setting) {
        var context = setting.context(), one = Setting(isa: setting.isa, threads: 1).context(), random = Generator(15)
        for (B, D, E) in [(0, 3, 2), (1, 1, 1), (5, 7, 6), (7, 33, 9), (13, 130, 17), (3, 0, 4), (19, 64, 0)] {
            for relu in [false, true] {
                let x = random.floats(B * D).map(Reference.bfloat16Bits), weight = random.floats(E * D).map(Reference.bfloat16Bits)
                let bias = random.floats(E), activation = relu ? PS_ACTIVATION_RELU : PS_ACTIVATION_NONE
                var y = [Float](repeating: untouched, count: B * E), serial = y
                #expect(ps_dense_forward_bf16(&context, x, Int64(D), weight, bias, Int64(B), Int64(D), Int64(E), activation, &y) == PS_OK)
                let expected = Reference.dense(
                    x.map(Reference.bfloat16), [], weight: weight.map(Reference.bfloat16), bias: bias, rows: B, d1: D, d2: 0, outputs: E, relu: relu)
                expectClose(y, expected, scale: .init(repeating: Double(D) + 1, count: B * E), units: 8, "\((B, D, E, relu))")
                #expect(ps_dense_forward_bf16(&one, x, Int64(D), weight, bias, Int64(B), Int64(D), Int64(E), activation, &serial) == PS_OK)
                #expect(bits(y) == bits(serial))
            }
        }
    }

    @Test func reluLetsNaNPass() {
        for isa in Setting.isas {
            var context = Setting(isa: isa, threads: 1).context()
            var y = [Float](repeating: 0, count: 1)
            #expect(ps_dense_forward_f32(&context, [.nan], 1, nil, 0, [1], nil, 1, 1, 0, 1, PS_ACTIVATION_RELU, &y) == PS_OK)
            #expect(y[0].isNaN)
        }
    }

    @Test(arguments: Setting.all) func backwardMatchesTheFormula(_ setting: Setting) {
        var context = setting.context(), random = Generator(11)
        for (B, D1, D2, E) in [(1, 1, 0, 1), (5, 3, 2, 7), (17, 33, 16, 31), (130, 5, 9, 67), (0, 3, 2, 4), (3, 0, 2, 2)] {
            for relu in [false, true] {
                for accumulate in [false, true] {
                    let D = D1 + D2
                    let x1 = random.floats(B * D1), x2 = random.floats(B * D2), weight = random.floats(E * D)
                    let y = Reference.dense(x1, x2, weight: weight, bias: [], rows: B, d1: D1, d2: D2, outputs: E, relu: relu).map(Float.init)
                    let gradient = random.floats(B * E)
                    let before = (weight: random.floats(E * D), bias: random.floats(E), x1: random.floats(B * D1))
                    var dy = gradient, dweight = before.weight, dbias = before.bias, dx1 = before.x1
                    var dx2 = [Float](repeating: untouched, count: B * D2)
                    let flag: Int32 = accumulate ? 1 : 0
                    #expect(
                        ps_dense_backward_f32(
                            &context, x1, Int64(D1), x2, Int64(D2), weight, y, Int64(B), Int64(D1), Int64(D2), Int64(E),
                            relu ? PS_ACTIVATION_RELU : PS_ACTIVATION_NONE, flag, flag, &dy, &dweight, &dbias, &dx1, Int64(D1), &dx2,
                            Int64(D2)) == PS_OK)
                    let expected = Reference.denseBackward(
                        x1, x2, weight: weight, y: y, dy: gradient, rows: B, d1: D1, d2: D2, outputs: E, relu: relu)
                    let scale = Reference.denseBackward(
                        magnitudes(x1), magnitudes(x2), weight: magnitudes(weight), y: y, dy: magnitudes(gradient), rows: B, d1: D1, d2: D2,
                        outputs: E, relu: relu)
                    func added(_ values: [Double], _ old: [Float]) -> [Double] {
                        accumulate ? zip(values, old).map { $0 + Double($1) } : values
                    }
                    func bound(_ values: [Double], _ old: [Float]) -> [Double] {
                        accumulate ? zip(values, old).map { $0 + Double($1.magnitude) } : values
                    }
                    #expect(dy.map(Double.init) == expected.dy)
                    expectClose(dweight, added(expected.dweight, before.weight), scale: bound(scale.dweight, before.weight), units: Double(B) + 4)
                    expectClose(dbias, added(expected.dbias, before.bias), scale: bound(scale.dbias, before.bias), units: Double(B) + 4)
                    expectClose(dx1, added(expected.dx1, before.x1), scale: bound(scale.dx1, before.x1), units: Double(E) + 4)
                    expectClose(dx2, expected.dx2, scale: scale.dx2, units: Double(E) + 4)
                }
            }
        }
    }

    @Test func everyGradientIsOptional() {
        var context = Setting(isa: ps_isa_detect(), threads: 2).context(), random = Generator(12)
        let x = random.floats(6), weight = random.floats(6), y = random.floats(4), gradient = random.floats(4)
        var dy = gradient
        #expect(
            ps_dense_backward_f32(
                &context, nil, 3, nil, 0, nil, y, 2, 3, 0, 2, PS_ACTIVATION_RELU, 0, 0, &dy, nil, nil, nil, 3, nil, 0) == PS_OK)
        #expect(dy == zip(gradient, y).map { $1 > 0 ? $0 : 0 })
        var dx = [Float](repeating: 0, count: 6)
        #expect(
            ps_dense_backward_f32(
                &context, x, 3, nil, 0, weight, nil, 2, 3, 0, 2, PS_ACTIVATION_NONE, 0, 0, &dy, nil, nil, &dx, 3, nil, 0) == PS_OK)
        expectClose(dx, Reference.product(dy, weight, m: 2, n: 3, k: 2), scale: [Double](repeating: 4, count: 6), units: 4)
    }

    @Test func gradientsAgreeWithCentralDifferences() {
        var context = Setting(isa: ps_isa_detect(), threads: 2).context(), random = Generator(13)
        let B = 4, D1 = 5, D2 = 3, E = 6
        let x1 = random.floats(B * D1), x2 = random.floats(B * D2), weight = random.floats(E * (D1 + D2)), bias = random.floats(E)
        let direction = random.floats(B * E)
        func loss(_ x1: [Float], _ x2: [Float], _ weight: [Float], _ bias: [Float]) -> Double {
            let y = Reference.dense(x1, x2, weight: weight, bias: bias, rows: B, d1: D1, d2: D2, outputs: E, relu: true)
            return zip(y, direction).map { $0 * Double($1) }.reduce(0, +)
        }
        let y = Reference.dense(x1, x2, weight: weight, bias: bias, rows: B, d1: D1, d2: D2, outputs: E, relu: true).map(Float.init)
        var dy = direction, dweight = weight, dbias = bias, dx1 = x1, dx2 = x2
        #expect(
            ps_dense_backward_f32(
                &context, x1, 5, x2, 3, weight, y, 4, 5, 3, 6, PS_ACTIVATION_RELU, 0, 0, &dy, &dweight, &dbias, &dx1, 5, &dx2, 3) == PS_OK)
        // The loss is piecewise linear, so differences are exact but for f32 rounding of the gradient; the step stays clear of corners.
        let scale = { (count: Int) in [Double](repeating: 30, count: count) }
        expectClose(dx1, centralDifferences(x1, step: 1e-4) { loss($0, x2, weight, bias) }, scale: scale(B * D1), units: 20)
        expectClose(dx2, centralDifferences(x2, step: 1e-4) { loss(x1, $0, weight, bias) }, scale: scale(B * D2), units: 20)
        expectClose(dweight, centralDifferences(weight, step: 1e-4) { loss(x1, x2, $0, bias) }, scale: scale(weight.count), units: 20)
        expectClose(dbias, centralDifferences(bias, step: 1e-4) { loss(x1, x2, weight, $0) }, scale: scale(E), units: 20)
    }

    @Test(arguments: Setting.all) func productsTransposeAndScale(_ setting: Setting) {
        var context = setting.context(), random = Generator(14)
        for (m, n, k) in [(1, 1, 1), (3, 5, 7), (16, 17, 9), (4, 4, 0), (0, 3, 3)] {
            for ta in [false, true] {
                for tb in [false, true] {
                    let a = random.floats(m * k), b = random.floats(n * k), before = random.floats(m * n)
                    var c = before
                    #expect(
                        ps_matmul_f32(
                            &context, a, Int64(ta ? m : k), ta ? 1 : 0, b, Int64(tb ? k : n), tb ? 1 : 0, Int64(m), Int64(n), Int64(k), 2, 0.5, &c,
                            Int64(n)) == PS_OK)
                    let product = Reference.product(a, b, transposingFirst: ta, transposingSecond: tb, m: m, n: n, k: k)
                    let expected = zip(product, before).map { 2 * $0 + 0.5 * Double($1) }
                    expectClose(c, expected, scale: .init(repeating: 2 * Double(k) + 1, count: m * n), units: Double(k) + 4)
                }
            }
        }
    }

    @Test func badArgumentsAreRefused() {
        var c = Setting(isa: PS_ISA_SCALAR, threads: 1).context()
        let x = [Float](repeating: 1, count: 12), out = [Float](repeating: untouched, count: 12)
        let relu = PS_ACTIVATION_RELU
        expectRefusal(PS_NEGATIVE_SIZE, out) { ps_dense_forward_f32(&c, x, 3, nil, 0, x, x, -2, 3, 0, 2, relu, &$0) }
        expectRefusal(PS_NEGATIVE_SIZE, out) { ps_dense_forward_f32(&c, x, 2, nil, 0, x, x, 2, 3, 0, 2, relu, &$0) }
        expectRefusal(PS_NULL_POINTER, out) { ps_dense_forward_f32(&c, nil, 3, nil, 0, x, x, 2, 3, 0, 2, relu, &$0) }
        expectRefusal(PS_NULL_POINTER, out) { ps_dense_forward_f32(&c, x, 3, nil, 1, x, x, 2, 3, 1, 2, relu, &$0) }
        expectRefusal(PS_NULL_POINTER, out) { ps_dense_forward_f32(&c, x, 3, nil, 0, nil, x, 2, 3, 0, 2, relu, &$0) }
        expectRefusal(PS_SIZE_OVERFLOW, out) { ps_dense_forward_f32(&c, x, .max / 4, nil, 0, x, x, 8, 3, 0, 2, relu, &$0) }
        expectRefusal(PS_SIZE_OVERFLOW, out) { ps_dense_forward_f32(&c, x, 1 << 32, nil, 0, x, x, 2, 3, 0, 2, relu, &$0) }
        expectRefusal(PS_BAD_PARAMETER, out) { ps_dense_forward_f32(&c, x, 3, nil, 0, x, x, 2, 3, 0, 2, ps_activation(rawValue: 9), &$0) }
        expectRefusal(PS_OVERLAP, out) { buffer in
            buffer.withUnsafeMutableBufferPointer { ps_dense_forward_f32(&c, $0.baseAddress, 3, nil, 0, x, x, 2, 3, 0, 2, relu, $0.baseAddress) }
        }
        expectRefusal(PS_NULL_POINTER, out) {
            ps_dense_backward_f32(&c, x, 3, nil, 0, x, nil, 2, 3, 0, 2, relu, 0, 0, &$0, nil, nil, nil, 3, nil, 0)
        }
        expectRefusal(PS_NEGATIVE_SIZE, out) {
            ps_dense_backward_f32(&c, x, 3, nil, 0, x, x, 2, 3, 0, -2, relu, 0, 0, &$0, nil, nil, nil, 3, nil, 0)
        }
        expectRefusal(PS_BAD_PARAMETER, out) {
            ps_dense_backward_f32(&c, x, 3, nil, 0, x, x, 2, 3, 0, 2, relu, 2, 0, &$0, nil, nil, nil, 3, nil, 0)
        }
        expectRefusal(PS_OVERLAP, out) { buffer in
            buffer.withUnsafeMutableBufferPointer {
                ps_dense_backward_f32(&c, x, 3, nil, 0, x, x, 2, 3, 0, 2, relu, 0, 0, $0.baseAddress, $0.baseAddress, nil, nil, 3, nil, 0)
            }
        }
        let halves = [UInt16](repeating: 1, count: 12)
        expectRefusal(PS_NULL_POINTER, out) { ps_dense_forward_bf16(&c, nil, 3, halves, nil, 2, 3, 2, relu, &$0) }
        expectRefusal(PS_NEGATIVE_SIZE, out) { ps_dense_forward_bf16(&c, halves, 2, halves, nil, 2, 3, 2, relu, &$0) }
        expectRefusal(PS_SIZE_OVERFLOW, out) { ps_dense_forward_bf16(&c, halves, .max / 2, halves, nil, 4, 3, 2, relu, &$0) }
        expectRefusal(PS_BAD_PARAMETER, out) { ps_dense_forward_bf16(&c, halves, 3, halves, nil, 2, 3, 2, ps_activation(rawValue: 9), &$0) }
        expectRefusal(PS_NULL_POINTER, out) { ps_matmul_f32(&c, nil, 2, 0, x, 2, 0, 2, 2, 2, 1, 0, &$0, 2) }
        expectRefusal(PS_NEGATIVE_SIZE, out) { ps_matmul_f32(&c, x, 1, 0, x, 2, 0, 2, 2, 2, 1, 0, &$0, 2) }
        expectRefusal(PS_NEGATIVE_SIZE, out) { ps_matmul_f32(&c, x, 2, 0, x, 2, 0, -2, 2, 2, 1, 0, &$0, 2) }
        expectRefusal(PS_BAD_PARAMETER, out) { ps_matmul_f32(&c, x, 2, 3, x, 2, 0, 2, 2, 2, 1, 0, &$0, 2) }
        expectRefusal(PS_BAD_PARAMETER, out) { ps_matmul_f32(&c, x, 2, 0, x, 2, 0, 2, 2, 2, .nan, 0, &$0, 2) }
        expectRefusal(PS_SIZE_OVERFLOW, out) { ps_matmul_f32(&c, x, 2, 0, x, 1 << 33, 0, 2, 2, 1, 1, 0, &$0, 2) }
    }
}
