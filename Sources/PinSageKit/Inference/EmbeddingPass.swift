/// Embeds items layer by layer, so that each latent vector is computed exactly once.
///
/// Source: Ying et al. 2018, section 3.4 (MapReduce inference): per layer, project every item, then pool, concatenate, transform, normalise.
/// Per-item minibatches would recompute every neighbor many times over. The result equals theirs for the same neighborhoods, within the rounding of
/// products, and is the same bits for any thread count, for a part of the items as for all, and in memory as from files (``EmbeddingRun``).
public struct EmbeddingPass: Sendable {
    let model: PinSageModel
    private let kernels: Kernels
    private let latents: LatentType
    private let memory: Int

    /// - Parameters:
    ///   - latents: how vectors between layers are kept.
    ///   - memory: about the most bytes for the table that a layer pools from; it changes nothing in the result.
    public init(model: PinSageModel, kernels: Kernels, latents: LatentType = .f32, memory: Int = .max / 2) {
        self.model = model
        self.kernels = kernels
        self.latents = latents
        self.memory = memory
    }

    // MARK: All items

    /// Embeddings of every item of a graph, (N, E), with everything in memory.
    ///
    /// - Parameters:
    ///   - features: input vectors of the same items, from the model's own transform.
    ///   - progress: called with the share of the work that is done.
    /// - Throws: ``DataError`` when the features do not fit the model.
    public func embeddings(graph: Graph, features: FeatureMatrix, progress: (Double) -> Void = { _ in }) throws -> Matrix {
        guard features.values.rows == graph.itemCount, features.values.columns == model.configuration.featureWidth else {
            throw DataError(
                "the model reads \(model.configuration.featureWidth) features of \(graph.itemCount) items, found \(features.values.shape)")
        }
        let input = MatrixInput(values: features.values, ids: try IDRows(model, itemCount: graph.itemCount, items: nil))
        let layers = model.configuration.layers
        let work = Double(max(1, graph.itemCount)) * Double(1 + 2 * layers)
        var neighborhoods: NeighborhoodFile?
        if layers > 0 {
            let sampler = try NeighborhoodSampler(graph: graph, configuration: model.walks, seed: model.seed)
            neighborhoods = try NeighborhoodFile.drawn(sampler, threads: kernels.threads) { progress(Double($0) / work) }
        }
        let pass = try LayerPass(model: model, kernels: kernels, latents: latents, memory: memory)
        let result = RowTable(rows: graph.itemCount, columns: model.configuration.dimension, type: .f32)
        // Only the last finished level is read again.
        var level: (layer: Int, table: RowTable)?
        try FullPass(pass: pass, input: input, count: graph.itemCount, neighborhoods: neighborhoods).run(
            to: result,
            level: { layer, columns in
                if let level, level.layer == layer { return level.table }
                let table = RowTable(rows: graph.itemCount, columns: columns, type: latents)
                level = (layer, table)
                return table
            },
            pooled: { _, columns in RowTable(rows: graph.itemCount, columns: columns, type: .f32) }
        ) { state in
            progress((Double(state.layersDone * 2 * graph.itemCount) + Double(graph.itemCount) + state.rowsInLayer) / work)
        }
        var values = Matrix(rows: 0, columns: 0)
        try result.read(0..<graph.itemCount, into: &values, kernels: pass.kernels)
        return values
    }

    // MARK: Some items

