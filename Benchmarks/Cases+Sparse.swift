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
                    _ = Reference.gathered(table.array, width: D, indices: indices.array)
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
                    _ = Reference.gathered(table.array.map(Reference.bfloat16), width: D, indices: indices.array)
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
                    _ = Reference.scatterAdded(rows.array, width: D, indices: indices.array, into: table.array)
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

        init(_ size: Size, transposed: Bool = false) {
            let T: Int
            (N, B, T) = Case.lists(size)
            Z = B * T
            var random = Generator(4)
            h = random.floats(N * 256)
            offsets = Buffer(B + 1) { Int64($0 * T) }
            targets = random.rows32(B * T, below: N)
            alpha = Buffer(B * T) { _ in 1 / Float(T) }
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
                    _ = Reference.pooled(l.h.array, width: 256, lists: l.reference, alpha: l.alpha.array)
                }
            },
            Case("pool", "weighted_bf16", .rows, shape: listsShape) { size in
                let l = Lists(size), table = Buffer<UInt16>(l.N * 256) { unsafe Reference.bfloat16Bits(l.h.pointer[$0]) }
                return unsafe Workload(bytes: l.Z * 512 + l.B * 1024, flops: l.Z * 512, streamed: l.B * 1024) { context in
                    unsafe ps_pool_weighted_forward_bf16(
                        &context, table.pointer, l.offsets.pointer, l.targets.pointer, l.alpha.pointer, Int64(l.N), 256, Int64(l.B),
                        l.rows.pointer)
                } twin: {
                    _ = Reference.pooled(table.array.map(Reference.bfloat16), width: 256, lists: l.reference, alpha: l.alpha.array)
                }
            },
            Case("pool", "weighted_backward_f32", .rows, shape: listsShape) { size in
                let l = Lists(size, transposed: true)
                return unsafe Workload(bytes: (l.Z + l.N) * 1024, flops: l.Z * 512, streamed: l.N * 1024) { context in
                    unsafe ps_pool_weighted_backward_f32(
                        &context, l.rows.pointer, l.alpha.pointer, l.tOffsets.pointer, l.tRows.pointer, l.tSlots.pointer, Int64(l.N), 256,
                        Int64(l.B), 0, l.h.pointer)
                } twin: {
                    _ = Reference.pooledBackward(l.rows.array, width: 256, lists: l.reference, alpha: l.alpha.array, rows: l.N)
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
                    _ = Reference.pooledBackward(l.rows.array, width: 256, lists: l.reference, alpha: l.alpha.array, rows: l.N)
                }
            },
            Case("pool", "weighted_backward_alpha_f32", .rows, shape: listsShape) { size in
                let l = Lists(size), dalpha = Buffer<Float>(l.Z)
                return unsafe Workload(bytes: (l.Z + l.B) * 1024, flops: l.Z * 512, streamed: l.B * 1024) { context in
                    unsafe ps_pool_weighted_backward_alpha_f32(
                        &context, l.rows.pointer, l.h.pointer, l.offsets.pointer, l.targets.pointer, Int64(l.N), 256, Int64(l.B),
                        dalpha.pointer)
                } twin: {
                    _ = Reference.pooledBackwardAlpha(l.rows.array, l.h.array, width: 256, lists: l.reference)
                }
            },
            Case("pool", "max_f32", .rows, shape: listsShape) { size in
                let l = Lists(size), argmax = Buffer<Int32>(l.B * 256)
                return unsafe Workload(bytes: l.Z * 1024 + l.B * 2048, flops: l.Z * 256, streamed: l.B * 2048) { context in
                    unsafe ps_pool_max_forward_f32(
                        &context, l.h.pointer, l.offsets.pointer, l.targets.pointer, Int64(l.N), 256, Int64(l.B), l.rows.pointer, argmax.pointer)
                } twin: {
                    _ = Reference.maxPooled(l.h.array, width: 256, lists: l.reference)
                }
            },
        ]
    }
}
