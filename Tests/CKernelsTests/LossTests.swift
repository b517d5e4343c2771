import CKernels
import KernelReference
import Testing

@Suite struct LossTests {
    /// Scores of a batch, some excluded by -infinity, with ragged hard negatives.
    struct Case {
        var positive: [Float], shared: [Float], hard: [Float], offsets: [Int64]
        let P: Int, M: Int

        init(P: Int, M: Int, excluding: Bool, random: inout Generator) {
            (self.P, self.M) = (P, M)
            positive = random.floats(P)
            shared = random.floats(P * M)
            let lists = random.lists(P, rows: 3, longest: 9)
            offsets = lists.offsets
            hard = random.floats(lists.targets.count)
            if excluding {
                for i in shared.indices where i % 5 == 0 { shared[i] = -.infinity }
                for i in hard.indices where i % 3 == 0 { hard[i] = -.infinity }
            }
        }
        var reference: Reference.Scores { .init(positive: positive, shared: shared, hard: hard, hardOffsets: offsets) }
    }

    static func cases(_ seed: Int) -> [Case] {
        var random = Generator(seed)
        return widths.map { Case(P: 11, M: $0, excluding: true, random: &random) } + [Case(P: 0, M: 5, excluding: false, random: &random)]
    }

    /// Runs one loss and compares losses and gradients. Softmax and sigmoid go through exp, whose f32 result is within some ulp of exact.
    private func check(
        _ seed: Int, units: Double, _ setting: Setting, kernel: (UnsafePointer<ps_context>, inout Case, inout [Float]) -> ps_status,
        reference: (Case) -> (gradients: Reference.Scores, losses: [Double])
    ) {
        for original in Self.cases(seed) {
            var context = setting.context(), one = Setting(isa: setting.isa, threads: 1).context()
            var actual = original, losses = [Float](repeating: untouched, count: original.P)
            #expect(kernel(&context, &actual, &losses) == PS_OK)
            let expected = reference(original)
            expectClose(losses, expected.losses, units: units)
            expectClose(actual.positive, expected.gradients.positive, units: units)
            expectClose(actual.shared, expected.gradients.shared, units: units)
            expectClose(actual.hard, expected.gradients.hard, units: units)
            var serial = original, serialLosses = losses
            #expect(kernel(&one, &serial, &serialLosses) == PS_OK)
            #expect(
                bits(losses + actual.positive + actual.shared + actual.hard) == bits(serialLosses + serial.positive + serial.shared + serial.hard))
        }
    }

    @Test(arguments: Setting.all) func maxMargin(_ setting: Setting) {
        check(40, units: 100, setting) { context, c, losses in
            ps_loss_max_margin_f32(context, Int64(c.P), Int64(c.M), 0.25, 0.5, 2, &c.positive, &c.shared, c.offsets, &c.hard, &losses)
        } reference: {
            Reference.maxMargin($0.reference, margin: 0.25, weightShared: 0.5, weightHard: 2)
        }
    }

    @Test(arguments: Setting.all) func sampledSoftmax(_ setting: Setting) {
        for withLogQ in [false, true] {
            var random = Generator(7)
            let logQ = withLogQ ? random.floats(67) : []
            check(41, units: 200, setting) { context, c, losses in
                logQ.withUnsafeBufferPointer {
                    ps_loss_sampled_softmax_f32(
                        context, Int64(c.P), Int64(c.M), 0.05, 0.3, withLogQ ? $0.baseAddress : nil, &c.positive, &c.shared, c.offsets, &c.hard,
                        &losses)
                }
            } reference: {
                // The kernel divides by multiplying with the f32 inverse; so does the comparison, or 1/0.05 alone would differ by an ulp.
                Reference.sampledSoftmax($0.reference, temperature: 1 / Double(1 / Float(0.05)), weight: Double(Float(0.3)), logQ: logQ)
            }
        }
    }

    @Test(arguments: Setting.all) func crossEntropy(_ setting: Setting) {
        check(42, units: 100, setting) { context, c, losses in
            ps_loss_cross_entropy_f32(context, Int64(c.P), Int64(c.M), 0.5, 0.3, &c.positive, &c.shared, c.offsets, &c.hard, &losses)
        } reference: {
            Reference.crossEntropy($0.reference, temperature: 0.5, weight: Double(Float(0.3)))
        }
    }

    @Test func cornersExclusionsAndExtremes() {
        for isa in Setting.isas {
            var context = Setting(isa: isa, threads: 1).context()
            var positive: [Float] = [1], shared: [Float] = [0.75, 0.5, -.infinity], losses: [Float] = [untouched]
            #expect(ps_loss_max_margin_f32(&context, 1, 3, 0.25, 1, 1, &positive, &shared, nil, nil, &losses) == PS_OK)
            #expect(positive == [0] && shared == [0, 0, 0] && losses == [0], "the corner itself has gradient 0")
            (positive, shared) = ([1], [.nan, 0, 0])
            #expect(ps_loss_max_margin_f32(&context, 1, 3, 0.25, 1, 1, &positive, &shared, nil, nil, &losses) == PS_OK)
            #expect(losses[0].isNaN, "a NaN score must reach the loss")
            (positive, shared) = ([1000], [-1000, -1000, -.infinity])
            #expect(ps_loss_sampled_softmax_f32(&context, 1, 3, 0.01, 1, nil, &positive, &shared, nil, nil, &losses) == PS_OK)
            #expect(positive[0] == 0 && shared == [0, 0, 0] && losses == [0])
            (positive, shared) = ([-1000], [1000, -.infinity, -.infinity])
            #expect(ps_loss_sampled_softmax_f32(&context, 1, 3, 1, 1, nil, &positive, &shared, nil, nil, &losses) == PS_OK)
            #expect(positive[0] == -1 && shared == [1, 0, 0] && losses == [2000])
            (positive, shared) = ([2], [-.infinity, -.infinity, -.infinity])
            #expect(ps_loss_cross_entropy_f32(&context, 1, 3, 1, 1, &positive, &shared, nil, nil, &losses) == PS_OK)
            #expect(shared == [0, 0, 0] && losses[0].isFinite)
        }
    }

    @Test func gradientsAgreeWithCentralDifferences() {
        var context = Setting(isa: ps_isa_detect(), threads: 2).context(), random = Generator(43)
        let original = Case(P: 4, M: 9, excluding: false, random: &random)
        func scores(_ flat: [Float]) -> Reference.Scores {
            .init(
                positive: Array(flat[0..<4]), shared: Array(flat[4..<40]), hard: Array(flat[40...]), hardOffsets: original.offsets)
        }
        let flat = original.positive + original.shared + original.hard
        func compare(_ actual: Case, _ loss: (Reference.Scores) -> [Double]) {
            let numeric = centralDifferences(flat, step: 1e-4) { loss(scores($0)).reduce(0, +) }
            expectClose(actual.positive + actual.shared + actual.hard, numeric, scale: .init(repeating: 1, count: flat.count), units: 0x1p24 * 1e-5)
        }
        var losses = [Float](repeating: 0, count: 4), c = original
        #expect(ps_loss_max_margin_f32(&context, 4, 9, 0.5, 0.5, 0.25, &c.positive, &c.shared, c.offsets, &c.hard, &losses) == PS_OK)
        compare(c) { Reference.maxMargin($0, margin: 0.5, weightShared: 0.5, weightHard: 0.25).losses }
        c = original
        #expect(ps_loss_sampled_softmax_f32(&context, 4, 9, 0.5, 1, nil, &c.positive, &c.shared, c.offsets, &c.hard, &losses) == PS_OK)
        compare(c) { Reference.sampledSoftmax($0, temperature: 0.5, weight: 1, logQ: []).losses }
        c = original
        #expect(ps_loss_cross_entropy_f32(&context, 4, 9, 0.5, 1, &c.positive, &c.shared, c.offsets, &c.hard, &losses) == PS_OK)
        compare(c) { Reference.crossEntropy($0, temperature: 0.5, weight: 1).losses }
    }

    @Test(arguments: Setting.all) func dots(_ setting: Setting) {
        var context = setting.context(), one = Setting(isa: setting.isa, threads: 1).context(), random = Generator(44)
        for width in widths {
            for isExtreme in [false, true] {
                let a = isExtreme ? random.extremes(9 * width) : random.floats(9 * width), b = random.floats(9 * width), dout = random.floats(9)
                var out = [Float](repeating: untouched, count: 9), serial = out
                #expect(ps_row_dot_f32(&context, a, b, 9, Int64(width), &out) == PS_OK)
                let scale = Reference.rowDots(magnitudes(a), magnitudes(b), rows: 9, width: width)
                expectClose(out, Reference.rowDots(a, b, rows: 9, width: width), scale: scale, units: Double(width) + 1)
                #expect(ps_row_dot_f32(&one, a, b, 9, Int64(width), &serial) == PS_OK)
                #expect(bits(out) == bits(serial))

                let before = (random.floats(9 * width), random.floats(9 * width))
                var (da, db) = before, (serialA, serialB) = before
                #expect(ps_row_dot_backward_f32(&context, a, b, dout, 9, Int64(width), &da, &db) == PS_OK)
                let expected = Reference.rowDotsBackward(a, b, dout, width: width, da: before.0, db: before.1)
                let most = Reference.rowDotsBackward(
                    magnitudes(a), magnitudes(b), magnitudes(dout), width: width, da: magnitudes(before.0), db: magnitudes(before.1))
                expectClose(da, expected.da, scale: most.da, units: 3)
                expectClose(db, expected.db, scale: most.db, units: 3)
                #expect(ps_row_dot_backward_f32(&one, a, b, dout, 9, Int64(width), &serialA, &serialB) == PS_OK)
                #expect(bits(da + db) == bits(serialA + serialB))

                let drawn = random.lists(9, rows: 9, longest: 12), lists = ReferenceLists(offsets: drawn.offsets, targets: drawn.targets)
                var ragged = [Float](repeating: untouched, count: drawn.targets.count), serialRagged = ragged
                #expect(ps_ragged_dot_f32(&context, a, b, lists.offsets, lists.targets, 9, 9, Int64(width), &ragged) == PS_OK)
                expectClose(
                    ragged, Reference.raggedDots(a, b, width: width, lists: lists),
                    scale: Reference.raggedDots(magnitudes(a), magnitudes(b), width: width, lists: lists), units: Double(width) + 1)
                #expect(ps_ragged_dot_f32(&one, a, b, lists.offsets, lists.targets, 9, 9, Int64(width), &serialRagged) == PS_OK)
                #expect(bits(ragged) == bits(serialRagged))
            }
        }
    }

    @Test func badArgumentsAreRefused() {
        var c = Setting(isa: PS_ISA_SCALAR, threads: 1).context()
        let out = [Float](repeating: untouched, count: 6)
        var positive: [Float] = [1, 2], hard: [Float] = [1, 2, 3], losses: [Float] = [untouched, untouched]
        expectRefusal(PS_NEGATIVE_SIZE, out) { ps_loss_max_margin_f32(&c, -2, 3, 0.1, 1, 1, &positive, &$0, nil, nil, &losses) }
        expectRefusal(PS_NULL_POINTER, out) { ps_loss_max_margin_f32(&c, 2, 3, 0.1, 1, 1, nil, &$0, nil, nil, &losses) }
        expectRefusal(PS_NULL_POINTER, out) { ps_loss_max_margin_f32(&c, 2, 3, 0.1, 1, 1, &positive, &$0, [0, 1, 3], nil, &losses) }
        expectRefusal(PS_SIZE_OVERFLOW, out) { ps_loss_max_margin_f32(&c, 2, .max, 0.1, 1, 1, &positive, &$0, nil, nil, &losses) }
        expectRefusal(PS_BAD_OFFSETS, out) { ps_loss_max_margin_f32(&c, 2, 3, 0.1, 1, 1, &positive, &$0, [1, 1, 3], &hard, &losses) }
        expectRefusal(PS_BAD_OFFSETS, out) { ps_loss_max_margin_f32(&c, 2, 3, 0.1, 1, 1, &positive, &$0, [0, 4, 3], &hard, &losses) }
        expectRefusal(PS_BAD_PARAMETER, out) { ps_loss_max_margin_f32(&c, 2, 3, .nan, 1, 1, &positive, &$0, nil, nil, &losses) }
        expectRefusal(PS_BAD_PARAMETER, out) { ps_loss_sampled_softmax_f32(&c, 2, 3, 0, 1, nil, &positive, &$0, nil, nil, &losses) }
        expectRefusal(PS_BAD_PARAMETER, out) { ps_loss_sampled_softmax_f32(&c, 2, 3, 1, .infinity, nil, &positive, &$0, nil, nil, &losses) }
        expectRefusal(PS_NULL_POINTER, out) { ps_loss_sampled_softmax_f32(&c, 2, 3, 1, 1, nil, &positive, &$0, nil, nil, nil) }
        expectRefusal(PS_BAD_PARAMETER, out) { ps_loss_cross_entropy_f32(&c, 2, 3, -1, 1, &positive, &$0, nil, nil, &losses) }
        expectRefusal(PS_OVERLAP, out) { buffer in
            buffer.withUnsafeMutableBufferPointer { ps_loss_max_margin_f32(&c, 2, 2, 0.1, 1, 1, $0.baseAddress, $0.baseAddress, nil, nil, &losses) }
        }
        #expect(positive == [1, 2] && hard == [1, 2, 3] && losses == [untouched, untouched])
        expectRefusal(PS_NEGATIVE_SIZE, out) { ps_row_dot_f32(&c, positive, positive, 1, -2, &$0) }
        expectRefusal(PS_NULL_POINTER, out) { ps_row_dot_f32(&c, nil, positive, 1, 2, &$0) }
        expectRefusal(PS_NULL_POINTER, out) { ps_row_dot_backward_f32(&c, positive, positive, nil, 1, 2, &$0, &hard) }
        expectRefusal(PS_INDEX_OUT_OF_RANGE, out) { ps_ragged_dot_f32(&c, positive, positive, [0, 1], [1], 1, 1, 2, &$0) }
        expectRefusal(PS_BAD_OFFSETS, out) { ps_ragged_dot_f32(&c, positive, positive, [0, -1], [0], 1, 1, 2, &$0) }
        expectRefusal(PS_NULL_POINTER, out) { ps_ragged_dot_f32(&c, positive, positive, nil, [0], 1, 1, 2, &$0) }
    }
}
