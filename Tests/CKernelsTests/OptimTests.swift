import CKernels
import KernelReference
import Testing

@Suite struct OptimTests {
    /// Long enough that the cuts at 1024 elements are crossed.
    static let counts = widths + [2047, 4099]

    /// Runs a step under the setting and on one thread of the same instruction set, and expects equal bits.
    private func expectBitsOfOneThread(
        _ setting: Setting, _ arrays: [[Float]], _ step: (UnsafePointer<ps_context>, inout [[Float]]) -> ps_status
    ) {
        var context = setting.context(), one = Setting(isa: setting.isa, threads: 1).context()
        var split = arrays, serial = arrays
        #expect(step(&context, &split) == PS_OK)
        #expect(step(&one, &serial) == PS_OK)
        #expect(split.map(bits) == serial.map(bits))
    }

    @Test(arguments: Setting.all) func stepsHaveTheBitsOfOneThread(_ setting: Setting) {
        var random = Generator(55)
        for count in [67, 2047, 5000] {
            let n = Int64(count), gradient = random.extremes(count), v = random.floats(count).map(\.magnitude)
            let arrays = [random.floats(count), random.floats(count), v]
            expectBitsOfOneThread(setting, arrays) { context, a in
                var (w, velocity) = (a[0], a[1])
                defer { (a[0], a[1]) = (w, velocity) }
                return ps_optim_sgd_f32(context, gradient, n, 0.1, 0.9, 0.01, &w, &velocity)
            }
            expectBitsOfOneThread(setting, arrays) { context, a in
                var (w, m, v) = (a[0], a[1], a[2])
                defer { a = [w, m, v] }
                return ps_optim_adam_f32(context, gradient, n, 3, 0.01, 0.9, 0.999, 1e-8, 0.1, &w, &m, &v)
            }
            expectBitsOfOneThread(setting, arrays) { context, a in
                var (w, v) = (a[0], a[2])
                defer { (a[0], a[2]) = (w, v) }
                return ps_optim_adagrad_f32(context, gradient, n, 0.1, 1e-6, 0.01, &w, &v)
            }
            expectBitsOfOneThread(setting, arrays) { ps_scale_f32($0, -0.3, n, &$1[0]) }
        }
    }

    @Test(arguments: Setting.all) func sgd(_ setting: Setting) {
        var context = setting.context(), random = Generator(50)
        for count in Self.counts {
            for momentum in [Float(0), 0.9] {
                let gradient = count % 2 == 0 ? random.extremes(count) : random.floats(count), w = random.floats(count),
                    velocity = random.floats(count)
                var newW = w, newVelocity = velocity
                #expect(ps_optim_sgd_f32(&context, gradient, Int64(count), 0.1, momentum, 0.01, &newW, &newVelocity) == PS_OK)
                let expected = Reference.sgd(
                    gradient, w: w, velocity: velocity, rate: Double(Float(0.1)), momentum: Double(momentum), decay: Double(Float(0.01)))
                let scale = gradient.map { Double($0.magnitude) + 2 }
                expectClose(newW, expected.w, scale: scale, units: 4)
                expectClose(newVelocity, expected.velocity, scale: scale, units: 4)
                if momentum == 0 {
                    var plain = w
                    #expect(ps_optim_sgd_f32(&context, gradient, Int64(count), 0.1, 0, 0.01, &plain, nil) == PS_OK)
                    expectClose(plain, expected.w, scale: scale, units: 4)
                }
            }
        }
    }

