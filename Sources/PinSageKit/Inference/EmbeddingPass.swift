/// Embeds all items layer by layer, so that each latent vector is computed exactly once.
///
/// Source: Ying et al. 2018, section 3.4 (MapReduce inference): per layer, project every item, then pool, concatenate, transform, normalise.
/// Per-item minibatches would recompute every neighbor many times over. The result equals theirs for the same neighborhoods.
public struct EmbeddingPass {
    private let model: PinSageModel
    private let kernels: Kernels
    /// Rows that are pooled and transformed at a time: a block's latents stay in cache and the walk's lists stay small.
    private let blockRows = 8192

    public init(model: PinSageModel, kernels: Kernels) {
        self.model = model
        self.kernels = kernels
    }

    /// Embeddings of every item of a graph, (N, E).
    ///
    /// - Parameters:
    ///   - features: input vectors of the same items, from the model's own transform.
    ///   - progress: called with the share of the work that is done.
    /// - Throws: ``DataError`` when the features do not fit the model.
    public func embeddings(graph: Graph, features: FeatureMatrix, progress: (Double) -> Void = { _ in }) throws -> Matrix {
        let configuration = model.configuration
        guard features.values.rows == graph.itemCount, features.values.columns == configuration.featureWidth else {
            throw DataError("the model reads \(configuration.featureWidth) features of \(graph.itemCount) items, found \(features.values.shape)")
        }
        var h = try input(features, itemCount: graph.itemCount)
        let sampler = try NeighborhoodSampler(graph: graph, configuration: model.walks, seed: model.seed)
        let blocks = (graph.itemCount + blockRows - 1) / blockRows
        let work = Double(max(1, (configuration.layers + 1) * blocks))
        var done = 0.0
        for layer in 0..<configuration.layers {
            let parameters = model.parameters.convolve[layer]
            let projected = try kernels.dense(h, weight: parameters.q, bias: parameters.qBias, activation: .relu)
            var next = Matrix(rows: graph.itemCount, columns: configuration.layerWidth)
            try forEachBlock(of: graph.itemCount) { block in
                let items = block.map { ItemID($0) }
                let lists = try sampler.neighborhoods(of: items, threads: kernels.threads).prefix(model.neighborsPerLayer[layer])
                let pooled = try pool(projected, lists)
                var z = try kernels.dense(
                    h.rows(block), pooled, weight: parameters.w, bias: parameters.wBias, activation: .relu)
                try kernels.normalizeRows(&z)
                next.replaceRows(from: block.lowerBound, with: z)
                done += 1
                progress(done / work)
            }
            h = next
        }
        var result = Matrix(rows: graph.itemCount, columns: configuration.dimension)
        try forEachBlock(of: graph.itemCount) { block in
            let hidden = try kernels.dense(h.rows(block), weight: model.parameters.g1, bias: model.parameters.g1Bias, activation: .relu)
            var z = try kernels.dense(hidden, weight: model.parameters.g2, bias: nil, activation: .none)
            if configuration.normalizesOutput { try kernels.normalizeRows(&z) }
            result.replaceRows(from: block.lowerBound, with: z)
            done += 1
            progress(done / work)
        }
        return result
    }

    /// Embeddings of items that no graph knows, from their input vectors alone, (B, E): every neighborhood is empty.
    ///
    /// Shapes: features (B, featureWidth) from ``FeatureTransform/vector(for:dense:degree:)``.
    public func embeddings(ofNewItems features: Matrix) throws -> Matrix {
        guard features.columns == model.configuration.featureWidth else {
            throw DataError("the model reads \(model.configuration.featureWidth) features, found \(features.columns)")
        }
        var h = features.widened(to: model.configuration.inputWidth)
        for parameters in model.parameters.convolve {
            let nothing = Matrix(rows: h.rows, columns: model.configuration.hiddenWidth)
            var z = try kernels.dense(h, nothing, weight: parameters.w, bias: parameters.wBias, activation: .relu)
            try kernels.normalizeRows(&z)
            h = z
        }
        let hidden = try kernels.dense(h, weight: model.parameters.g1, bias: model.parameters.g1Bias, activation: .relu)
        var z = try kernels.dense(hidden, weight: model.parameters.g2, bias: nil, activation: .none)
        if model.configuration.normalizesOutput { try kernels.normalizeRows(&z) }
        return z
    }

    private func input(_ features: FeatureMatrix, itemCount: Int) throws -> Matrix {
        guard model.configuration.idWidth > 0 else { return features.values }
        guard let ids = model.idVectors, ids.rows == itemCount else {
            throw DataError("the model has id vectors of \(model.idVectors?.rows ?? 0) items, the dataset has \(itemCount)")
        }
        var wide = features.values.widened(to: model.configuration.inputWidth)
        try kernels.gather(ids, rows: (0..<itemCount).map { Int64($0) }, into: &wide, atColumn: model.configuration.featureWidth)
        return wide
    }

    private func pool(_ h: Matrix, _ lists: RaggedNeighborhoods) throws -> Matrix {
        let ragged = RaggedLists(offsets: lists.offsets, targets: lists.items.map { Int32($0) }, weights: lists.weights)
        var pooled = Matrix(rows: 0, columns: 0)
        switch model.configuration.pooling {
        case .importance: try kernels.pool(h, lists: ragged, into: &pooled)
        case .mean: try kernels.pool(h, lists: ragged.withEqualWeights(), into: &pooled)
        case .max:
            var argmax: [Int32] = []
            try kernels.poolMax(h, lists: ragged, into: &pooled, argmax: &argmax)
        }
        return pooled
    }

    private func forEachBlock(of count: Int, _ body: (Range<Int>) throws -> Void) rethrows {
        var start = 0
        while start < count {
            let end = min(start + blockRows, count)
            try body(start..<end)
            start = end
        }
    }
}
