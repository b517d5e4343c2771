import CKernels
import KernelReference
import Testing

@Suite struct GatherTests {
    @Test(arguments: Setting.all) func gatherCopiesRows(_ setting: Setting) {
        var context = setting.context(), random = Generator(1)
        for width in widths {
            for count in [0, 1, 9, 61] {
                let table = random.extremes(13 * width), indices = random.indices(count, below: 13)
                var out = [Float](repeating: untouched, count: count * width)
                #expect(ps_gather_f32(&context, table, Int64(width), indices, 13, Int64(width), Int64(count), &out, Int64(width)) == PS_OK)
                let expected = bits(Reference.gathered(table, width: width, indices: indices))
                #expect(bits(out) == expected)
                var byShort = [Float](repeating: untouched, count: count * width)
                let short = indices.map { Int32($0) }
                #expect(ps_gather_f32_i32(&context, table, Int64(width), short, 13, Int64(width), Int64(count), &byShort, Int64(width)) == PS_OK)
                #expect(bits(byShort) == expected)
            }
        }
    }

    @Test(arguments: Setting.all) func gatherKeepsToItsStride(_ setting: Setting) {
        var context = setting.context(), random = Generator(2)
        let table = random.floats(5 * 11), indices: [Int64] = [4, 0, 0]
        var out = [Float](repeating: untouched, count: 3 * 20)
        #expect(ps_gather_f32(&context, table, 11, indices, 5, 9, 3, &out, 20) == PS_OK)
        for b in 0..<3 {
            #expect(Array(out[b * 20..<b * 20 + 9]) == Array(table[Int(indices[b]) * 11..<Int(indices[b]) * 11 + 9]))
            #expect(out[b * 20 + 9..<b * 20 + 20].allSatisfy { $0 == untouched })
        }
    }

    /// Above 32 MiB the stores bypass the caches; the values must be the same.
    @Test(arguments: Setting.isas.map { Setting(isa: $0, threads: 2) }) func largeGathersStream(_ setting: Setting) {
        var context = setting.context(), random = Generator(3)
        let width = 64, count = 140_000
        let table = random.floats(100 * width), indices = random.indices(count, below: 100)
        var out = [Float](repeating: untouched, count: count * width)
        #expect(ps_gather_f32(&context, table, 64, indices, 100, 64, Int64(count), &out, 64) == PS_OK)
        let wrong = (0..<count).first { b in
            (0..<width).contains { out[b * width + $0] != table[Int(indices[b]) * width + $0] }
        }
        #expect(wrong == nil)
    }

    @Test(arguments: Setting.all) func halvesWiden(_ setting: Setting) {
        var context = setting.context(), random = Generator(4)
        for width in widths {
            let table = (0..<7 * width).map { _ in UInt16(truncatingIfNeeded: random.next()) }.map { $0 & 0x7c00 == 0x7c00 ? 0x1234 : $0 }
            let indices = random.indices(19, below: 7)
            var out = [Float](repeating: untouched, count: 19 * width)
            #expect(ps_gather_bf16(&context, table, Int64(width), indices, 7, Int64(width), 19, &out, Int64(width)) == PS_OK)
            #expect(bits(out) == bits(Reference.gathered(table.map(Reference.bfloat16), width: width, indices: indices)))
            #expect(ps_gather_f16(&context, table, Int64(width), indices, 7, Int64(width), 19, &out, Int64(width)) == PS_OK)
            let halves = table.map { Float(Reference.float16($0)) }
            #expect(bits(out) == bits(Reference.gathered(halves, width: width, indices: indices)))
            let short = indices.map { Int32($0) }
            var byShort = [Float](repeating: untouched, count: 19 * width)
            #expect(ps_gather_f16_i32(&context, table, Int64(width), short, 7, Int64(width), 19, &byShort, Int64(width)) == PS_OK)
            #expect(bits(byShort) == bits(out))
            #expect(ps_gather_bf16_i32(&context, table, Int64(width), short, 7, Int64(width), 19, &byShort, Int64(width)) == PS_OK)
            #expect(bits(byShort) == bits(Reference.gathered(table.map(Reference.bfloat16), width: width, indices: indices)))
        }
    }

