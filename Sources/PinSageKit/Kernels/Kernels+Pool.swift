internal import CKernels

extension Kernels {
    /// Importance pooling: out[b,:] = sum over t of weight[t] * h[target[t],:]; an empty list pools to 0. Also a sparse-times-dense product.
    ///
    /// Source: Ying et al. 2018, Algorithm 1 line 1. Shapes: h (N,H); lists of B rows; out becomes (B,H).
    public func pool(_ h: Matrix, lists: RaggedLists, into out: inout Matrix) throws(KernelError) {
        out.reshape(rows: lists.rowCount, columns: h.columns)
        try unsafe withContext { context throws(KernelError) in
            try unsafe KernelError.check(
                ps_pool_weighted_forward_f32(
                    context, h.values, lists.offsets, lists.targets, lists.weights, Int64(h.rows), Int64(h.columns), Int64(lists.rowCount),
                    &out.values),
                "pool_weighted_forward")
        }
    }

    /// ``pool(_:lists:into:)`` with a result of its own.
    public func pooled(_ h: Matrix, lists: RaggedLists) throws(KernelError) -> Matrix {
        var out = Matrix(rows: 0, columns: 0)
        try pool(h, lists: lists, into: &out)
        return out
    }

    /// Turns lists around, for backward passes. `tableRows` is the row count of the pooled table.
    public func transposed(_ lists: RaggedLists, tableRows: Int) throws(KernelError) -> TransposedLists {
        var result = TransposedLists()
        result.offsets = Array(repeating: 0, count: tableRows + 1)
        result.rows = Array(repeating: 0, count: lists.targets.count)
        result.slots = Array(repeating: 0, count: lists.targets.count)
        try unsafe KernelError.check(
            ps_pool_transpose(
                lists.offsets, lists.targets, Int64(tableRows), Int64(lists.rowCount), &result.offsets, &result.rows, &result.slots),
            "pool_transpose")
        return result
    }

    /// Gradient of ``pool(_:lists:into:)`` to the vectors, summed in a fixed order. Shapes: dout (B,H); dh (N,H), overwritten or added to.
    public func poolBackward(
        _ dout: Matrix, weights: [Float], transposed: TransposedLists, accumulate: Bool, into dh: inout Matrix
    ) throws(KernelError) {
        let tableRows = transposed.offsets.count - 1
        if accumulate {
            guard dh.rows == tableRows, dh.columns == dout.columns else {
                throw .shapeMismatch("poolBackward: dh \(dh.shape) for \(tableRows) x \(dout.columns)")
            }
        } else {
            dh.reshape(rows: tableRows, columns: dout.columns)
        }
        try unsafe withContext { context throws(KernelError) in
            try unsafe KernelError.check(
                ps_pool_weighted_backward_f32(
                    context, dout.values, weights, transposed.offsets, transposed.rows, transposed.slots, Int64(tableRows),
                    Int64(dout.columns), Int64(dout.rows), accumulate ? 1 : 0, &dh.values),
                "pool_weighted_backward")
        }
    }

    /// Element-wise maximum over each list; `argmax` (B*H) holds the winning slots for the backward pass.
    public func poolMax(_ h: Matrix, lists: RaggedLists, into out: inout Matrix, argmax: inout [Int32]) throws(KernelError) {
        out.reshape(rows: lists.rowCount, columns: h.columns)
        argmax = Array(repeating: -1, count: lists.rowCount * h.columns)
        try unsafe withContext { context throws(KernelError) in
            try unsafe KernelError.check(
                ps_pool_max_forward_f32(
                    context, h.values, lists.offsets, lists.targets, Int64(h.rows), Int64(h.columns), Int64(lists.rowCount), &out.values, &argmax),
                "pool_max_forward")
        }
    }

    /// Gradient of ``poolMax(_:lists:into:argmax:)`` to the vectors; overwrites `dh`.
    public func poolMaxBackward(
        _ dout: Matrix, argmax: [Int32], transposed: TransposedLists, into dh: inout Matrix
    ) throws(KernelError) {
        let tableRows = transposed.offsets.count - 1
        dh.reshape(rows: tableRows, columns: dout.columns)
        try unsafe withContext { context throws(KernelError) in
            try unsafe KernelError.check(
                ps_pool_max_backward_f32(
                    context, dout.values, argmax, transposed.offsets, transposed.rows, transposed.slots, Int64(tableRows),
                    Int64(dout.columns), Int64(dout.rows), 0, &dh.values),
                "pool_max_backward")
        }
    }
}
