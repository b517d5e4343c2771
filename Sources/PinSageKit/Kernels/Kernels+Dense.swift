internal import CKernels

/// What a dense layer applies to its sums.
public enum Activation: Sendable, Codable {
    case none, relu

    var code: ps_activation { self == .relu ? PS_ACTIVATION_RELU : PS_ACTIVATION_NONE }
}

extension Kernels {
    /// y = act(x1 W1' + x2 W2' + bias) with weight = [W1 | W2]; the concatenation [x1 ; x2] is never formed.
    ///
    /// Source: Ying et al. 2018, Algorithm 1.
    /// Shapes: x1 (B,D1); x2 (B,D2) or none; weight (E, D1+D2); bias (E) or none; y becomes (B,E).
    public func dense(
        _ x1: Matrix, _ x2: Matrix? = nil, weight: Matrix, bias: [Float]?, activation: Activation, into y: inout Matrix
    ) throws(KernelError) {
        let width = x1.columns + (x2?.columns ?? 0)
        guard weight.columns == width, x2 == nil || x2?.rows == x1.rows, bias == nil || bias?.count == weight.rows else {
            throw .shapeMismatch(
                "dense: inputs \(x1.shape) and \(x2?.shape ?? "none") with weight \(weight.shape) and bias \(bias?.count ?? 0)")
        }
        y.reshape(rows: x1.rows, columns: weight.rows)
        try unsafe withContext { context throws(KernelError) in
            try unsafe KernelError.check(
                ps_dense_forward_f32(
                    context, x1.values, Int64(x1.columns), x2?.values, Int64(x2?.columns ?? 0), weight.values, bias, Int64(x1.rows),
                    Int64(x1.columns), Int64(x2?.columns ?? 0), Int64(weight.rows), activation.code, &y.values),
                "dense_forward")
        }
    }

    /// ``dense(_:_:weight:bias:activation:into:)`` with a result of its own.
    public func dense(_ x1: Matrix, _ x2: Matrix? = nil, weight: Matrix, bias: [Float]?, activation: Activation) throws(KernelError) -> Matrix {
        var y = Matrix(rows: 0, columns: 0)
        try dense(x1, x2, weight: weight, bias: bias, activation: activation, into: &y)
        return y
    }

    /// What `denseBackward` is to compute of an input's gradient.
    public enum InputGradient: Sendable {
        /// Fixed features: no product at all.
        case none
        case overwrite
        /// Adds to what the buffer holds.
        case accumulate
    }

    /// Gradients of ``dense(_:_:weight:bias:activation:into:)``.
    ///
    /// `dy` is multiplied in place by the ReLU mask; `dweight` and `dbias` are overwritten; the gradients of the inputs are computed as asked.
    public func denseBackward(
        _ x1: Matrix, _ x2: Matrix? = nil, weight: Matrix, y: Matrix, activation: Activation, dy: inout Matrix, dweight: inout Matrix,
        dbias: inout [Float], dx1: inout Matrix, first: InputGradient, dx2: inout Matrix, second: InputGradient
    ) throws(KernelError) {
        let width = x1.columns + (x2?.columns ?? 0)
        guard weight.columns == width, dy.rows == x1.rows, dy.columns == weight.rows, y.rows == dy.rows, y.columns == dy.columns else {
            throw .shapeMismatch("denseBackward: inputs \(x1.shape) and \(x2?.shape ?? "none"), weight \(weight.shape), dy \(dy.shape)")
        }
        dweight.reshape(rows: weight.rows, columns: weight.columns)
        let hasBias = !dbias.isEmpty
        if first == .overwrite { dx1.reshape(rows: x1.rows, columns: x1.columns) }
        if second == .overwrite, let x2 { dx2.reshape(rows: x2.rows, columns: x2.columns) }
        guard first == .none || (dx1.rows == x1.rows && dx1.columns == x1.columns),
            second == .none || (x2 != nil && dx2.rows == x2?.rows && dx2.columns == x2?.columns),
            second != .accumulate, !hasBias || dbias.count == weight.rows
        else { throw .shapeMismatch("denseBackward: gradients \(dx1.shape) and \(dx2.shape), bias \(dbias.count), weight \(weight.shape)") }
        try unsafe withContext { context throws(KernelError) in
            // Swift passes a pointer for every inout array; the kernel wants null for what is not asked.
            let status = unsafe dweight.values.withUnsafeMutableBufferPointer { dweight in
                unsafe dbias.withUnsafeMutableBufferPointer { dbias in
                    unsafe dx1.values.withUnsafeMutableBufferPointer { dx1 in
                        unsafe dx2.values.withUnsafeMutableBufferPointer { dx2 in
                            unsafe ps_dense_backward_f32(
                                context, x1.values, Int64(x1.columns), x2?.values, Int64(x2?.columns ?? 0), weight.values, y.values,
                                Int64(x1.rows), Int64(x1.columns), Int64(x2?.columns ?? 0), Int64(weight.rows), activation.code, 0,
                                first == .accumulate ? 1 : 0, &dy.values, dweight.baseAddress, hasBias ? dbias.baseAddress : nil,
                                first == .none ? nil : dx1.baseAddress, Int64(x1.columns), second == .none ? nil : dx2.baseAddress,
                                Int64(x2?.columns ?? 0))
                        }
                    }
                }
            }
            try KernelError.check(status, "dense_backward")
        }
    }