    @Test(arguments: Setting.all) func allHalvesSurviveTheRoundTrip(_ setting: Setting) {
        var context = setting.context()
        let all = (UInt16.min...UInt16.max).map { $0 }
        var floats = [Float](repeating: 0, count: all.count), back = [UInt16](repeating: 0, count: all.count)
        #expect(ps_convert_f16_to_f32(&context, all, Int64(all.count), &floats) == PS_OK)
        #expect(ps_convert_f32_to_f16(&context, floats, Int64(all.count), &back) == PS_OK)
        for i in all.indices {
            let half = Float16(bitPattern: all[i])
            #expect(half.isNaN ? floats[i].isNaN : floats[i] == Float(half), "f16 bits \(i)")
            let twin = Reference.float16(all[i])
            #expect(twin.isNaN ? floats[i].isNaN : Double(floats[i]) == twin, "f16 bits \(i)")
            #expect(half.isNaN ? Float16(bitPattern: back[i]).isNaN : back[i] == all[i], "f16 bits \(i)")
        }
        #expect(ps_convert_bf16_to_f32(&context, all, Int64(all.count), &floats) == PS_OK)
        #expect(ps_convert_f32_to_bf16(&context, floats, Int64(all.count), &back) == PS_OK)
        for i in all.indices {
            let value = Reference.bfloat16(all[i])
            #expect(value.isNaN ? floats[i].isNaN : floats[i] == value, "bf16 bits \(i)")
            #expect(value.isNaN ? Reference.bfloat16(back[i]).isNaN : back[i] == all[i], "bf16 bits \(i)")
        }
    }

    @Test(arguments: Setting.all) func conversionsRoundToNearestEven(_ setting: Setting) {
        var context = setting.context(), random = Generator(5)
        var values: [Float] = [0, -0.0, .infinity, -.infinity, 65504, 65519.996, 65520, 1e38, .greatestFiniteMagnitude, 0x1p-24, 0x1p-25, 0x1.8p-25]
        values += [0x1.002p0, 0x1.006p0, 0x1.01p0, 0x1.03p0, .leastNonzeroMagnitude, .leastNormalMagnitude, 0x1.ffcp-15, 0x1.ffep-15, 0x1.fffp-15]
        values += (0..<3000).map { _ in Float(bitPattern: UInt32(truncatingIfNeeded: random.next())) }.filter { !$0.isNaN }
        var out = [UInt16](repeating: 0, count: values.count)
        #expect(ps_convert_f32_to_f16(&context, values, Int64(values.count), &out) == PS_OK)
        #expect(out == values.map { Float16($0).bitPattern })
        #expect(out == values.map(Reference.float16Bits))
        #expect(ps_convert_f32_to_bf16(&context, values, Int64(values.count), &out) == PS_OK)
        #expect(out == values.map(Reference.bfloat16Bits))
        for size in widths {
            var few = [UInt16](repeating: 7, count: size + 3)
            #expect(ps_convert_f32_to_bf16(&context, values, Int64(size), &few) == PS_OK)
            #expect(few == values.prefix(size).map(Reference.bfloat16Bits) + [7, 7, 7])
        }
        var nan = [UInt16](repeating: 0, count: 1)
        #expect(ps_convert_f32_to_bf16(&context, [Float(bitPattern: 0x7f80_0001)], 1, &nan) == PS_OK)
        #expect(Reference.bfloat16(nan[0]).isNaN, "a NaN whose payload is cut off must not become infinity")
    }

    @Test(arguments: Setting.all) func scatterAddSumsRepeatedRows(_ setting: Setting) {
        var context = setting.context(), random = Generator(6)
        for width in widths {
            for count in [0, 1, 50] {
                let rows = random.floats(count * width), table = random.floats(6 * width)
                let indices = random.indices(count, below: count == 50 ? 3 : 6)
                var out = table
                #expect(ps_scatter_add_f32(&context, rows, indices, 6, Int64(width), Int64(count), &out) == PS_OK)
                let expected = Reference.scatterAdded(rows, width: width, indices: indices, into: table)
                let scale = Reference.scatterAdded(magnitudes(rows), width: width, indices: indices, into: magnitudes(table))
                expectClose(out, expected, scale: scale, units: Double(count) + 1)
                var serial = table, one = Setting(isa: setting.isa, threads: 1).context()
                #expect(ps_scatter_add_f32(&one, rows, indices, 6, Int64(width), Int64(count), &serial) == PS_OK)
                #expect(bits(out) == bits(serial))
            }
        }
    }

