internal import CKernels

extension Kernels {
    /// One step of SGD with momentum; see ps_optim.h for the formula. Shapes: all of one length; `velocity` may be empty when momentum is 0.
    public func sgdStep(
        _ w: inout [Float], gradient: [Float], velocity: inout [Float], learningRate: Float, momentum: Float, weightDecay: Float
    ) throws(KernelError) {
        guard gradient.count == w.count, momentum == 0 || velocity.count == w.count else {
            throw .shapeMismatch("sgdStep: \(w.count) weights, \(gradient.count) gradients, \(velocity.count) velocities")
        }
        let count = Int64(w.count)
        try unsafe withContext { context throws(KernelError) in
            let status = unsafe velocity.withUnsafeMutableBufferPointer { velocity in
                unsafe ps_optim_sgd_f32(
                    context, gradient, count, learningRate, momentum, weightDecay, &w, momentum == 0 ? nil : velocity.baseAddress)
            }
            try KernelError.check(status, "optim_sgd")
        }
    }

    /// One step of Adam with decoupled weight decay; `step` counts from 1.
    public func adamStep(
        _ w: inout [Float], gradient: [Float], m: inout [Float], v: inout [Float], step: Int, learningRate: Float, beta1: Float, beta2: Float,
        epsilon: Float, weightDecay: Float
    ) throws(KernelError) {
        guard gradient.count == w.count, m.count == w.count, v.count == w.count else {
            throw .shapeMismatch("adamStep: \(w.count) weights, \(gradient.count) gradients, \(m.count) and \(v.count) moments")
        }
        let count = Int64(w.count)
        try unsafe withContext { context throws(KernelError) in
            try unsafe KernelError.check(
                ps_optim_adam_f32(
                    context, gradient, count, Int64(step), learningRate, beta1, beta2, epsilon, weightDecay, &w, &m, &v),
                "optim_adam")
        }
    }

    /// Adam on the named rows of a table only (id features). `rows` are distinct and ascending; gradient (B,D); w, m, v (N,D).
    public func adamStep(
        rows: [Int64], of w: inout Matrix, gradient: Matrix, m: inout Matrix, v: inout Matrix, step: Int, learningRate: Float, beta1: Float,
        beta2: Float, epsilon: Float, weightDecay: Float
    ) throws(KernelError) {
        guard gradient.rows == rows.count, gradient.columns == w.columns, m.rows == w.rows, v.rows == w.rows else {
            throw .shapeMismatch("adamStep: table \(w.shape), gradient \(gradient.shape), \(rows.count) rows")
        }
        let (tableRows, columns) = (Int64(w.rows), Int64(w.columns))
        try unsafe withContext { context throws(KernelError) in
            try unsafe KernelError.check(
                ps_optim_adam_rows_f32(
                    context, gradient.values, rows, tableRows, columns, Int64(rows.count), Int64(step), learningRate, beta1, beta2, epsilon,
                    weightDecay, &w.values, &m.values, &v.values),
                "optim_adam_rows")
        }
    }

    /// The sum of squares, accumulated in Double in a fixed order.
    public func sumOfSquares(_ x: [Float]) throws(KernelError) -> Double {
        var sum = 0.0
        try unsafe withContext { context throws(KernelError) in
            try unsafe KernelError.check(ps_sum_squares_f32(context, x, Int64(x.count), &sum), "sum_squares")
        }
        return sum
    }

    /// x *= factor
    public func scale(_ x: inout [Float], by factor: Float) throws(KernelError) {
        let count = Int64(x.count)
        try unsafe withContext { context throws(KernelError) in
            try unsafe KernelError.check(ps_scale_f32(context, factor, count, &x), "scale")
        }
    }
}
