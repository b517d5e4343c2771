internal import CKernels

/// Rows by index.
extension Kernels {
    /// Copies rows by index: out[b,:] = table[indices[b],:].
    public func gather(_ table: Matrix, rows indices: [Int64], into out: inout Matrix) throws(KernelError) {
        out.reshape(rows: indices.count, columns: table.columns)
        try gather(table, rows: indices, into: &out, atColumn: 0)
    }

    /// Copies rows by index into some columns of a wider matrix, whose other columns stay as they are.
    ///
    /// Shapes: table (N,D); indices (B); out (B, at least column + D).
    public func gather(_ table: Matrix, rows indices: [Int64], into out: inout Matrix, atColumn column: Int) throws(KernelError) {
        guard out.rows == indices.count, column >= 0, column + table.columns <= out.columns else {
            throw .shapeMismatch("gather: \(indices.count) rows of \(table.shape) into \(out.shape) at column \(column)")
        }
        let stride = Int64(out.columns)
        try unsafe withContext { context throws(KernelError) in
            let status = unsafe out.values.withUnsafeMutableBufferPointer { out in
                unsafe ps_gather_f32(
                    context, table.values, Int64(table.columns), indices, Int64(table.rows), Int64(table.columns), Int64(indices.count),
                    out.baseAddress.map { unsafe $0 + column }, stride)
            }
            try KernelError.check(status, "gather")
        }
    }

    /// Copies rows of a table that may lie in a mapped file, as ``gather(_:rows:into:atColumn:)`` does.
    ///
    /// Shapes: table (N,columns), row after row; indices (B); out (B, at least column + columns).
    func gather(
        _ table: StoredArray<Float>, columns: Int, rows indices: [Int64], into out: inout Matrix, atColumn column: Int
    ) throws(KernelError) {
        try unsafe gather(table, columns, indices, &out, column, by: ps_gather_f32)
    }

    /// The same from the bits of IEEE half precision.
    func gather(
        float16 table: StoredArray<UInt16>, columns: Int, rows indices: [Int64], into out: inout Matrix, atColumn column: Int
    ) throws(KernelError) {
        try unsafe gather(table, columns, indices, &out, column, by: ps_gather_f16)
    }

    /// The same from the bits of bfloat16.
    func gather(
        bfloat16 table: StoredArray<UInt16>, columns: Int, rows indices: [Int64], into out: inout Matrix, atColumn column: Int
    ) throws(KernelError) {
        try unsafe gather(table, columns, indices, &out, column, by: ps_gather_bf16)
    }

    private typealias GatherKernel<Element> = (
        UnsafePointer<ps_context>?, UnsafePointer<Element>?, Int64, UnsafePointer<Int64>?, Int64, Int64, Int64, UnsafeMutablePointer<Float>?, Int64
    ) -> ps_status

    private func gather<Element>(
        _ table: StoredArray<Element>, _ columns: Int, _ indices: [Int64], _ out: inout Matrix, _ column: Int, by kernel: GatherKernel<Element>
    ) throws(KernelError) {
        guard out.rows == indices.count, column >= 0, columns > 0, column + columns <= out.columns else {
            throw .shapeMismatch("gather: \(indices.count) rows of \(columns) columns into \(out.shape) at column \(column)")
        }
        let (width, stride) = (Int64(columns), Int64(out.columns))
        try unsafe withContext { context throws(KernelError) in
            let status = unsafe table.withUnsafeBufferPointer { table in
                unsafe out.values.withUnsafeMutableBufferPointer { out in
                    unsafe kernel(
                        context, table.baseAddress, width, indices, Int64(table.count / columns), width, Int64(indices.count),
                        out.baseAddress.map { unsafe $0 + column }, stride)
                }
            }
            try KernelError.check(status, "gather")
        }
    }

    /// Adds rows into a table: table[indices[b],:] += rows[b,:], repeated indices in order of b.
    public func scatterAdd(_ rows: Matrix, to indices: [Int64], of table: inout Matrix) throws(KernelError) {
        guard rows.rows == indices.count, rows.columns == table.columns else {
            throw .shapeMismatch("scatterAdd: rows \(rows.shape), \(indices.count) indices, table \(table.shape)")
        }
        let tableRows = table.rows
        try unsafe withContext { context throws(KernelError) in
            try unsafe KernelError.check(
                ps_scatter_add_f32(
                    context, rows.values, indices, Int64(tableRows), Int64(rows.columns), Int64(rows.rows), &table.values),
                "scatter_add")
        }
    }
}
