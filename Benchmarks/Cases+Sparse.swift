import CKernels
import KernelReference

extension Case {
    private static func rows(_ size: Size) -> (N: Int, B: Int) {
        switch size {
        case .twin: (20_000, 5_000)
        case .quick: (250_000, 100_000)
        case .full: (1_000_000, 1_000_000)
        }
    }
    private static func rowsShape(_ size: Size) -> String { "\(rows(size).B) of \(rows(size).N) rows of 256" }

    static var gather: [Case] {
        [
            Case("gather", "rows_f32", .rows, shape: rowsShape) { size in
                let (N, B) = rows(size), D = 256
                var random = Generator(1)
                let table = random.floats(N * D), indices = random.rows64(B, below: N), out = Buffer<Float>(B * D)
                return unsafe Workload(bytes: B * D * 8, flops: 0, streamed: B * D * 4) { context in
                    unsafe ps_gather_f32(&context, table.pointer, 256, indices.pointer, Int64(N), 256, Int64(B), out.pointer, 256)
                } twin: {
                    let table = table.array, indices = indices.array
                    return {
                        _ = Reference.gathered(table, width: D, indices: indices)
                    }
                }
            },
            Case("gather", "rows_by_int32_f32", .rows, shape: rowsShape) { size in
                let (N, B) = rows(size), D = 256
                var random = Generator(1)
                let table = random.floats(N * D), indices = random.rows32(B, below: N), out = Buffer<Float>(B * D)
                return unsafe Workload(bytes: B * D * 8, flops: 0, streamed: B * D * 4) { context in
                    unsafe ps_gather_f32_i32(&context, table.pointer, 256, indices.pointer, Int64(N), 256, Int64(B), out.pointer, 256)
                } twin: {
                    let table = table.array, indices = indices.array.map(Int64.init)
                    return {
                        _ = Reference.gathered(table, width: D, indices: indices)
                    }
                }
            },
            Case("gather", "rows_bf16", .rows, shape: rowsShape) { size in
                let (N, B) = rows(size), D = 256
                var random = Generator(2)
                let table = Buffer<UInt16>(N * D) { _ in UInt16(random.below(0x3f80)) }
                let indices = random.rows64(B, below: N), out = Buffer<Float>(B * D)
                return unsafe Workload(bytes: B * D * 6, flops: 0, streamed: B * D * 4) { context in
                    unsafe ps_gather_bf16(&context, table.pointer, 256, indices.pointer, Int64(N), 256, Int64(B), out.pointer, 256)
                } twin: {
                    let table = table.array.map(Reference.bfloat16), indices = indices.array
                    return {
                        _ = Reference.gathered(table, width: D, indices: indices)
                    }
                }
            },
            Case("gather", "scatter_add_f32", .rows, shape: rowsShape) { size in
                let (N, B) = rows(size), D = 256
                var random = Generator(3)
                let table = random.floats(N * D), indices = random.rows64(B, below: N), rows = random.floats(B * D)
                // Each row is read once in order, and its table row read and written.
                return unsafe Workload(bytes: B * D * 12, flops: B * D, streamed: B * D * 4) { context in
                    unsafe ps_scatter_add_f32(&context, rows.pointer, indices.pointer, Int64(N), 256, Int64(B), table.pointer)
                } twin: {
                    let rows = rows.array, indices = indices.array, table = table.array
                    return {
                        _ = Reference.scatterAdded(rows, width: D, indices: indices, into: table)
                    }
                }
            },
        ]
    }

    private static func lists(_ size: Size) -> (N: Int, B: Int, T: Int) {
        switch size {
        case .twin: (20_000, 200, 50)
        case .quick: (250_000, 40_000, 5)
        case .full: (1_000_000, 100_000, 50)
        }
    }
    private static func listsShape(_ size: Size) -> String { "\(lists(size).B) lists of \(lists(size).T) of \(lists(size).N) rows of 256" }

