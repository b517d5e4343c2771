import CKernels
import KernelReference

extension Case {
    private static func items(_ size: Size) -> Int { size == .twin ? 4_000 : size == .quick ? 200_000 : 1_000_000 }

    /// Unit vectors with a search's outputs and workspace.
    private final class Search {
        let N: Int, Q: Int
        let queries: Buffer<Float>, rows: Buffer<Float>, ids: Buffer<Int64>, scores: Buffer<Float>
        private var workspace = Buffer<UInt64>(0)
        /// What the last search asked for.
        private(set) var workspaceBytes = 0

        init(_ size: Size, queries Q: Int) {
            (N, self.Q) = (Case.items(size), Q)
            var random = Generator(50)
            queries = Search.unitVectors(Q, &random)
            rows = Search.unitVectors(N, &random)
            ids = Buffer(Q * 100)
            scores = Buffer(Q * 100)
        }

        private static func unitVectors(_ count: Int, _ random: inout Generator) -> Buffer<Float> {
            let vectors = random.floats(count * 256)
            for row in 0..<count {
                var sum: Float = 0
                for e in 0..<256 { unsafe sum += vectors.pointer[row * 256 + e] * vectors.pointer[row * 256 + e] }
                let inverse = 1 / sum.squareRoot()
                for e in 0..<256 { unsafe vectors.pointer[row * 256 + e] *= inverse }
            }
            return vectors
        }

        func workspace(_ bytes: Int64) -> UnsafeMutableRawPointer {
            workspaceBytes = Int(bytes)
            if workspace.count * 8 < bytes { workspace = Buffer(Int(bytes) / 8 + 1) }
            return unsafe UnsafeMutableRawPointer(workspace.pointer)
        }

        func twin() -> () -> Void {
            let all = rows.array, each = queries.array
            return { [N, Q] in
                for q in 0..<Q {
                    let scores = Reference.scores(query: Array(each[q * 256..<(q + 1) * 256]), rows: all, count: N, width: 256)
                    _ = Reference.topK(scores, k: 100)
                }
            }
        }
    }

    private static func topK(_ name: String, queries: @escaping (Size) -> Int, limit: Limit) -> Case {
        Case("knn", name, limit, shape: { "top 100 of \(items($0)) x 256, \(queries($0)) queries" }) { size in
            let s = Search(size, queries: queries(size))
            return unsafe Workload(bytes: s.N * 1024, flops: s.Q * s.N * 512) { context in
                var bytes: Int64 = 0
                let status = unsafe ps_knn_topk_workspace_bytes(&context, Int64(s.N), 256, Int64(s.Q), 100, &bytes)
                guard status == PS_OK else { return status }
                return unsafe ps_knn_topk_f32(
                    &context, s.queries.pointer, s.rows.pointer, Int64(s.N), 256, Int64(s.Q), 100, s.ids.pointer, s.scores.pointer,
                    s.workspace(bytes), bytes)
            } twin: {
                s.twin()
            } counts: {
                ["bytes of workspace": s.workspaceBytes]
            }
        }
    }

