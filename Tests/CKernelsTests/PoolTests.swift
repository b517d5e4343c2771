import CKernels
import KernelReference
import Testing

@Suite struct PoolTests {
    /// Lists over a table, with their transposed index.
    struct Case {
        let rows: Int, width: Int, h: [Float], lists: ReferenceLists, alpha: [Float]
        var tOffsets: [Int64], tRows: [Int32], tSlots: [Int64]

        init(rows: Int, width: Int, count: Int, isExtreme: Bool = false, random: inout Generator) {
            self.rows = rows
            self.width = width
            h = isExtreme ? random.extremes(rows * width) : random.floats(rows * width)
            let drawn = random.lists(count, rows: rows, longest: 11)
            lists = ReferenceLists(offsets: drawn.offsets, targets: drawn.targets)
            alpha = random.floats(drawn.targets.count)
            tOffsets = .init(repeating: -1, count: rows + 1)
            tRows = .init(repeating: -1, count: drawn.targets.count)
            tSlots = .init(repeating: -1, count: drawn.targets.count)
            #expect(ps_pool_transpose(lists.offsets, lists.targets, Int64(rows), Int64(count), &tOffsets, &tRows, &tSlots) == PS_OK)
        }
        var N: Int64 { Int64(rows) }
        var H: Int64 { Int64(width) }
        var B: Int64 { Int64(lists.count) }
    }

    static func cases(_ seed: Int) -> [Case] {
        var random = Generator(seed)
        return widths.flatMap { width in
            [(1, 1, false), (13, 0, false), (13, 23, false), (13, 23, true), (0, 5, false), (3, 61, false)].map {
                Case(rows: $0, width: width, count: $1, isExtreme: $2, random: &random)
            }
        }
    }

    @Test func transposingNamesEverySlotOnceInOrder() {
        for c in Self.cases(20) {
            var seen = 0
            let expected = Reference.transposed(c.lists, rows: c.rows)
            #expect(c.tOffsets == expected.offsets && c.tRows == expected.lists && c.tSlots == expected.slots)
            for n in 0..<c.rows {
                let slots = c.tSlots[Int(c.tOffsets[n])..<Int(c.tOffsets[n + 1])]
                #expect(slots == slots.sorted()[...])
                for place in slots.indices {
                    #expect(c.lists.targets[Int(c.tSlots[place])] == n)
                    #expect(c.lists.slots(Int(c.tRows[place])).contains(Int(c.tSlots[place])))
                    seen += 1
                }
            }
            #expect(seen == c.lists.targets.count)
        }
    }

    @Test(arguments: Setting.all) func weightedForward(_ setting: Setting) {
        var context = setting.context(), one = Setting(isa: setting.isa, threads: 1).context()
        for c in Self.cases(21) {
            var out = [Float](repeating: untouched, count: c.lists.count * c.width), serial = out
            #expect(ps_pool_weighted_forward_f32(&context, c.h, c.lists.offsets, c.lists.targets, c.alpha, c.N, c.H, c.B, &out) == PS_OK)
            let scale = Reference.pooled(magnitudes(c.h), width: c.width, lists: c.lists, alpha: magnitudes(c.alpha))
            expectClose(out, Reference.pooled(c.h, width: c.width, lists: c.lists, alpha: c.alpha), scale: scale, units: 13)
            #expect(ps_pool_weighted_forward_f32(&one, c.h, c.lists.offsets, c.lists.targets, c.alpha, c.N, c.H, c.B, &serial) == PS_OK)
            #expect(bits(out) == bits(serial))
        }
    }

