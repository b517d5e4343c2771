/// The dense head z = G2 ReLU(G1 h + g), with the row normalisation of z where the model has it.
///
/// Source: Ying et al. 2018, Algorithm 2, last line. G2 has no bias.
final class OutputHead {
    private let normalizes: Bool
    private var input = Matrix(rows: 0, columns: 0)
    private var hidden = Matrix(rows: 0, columns: 0)
    private(set) var output = Matrix(rows: 0, columns: 0)
    private var norms: [Float] = []
    private var dhidden = Matrix(rows: 0, columns: 0)

    init(normalizes: Bool) { self.normalizes = normalizes }

    /// Computes `output` (B, E) of h (B, in).
    func forward(_ h: Matrix, parameters: Parameters, kernels: Kernels) throws(KernelError) {
        input = h
        try kernels.dense(h, weight: parameters.g1, bias: parameters.g1Bias, activation: .relu, into: &hidden)
        try kernels.dense(hidden, weight: parameters.g2, bias: nil, activation: .none, into: &output)
        if normalizes { norms = try kernels.normalizeRows(&output) }
    }

    /// Gradients of the last ``forward(_:parameters:kernels:)``; `dz` is overwritten on the way, `dh` with the gradient by h when wanted.
    func backward(
        dz: inout Matrix, parameters: Parameters, gradients: inout Parameters, dh: inout Matrix, wantsInputGradient: Bool, kernels: Kernels
    ) throws(KernelError) {
        if normalizes { try kernels.normalizeRowsBackward(y: output, norms: norms, dy: &dz) }
        var none = Matrix(rows: 0, columns: 0)
        var noBias: [Float] = []
        try kernels.denseBackward(
            hidden, weight: parameters.g2, y: output, activation: .none, dy: &dz, dweight: &gradients.g2, dbias: &noBias, dx1: &dhidden,
            first: .overwrite, dx2: &none, second: .none)
        try kernels.denseBackward(
            input, weight: parameters.g1, y: hidden, activation: .relu, dy: &dhidden, dweight: &gradients.g1, dbias: &gradients.g1Bias,
            dx1: &dh, first: wantsInputGradient ? .overwrite : .none, dx2: &none, second: .none)
        // Let go of the caller's buffer: a shared buffer would be copied when its owner writes the next batch into it.
        input = none
    }
}
