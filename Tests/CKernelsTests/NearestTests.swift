import CKernels
import KernelReference
import Testing

@Suite struct NearestTests {
    /// Small whole numbers: every dot product is exact in f32, so ids and scores must equal the twin's, ties and all.
    static func wholeNumbers(_ count: Int, _ random: inout Generator) -> [Float] { (0..<count).map { _ in Float(random.below(7) - 3) } }

    private func topK(_ context: inout ps_context, _ queries: [Float], _ rows: [Float], N: Int, E: Int, Q: Int, k: Int) -> (
        ids: [Int64], scores: [Float]
    ) {
        var bytes: Int64 = -1
        #expect(ps_knn_topk_workspace_bytes(&context, Int64(N), Int64(E), Int64(Q), Int64(k), &bytes) == PS_OK)
        var workspace = [UInt64](repeating: 0xdead, count: Int(bytes) / 8 + 1)
        let size = Q * min(k, N)
        var ids = [Int64](repeating: -7, count: size), scores = [Float](repeating: untouched, count: size)
        #expect(
            ps_knn_topk_f32(&context, queries, rows, Int64(N), Int64(E), Int64(Q), Int64(k), &ids, &scores, &workspace, bytes) == PS_OK)
        return (ids, scores)
    }

    @Test(arguments: Setting.all) func topKEqualsASort(_ setting: Setting) {
        var context = setting.context(), random = Generator(60)
        for E in [0, 1, 7, 8, 16, 33, 67] {
            for (N, Q, k) in [(0, 3, 2), (1, 1, 1), (5, 2, 9), (40, 4, 3), (211, 7, 50), (1009, 5, 10), (300, 1, 300), (30, 0, 3), (30, 2, 0)] {
                let rows = Self.wholeNumbers(N * E, &random), queries = Self.wholeNumbers(Q * E, &random)
                let actual = topK(&context, queries, rows, N: N, E: E, Q: Q, k: k)
                let bfloat = topKBfloat16(&context, queries, rows.map(Reference.bfloat16Bits), N: N, E: E, Q: Q, k: k)
                for q in 0..<Q {
                    let scores = Reference.scores(query: Array(queries[q * E..<(q + 1) * E]), rows: rows, count: N, width: E)
                    let best = Reference.topK(scores, k: k), part = q * min(k, N)..<(q + 1) * min(k, N)
                    #expect(actual.ids[part].map(Int.init) == best)
                    #expect(actual.scores[part].map(Double.init) == best.map { scores[$0] })
                    #expect(bfloat.ids[part].map(Int.init) == best)
                    #expect(bfloat.scores[part].map(Double.init) == best.map { scores[$0] })
                }
            }
        }
    }

    private func topKBfloat16(_ context: inout ps_context, _ queries: [Float], _ rows: [UInt16], N: Int, E: Int, Q: Int, k: Int) -> (
        ids: [Int64], scores: [Float]
    ) {
        var bytes: Int64 = -1
        #expect(ps_knn_topk_workspace_bytes(&context, Int64(N), Int64(E), Int64(Q), Int64(k), &bytes) == PS_OK)
        var workspace = [UInt64](repeating: 0, count: Int(bytes) / 8 + 1)
        var ids = [Int64](repeating: -7, count: Q * min(k, N)), scores = [Float](repeating: untouched, count: Q * min(k, N))
        #expect(
            ps_knn_topk_bf16(&context, queries, rows, Int64(N), Int64(E), Int64(Q), Int64(k), &ids, &scores, &workspace, bytes) == PS_OK)
        return (ids, scores)
    }

    @Test(arguments: Setting.all) func scoresDependOnNeitherBatchNorThreads(_ setting: Setting) {
        var context = setting.context(), one = Setting(isa: setting.isa, threads: 1).context(), random = Generator(61)
        for E in [5, 16, 67] {
            let N = 517, Q = 9, k = 20
            let rows = random.floats(N * E), queries = random.floats(Q * E)
            let batch = topK(&context, queries, rows, N: N, E: E, Q: Q, k: k)
            for q in 0..<Q {
                let query = Array(queries[q * E..<(q + 1) * E])
                let single = topK(&one, query, rows, N: N, E: E, Q: 1, k: k)
                #expect(Array(batch.ids[q * k..<(q + 1) * k]) == single.ids)
                #expect(bits(Array(batch.scores[q * k..<(q + 1) * k])) == bits(single.scores))
                var all = [Float](repeating: untouched, count: N), few = [Float](repeating: untouched, count: k)
                #expect(ps_knn_scores_f32(&context, query, rows, nil, Int64(N), Int64(E), Int64(N), &all) == PS_OK)
                #expect(ps_knn_scores_f32(&context, query, rows, single.ids, Int64(N), Int64(E), Int64(k), &few) == PS_OK)
                #expect(bits(few) == bits(single.scores))
                #expect(single.ids.map { all[Int($0)].bitPattern } == bits(few))
                let exact = Reference.scores(query: query, rows: rows, count: N, width: E)
                let scale = Reference.scores(query: magnitudes(query), rows: magnitudes(rows), count: N, width: E)
                expectClose(all, exact, scale: scale, units: Double(E) + 1)
            }
        }
    }

    @Test(arguments: Setting.all) func selectionOrdersNaNLastAndZerosAlike(_ setting: Setting) {
        var context = setting.context(), random = Generator(62)
        for N in widths + [257] {
            for k in [0, 1, 3, 16, 400] {
                let Q = 5
                var scores = Self.wholeNumbers(Q * (N + 2), &random)
                for i in scores.indices {
                    switch random.below(9) {
                    case 0: scores[i] = .nan
                    case 1: scores[i] = -.infinity
                    case 2: scores[i] = .infinity
                    case 3: scores[i] = -0.0
                    default: break
                    }
                }
                let R = min(k, N)
                var ids = [Int64](repeating: -7, count: Q * R), values = [Float](repeating: untouched, count: Q * R)
                #expect(ps_topk_select_f32(&context, scores, Int64(N + 2), Int64(Q), Int64(N), Int64(k), &ids, &values) == PS_OK)
                let thresholds: [Float] = [0, .nan, 2, -.infinity, .infinity]
                var above = [Int64](repeating: -7, count: Q), equal = above
                #expect(ps_knn_count_above_f32(&context, scores, Int64(N + 2), thresholds, Int64(Q), Int64(N), &above, &equal) == PS_OK)
                for q in 0..<Q {
                    let row = scores[q * (N + 2)..<q * (N + 2) + N]
                    let best = Reference.topK(row.map(Double.init), k: k)
                    #expect(ids[q * R..<(q + 1) * R].map(Int.init) == best)
                    for (place, id) in best.enumerated() {
                        let value = values[q * R + place], score = row[row.startIndex + id]
                        #expect(value == score || value.isNaN && score.isNaN)
                    }
                    let counts = Reference.countAbove(row, threshold: thresholds[q])
                    #expect(above[q] == counts.above && equal[q] == counts.equal)
                }
            }
        }
    }

    /// Scores in ascending order keep replacing every candidate; equal scores never may.
    @Test(arguments: Setting.all) func adversarialOrders(_ setting: Setting) {
        var context = setting.context()
        let N = 5000
        let ascending = (0..<N).map { Float($0) }
        let cases: [(name: String, rows: [Float])] = [
            ("ascending", ascending), ("descending", ascending.map { -$0 }), ("equal", ascending.map { _ in 1 }),
            ("nan", ascending.map { _ in .nan }), ("minus infinity", ascending.map { _ in -.infinity }),
            ("sawtooth", (0..<N).map { Float($0 % 64) }),
        ]
        for (name, rows) in cases {
            let best = Reference.topK(rows.map(Double.init), k: 129)
            #expect(topK(&context, [1], rows, N: N, E: 1, Q: 1, k: 129).ids.map(Int.init) == best, "\(name)")
            var ids = [Int64](repeating: -7, count: 129), values = [Float](repeating: 0, count: 129)
            #expect(ps_topk_select_f32(&context, rows, Int64(N), 1, Int64(N), 129, &ids, &values) == PS_OK)
            #expect(ids.map(Int.init) == best, "\(name)")
        }
    }

    /// A search through the int8 codes, which must return the plain f32 search bit for bit.
    private func expectBoundedEqualsPlain(
        _ context: inout ps_context, _ queries: [Float], _ rows: [Float], N: Int, E: Int, Q: Int, k: Int, _ what: Comment
    ) {
        var codes = [Int8](repeating: 99, count: N * E), scales = [Float](repeating: -1, count: N), residuals = scales, norms = scales
        #expect(ps_knn_quantize_i8(&context, rows, Int64(N), Int64(E), &codes, &scales, &residuals, &norms) == PS_OK)
        for n in 0..<N {
            var error = 0.0, full = 0.0
            for e in 0..<E {
                let exact = Double(rows[n * E + e]), near = Double(scales[n]) * Double(codes[n * E + e])
                error += (exact - near) * (exact - near)
                full += max(exact * exact, near * near)
            }
            #expect(!(error.squareRoot() > Double(residuals[n])), "\(what): row \(n) is farther from its codes than its residual says")
            let twin = Reference.quantised(Array(rows[n * E..<(n + 1) * E]))
            #expect((twin == nil) == residuals[n].isInfinite, "\(what): row \(n)")
            if let twin {
                #expect((Double(scales[n]) - twin.scale).magnitude <= twin.scale * 0x1p-23 + 0x1p-149)
                // A product that f32 rounds to the other side of a half takes the neighboring code.
                #expect((0..<E).allSatisfy { (Double(codes[n * E + $0]) - twin.codes[$0]).magnitude <= 1 })
                #expect((0..<E).count { Double(codes[n * E + $0]) != twin.codes[$0] } <= 1 + E / 16, "\(what): row \(n)")
            }
            if residuals[n].isFinite { #expect(Double(norms[n]) <= full.squareRoot() * 1.00001) }
        }
        var bytes: Int64 = -1
        #expect(ps_knn_topk_bounded_workspace_bytes(&context, Int64(N), Int64(E), Int64(Q), Int64(k), &bytes) == PS_OK)
        var workspace = [UInt64](repeating: 0xdead, count: Int(bytes) / 8 + 1)
        let size = Q * min(k, N)
        var ids = [Int64](repeating: -7, count: size), scores = [Float](repeating: untouched, count: size)
        var rescored = [Int64](repeating: -7, count: Q)
        #expect(
            ps_knn_topk_bounded_i8(
                &context, queries, rows, codes, scales, residuals, norms, Int64(N), Int64(E), Int64(Q), Int64(k), &ids, &scores, &rescored,
                &workspace, bytes) == PS_OK)
        // Whatever is returned was scored again, and nothing twice.
        if size > 0 { #expect(rescored.allSatisfy { $0 >= min(k, N) && $0 <= N }, "\(what)") }
        let plain = topK(&context, queries, rows, N: N, E: E, Q: Q, k: k)
        #expect(ids == plain.ids, "\(what)")
        #expect(bits(scores) == bits(plain.scores), "\(what)")
    }

    @Test(arguments: Setting.all) func boundedSearchEqualsThePlainOne(_ setting: Setting) {
        var context = setting.context(), random = Generator(63)
        for E in [0, 1, 7, 32, 33, 67, 160] {
            for (N, Q, k) in [(0, 3, 2), (1, 1, 1), (5, 2, 9), (40, 4, 3), (211, 7, 50), (3001, 5, 10), (300, 1, 300), (30, 2, 0)] {
                let rows = random.floats(N * E), queries = random.floats(Q * E)
                expectBoundedEqualsPlain(&context, queries, rows, N: N, E: E, Q: Q, k: k, "uniform \((E, N, Q, k))")
                let ties = Self.wholeNumbers(N * E, &random)
                expectBoundedEqualsPlain(&context, queries, ties, N: N, E: E, Q: Q, k: k, "whole numbers \((E, N, Q, k))")
            }
        }
    }

    /// Rows and queries that the bounds cannot separate or that cannot be quantised at all.
    @Test(arguments: Setting.all) func boundedSearchSurvivesHardData(_ setting: Setting) {
        var context = setting.context(), random = Generator(64)
        let N = 9000, E = 24, Q = 4
        let queries = random.floats(Q * E), base = random.floats(E)
        let same = (0..<N).flatMap { _ in base }
        expectBoundedEqualsPlain(&context, queries, same, N: N, E: E, Q: Q, k: 20, "equal rows: the list of open rows overflows")
        let nearly = same.map { $0 + random.float() * 1e-6 }
        expectBoundedEqualsPlain(&context, queries, nearly, N: N, E: E, Q: Q, k: 20, "nearly equal rows")
        let ascending = (0..<N).flatMap { row in base.map { $0 * Float(row) * 1e-4 } }
        expectBoundedEqualsPlain(&context, queries, ascending, N: N, E: E, Q: Q, k: 20, "ascending scores")
        var odd = random.extremes(N * E)
        for i in stride(from: 0, to: odd.count, by: 97) { odd[i] = .nan }
        for i in stride(from: 5, to: odd.count, by: 211) { odd[i] = i % 2 == 0 ? .infinity : -.infinity }
        for row in 0..<50 { for e in 0..<E { odd[row * E + e] = random.float() * 0x1p-133 } }
        for row in 50..<100 { for e in 0..<E { odd[row * E + e] = random.float() * 1e30 } }
        expectBoundedEqualsPlain(&context, queries, odd, N: N, E: E, Q: Q, k: 20, "NaN, infinite, tiny and huge rows")
        let rows = random.floats(N * E)
        for (name, value) in [("zero", Float(0)), ("nan", .nan), ("infinite", .infinity), ("tiny", 0x1p-140), ("huge", 1e30)] {
            var some = queries
            for e in 0..<E { some[E + e] = value }
            expectBoundedEqualsPlain(&context, some, rows, N: N, E: E, Q: Q, k: 20, "\(name) query")
            expectBoundedEqualsPlain(&context, some, odd, N: N, E: E, Q: Q, k: 20, "\(name) query, odd rows")
        }
    }

    @Test func boundedSearchRefusesBadArguments() {
        var c = Setting(isa: PS_ISA_SCALAR, threads: 2).context()
        let rows: [Float] = [1, 2, 3, 4, 5, 6], out = [Float](repeating: untouched, count: 6)
        var codes = [Int8](repeating: 99, count: 6), scales: [Float] = [0, 0, 0], residuals = scales, norms = scales
        expectRefusal(PS_NEGATIVE_SIZE, out) { ps_knn_quantize_i8(&c, rows, -3, 2, &codes, &$0, &residuals, &norms) }
        expectRefusal(PS_NULL_POINTER, out) { ps_knn_quantize_i8(&c, nil, 3, 2, &codes, &$0, &residuals, &norms) }
        expectRefusal(PS_SIZE_OVERFLOW, out) { ps_knn_quantize_i8(&c, nil, 0, 1 << 20, &codes, &$0, &residuals, &norms) }
        #expect(codes.allSatisfy { $0 == 99 })
        #expect(ps_knn_quantize_i8(&c, rows, 3, 2, &codes, &scales, &residuals, &norms) == PS_OK)
        var bytes: Int64 = -1
        #expect(ps_knn_topk_bounded_workspace_bytes(&c, 3, 2, 1, 2, nil) == PS_NULL_POINTER)
        #expect(ps_knn_topk_bounded_workspace_bytes(&c, 3, -2, 1, 2, &bytes) == PS_NEGATIVE_SIZE)
        #expect(ps_knn_topk_bounded_workspace_bytes(&c, .max, 2, .max / 64, .max / 64, &bytes) == PS_SIZE_OVERFLOW)
        #expect(bytes == -1)
        #expect(ps_knn_topk_bounded_workspace_bytes(&c, 3, 2, 1, 2, &bytes) == PS_OK)
        var ids: [Int64] = [-7, -7], workspace = [UInt64](repeating: 0, count: Int(bytes) / 8 + 1)
        func search(N: Int64 = 3, short: Int64 = 0, rows: [Float]? = [1, 2, 3, 4, 5, 6], _ out: inout [Float]) -> ps_status {
            guard let rows else {
                return ps_knn_topk_bounded_i8(&c, [1, 2], nil, codes, scales, residuals, norms, N, 2, 1, 2, &ids, &out, nil, &workspace, bytes)
            }
            return ps_knn_topk_bounded_i8(&c, [1, 2], rows, codes, scales, residuals, norms, N, 2, 1, 2, &ids, &out, nil, &workspace, bytes - short)
        }
        expectRefusal(PS_NEGATIVE_SIZE, out) { search(N: -3, &$0) }
        expectRefusal(PS_NULL_POINTER, out) { search(rows: nil, &$0) }
        expectRefusal(PS_SIZE_OVERFLOW, out) { search(N: .max / 4, &$0) }
        expectRefusal(PS_WORKSPACE_TOO_SMALL, out) { search(short: 1, &$0) }
        expectRefusal(PS_NULL_POINTER, out) {
            ps_knn_topk_bounded_i8(&c, [1, 2], rows, codes, scales, residuals, norms, 3, 2, 1, 2, &ids, &$0, nil, nil, 0)
        }
        #expect(ids == [-7, -7])
    }

    @Test func badArgumentsAreRefused() {
        var c = Setting(isa: PS_ISA_SCALAR, threads: 2).context()
        let rows: [Float] = [1, 2, 3, 4, 5, 6], scores = [Float](repeating: untouched, count: 4)
        var ids = [Int64](repeating: -7, count: 4), bytes: Int64 = -1
        #expect(ps_knn_topk_workspace_bytes(&c, 3, 2, 1, 2, &bytes) == PS_OK)
        let enough = bytes
        var workspace = [UInt64](repeating: 0, count: Int(enough) / 8)
        #expect(ps_knn_topk_workspace_bytes(&c, 3, 2, 1, 2, nil) == PS_NULL_POINTER)
        #expect(ps_knn_topk_workspace_bytes(&c, 3, 2, -1, 2, &bytes) == PS_NEGATIVE_SIZE)
        #expect(ps_knn_topk_workspace_bytes(&c, .max, 2, .max / 64, .max / 64, &bytes) == PS_SIZE_OVERFLOW)
        #expect(bytes == enough)
        func search(
            _ queries: [Float]? = [1, 2], N: Int64 = 3, E: Int64 = 2, k: Int64 = 2, short: Int64 = 0, _ out: inout [Float]
        ) -> ps_status {
            guard let queries else { return ps_knn_topk_f32(&c, nil, rows, N, E, 1, k, &ids, &out, &workspace, enough) }
            return ps_knn_topk_f32(&c, queries, rows, N, E, 1, k, &ids, &out, &workspace, enough - short)
        }
        expectRefusal(PS_NEGATIVE_SIZE, scores) { search(N: -3, &$0) }
        expectRefusal(PS_NEGATIVE_SIZE, scores) { search(E: -2, &$0) }
        expectRefusal(PS_NEGATIVE_SIZE, scores) { search(k: -1, &$0) }
        expectRefusal(PS_NULL_POINTER, scores) { search(nil, &$0) }
        expectRefusal(PS_SIZE_OVERFLOW, scores) { search(N: .max / 4, &$0) }
        expectRefusal(PS_SIZE_OVERFLOW, scores) { search(N: 1 << 33, E: 0, &$0) }
        expectRefusal(PS_WORKSPACE_TOO_SMALL, scores) { search(short: 1, &$0) }
        expectRefusal(PS_NULL_POINTER, scores) { ps_knn_topk_f32(&c, [1, 2], nil, 3, 2, 1, 2, &ids, &$0, &workspace, enough) }
        expectRefusal(PS_NULL_POINTER, scores) { ps_knn_topk_f32(&c, [1, 2], rows, 3, 2, 1, 2, &ids, &$0, nil, 0) }
        expectRefusal(PS_NULL_POINTER, scores) { ps_knn_topk_f32(&c, [1, 2], rows, 3, 2, 1, 2, nil, &$0, &workspace, enough) }
        expectRefusal(PS_NULL_POINTER, scores) { ps_knn_topk_bf16(&c, [1, 2], nil, 3, 2, 1, 2, &ids, &$0, &workspace, enough) }
        expectRefusal(PS_OVERLAP, scores) { out in
            out.withUnsafeMutableBufferPointer { ps_knn_topk_f32(&c, $0.baseAddress, rows, 3, 2, 1, 2, &ids, $0.baseAddress, &workspace, enough) }
        }
        expectRefusal(PS_INDEX_OUT_OF_RANGE, scores) { ps_knn_scores_f32(&c, [1, 2], rows, [3], 3, 2, 1, &$0) }
        expectRefusal(PS_BAD_PARAMETER, scores) { ps_knn_scores_f32(&c, [1, 2], rows, nil, 3, 2, 1, &$0) }
        expectRefusal(PS_NULL_POINTER, scores) { ps_knn_scores_f32(&c, nil, rows, nil, 3, 2, 3, &$0) }
        expectRefusal(PS_NULL_POINTER, scores) { ps_topk_select_f32(&c, nil, 3, 1, 3, 2, &ids, &$0) }
        expectRefusal(PS_NEGATIVE_SIZE, scores) { ps_topk_select_f32(&c, rows, 2, 1, 3, 2, &ids, &$0) }
        expectRefusal(PS_NEGATIVE_SIZE, scores) { ps_topk_select_f32(&c, rows, 3, 1, 3, -2, &ids, &$0) }
        var above: [Int64] = [-7], equal: [Int64] = [-7]
        #expect(ps_knn_count_above_f32(&c, rows, 3, nil, 1, 3, &above, &equal) == PS_NULL_POINTER)
        #expect(ps_knn_count_above_f32(&c, rows, 2, [0], 1, 3, &above, &equal) == PS_NEGATIVE_SIZE)
        #expect(ids.allSatisfy { $0 == -7 } && above == [-7] && equal == [-7])
    }
}
