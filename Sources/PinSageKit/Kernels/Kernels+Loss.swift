internal import CKernels

extension Kernels {
    /// out[p] = a[p,:] . b[p,:]
    public func rowDots(_ a: Matrix, _ b: Matrix) throws(KernelError) -> [Float] {
        guard a.rows == b.rows, a.columns == b.columns else { throw .shapeMismatch("rowDots: \(a.shape) and \(b.shape)") }
        var out = [Float](repeating: 0, count: a.rows)
        try unsafe withContext { context throws(KernelError) in
            try unsafe KernelError.check(
                ps_row_dot_f32(context, a.values, b.values, Int64(a.rows), Int64(a.columns), &out), "row_dot")
        }
        return out
    }

    /// Backward of ``rowDots(_:_:)``: adds dout[p] b[p,:] to da and dout[p] a[p,:] to db.
    public func rowDotsBackward(_ a: Matrix, _ b: Matrix, dout: [Float], da: inout Matrix, db: inout Matrix) throws(KernelError) {
        guard a.rows == b.rows, a.columns == b.columns, da.rows == a.rows, db.rows == a.rows, dout.count == a.rows else {
            throw .shapeMismatch("rowDotsBackward: \(a.shape), \(b.shape), \(dout.count) gradients")
        }
        try unsafe withContext { context throws(KernelError) in
            try unsafe KernelError.check(
                ps_row_dot_backward_f32(
                    context, a.values, b.values, dout, Int64(a.rows), Int64(a.columns), &da.values, &db.values),
                "row_dot_backward")
        }
    }

    /// out[t] = a[p,:] . b[targets[t],:] for the targets t of list p.
    public func raggedDots(_ a: Matrix, _ b: Matrix, offsets: [Int64], targets: [Int32]) throws(KernelError) -> [Float] {
        var out = [Float](repeating: 0, count: targets.count)
        try unsafe withContext { context throws(KernelError) in
            try unsafe KernelError.check(
                ps_ragged_dot_f32(context, a.values, b.values, offsets, targets, Int64(a.rows), Int64(b.rows), Int64(a.columns), &out),
                "ragged_dot")
        }
        return out
    }

    /// Scores of a batch of pairs. The loss kernels overwrite every score with the loss's gradient by it.
    public struct PairScores: Sendable {
        /// (P) q . i
        public var positive: [Float]
        /// (P,M) q . n against the negatives that all pairs share; -infinity excludes one.
        public var shared: Matrix
        /// (P + 1) where each pair's own hard negatives start in `hard`.
        public var hardOffsets: [Int64]
        /// q . n against the pair's hard negatives; -infinity excludes one.
        public var hard: [Float]

        public init(positive: [Float], shared: Matrix, hardOffsets: [Int64], hard: [Float]) {
            self.positive = positive
            self.shared = shared
            self.hardOffsets = hardOffsets
            self.hard = hard
        }
    }

    /// Max-margin loss (Ying et al. 2018, eq. 1), each pair's in the result. The weights make it a mean.
    public func maxMarginLoss(_ scores: inout PairScores, margin: Float, sharedWeight: Float, hardWeight: Float) throws(KernelError) -> [Float] {
        var losses = [Float](repeating: 0, count: scores.positive.count)
        let (pairs, negatives) = (Int64(scores.positive.count), Int64(scores.shared.columns))
        try unsafe withContext { context throws(KernelError) in
            try unsafe KernelError.check(
                ps_loss_max_margin_f32(
                    context, pairs, negatives, margin, sharedWeight, hardWeight, &scores.positive, &scores.shared.values, scores.hardOffsets,
                    &scores.hard, &losses),
                "loss_max_margin")
        }
        return losses
    }

    /// Sampled softmax; `logExpectedCounts` (M) or none is the logQ correction of the shared negatives.
    public func sampledSoftmaxLoss(
        _ scores: inout PairScores, temperature: Float, weight: Float, logExpectedCounts: [Float]?
    ) throws(KernelError) -> [Float] {
        var losses = [Float](repeating: 0, count: scores.positive.count)
        let (pairs, negatives) = (Int64(scores.positive.count), Int64(scores.shared.columns))
        try unsafe withContext { context throws(KernelError) in
            try unsafe KernelError.check(
                ps_loss_sampled_softmax_f32(
                    context, pairs, negatives, temperature, weight, logExpectedCounts, &scores.positive, &scores.shared.values,
                    scores.hardOffsets, &scores.hard, &losses),
                "loss_sampled_softmax")
        }
        return losses
    }

    /// Binary cross-entropy of the ablation row mean-pooling-xent.
    public func crossEntropyLoss(_ scores: inout PairScores, temperature: Float, weight: Float) throws(KernelError) -> [Float] {
        var losses = [Float](repeating: 0, count: scores.positive.count)
        let (pairs, negatives) = (Int64(scores.positive.count), Int64(scores.shared.columns))
        try unsafe withContext { context throws(KernelError) in
            try unsafe KernelError.check(
                ps_loss_cross_entropy_f32(
                    context, pairs, negatives, temperature, weight, &scores.positive, &scores.shared.values, scores.hardOffsets, &scores.hard,
                    &losses),
                "loss_cross_entropy")
        }
        return losses
    }
}