    /// C = alpha op(A) op(B) + beta C. Shapes: op(A) (m,k); op(B) (k,n); C (m,n), which keeps its contents only when beta is not 0.
    public func product(
        _ a: Matrix, transposed transposeA: Bool = false, _ b: Matrix, transposed transposeB: Bool = false, alpha: Float = 1, beta: Float = 0,
        into c: inout Matrix
    ) throws(KernelError) {
        let (m, k) = transposeA ? (a.columns, a.rows) : (a.rows, a.columns)
        let (k2, n) = transposeB ? (b.columns, b.rows) : (b.rows, b.columns)
        guard k == k2, beta == 0 || (c.rows == m && c.columns == n) else {
            throw .shapeMismatch("product: \(m) x \(k) times \(k2) x \(n) into \(c.shape)")
        }
        if beta == 0 { c.reshape(rows: m, columns: n) }
        try unsafe withContext { context throws(KernelError) in
            try unsafe KernelError.check(
                ps_matmul_f32(
                    context, a.values, Int64(a.columns), transposeA ? 1 : 0, b.values, Int64(b.columns), transposeB ? 1 : 0, Int64(m), Int64(n),
                    Int64(k), alpha, beta, &c.values, Int64(n)),
                "matmul")
        }
    }

    /// op(A) op(B) as a new matrix.
    public func product(
        _ a: Matrix, transposed transposeA: Bool = false, _ b: Matrix, transposed transposeB: Bool = false
    ) throws(KernelError) -> Matrix {
        var c = Matrix(rows: 0, columns: 0)
        try product(a, transposed: transposeA, b, transposed: transposeB, into: &c)
        return c
    }

    /// Row L2 normalisation in place; rows of zeros stay zeros. Source: Algorithm 1 line 3.
    /// - Returns: the norms that the rows had, for the backward pass.
    @discardableResult
    public func normalizeRows(_ x: inout Matrix) throws(KernelError) -> [Float] {
        var norms = [Float](repeating: 0, count: x.rows)
        let (rows, columns) = (Int64(x.rows), Int64(x.columns))
        try unsafe withContext { context throws(KernelError) in
            let status = unsafe x.values.withUnsafeMutableBufferPointer { x in
                unsafe ps_norm_l2_forward_f32(context, x.baseAddress, columns, rows, columns, x.baseAddress, columns, &norms)
            }
            try KernelError.check(status, "norm_l2_forward")
        }
        return norms
    }

    /// Rows divided by their L2 norms.
    public func normalizedRows(_ x: Matrix) throws(KernelError) -> Matrix {
        var y = x
        try normalizeRows(&y)
        return y
    }

    /// Gradient of the row normalisation, in place: dy becomes (dy - y (y . dy)) / norm. Shapes: y, dy (B,E); norms (B).
    public func normalizeRowsBackward(y: Matrix, norms: [Float], dy: inout Matrix) throws(KernelError) {
        guard y.rows == dy.rows, y.columns == dy.columns, norms.count == y.rows else {
            throw .shapeMismatch("normalizeRowsBackward: y \(y.shape), dy \(dy.shape), \(norms.count) norms")
        }
        let (rows, columns) = (dy.rows, dy.columns)
        try unsafe withContext { context throws(KernelError) in
            let status = unsafe dy.values.withUnsafeMutableBufferPointer { dy in
                unsafe ps_norm_l2_backward_f32(context, y.values, dy.baseAddress, norms, Int64(rows), Int64(columns), dy.baseAddress)
            }
            try KernelError.check(status, "norm_l2_backward")
        }
    }
}