    /// Lists of equal length over a table, with their transposed index.
    private final class Lists {
        let N: Int, B: Int, Z: Int
        let h: Buffer<Float>, offsets: Buffer<Int64>, targets: Buffer<Int32>, alpha: Buffer<Float>, rows: Buffer<Float>
        let tOffsets: Buffer<Int64>, tRows: Buffer<Int32>, tSlots: Buffer<Int64>

        /// Every list has T neighbors, or 1 to 2 T - 1 in turn; their weights are the mean's.
        init(_ size: Size, transposed: Bool = false, ragged: Bool = false) {
            let T: Int
            (N, B, T) = Case.lists(size)
            Z = B * T
            var random = Generator(4)
            h = random.floats(N * 256)
            let period = 2 * T - 1, rounds = B / period, all = B * T
            // Lengths 1, 2 ... 2 T - 1 and again, T in what is left of the last round: T on average.
            let ends = (0...B).map { b in
                let (round, place) = (b / period, b % period)
                return !ragged || round == rounds ? b * T : round * period * T + place * (place + 1) / 2
            }
            precondition(ends[B] == all)
            offsets = Buffer(B + 1) { Int64(ends[$0]) }
            targets = random.rows32(B * T, below: N)
            alpha = Buffer(B * T)
            for b in 0..<B {
                for t in ends[b]..<ends[b + 1] { unsafe alpha.pointer[t] = 1 / Float(ends[b + 1] - ends[b]) }
            }
            rows = random.floats(B * 256)
            tOffsets = Buffer(N + 1)
            tRows = Buffer(B * T)
            tSlots = Buffer(B * T)
            guard transposed else { return }
            let status = unsafe ps_pool_transpose(
                offsets.pointer, targets.pointer, Int64(N), Int64(B), tOffsets.pointer, tRows.pointer, tSlots.pointer)
            precondition(status == PS_OK)
        }
        var reference: ReferenceLists { ReferenceLists(offsets: offsets.array, targets: targets.array) }
    }