    @Test(arguments: Setting.all) func weightedForwardFromBfloat16(_ setting: Setting) {
        var context = setting.context(), one = Setting(isa: setting.isa, threads: 1).context()
        for c in Self.cases(22) {
            let table = c.h.map(Reference.bfloat16Bits), h = table.map(Reference.bfloat16)
            var out = [Float](repeating: untouched, count: c.lists.count * c.width), serial = out
            #expect(ps_pool_weighted_forward_bf16(&one, table, c.lists.offsets, c.lists.targets, c.alpha, c.N, c.H, c.B, &serial) == PS_OK)
            #expect(ps_pool_weighted_forward_bf16(&context, table, c.lists.offsets, c.lists.targets, c.alpha, c.N, c.H, c.B, &out) == PS_OK)
            let scale = Reference.pooled(magnitudes(h), width: c.width, lists: c.lists, alpha: magnitudes(c.alpha))
            expectClose(out, Reference.pooled(h, width: c.width, lists: c.lists, alpha: c.alpha), scale: scale, units: 13)
            #expect(bits(out) == bits(serial))
        }
    }

    /// The mean is the weighted sum with 1 / T.
    @Test(arguments: Setting.all) func meansAreWeightedSums(_ setting: Setting) {
        var context = setting.context()
        for c in Self.cases(26) {
            var alpha: [Float] = [], expected: [Double] = []
            for b in 0..<c.lists.count {
                let slots = c.lists.slots(b)
                alpha += slots.map { _ in 1 / Float(slots.count) }
                for j in 0..<c.width {
                    let values = slots.map { Double(c.h[Int(c.lists.targets[$0]) * c.width + j]) }
                    expected.append(values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count))
                }
            }
            var out = [Float](repeating: untouched, count: c.lists.count * c.width)
            #expect(ps_pool_weighted_forward_f32(&context, c.h, c.lists.offsets, c.lists.targets, alpha, c.N, c.H, c.B, &out) == PS_OK)
            expectClose(out, expected, scale: Reference.pooled(magnitudes(c.h), width: c.width, lists: c.lists, alpha: alpha), units: 14)
        }
    }

    @Test(arguments: Setting.all) func weightedBackward(_ setting: Setting) {
        var context = setting.context(), one = Setting(isa: setting.isa, threads: 1).context(), random = Generator(23)
        for c in Self.cases(23) {
            let dout = random.floats(c.lists.count * c.width), before = random.floats(c.rows * c.width)
            let expected = Reference.pooledBackward(dout, width: c.width, lists: c.lists, alpha: c.alpha, rows: c.rows)
            let scale = Reference.pooledBackward(magnitudes(dout), width: c.width, lists: c.lists, alpha: magnitudes(c.alpha), rows: c.rows)
            let units = Double(c.lists.targets.count) + 2
            for accumulate in [Int32(0), 1] {
                var dh = before, serial = before
                #expect(
                    ps_pool_weighted_backward_f32(&context, dout, c.alpha, c.tOffsets, c.tRows, c.tSlots, c.N, c.H, c.B, accumulate, &dh) == PS_OK)
                let old = before.map { Double($0) * Double(accumulate) }
                expectClose(dh, zip(expected, old).map(+), scale: zip(scale, old).map { $0 + $1.magnitude }, units: units)
                #expect(
                    ps_pool_weighted_backward_f32(&one, dout, c.alpha, c.tOffsets, c.tRows, c.tSlots, c.N, c.H, c.B, accumulate, &serial) == PS_OK)
                #expect(bits(dh) == bits(serial))
            }
            var dalpha = [Float](repeating: untouched, count: c.alpha.count), serialAlpha = dalpha
            #expect(
                ps_pool_weighted_backward_alpha_f32(&one, dout, c.h, c.lists.offsets, c.lists.targets, c.N, c.H, c.B, &serialAlpha) == PS_OK)
            #expect(
                ps_pool_weighted_backward_alpha_f32(
                    &context, dout, c.h, c.lists.offsets, c.lists.targets, c.N, c.H, c.B, &dalpha) == PS_OK)
            expectClose(
                dalpha, Reference.pooledBackwardAlpha(dout, c.h, width: c.width, lists: c.lists),
                scale: Reference.pooledBackwardAlpha(magnitudes(dout), magnitudes(c.h), width: c.width, lists: c.lists),
                units: Double(c.width) + 2)
            #expect(bits(dalpha) == bits(serialAlpha))
        }
    }

    @Test(arguments: Setting.all) func maximum(_ setting: Setting) {
        var context = setting.context(), one = Setting(isa: setting.isa, threads: 1).context(), random = Generator(24)
        for (c, withNaN) in Self.cases(24).flatMap({ [($0, false), ($0, true)] }) {
            // Few distinct values, so that ties are common; a NaN is above them all, the first of a list wins.
            let h = c.h.enumerated().map { withNaN && $0 % 7 == 3 ? .nan : ($1 * 3).rounded() }
            let size = c.lists.count * c.width
            var out = [Float](repeating: untouched, count: size), argmax = [Int32](repeating: -7, count: size)
            #expect(ps_pool_max_forward_f32(&context, h, c.lists.offsets, c.lists.targets, c.N, c.H, c.B, &out, &argmax) == PS_OK)
            let expected = Reference.maxPooled(h, width: c.width, lists: c.lists)
            #expect(zip(out, expected.out).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN })
            #expect(argmax == expected.argmax)
            var serial = out, serialArgmax = argmax
            #expect(ps_pool_max_forward_f32(&one, h, c.lists.offsets, c.lists.targets, c.N, c.H, c.B, &serial, &serialArgmax) == PS_OK)
            #expect(bits(out) == bits(serial) && argmax == serialArgmax)
            let dout = random.floats(size), before = random.floats(c.rows * c.width)
            for accumulate in [Int32(0), 1] {
                var dh = before
                #expect(
                    ps_pool_max_backward_f32(&context, dout, argmax, c.tOffsets, c.tRows, c.tSlots, c.N, c.H, c.B, accumulate, &dh) == PS_OK)
                let gradient = Reference.maxPooledBackward(dout, argmax: argmax, width: c.width, lists: c.lists, rows: c.rows)
                let sum = zip(gradient, before).map { $0 + Double($1) * Double(accumulate) }
                expectClose(dh, sum, scale: .init(repeating: 70, count: sum.count), units: 4)
                var serial = before
                #expect(
                    ps_pool_max_backward_f32(&one, dout, argmax, c.tOffsets, c.tRows, c.tSlots, c.N, c.H, c.B, accumulate, &serial) == PS_OK)
                #expect(bits(dh) == bits(serial))
            }
        }
    }

    @Test func gradientsAgreeWithCentralDifferences() {
        var context = Setting(isa: ps_isa_detect(), threads: 2).context(), random = Generator(25)
        let c = Case(rows: 6, width: 5, count: 7, random: &random), h = random.floats(30), direction = random.floats(35)
        func loss(_ h: [Float], _ alpha: [Float]) -> Double {
            zip(Reference.pooled(h, width: 5, lists: c.lists, alpha: alpha), direction).map { $0 * Double($1) }.reduce(0, +)
        }
        var dh = [Float](repeating: 0, count: 30), dalpha = [Float](repeating: 0, count: c.alpha.count)
        #expect(ps_pool_weighted_backward_f32(&context, direction, c.alpha, c.tOffsets, c.tRows, c.tSlots, 6, 5, 7, 0, &dh) == PS_OK)
        #expect(ps_pool_weighted_backward_alpha_f32(&context, direction, h, c.lists.offsets, c.lists.targets, 6, 5, 7, &dalpha) == PS_OK)
        expectClose(dh, centralDifferences(h, step: 0.01) { loss($0, c.alpha) }, scale: .init(repeating: 50, count: 30), units: 4)
        expectClose(dalpha, centralDifferences(c.alpha, step: 0.01) { loss(h, $0) }, scale: .init(repeating: 50, count: dalpha.count), units: 4)
        func maximum(_ h: [Float]) -> Double {
            zip(Reference.maxPooled(h, width: 5, lists: c.lists).out, direction).map { Double($0) * Double($1) }.reduce(0, +)
        }
        let argmax = Reference.maxPooled(h, width: 5, lists: c.lists).argmax
        #expect(ps_pool_max_backward_f32(&context, direction, argmax, c.tOffsets, c.tRows, c.tSlots, 6, 5, 7, 0, &dh) == PS_OK)
        expectClose(dh, centralDifferences(h, step: 1e-5, loss: maximum), scale: .init(repeating: 50, count: 30), units: 4)
    }

    @Test func badArgumentsAreRefused() {
        var c = Setting(isa: PS_ISA_SCALAR, threads: 1).context()
        let h = [Float](repeating: 1, count: 12), out = [Float](repeating: untouched, count: 12)
        let offsets: [Int64] = [0, 1, 2], targets: [Int32] = [0, 3]
        func forward(_ h: [Float]?, _ offsets: [Int64]?, _ targets: [Int32]?, N: Int64 = 4, H: Int64 = 3, B: Int64 = 2, _ out: inout [Float])
            -> ps_status
        {
            withPointers(h, offsets, targets) { ps_pool_weighted_forward_f32(&c, $0, $1, $2, [1, 1], N, H, B, &out) }
        }
        expectRefusal(PS_NEGATIVE_SIZE, out) { forward(h, offsets, targets, N: -1, &$0) }
        expectRefusal(PS_NEGATIVE_SIZE, out) { forward(h, offsets, targets, H: -1, &$0) }
        expectRefusal(PS_NEGATIVE_SIZE, out) { forward(h, offsets, targets, B: -1, &$0) }
        expectRefusal(PS_NULL_POINTER, out) { forward(nil, offsets, targets, &$0) }
        expectRefusal(PS_NULL_POINTER, out) { forward(h, nil, targets, &$0) }
        expectRefusal(PS_NULL_POINTER, out) { forward(h, offsets, nil, &$0) }
        expectRefusal(PS_SIZE_OVERFLOW, out) { forward(h, offsets, targets, N: .max / 2, &$0) }
        expectRefusal(PS_SIZE_OVERFLOW, out) { forward(h, offsets, targets, N: 0, B: .max, &$0) }
        expectRefusal(PS_INDEX_OUT_OF_RANGE, out) { forward(h, offsets, targets, N: 3, &$0) }
        expectRefusal(PS_INDEX_OUT_OF_RANGE, out) { forward(h, offsets, [0, -1], &$0) }
        expectRefusal(PS_BAD_OFFSETS, out) { forward(h, [1, 1, 2], targets, &$0) }
        expectRefusal(PS_BAD_OFFSETS, out) { forward(h, [0, 2, 1], targets, &$0) }
        expectRefusal(PS_BAD_OFFSETS, out) { forward(h, [0, 2, -1], targets, &$0) }
        expectRefusal(PS_OVERLAP, out) { buffer in
            buffer.withUnsafeMutableBufferPointer {
                ps_pool_weighted_forward_f32(&c, $0.baseAddress, offsets, targets, [1, 1], 4, 3, 2, $0.baseAddress)
            }
        }
        expectRefusal(PS_INDEX_OUT_OF_RANGE, out) { ps_pool_weighted_forward_bf16(&c, [1, 1, 1], [0, 1], [1], [1], 1, 3, 1, &$0) }
        expectRefusal(PS_NULL_POINTER, out) { ps_pool_weighted_forward_bf16(&c, nil, [0, 1], [0], [1], 1, 3, 1, &$0) }
        expectRefusal(PS_INDEX_OUT_OF_RANGE, out) { ps_pool_weighted_backward_alpha_f32(&c, h, h, offsets, [0, 4], 4, 3, 2, &$0) }
        expectRefusal(PS_NULL_POINTER, out) { ps_pool_weighted_backward_alpha_f32(&c, nil, h, offsets, targets, 4, 3, 2, &$0) }
        var argmax = [Int32](repeating: -7, count: 6)
        expectRefusal(PS_INDEX_OUT_OF_RANGE, out) { ps_pool_max_forward_f32(&c, h, offsets, [0, 4], 4, 3, 2, &$0, &argmax) }
        expectRefusal(PS_NULL_POINTER, out) { ps_pool_max_forward_f32(&c, h, offsets, targets, 4, 3, 2, &$0, nil) }
        #expect(argmax.allSatisfy { $0 == -7 })

        let tOffsets: [Int64] = [0, 1, 1, 1, 2], tRows: [Int32] = [0, 1], tSlots: [Int64] = [0, 1]
        func backward(_ rows: [Int32], _ slots: [Int64], accumulate: Int32 = 0, _ out: inout [Float]) -> ps_status {
            ps_pool_weighted_backward_f32(&c, h, [1, 1], tOffsets, rows, slots, 4, 3, 2, accumulate, &out)
        }
        expectRefusal(PS_INDEX_OUT_OF_RANGE, out) { backward([0, 2], tSlots, &$0) }
        expectRefusal(PS_INDEX_OUT_OF_RANGE, out) { backward(tRows, [0, 2], &$0) }
        expectRefusal(PS_INDEX_OUT_OF_RANGE, out) { backward(tRows, [0, -1], &$0) }
        expectRefusal(PS_BAD_PARAMETER, out) { backward(tRows, tSlots, accumulate: 5, &$0) }
        expectRefusal(PS_INDEX_OUT_OF_RANGE, out) {
            ps_pool_max_backward_f32(&c, h, [0, 0, 0, 1, 1, 1], tOffsets, [0, 2], tSlots, 4, 3, 2, 0, &$0)
        }
        expectRefusal(PS_NULL_POINTER, out) { ps_pool_max_backward_f32(&c, h, nil, tOffsets, tRows, tSlots, 4, 3, 2, 0, &$0) }

        var offsetsOut = [Int64](repeating: -7, count: 5), rowsOut = [Int32](repeating: -7, count: 2), slotsOut = offsetsOut
        #expect(ps_pool_transpose(offsets, [0, 4], 4, 2, &offsetsOut, &rowsOut, &slotsOut) == PS_INDEX_OUT_OF_RANGE)
        #expect(ps_pool_transpose([0, 2, 1], targets, 4, 2, &offsetsOut, &rowsOut, &slotsOut) == PS_BAD_OFFSETS)
        #expect(ps_pool_transpose(nil, targets, 4, 2, &offsetsOut, &rowsOut, &slotsOut) == PS_NULL_POINTER)
        #expect(ps_pool_transpose(offsets, targets, -4, 2, &offsetsOut, &rowsOut, &slotsOut) == PS_NEGATIVE_SIZE)
        #expect(ps_pool_transpose(offsets, targets, 4, 1 << 40, &offsetsOut, &rowsOut, &slotsOut) == PS_SIZE_OVERFLOW)
        #expect(offsetsOut.allSatisfy { $0 == -7 } && rowsOut.allSatisfy { $0 == -7 } && slotsOut.allSatisfy { $0 == -7 })
    }

    private func withPointers(
        _ h: [Float]?, _ offsets: [Int64]?, _ targets: [Int32]?,
        _ body: (UnsafePointer<Float>?, UnsafePointer<Int64>?, UnsafePointer<Int32>?) -> ps_status
    ) -> ps_status {
        (h ?? []).withUnsafeBufferPointer { first in
            (offsets ?? []).withUnsafeBufferPointer { second in
                (targets ?? []).withUnsafeBufferPointer { third in
                    body(h == nil ? nil : first.baseAddress, offsets == nil ? nil : second.baseAddress, targets == nil ? nil : third.baseAddress)
                }
            }
        }
    }
}