    /// Embeddings of some items of a dataset, (items.count, E): bit for bit those rows of a pass over all items.
    ///
    /// Neighborhoods are drawn for these items and, with more layers, for their neighbors, and every vector that is needed is computed once. For a
    /// server that has just got an item: with its edges in the dataset it is embedded as if it had always been there.
    ///
    /// - Parameters:
    ///   - items: in any order; one may occur more than once.
    ///   - catalog: titles, texts and attributes, where the model's features ask for them.
    /// - Throws: ``DataError`` when the dataset does not fit the model or has no such item.
    /// - Complexity: up to T^K items for each; the memory for their vectors.
    public func embeddings(of items: [ItemID], in dataset: Dataset, catalog: (any ItemCatalog)?) throws -> Matrix {
        let count = dataset.graph.itemCount
        if let unknown = items.first(where: { Int($0.row) >= count }) {
            throw DataError("expected items below \(count), found row \(unknown.row)", file: dataset.path)
        }
        try model.features.checkCompatible(with: dataset)
        let ids = try IDRows(model, itemCount: count, items: dataset.items)
        let sampler = try NeighborhoodSampler(graph: dataset.graph, configuration: model.walks, seed: model.seed)
        return try embeddings(
            of: items.map { Int($0.row) }, input: DatasetInput(transform: model.features, dataset: dataset, catalog: catalog, ids: ids),
            itemCount: count
        ) { try sampler.neighborhoods(of: $0.map { ItemID($0) }, threads: kernels.threads) }
    }

    /// The embedding of an item that a dataset does not have yet, from its input vector and the collections that it was put into: what a server does
    /// with an item that is posted to it. Shapes: features (featureWidth) from ``FeatureTransform/vector(for:dense:degree:)``, result (E).
    ///
    /// - Throws: ``DataError`` when the features or the dataset do not fit the model, ``SamplingError`` for an unknown collection.
    /// - Complexity: as ``embeddings(of:in:catalog:)`` of one item
    public func embedding(
        ofNewItem features: [Float], in collections: [CollectionID], of dataset: Dataset, catalog: (any ItemCatalog)?
    ) throws -> [Float] {
        guard features.count == model.configuration.featureWidth else {
            throw DataError("the model reads \(model.configuration.featureWidth) features, found \(features.count)")
        }
        try model.features.checkCompatible(with: dataset)
        let count = dataset.graph.itemCount
        let ids = try IDRows(model, itemCount: count, items: dataset.items)
        let known = DatasetInput(transform: model.features, dataset: dataset, catalog: catalog, ids: ids)
        let sampler = try NeighborhoodSampler(graph: dataset.graph, configuration: model.walks, seed: model.seed)
        let own = try sampler.neighborhood(ofNewItemIn: collections)
        return try embeddings(of: [count], input: NewItemInput(known: known, item: count, features: features), itemCount: count) { items in
            // Ascending, so the new item comes last.
            var drawn = try sampler.neighborhoods(of: items.filter { $0 < count }.map { ItemID($0) }, threads: kernels.threads)
            if items.last == count {
                drawn.items += own.items
                drawn.weights += own.weights
                drawn.offsets.append(Int64(drawn.items.count))
            }
            return drawn
        }.values
    }

    /// Embeddings of items that no graph knows, from their input vectors alone, (B, E): every neighborhood is empty.
    ///
    /// Shapes: features (B, featureWidth) from ``FeatureTransform/vector(for:dense:degree:)``. An item of a dataset that has the same features and no
    /// edges has the same embedding, bit for bit.
    public func embeddings(ofNewItems features: Matrix) throws -> Matrix {
        guard features.columns == model.configuration.featureWidth else {
            throw DataError("the model reads \(model.configuration.featureWidth) features, found \(features.columns)")
        }
        let pass = try LayerPass(model: model, kernels: kernels, latents: latents, memory: memory)
        var h = features.widened(to: model.configuration.inputWidth)
        for layer in 0..<model.configuration.layers {
            h = try pass.convolveAlone(h, layer: layer)
            if layer < model.configuration.layers - 1 { h = try rounded(h, pass) }
        }
        return try pass.embeddings(of: h)
    }

    /// What the vectors between layers are after they were kept.
    private func rounded(_ h: Matrix, _ pass: LayerPass) throws -> Matrix {
        guard latents != .f32 else { return h }
        let table = RowTable(rows: h.rows, columns: h.columns, type: latents)
        try table.write(h, at: 0, kernels: pass.kernels)
        var result = Matrix(rows: 0, columns: 0)
        try table.read(0..<h.rows, into: &result, kernels: pass.kernels)
        return result
    }

