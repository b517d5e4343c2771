/// A model's layers at work on minibatches: embeddings of a computation graph's roots, and the gradients of a loss on them.
///
/// One owner uses it; it holds the activations between forward and backward.
final class Network {
    private let configuration: PinSageConfiguration
    private let kernels: Kernels
    private let layers: [ConvolveLayer]
    private let head: OutputHead
    private var batch: NetworkInput?
    /// Gradient buffers of the rows between layers.
    private var dbelow = Matrix(rows: 0, columns: 0)
    private var down = Matrix(rows: 0, columns: 0)
    private var dh = Matrix(rows: 0, columns: 0)

    init(configuration: PinSageConfiguration, kernels: Kernels) {
        self.configuration = configuration
        self.kernels = kernels
        layers = (0..<configuration.layers).map { _ in ConvolveLayer(pooling: configuration.pooling) }
        head = OutputHead(normalizes: configuration.normalizesOutput)
    }

    /// Embeddings of the roots (rootCount, E), in order.
    func forward(_ input: NetworkInput, parameters: Parameters) throws(KernelError) -> Matrix {
        batch = input
        var own = input.own
        for (index, layer) in input.graph.layers.enumerated() {
            let below = index == 0 ? input.neighbors : layers[index - 1].output
            if index > 0 {
                if layer.selfIsPrefix && layer.selfRows.count == below.rows {
                    own = below
                } else {
                    try kernels.gather(below, rows: layer.selfRows, into: &own)
                }
            }
            try layers[index].forward(
                below: below, own: own, neighbors: layer.neighbors, parameters: parameters.convolve[index], kernels: kernels)
        }
        try head.forward(layers.last?.output ?? input.own, parameters: parameters, kernels: kernels)
        return head.output
    }

    /// Lets go of the last minibatch's input, so that its buffers have one owner again.
    func release() { batch = nil }

    /// Gradients by every parameter, and by the input vectors when `wantsInputGradients`.
    ///
    /// - Parameter dz: gradient by the last result of ``forward(_:parameters:)``; overwritten on the way.
    /// - Returns: the gradient by each row of the batch's input items (through own and neighbor rows), or `nil`.
    func backward(
        dz: inout Matrix, parameters: Parameters, gradients: inout Parameters, wantsInputGradients: Bool
    ) throws(KernelError) -> Matrix? {
        guard let batch else { preconditionFailure("backward needs a forward pass first") }
        try head.backward(
            dz: &dz, parameters: parameters, gradients: &gradients, dh: &dh,
            wantsInputGradient: !layers.isEmpty || wantsInputGradients, kernels: kernels)
        for index in layers.indices.reversed() {
            let wants = index > 0 || wantsInputGradients
            let below = index == 0 ? batch.neighbors : layers[index - 1].output
            try layers[index].backward(
                dout: &dh, below: below, parameters: parameters.convolve[index], gradients: &gradients.convolve[index], dbelow: &dbelow, down: &down,
                wantsInputGradients: wants, kernels: kernels)
            if wants {
                if index == 0 { down.clear(rows: batch.rowsWithoutID, columns: configuration.featureWidth..<configuration.inputWidth) }
                // A row's gradient is what its neighbors' lists give it plus what it gives itself.
                try kernels.scatterAdd(down, to: batch.graph.layers[index].selfRows, of: &dbelow)
                swap(&dh, &dbelow)
            }
        }
        guard wantsInputGradients else { return nil }
        if layers.isEmpty {
            dh.clear(rows: batch.rowsWithoutID, columns: configuration.featureWidth..<configuration.inputWidth)
            var result = Matrix(rows: batch.graph.inputItems.count, columns: dh.columns)
            try kernels.scatterAdd(dh, to: batch.graph.rootInputRows, of: &result)
            return result
        }
        return dh
    }
}

extension PinSageConfiguration {
    /// Floating point operations of the matrix products that a training step needs on a computation graph: each distinct item once per layer, no
    /// gradient to fixed features. What is computed beyond that is not counted.
    ///
    /// - Parameters:
    ///   - pairs, negatives: shape of the scores.
    ///   - learnsIDs: whether the id columns of the input get gradients.
    func productFLOPs(of graph: ComputationGraph, pairs: Int, negatives: Int, learnsIDs: Bool) -> Double {
        var products = 0  // multiply-adds
        for (index, layer) in graph.layers.enumerated() {
            let (rows, input) = (layer.selfRows.count, width(into: index))
            // Roots are nobody's neighbors: above the input they are rows of their own, which need no projection.
            let below = index == 0 ? graph.inputItems.count : graph.layers[index - 1].selfRows.count - graph.rootCount
            let forward = below * input * hiddenWidth + rows * (input + hiddenWidth) * layerWidth
            let downwards = index > 0 ? input : learnsIDs ? idWidth : 0
            products += 2 * forward + rows * hiddenWidth * layerWidth + downwards * (below * hiddenWidth + rows * layerWidth)
        }
        let (input, roots) = (width(into: layers), graph.rootCount)
        products += roots * (2 * input * layerWidth + 3 * layerWidth * dimension)
        products += roots * layerWidth * (layers > 0 ? input : learnsIDs ? idWidth : 0)
        products += 3 * pairs * negatives * dimension
        return 2 * Double(products)
    }
}

/// The input vectors of a computation graph, gathered.
struct NetworkInput: Sendable {
    var graph: ComputationGraph
    /// The vectors of `graph.inputItems`, which neighbors are projected from, (S(0), D).
    var neighbors: Matrix
    /// The own vectors of the lowest layer's rows (of the roots when K = 0), (rows, D). They are apart from `neighbors` because a root with
    /// hidden edges has another degree than the plain item.
    var own: Matrix
    /// Rows of `own` that play new items: they have no id vector, so their input there is 0 and gives no gradient.
    var rowsWithoutID: [Int] = []
}