    @Test func badArgumentsAreRefused() {
        var c = Setting(isa: PS_ISA_SCALAR, threads: 1).context()
        let table = [Float](repeating: 1, count: 12), out = [Float](repeating: untouched, count: 12)
        expectRefusal(PS_INDEX_OUT_OF_RANGE, out) { ps_gather_f32(&c, table, 3, [0, 4], 4, 3, 2, &$0, 3) }
        expectRefusal(PS_INDEX_OUT_OF_RANGE, out) { ps_gather_f32(&c, table, 3, [0, -1], 4, 3, 2, &$0, 3) }
        expectRefusal(PS_INDEX_OUT_OF_RANGE, out) { ps_gather_f32_i32(&c, table, 3, [0, 4], 4, 3, 2, &$0, 3) }
        expectRefusal(PS_INDEX_OUT_OF_RANGE, out) { ps_gather_f16_i32(&c, [1, 2, 3], 3, [-1], 1, 3, 1, &$0, 3) }
        expectRefusal(PS_INDEX_OUT_OF_RANGE, out) { ps_gather_bf16_i32(&c, [1, 2, 3], 3, [1], 1, 3, 1, &$0, 3) }
        expectRefusal(PS_NEGATIVE_SIZE, out) { ps_gather_f32_i32(&c, table, 3, [0, 1], 4, 3, -2, &$0, 3) }
        expectRefusal(PS_NULL_POINTER, out) { ps_gather_f32_i32(&c, table, 3, nil, 4, 3, 2, &$0, 3) }
        expectRefusal(PS_INDEX_OUT_OF_RANGE, out) { ps_gather_f32(&c, nil, 3, [0], 0, 3, 1, &$0, 3) }
        expectRefusal(PS_NEGATIVE_SIZE, out) { ps_gather_f32(&c, table, 3, [0, 1], -4, 3, 2, &$0, 3) }
        expectRefusal(PS_NEGATIVE_SIZE, out) { ps_gather_f32(&c, table, 3, [0, 1], 4, -3, 2, &$0, 3) }
        expectRefusal(PS_NEGATIVE_SIZE, out) { ps_gather_f32(&c, table, 3, [0, 1], 4, 3, -2, &$0, 3) }
        expectRefusal(PS_NEGATIVE_SIZE, out) { ps_gather_f32(&c, table, 2, [0, 1], 4, 3, 2, &$0, 3) }
        expectRefusal(PS_NEGATIVE_SIZE, out) { ps_gather_f32(&c, table, 3, [0, 1], 4, 3, 2, &$0, 2) }
        expectRefusal(PS_NULL_POINTER, out) { ps_gather_f32(&c, nil, 3, [0, 1], 4, 3, 2, &$0, 3) }
        expectRefusal(PS_NULL_POINTER, out) { ps_gather_f32(&c, table, 3, nil, 4, 3, 2, &$0, 3) }
        #expect(ps_gather_f32(&c, table, 3, [0, 1], 4, 3, 2, nil, 3) == PS_NULL_POINTER)
        expectRefusal(PS_SIZE_OVERFLOW, out) { ps_gather_f32(&c, table, .max / 2, [0, 1], 4, 3, 2, &$0, 3) }
        expectRefusal(PS_SIZE_OVERFLOW, out) { ps_gather_f32(&c, table, 3, [0, 1], 4, 3, .max / 2, &$0, 3) }
        expectRefusal(PS_INDEX_OUT_OF_RANGE, out) { ps_gather_f16(&c, [1, 2, 3], 3, [1], 1, 3, 1, &$0, 3) }
        expectRefusal(PS_INDEX_OUT_OF_RANGE, out) { ps_gather_bf16(&c, [1, 2, 3], 3, [1], 1, 3, 1, &$0, 3) }
        expectRefusal(PS_NULL_POINTER, out) { ps_gather_f16(&c, nil, 3, [0], 1, 3, 1, &$0, 3) }
        expectRefusal(PS_NULL_POINTER, out) { ps_gather_bf16(&c, nil, 3, [0], 1, 3, 1, &$0, 3) }
        expectRefusal(PS_OVERLAP, out) { buffer in
            buffer.withUnsafeMutableBufferPointer {
                ps_gather_f32(&c, $0.baseAddress, 3, [0, 1], 2, 3, 2, $0.baseAddress.map { $0 + 5 }, 3)
            }
        }
        expectRefusal(PS_INDEX_OUT_OF_RANGE, out) { ps_scatter_add_f32(&c, table, [4], 4, 3, 1, &$0) }
        expectRefusal(PS_NEGATIVE_SIZE, out) { ps_scatter_add_f32(&c, table, [0], 4, 3, -1, &$0) }
        expectRefusal(PS_NULL_POINTER, out) { ps_scatter_add_f32(&c, nil, [0], 4, 3, 1, &$0) }
        expectRefusal(PS_OVERLAP, out) { buffer in
            buffer.withUnsafeMutableBufferPointer { ps_scatter_add_f32(&c, $0.baseAddress, [0], 4, 3, 1, $0.baseAddress) }
        }
        expectRefusal(PS_NEGATIVE_SIZE, out) { ps_convert_bf16_to_f32(&c, [1], -1, &$0) }
        expectRefusal(PS_NULL_POINTER, out) { ps_convert_bf16_to_f32(&c, nil, 1, &$0) }
        expectRefusal(PS_NULL_POINTER, out) { ps_convert_f16_to_f32(&c, nil, 1, &$0) }
        expectRefusal(PS_SIZE_OVERFLOW, out) { ps_convert_f16_to_f32(&c, [1], .max, &$0) }
        #expect(ps_convert_f32_to_bf16(&c, [1], 1, nil) == PS_NULL_POINTER)
        #expect(ps_convert_f32_to_f16(&c, [1], -1, nil) == PS_NEGATIVE_SIZE)
        #expect(ps_gather_f32(&c, nil, 0, nil, 0, 0, 0, nil, 0) == PS_OK)
    }
}
