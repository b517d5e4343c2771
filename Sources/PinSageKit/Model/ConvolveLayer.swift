/// One convolve layer at work on minibatches: Algorithm 1 forward and backward, with the buffers that both share.
///
///     n_u = pool({ ReLU(Q h_v + q) : v in N(u) }, alpha_u)
///     z_u = ReLU(W [h_u ; n_u] + w);   z_u = z_u / ||z_u||
///
/// Source: Ying et al. 2018, Algorithm 1. Buffers keep their allocation from batch to batch.
final class ConvolveLayer {
    private let pooling: Pooling
    /// h of the rows below (n_below, in); ReLU(Q h + q) of the same rows (n_below, m).
    private var projected = Matrix(rows: 0, columns: 0)
    private var pooled = Matrix(rows: 0, columns: 0)
    private var argmax: [Int32] = []
    private var lists = RaggedLists()
    private var ownInput = Matrix(rows: 0, columns: 0)
    private(set) var output = Matrix(rows: 0, columns: 0)
    /// The activations before normalisation are output * norm; only their signs are needed, and those agree.
    private var norms: [Float] = []
    private var dpooled = Matrix(rows: 0, columns: 0)
    private var dprojected = Matrix(rows: 0, columns: 0)

    init(pooling: Pooling) { self.pooling = pooling }

    /// Computes `output` (B, out).
    ///
    /// - Parameters:
    ///   - below: h of the rows below, (n, in).
    ///   - own: each row's own h, (B, in).
    ///   - neighbors: for each row its neighbors among `below`, with importance weights.
    func forward(
        below: Matrix, own: Matrix, neighbors: RaggedLists, parameters: Parameters.Convolve, kernels: Kernels
    ) throws(KernelError) {
        ownInput = own
        lists = pooling == .mean ? neighbors.withEqualWeights() : neighbors
        try kernels.dense(below, weight: parameters.q, bias: parameters.qBias, activation: .relu, into: &projected)
        switch pooling {
        case .importance, .mean: try kernels.pool(projected, lists: lists, into: &pooled)
        case .max: try kernels.poolMax(projected, lists: lists, into: &pooled, argmax: &argmax)
        }
        try kernels.dense(ownInput, pooled, weight: parameters.w, bias: parameters.wBias, activation: .relu, into: &output)
        norms = try kernels.normalizeRows(&output)
    }

    /// Gradients of the last ``forward(below:own:neighbors:parameters:kernels:)``.
    ///
    /// - Parameters:
    ///   - dout: gradient by `output`; overwritten on the way.
    ///   - dbelow, down: when wanted, overwritten with the gradients by `below` (through the neighbors) and by `own`.
    func backward(
        dout: inout Matrix, below: Matrix, parameters: Parameters.Convolve, gradients: inout Parameters.Convolve, dbelow: inout Matrix,
        down: inout Matrix, wantsInputGradients: Bool, kernels: Kernels
    ) throws(KernelError) {
        try kernels.normalizeRowsBackward(y: output, norms: norms, dy: &dout)
        try kernels.denseBackward(
            ownInput, pooled, weight: parameters.w, y: output, activation: .relu, dy: &dout, dweight: &gradients.w, dbias: &gradients.wBias,
            dx1: &down, first: wantsInputGradients ? .overwrite : .none, dx2: &dpooled, second: .overwrite)
        let transposed = try kernels.transposed(lists, tableRows: below.rows)
        switch pooling {
        case .importance, .mean:
            try kernels.poolBackward(dpooled, weights: lists.weights, transposed: transposed, accumulate: false, into: &dprojected)
        case .max:
            try kernels.poolMaxBackward(dpooled, argmax: argmax, transposed: transposed, into: &dprojected)
        }
        var none = Matrix(rows: 0, columns: 0)
        try kernels.denseBackward(
            below, weight: parameters.q, y: projected, activation: .relu, dy: &dprojected, dweight: &gradients.q, dbias: &gradients.qBias,
            dx1: &dbelow, first: wantsInputGradients ? .overwrite : .none, dx2: &none, second: .none)
        // Let go of the caller's buffer: a shared buffer would be copied when its owner writes the next batch into it.
        ownInput = none
    }
}

extension RaggedLists {
    /// The same lists with weights 1 / length.
    func withEqualWeights() -> RaggedLists {
        var lists = self
        for row in 0..<rowCount {
            let range = range(of: row)
            for position in range { lists.weights[position] = 1 / Float(range.count) }
        }
        return lists
    }
}