    @Test(arguments: Setting.all) func adam(_ setting: Setting) {
        var context = setting.context(), random = Generator(51)
        for count in Self.counts {
            for step in [1, 2, 1000, 1 << 40] {
                let gradient = random.floats(count), w = random.floats(count), m = random.floats(count)
                let v = random.floats(count).map(\.magnitude)
                var actual = (w: w, m: m, v: v)
                #expect(
                    ps_optim_adam_f32(
                        &context, gradient, Int64(count), Int64(step), 0.01, 0.9, 0.999, 1e-8, 0.1, &actual.w, &actual.m, &actual.v) == PS_OK)
                let expected = Reference.adam(
                    gradient, w: w, m: m, v: v, step: step, rate: Double(Float(0.01)), beta1: Double(Float(0.9)), beta2: Double(Float(0.999)),
                    epsilon: Double(Float(1e-8)), decay: Double(Float(0.1)))
                expectClose(actual.m, expected.m, scale: .init(repeating: 2, count: count), units: 4)
                expectClose(actual.v, expected.v, scale: .init(repeating: 2, count: count), units: 4)
                // The step itself is rate * m / sqrt(v): rounding errors are relative to it.
                let scale = zip(expected.w, w).map { 1 + 8 * ($0 - Double($1)).magnitude }
                expectClose(actual.w, expected.w, scale: scale, units: 4)
            }
        }
    }

    @Test(arguments: Setting.all) func adagrad(_ setting: Setting) {
        var context = setting.context(), random = Generator(52)
        for count in Self.counts {
            let gradient = random.floats(count), w = random.floats(count), v = random.floats(count).map(\.magnitude)
            var newW = w, newV = v
            #expect(ps_optim_adagrad_f32(&context, gradient, Int64(count), 0.1, 1e-6, 0.01, &newW, &newV) == PS_OK)
            let expected = Reference.adagrad(
                gradient, w: w, v: v, rate: Double(Float(0.1)), epsilon: Double(Float(1e-6)), decay: Double(Float(0.01)))
            expectClose(newV, expected.v, scale: .init(repeating: 3, count: count), units: 4)
            expectClose(newW, expected.w, scale: .init(repeating: 2, count: count), units: 4)
        }
    }

    @Test(arguments: Setting.all) func adamOfRowsTouchesOnlyThem(_ setting: Setting) {
        var context = setting.context(), random = Generator(53)
        for width in widths {
            let N = 9, rows: [Int64] = [0, 3, 4, 8]
            let gradient = random.floats(4 * width), w = random.floats(N * width), m = random.floats(N * width)
            let v = random.floats(N * width).map(\.magnitude)
            var actual = (w: w, m: m, v: v)
            #expect(
                ps_optim_adam_rows_f32(
                    &context, gradient, rows, Int64(N), Int64(width), 4, 3, 0.01, 0.9, 0.999, 1e-8, 0, &actual.w, &actual.m, &actual.v) == PS_OK)
            let expected = Reference.adamRows(
                gradient, rows: rows, width: width, w: w, m: m, v: v, step: 3, rate: Double(Float(0.01)), beta1: Double(Float(0.9)),
                beta2: Double(Float(0.999)), epsilon: Double(Float(1e-8)), decay: 0)
            expectClose(actual.m, expected.m, scale: .init(repeating: 2, count: N * width), units: 4)
            expectClose(actual.v, expected.v, scale: .init(repeating: 2, count: N * width), units: 4)
            let scale = zip(expected.w, w).map { 1 + 8 * ($0 - Double($1)).magnitude }
            expectClose(actual.w, expected.w, scale: scale, units: 4)
            var dense = (w: w, m: m, v: v), spread = [Float](repeating: 0, count: N * width)
            for (b, row) in rows.enumerated() {
                for d in 0..<width { spread[Int(row) * width + d] = gradient[b * width + d] }
            }
            #expect(
                ps_optim_adam_f32(&context, spread, Int64(N * width), 3, 0.01, 0.9, 0.999, 1e-8, 0, &dense.w, &dense.m, &dense.v) == PS_OK)
            for row in 0..<N {
                let part = row * width..<(row + 1) * width, touched = rows.contains(Int64(row))
                #expect(bits(Array(actual.w[part])) == bits(Array(touched ? dense.w[part] : w[part])))
                #expect(bits(Array(actual.m[part])) == bits(Array(touched ? dense.m[part] : m[part])))
                #expect(bits(Array(actual.v[part])) == bits(Array(touched ? dense.v[part] : v[part])))
            }
        }
    }

    @Test(arguments: Setting.all) func stepsOfRowsTouchOnlyThem(_ setting: Setting) {
        var context = setting.context(), one = Setting(isa: setting.isa, threads: 1).context(), random = Generator(56)
        for width in widths {
            let N = 9, rows: [Int64] = [0, 3, 4, 8], n = Int64(N), d = Int64(width)
            let gradient = random.floats(4 * width), w = random.floats(N * width), state = random.floats(N * width).map(\.magnitude)
            var sgd = (w: w, velocity: state), serial = sgd
            #expect(ps_optim_sgd_rows_f32(&context, gradient, rows, n, d, 4, 0.1, 0.9, 0.01, &sgd.w, &sgd.velocity) == PS_OK)
            let expected = Reference.sgdRows(
                gradient, rows: rows, width: width, w: w, velocity: state, rate: Double(Float(0.1)), momentum: Double(Float(0.9)),
                decay: Double(Float(0.01)))
            let scale = [Double](repeating: 3, count: N * width)
            expectClose(sgd.w, expected.w, scale: scale, units: 4)
            expectClose(sgd.velocity, expected.velocity, scale: scale, units: 4)
            #expect(ps_optim_sgd_rows_f32(&one, gradient, rows, n, d, 4, 0.1, 0.9, 0.01, &serial.w, &serial.velocity) == PS_OK)
            #expect(bits(sgd.w + sgd.velocity) == bits(serial.w + serial.velocity))
            var plain = w
            #expect(ps_optim_sgd_rows_f32(&context, gradient, rows, n, d, 4, 0.1, 0, 0.01, &plain, nil) == PS_OK)

            var adagrad = (w: w, v: state), serialAdagrad = adagrad
            #expect(ps_optim_adagrad_rows_f32(&context, gradient, rows, n, d, 4, 0.1, 1e-6, 0.01, &adagrad.w, &adagrad.v) == PS_OK)
            let sums = Reference.adagradRows(
                gradient, rows: rows, width: width, w: w, v: state, rate: Double(Float(0.1)), epsilon: Double(Float(1e-6)), decay: Double(Float(0.01))
            )
            expectClose(adagrad.w, sums.w, scale: scale, units: 4)
            expectClose(adagrad.v, sums.v, scale: scale, units: 4)
            #expect(ps_optim_adagrad_rows_f32(&one, gradient, rows, n, d, 4, 0.1, 1e-6, 0.01, &serialAdagrad.w, &serialAdagrad.v) == PS_OK)
            #expect(bits(adagrad.w + adagrad.v) == bits(serialAdagrad.w + serialAdagrad.v))
            for row in 0..<N where !rows.contains(Int64(row)) {
                let part = row * width..<(row + 1) * width
                #expect(bits(Array(sgd.w[part] + adagrad.w[part] + plain[part])) == bits(Array(w[part] + w[part] + w[part])))
                #expect(bits(Array(sgd.velocity[part] + adagrad.v[part])) == bits(Array(state[part] + state[part])))
            }
        }
    }

    @Test(arguments: Setting.all) func sumOfSquaresAndScale(_ setting: Setting) {
        var context = setting.context(), one = Setting(isa: setting.isa, threads: 1).context(), random = Generator(54)
        for count in Self.counts + [4096 * 1024 + 77] {
            // Extremes at every other size: beside 1e15 nothing else shows in a sum.
            let x = count >= 10_000 ? [Float](repeating: 0.5, count: count) : count % 2 == 0 ? random.extremes(count) : random.floats(count)
            var sum = -1.0, serial = -2.0
            #expect(ps_sum_squares_f32(&context, x, Int64(count), &sum) == PS_OK)
            #expect(ps_sum_squares_f32(&one, x, Int64(count), &serial) == PS_OK)
            #expect(sum == serial)
            let expected = Reference.sumSquares(x)
            #expect((sum - expected).magnitude <= 1e-12 * expected)
            guard count < 10_000 else { continue }
            var scaled = x
            #expect(ps_scale_f32(&context, -0.3, Int64(count), &scaled) == PS_OK)
            // The product of two floats is exact in Double: rounded once, it is the kernel's.
            #expect(bits(scaled) == bits(Reference.scaled(x, by: -0.3).map(Float.init)))
        }
    }

    @Test func badArgumentsAreRefused() {
        var c = Setting(isa: PS_ISA_SCALAR, threads: 1).context()
        let g: [Float] = [1, 2, 3, 4], out = [Float](repeating: untouched, count: 4)
        var m = g, v = g
        expectRefusal(PS_NEGATIVE_SIZE, out) { ps_optim_sgd_f32(&c, g, -1, 0.1, 0, 0, &$0, nil) }
        expectRefusal(PS_NULL_POINTER, out) { ps_optim_sgd_f32(&c, nil, 4, 0.1, 0, 0, &$0, nil) }
        expectRefusal(PS_NULL_POINTER, out) { ps_optim_sgd_f32(&c, g, 4, 0.1, 0.9, 0, &$0, nil) }
        expectRefusal(PS_BAD_PARAMETER, out) { ps_optim_sgd_f32(&c, g, 4, .nan, 0, 0, &$0, nil) }
        expectRefusal(PS_BAD_PARAMETER, out) { ps_optim_sgd_f32(&c, g, 4, 0.1, 1, 0, &$0, &v) }
        expectRefusal(PS_BAD_PARAMETER, out) { ps_optim_sgd_f32(&c, g, 4, 0.1, 0, -1, &$0, nil) }
        expectRefusal(PS_SIZE_OVERFLOW, out) { ps_optim_sgd_f32(&c, g, .max, 0.1, 0, 0, &$0, nil) }
        expectRefusal(PS_BAD_PARAMETER, out) { ps_optim_adam_f32(&c, g, 4, 0, 0.1, 0.9, 0.99, 1e-8, 0, &$0, &m, &v) }
        expectRefusal(PS_BAD_PARAMETER, out) { ps_optim_adam_f32(&c, g, 4, 1, 0.1, 1, 0.99, 1e-8, 0, &$0, &m, &v) }
        expectRefusal(PS_BAD_PARAMETER, out) { ps_optim_adam_f32(&c, g, 4, 1, 0.1, 0.9, -0.5, 1e-8, 0, &$0, &m, &v) }
        expectRefusal(PS_NULL_POINTER, out) { ps_optim_adam_f32(&c, g, 4, 1, 0.1, 0.9, 0.99, 1e-8, 0, &$0, nil, &v) }
        expectRefusal(PS_BAD_PARAMETER, out) { ps_optim_adagrad_f32(&c, g, 4, 0.1, -1, 0, &$0, &v) }
        expectRefusal(PS_NULL_POINTER, out) { ps_optim_adagrad_f32(&c, g, 4, 0.1, 1e-8, 0, &$0, nil) }
        func rows(_ rows: [Int64], _ out: inout [Float]) -> ps_status {
            ps_optim_adam_rows_f32(&c, g, rows, 2, 2, Int64(rows.count), 1, 0.1, 0.9, 0.99, 1e-8, 0, &out, &m, &v)
        }
        expectRefusal(PS_INDEX_OUT_OF_RANGE, out) { rows([0, 2], &$0) }
        expectRefusal(PS_INDEX_OUT_OF_RANGE, out) { rows([-1, 1], &$0) }
        expectRefusal(PS_BAD_PARAMETER, out) { rows([1, 0], &$0) }
        expectRefusal(PS_BAD_PARAMETER, out) { rows([1, 1], &$0) }
        expectRefusal(PS_BAD_PARAMETER, out) { ps_optim_sgd_rows_f32(&c, g, [1, 0], 2, 2, 2, 0.1, 0, 0, &$0, nil) }
        expectRefusal(PS_NULL_POINTER, out) { ps_optim_sgd_rows_f32(&c, g, [0, 1], 2, 2, 2, 0.1, 0.9, 0, &$0, nil) }
        expectRefusal(PS_INDEX_OUT_OF_RANGE, out) { ps_optim_sgd_rows_f32(&c, g, [0, 2], 2, 2, 2, 0.1, 0, 0, &$0, nil) }
        expectRefusal(PS_INDEX_OUT_OF_RANGE, out) { ps_optim_adagrad_rows_f32(&c, g, [-1, 1], 2, 2, 2, 0.1, 0, 0, &$0, &v) }
        expectRefusal(PS_BAD_PARAMETER, out) { ps_optim_adagrad_rows_f32(&c, g, [0, 1], 2, 2, 2, .nan, 0, 0, &$0, &v) }
        expectRefusal(PS_NEGATIVE_SIZE, out) { ps_optim_adagrad_rows_f32(&c, g, [0, 1], 2, 2, -2, 0.1, 0, 0, &$0, &v) }
        expectRefusal(PS_BAD_PARAMETER, out) { ps_scale_f32(&c, .nan, 4, &$0) }
        expectRefusal(PS_NEGATIVE_SIZE, out) { ps_scale_f32(&c, 1, -4, &$0) }
        expectRefusal(PS_OVERLAP, out) { buffer in
            buffer.withUnsafeMutableBufferPointer { ps_optim_sgd_f32(&c, $0.baseAddress, 4, 0.1, 0, 0, $0.baseAddress, nil) }
        }
        #expect(m == g && v == g)
        var sum = -1.0
        #expect(ps_sum_squares_f32(&c, nil, 4, &sum) == PS_NULL_POINTER)
        #expect(ps_sum_squares_f32(&c, g, 4, nil) == PS_NULL_POINTER)
        #expect(ps_sum_squares_f32(&c, g, -4, &sum) == PS_NEGATIVE_SIZE)
        #expect(sum == -1)
    }
}