    static var pool: [Case] {
        [
            Case("pool", "weighted_f32", .rows, shape: listsShape) { size in
                let l = Lists(size)
                return unsafe Workload(bytes: (l.Z + l.B) * 1024, flops: l.Z * 512, streamed: l.B * 1024) { context in
                    unsafe ps_pool_weighted_forward_f32(
                        &context, l.h.pointer, l.offsets.pointer, l.targets.pointer, l.alpha.pointer, Int64(l.N), 256, Int64(l.B), l.rows.pointer)
                } twin: {
                    let h = l.h.array, alpha = l.alpha.array, lists = l.reference
                    return {
                        _ = Reference.pooled(h, width: 256, lists: lists, alpha: alpha)
                    }
                }
            },
            Case("pool", "mean_ragged_f32", .rows, shape: { "\(lists($0).B) lists of 1 to \(2 * lists($0).T - 1) of \(lists($0).N) rows of 256" }) {
                size in
                let l = Lists(size, ragged: true)
                return unsafe Workload(bytes: (l.Z + l.B) * 1024, flops: l.Z * 512, streamed: l.B * 1024) { context in
                    unsafe ps_pool_weighted_forward_f32(
                        &context, l.h.pointer, l.offsets.pointer, l.targets.pointer, l.alpha.pointer, Int64(l.N), 256, Int64(l.B), l.rows.pointer)
                } twin: {
                    let h = l.h.array, lists = l.reference, alpha = l.alpha.array
                    return {
                        _ = Reference.pooled(h, width: 256, lists: lists, alpha: alpha)
                    }
                }
            },
            Case("pool", "weighted_bf16", .rows, shape: listsShape) { size in
                let l = Lists(size), table = Buffer<UInt16>(l.N * 256) { unsafe Reference.bfloat16Bits(l.h.pointer[$0]) }
                return unsafe Workload(bytes: l.Z * 512 + l.B * 1024, flops: l.Z * 512, streamed: l.B * 1024) { context in
                    unsafe ps_pool_weighted_forward_bf16(
                        &context, table.pointer, l.offsets.pointer, l.targets.pointer, l.alpha.pointer, Int64(l.N), 256, Int64(l.B),
                        l.rows.pointer)
                } twin: {
                    let table = table.array.map(Reference.bfloat16), alpha = l.alpha.array, lists = l.reference
                    return {
                        _ = Reference.pooled(table, width: 256, lists: lists, alpha: alpha)
                    }
                }
            },
            Case("pool", "weighted_backward_f32", .rows, shape: listsShape) { size in
                let l = Lists(size, transposed: true)
                return unsafe Workload(bytes: (l.Z + l.N) * 1024, flops: l.Z * 512, streamed: l.N * 1024) { context in
                    unsafe ps_pool_weighted_backward_f32(
                        &context, l.rows.pointer, l.alpha.pointer, l.tOffsets.pointer, l.tRows.pointer, l.tSlots.pointer, Int64(l.N), 256,
                        Int64(l.B), 0, l.h.pointer)
                } twin: {
                    let rows = l.rows.array, alpha = l.alpha.array, lists = l.reference
                    return {
                        _ = Reference.pooledBackward(rows, width: 256, lists: lists, alpha: alpha, rows: l.N)
                    }
                }
            },
            Case("pool", "weighted_backward_with_transpose_f32", .rows, shape: listsShape) { size in
                let l = Lists(size, transposed: true)
                return unsafe Workload(bytes: (l.Z + l.N) * 1024 + l.Z * 28, flops: l.Z * 512, streamed: l.N * 1024) { context in
                    let status = unsafe ps_pool_transpose(
                        l.offsets.pointer, l.targets.pointer, Int64(l.N), Int64(l.B), l.tOffsets.pointer, l.tRows.pointer, l.tSlots.pointer)
                    guard status == PS_OK else { return status }
                    return unsafe ps_pool_weighted_backward_f32(
                        &context, l.rows.pointer, l.alpha.pointer, l.tOffsets.pointer, l.tRows.pointer, l.tSlots.pointer, Int64(l.N), 256,
                        Int64(l.B), 0, l.h.pointer)
                } twin: {
                    let rows = l.rows.array, alpha = l.alpha.array, lists = l.reference
                    return {
                        _ = Reference.pooledBackward(rows, width: 256, lists: lists, alpha: alpha, rows: l.N)
                    }
                }
            },
            Case("pool", "weighted_backward_alpha_f32", .rows, shape: listsShape) { size in
                let l = Lists(size), dalpha = Buffer<Float>(l.Z)
                return unsafe Workload(bytes: (l.Z + l.B) * 1024, flops: l.Z * 512, streamed: l.B * 1024) { context in
                    unsafe ps_pool_weighted_backward_alpha_f32(
                        &context, l.rows.pointer, l.h.pointer, l.offsets.pointer, l.targets.pointer, Int64(l.N), 256, Int64(l.B),
                        dalpha.pointer)
                } twin: {
                    let rows = l.rows.array, h = l.h.array, lists = l.reference
                    return {
                        _ = Reference.pooledBackwardAlpha(rows, h, width: 256, lists: lists)
                    }
                }
            },
            Case("pool", "max_f32", .rows, shape: listsShape) { size in
                let l = Lists(size), argmax = Buffer<Int32>(l.B * 256)
                return unsafe Workload(bytes: l.Z * 1024 + l.B * 2048, flops: l.Z * 256, streamed: l.B * 2048) { context in
                    unsafe ps_pool_max_forward_f32(
                        &context, l.h.pointer, l.offsets.pointer, l.targets.pointer, Int64(l.N), 256, Int64(l.B), l.rows.pointer, argmax.pointer)
                } twin: {
                    let h = l.h.array, lists = l.reference
                    return {
                        _ = Reference.maxPooled(h, width: 256, lists: lists)
                    }
                }
            },
        ]
    }
}
