internal import CKernels

/// How vectors between layers are kept.
public enum LatentType: String, Codable, Sendable, CaseIterable {
    case f32
    /// Half the memory and half the bytes that pooling reads; each number keeps 8 significant bits.
    case bf16

    /// Bytes of one number.
    public var size: Int { self == .f32 ? 4 : 2 }
}

/// Something that keeps vectors in rows and can be written and read by several threads at once, each its own rows.
protocol RowStore: AnyObject, Sendable {
    var rows: Int { get }
    var columns: Int { get }
    /// Overwrites the rows from `row` on.
    func write(_ matrix: Matrix, at row: Int, kernels: Kernels) throws
    /// Reads consecutive rows; `matrix` takes their shape.
    func read(_ range: Range<Int>, into matrix: inout Matrix, kernels: Kernels) throws
}

/// A table of vectors in anonymous memory, in huge pages where the system has them, that pooling reads by random row.
///
/// `@unchecked Sendable`: threads write disjoint rows, and nobody reads a row before its writer is done; the embedding pass sees to both.
@safe final class RowTable: RowStore, @unchecked Sendable {
    let rows: Int
    let columns: Int
    let type: LatentType
    private let memory: AlignedMemory

    init(rows: Int, columns: Int, type: LatentType) {
        self.rows = rows
        self.columns = columns
        self.type = type
        memory = AlignedMemory(bytes: rows * columns * type.size)
    }

    /// Another shape in the memory of a table that is no longer needed.
    init(reusing other: RowTable, columns: Int) {
        precondition(columns <= other.columns, "\(columns) columns in a table of \(other.columns)")
        rows = other.rows
        self.columns = columns
        type = other.type
        memory = other.memory
    }

    func write(_ matrix: Matrix, at row: Int, kernels: Kernels) throws {
        precondition(matrix.columns == columns && row >= 0 && row + matrix.rows <= rows, "\(matrix.shape) at \(row) of \(rows) x \(columns)")
        let start = unsafe memory.pointer + row * columns * type.size
        try unsafe kernels.store(matrix, as: type, to: start)
    }

    func read(_ range: Range<Int>, into matrix: inout Matrix, kernels: Kernels) throws {
        precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) of \(rows)")
        matrix.reshape(rows: range.count, columns: columns)
        try unsafe kernels.load(memory.pointer + range.lowerBound * columns * type.size, as: type, into: &matrix)
    }

    /// The rows as the C kernels read them.
    fileprivate var base: UnsafeRawPointer { unsafe UnsafeRawPointer(memory.pointer) }
}

extension Kernels {
    /// Writes the elements of a matrix to memory that has room for them.
    @unsafe func store(_ matrix: Matrix, as type: LatentType, to memory: UnsafeMutableRawPointer) throws(KernelError) {
        let count = matrix.values.count
        try unsafe withContext { context throws(KernelError) in
            switch type {
            case .f32:
                unsafe matrix.values.withUnsafeBytes {
                    unsafe memory.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(memory), byteCount: count * 4)
                }
            case .bf16:
                let out = unsafe memory.assumingMemoryBound(to: UInt16.self)
                try unsafe KernelError.check(ps_convert_f32_to_bf16(context, matrix.values, Int64(count), out), "convert_f32_to_bf16")
            }
        }
    }

    /// Fills a matrix, whose shape says how many, with the elements in memory.
    @unsafe func load(_ memory: UnsafeRawPointer, as type: LatentType, into matrix: inout Matrix) throws(KernelError) {
        let count = matrix.values.count
        try unsafe withContext { context throws(KernelError) in
            switch type {
            case .f32:
                unsafe matrix.values.withUnsafeMutableBytes { bytes in
                    unsafe bytes.copyMemory(from: UnsafeRawBufferPointer(start: memory, count: count * 4))
                }
            case .bf16:
                let bits = unsafe memory.assumingMemoryBound(to: UInt16.self)
                try unsafe KernelError.check(ps_convert_bf16_to_f32(context, bits, Int64(count), &matrix.values), "convert_bf16_to_f32")
            }
        }
    }

    /// Copies rows of a table by index; `matrix` takes their shape. - Throws: ``KernelError`` for an index outside the table.
    func gather(_ table: RowTable, rows indices: [Int64], into matrix: inout Matrix) throws(KernelError) {
        matrix.reshape(rows: indices.count, columns: table.columns)
        let columns = Int64(table.columns)
        try unsafe withContext { context throws(KernelError) in
            switch table.type {
            case .f32:
                try unsafe KernelError.check(
                    ps_gather_f32(
                        context, table.base.assumingMemoryBound(to: Float.self), columns, indices, Int64(table.rows), columns,
                        Int64(indices.count), &matrix.values, columns),
                    "gather")
            case .bf16:
                try unsafe KernelError.check(
                    ps_gather_bf16(
                        context, table.base.assumingMemoryBound(to: UInt16.self), columns, indices, Int64(table.rows), columns,
                        Int64(indices.count), &matrix.values, columns),
                    "gather_bf16")
            }
        }
        withExtendedLifetime(table) {}
    }

    /// Importance pooling of rows of a table: out[b,:] = sum over t of weight[t] * table[target[t],:]; an empty list pools to 0.
    ///
    /// Shapes: table (N,H); lists of B rows; out becomes (B,H).
    func pool(_ table: RowTable, lists: RaggedLists, into out: inout Matrix) throws(KernelError) {
        out.reshape(rows: lists.rowCount, columns: table.columns)
        try unsafe withContext { context throws(KernelError) in
            let (N, H, B) = (Int64(table.rows), Int64(table.columns), Int64(lists.rowCount))
            switch table.type {
            case .f32:
                try unsafe KernelError.check(
                    ps_pool_weighted_forward_f32(
                        context, table.base.assumingMemoryBound(to: Float.self), lists.offsets, lists.targets, lists.weights, N, H, B, &out.values),
                    "pool_weighted_forward")
            case .bf16:
                try unsafe KernelError.check(
                    ps_pool_weighted_forward_bf16(
                        context, table.base.assumingMemoryBound(to: UInt16.self), lists.offsets, lists.targets, lists.weights, N, H, B, &out.values),
                    "pool_weighted_forward_bf16")
            }
        }
        withExtendedLifetime(table) {}
    }

    /// Element-wise maximum over rows of an f32 table; `argmax` is scratch.
    func poolMax(_ table: RowTable, lists: RaggedLists, into out: inout Matrix, argmax: inout [Int32]) throws(KernelError) {
        precondition(table.type == .f32, "max pooling reads f32")
        out.reshape(rows: lists.rowCount, columns: table.columns)
        let size = lists.rowCount * table.columns
        if argmax.count < size { argmax = Array(repeating: -1, count: size) }
        try unsafe withContext { context throws(KernelError) in
            try unsafe KernelError.check(
                ps_pool_max_forward_f32(
                    context, table.base.assumingMemoryBound(to: Float.self), lists.offsets, lists.targets, Int64(table.rows), Int64(table.columns),
                    Int64(lists.rowCount), &out.values, &argmax),
                "pool_max_forward")
        }
        withExtendedLifetime(table) {}
    }
}
