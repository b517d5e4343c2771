import CKernels
import KernelReference
import Testing

@Suite struct DensePackedTests {
    private func forward(
        _ setting: Setting, _ x1: [Float], _ x2: [Float], _ weight: [Float], _ bias: [Float], _ B: Int, _ D1: Int, _ D2: Int, _ E: Int, relu: Bool
    ) -> [Float] {
        var context = setting.context()
        var count: Int64 = -1
        #expect(ps_dense_packed_count(&context, Int64(D1 + D2), Int64(E), &count) == PS_OK)
        var packed = [Float](repeating: untouched, count: Int(count))
        #expect(ps_dense_pack_f32(&context, weight, Int64(D1 + D2), Int64(E), &packed) == PS_OK)
        var y = [Float](repeating: untouched, count: B * E)
        let status = bias.withUnsafeBufferPointer {
            ps_dense_packed_forward_f32(
                &context, x1, Int64(D1), x2, Int64(D2), packed, bias.isEmpty ? nil : $0.baseAddress, Int64(B), Int64(D1), Int64(D2), Int64(E),
                relu ? PS_ACTIVATION_RELU : PS_ACTIVATION_NONE, &y)
        }
        #expect(status == PS_OK)
        return y
    }

    @Test(arguments: Setting.all) func isTheConcatenatedProduct(_ setting: Setting) {
        var random = Generator(40)
        for (B, D1, D2, E) in [
            (0, 3, 2, 4), (1, 1, 0, 1), (5, 3, 2, 7), (17, 33, 16, 31), (9, 0, 5, 8), (3, 0, 0, 4), (4, 8, 8, 0), (103, 16, 7, 65), (7, 1030, 3, 33),
            (2, 5, 700, 40),
        ] {
            for (relu, isExtreme) in [(false, false), (true, false), (true, true)] {
                let x1 = isExtreme ? random.extremes(B * D1) : random.floats(B * D1), x2 = random.floats(B * D2),
                    weight = random.floats(E * (D1 + D2)), bias = random.floats(E)
                let y = forward(setting, x1, x2, weight, bias, B, D1, D2, E, relu: relu)
                let expected = Reference.dense(x1, x2, weight: weight, bias: bias, rows: B, d1: D1, d2: D2, outputs: E, relu: relu)
                let scale = Reference.dense(
                    magnitudes(x1), magnitudes(x2), weight: magnitudes(weight), bias: magnitudes(bias), rows: B, d1: D1, d2: D2, outputs: E,
                    relu: false)
                expectClose(y, expected, scale: scale, units: Double(D1 + D2) + 2, "\((B, D1, D2, E, relu, isExtreme))")
            }
        }
    }

    /// The promise that BLAS does not make: a row's bits depend on the row alone, a column's on the column.
    @Test(arguments: Setting.isas) func rowsAndColumnsDoNotKnowTheirPlace(_ isa: ps_isa) {
        var random = Generator(41)
        let (B, D1, D2, E) = (211, 520, 67, 67)
        let x1 = random.floats(B * D1), x2 = random.floats(B * D2), weight = random.floats(E * (D1 + D2)), bias = random.floats(E)
        let whole = forward(Setting(isa: isa, threads: 1), x1, x2, weight, bias, B, D1, D2, E, relu: false)
        for threads in [2, 7] as [Int32] {
            #expect(bits(forward(Setting(isa: isa, threads: threads), x1, x2, weight, bias, B, D1, D2, E, relu: false)) == bits(whole))
        }
        for rows in [0..<1, 5..<6, 3..<9, 100..<197, 210..<211] {
            let part = forward(
                Setting(isa: isa, threads: 1), Array(x1[rows.lowerBound * D1..<rows.upperBound * D1]),
                Array(x2[rows.lowerBound * D2..<rows.upperBound * D2]), weight, bias, rows.count, D1, D2, E, relu: false)
            #expect(bits(part) == bits(Array(whole[rows.lowerBound * E..<rows.upperBound * E])), "\(rows)")
        }
        for columns in [0..<1, 16..<48, 30..<67] {
            let D = D1 + D2
            let part = forward(
                Setting(isa: isa, threads: 2), x1, x2, Array(weight[columns.lowerBound * D..<columns.upperBound * D]), Array(bias[columns]), B, D1,
                D2, columns.count, relu: false)
            let expected = (0..<B).flatMap { whole[$0 * E + columns.lowerBound..<$0 * E + columns.upperBound] }
            #expect(bits(part) == bits(expected), "\(columns)")
        }
    }

    @Test func refusesWhatItCannotDo() {
        var context = Setting(isa: PS_ISA_SCALAR, threads: 1).context()
        var count: Int64 = -5
        #expect(ps_dense_packed_count(&context, -1, 2, &count) == PS_NEGATIVE_SIZE)
        #expect(ps_dense_packed_count(&context, Int64.max / 2, Int64.max / 2, &count) == PS_SIZE_OVERFLOW)
        #expect(ps_dense_packed_count(&context, 1 << 40, 1 << 40, &count) == PS_SIZE_OVERFLOW)
        #expect(ps_dense_packed_count(&context, 1, 1, nil) == PS_NULL_POINTER)
        #expect(count == -5, "a refused call wrote")
        let weight: [Float] = [1, 2], packed = [Float](repeating: 1, count: 4)
        expectRefusal(PS_NULL_POINTER, [0, 0, 0, 0]) { ps_dense_pack_f32(&context, nil, 1, 2, &$0) }
        expectRefusal(PS_BAD_PARAMETER, [0, 0]) {
            ps_dense_packed_forward_f32(&context, weight, 1, nil, 0, packed, nil, 1, 1, 0, 2, ps_activation(rawValue: 9), &$0)
        }
        expectRefusal(PS_NEGATIVE_SIZE, [0, 0]) {
            ps_dense_packed_forward_f32(&context, weight, 1, nil, 0, packed, nil, -1, 1, 0, 2, PS_ACTIVATION_NONE, &$0)
        }
    }
}