    /// Embeddings of some items, (items.count, E).
    ///
    /// - Parameter neighborhoods: draws (or looks up) those of some items, in their order.
    func embeddings(
        of items: [Int], input: some InputRows, itemCount: Int, neighborhoods: ([Int]) throws -> RaggedNeighborhoods
    ) throws -> Matrix {
        let pass = try LayerPass(model: model, kernels: kernels, latents: latents, memory: memory)
        let layers = model.configuration.layers
        // From the top down: which items each layer needs from the one below.
        var needed = [Set(items).sorted()]
        var lists: [RaggedNeighborhoods] = []
        for layer in stride(from: layers - 1, through: 0, by: -1) {
            let drawn = try neighborhoods(needed[0]).prefix(model.neighborsPerLayer[layer])
            if let bad = drawn.items.first(where: { Int($0) >= itemCount }) {
                throw DataError("expected neighbors below \(itemCount), found \(bad)")
            }
            lists.insert(drawn, at: 0)
            needed.insert(Set(needed[0]).union(drawn.items.map { Int($0) }).sorted(), at: 0)
        }
        var below: RowTable?
        for layer in 0..<layers {
            let (rows, own) = (needed[layer], needed[layer + 1])
            let position = Dictionary(uniqueKeysWithValues: rows.enumerated().map { ($0.element, Int32($0.offset)) })
            let drawn = lists[layer]
            let local = RaggedLists(
                offsets: drawn.offsets, targets: drawn.items.map { position[Int($0)] ?? -1 }, weights: drawn.weights)
            let ownPositions = own.map { Int64(position[$0] ?? -1) }
            let next = RowTable(rows: own.count, columns: model.configuration.layerWidth, type: layer == layers - 1 ? .f32 : latents)
            let source = below
            let job = LayerJob(
                layer: layer, belowCount: rows.count,
                readBelow: { range, matrix, kernels in
                    if let source {
                        try source.read(range, into: &matrix, kernels: kernels)
                    } else {
                        try input.read(Array(rows[range]), into: &matrix, kernels: kernels)
                    }
                },
                count: own.count,
                readOwn: { range, matrix, kernels in
                    if let source {
                        try kernels.gather(source, rows: Array(ownPositions[range]), into: &matrix)
                    } else {
                        try input.read(Array(own[range]), into: &matrix, kernels: kernels)
                    }
                },
                lists: { local.rows($0) }, emit: { try next.write($1, at: $0.lowerBound, kernels: $2) })
            let count = own.count
            try pass.run(job, width: try pass.slabWidth(rows: rows.count), pooled: { RowTable(rows: count, columns: $1, type: .f32) })
            below = next
        }
        var h = Matrix(rows: 0, columns: 0)
        let rows = needed[layers]
        if let below {
            try below.read(0..<rows.count, into: &h, kernels: pass.kernels)
        } else {
            try input.read(rows, into: &h, kernels: pass.kernels)
        }
        let z = try pass.embeddings(of: h)
        if rows == items { return z }
        let position = Dictionary(uniqueKeysWithValues: rows.enumerated().map { ($0.element, Int64($0.offset)) })
        var result = Matrix(rows: 0, columns: 0)
        try pass.kernels.gather(z, rows: items.map { position[$0] ?? -1 }, into: &result)
        return result
    }
}

extension RaggedLists {
    /// Some consecutive lists.
    fileprivate func rows(_ rows: Range<Int>) -> RaggedLists {
        let (start, end) = (Int(offsets[rows.lowerBound]), Int(offsets[rows.upperBound]))
        return RaggedLists(
            offsets: offsets[rows.lowerBound...rows.upperBound].map { $0 - Int64(start) }, targets: Array(targets[start..<end]),
            weights: Array(weights[start..<end]))
    }
}