    /// The same results through the int8 codes.
    private static func bounded(_ name: String, queries: @escaping (Size) -> Int, limit: Limit) -> Case {
        Case("knn", name, limit, shape: { "top 100 of \(items($0)) x 256, \(queries($0)) queries" }) { size in
            let s = Search(size, queries: queries(size)), codes = Buffer<Int8>(s.N * 256)
            let scales = Buffer<Float>(s.N), residuals = Buffer<Float>(s.N), norms = Buffer<Float>(s.N)
            var maker = unsafe ps_context()
            let made = unsafe ps_context_make(ps_isa_detect(), 1, &maker)
            precondition(made == PS_OK)
            let coded = unsafe ps_knn_quantize_i8(
                &maker, s.rows.pointer, Int64(s.N), 256, codes.pointer, scales.pointer, residuals.pointer, norms.pointer)
            precondition(coded == PS_OK)
            let rescored = Buffer<Int64>(s.Q)
            // What the first pass must read; operations are those of the f32 search that it replaces.
            return unsafe Workload(bytes: s.N * 268, flops: s.Q * s.N * 512) { context in
                var bytes: Int64 = 0
                let status = unsafe ps_knn_topk_bounded_workspace_bytes(&context, Int64(s.N), 256, Int64(s.Q), 100, &bytes)
                guard status == PS_OK else { return status }
                return unsafe ps_knn_topk_bounded_i8(
                    &context, s.queries.pointer, s.rows.pointer, codes.pointer, scales.pointer, residuals.pointer, norms.pointer, Int64(s.N), 256,
                    Int64(s.Q), 100, s.ids.pointer, s.scores.pointer, rescored.pointer, s.workspace(bytes), bytes)
            } twin: {
                s.twin()
            } counts: {
                ["bytes of workspace": s.workspaceBytes, "rows scored again": Int(rescored.array.reduce(0, +))]
            }
        }
    }

    static var knn: [Case] {
        [
            bounded("topk_bounded_one_query_i8", queries: { _ in 1 }, limit: .read),
            bounded("topk_bounded_batch_i8", queries: { $0 == .twin ? 4 : $0 == .quick ? 24 : 1000 }, limit: .productInt8),
            topK("topk_one_query_f32", queries: { _ in 1 }, limit: .read),
            topK("topk_batch_f32", queries: { $0 == .twin ? 4 : $0 == .quick ? 24 : 1000 }, limit: .product),
            Case("knn", "topk_one_query_bf16", .read, shape: { "top 100 of \(items($0)) x 256, 1 query" }) { size in
                let s = Search(size, queries: 1), rows = Buffer<UInt16>(s.N * 256) { unsafe Reference.bfloat16Bits(s.rows.pointer[$0]) }
                return unsafe Workload(bytes: s.N * 512, flops: s.N * 512) { context in
                    var bytes: Int64 = 0
                    let status = unsafe ps_knn_topk_workspace_bytes(&context, Int64(s.N), 256, 1, 100, &bytes)
                    guard status == PS_OK else { return status }
                    return unsafe ps_knn_topk_bf16(
                        &context, s.queries.pointer, rows.pointer, Int64(s.N), 256, 1, 100, s.ids.pointer, s.scores.pointer, s.workspace(bytes),
                        bytes)
                } twin: {
                    s.twin()
                } counts: {
                    ["bytes of workspace": s.workspaceBytes]
                }
            },
            Case("knn", "scores_f32", .read, shape: { "\(items($0)) x 256" }) { size in
                let s = Search(size, queries: 1), out = Buffer<Float>(s.N)
                return unsafe Workload(bytes: s.N * 1024, flops: s.N * 512) { context in
                    unsafe ps_knn_scores_f32(&context, s.queries.pointer, s.rows.pointer, nil, Int64(s.N), 256, Int64(s.N), out.pointer)
                } twin: {
                    let queries = s.queries.array, rows = s.rows.array
                    return {
                        _ = Reference.scores(query: queries, rows: rows, count: s.N, width: 256)
                    }
                }
            },
            Case("knn", "select_top100_f32", .read, shape: { "\(items($0) / 1000) x 100000 scores" }) { size in
                let Q = items(size) / 1000, N = size == .twin ? 10_000 : 100_000
                var random = Generator(51)
                let scores = random.floats(Q * N), ids = Buffer<Int64>(Q * 100), values = Buffer<Float>(Q * 100)
                return unsafe Workload(bytes: Q * N * 4, flops: 0) { context in
                    unsafe ps_topk_select_f32(&context, scores.pointer, Int64(N), Int64(Q), Int64(N), 100, ids.pointer, values.pointer)
                } twin: {
                    let scores = scores.array
                    return {
                        let all = scores
                        for q in 0..<Q { _ = Reference.topK(all[q * N..<(q + 1) * N].map(Double.init), k: 100) }
                    }
                }
            },
        ]
    }
}
