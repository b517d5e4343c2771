/// Embeds items that are not in the dataset, one at a time and at once: from their features and the collections that they were put into.
///
/// What it computes is what ``EmbeddingPass`` would, were the item in the graph: neighborhoods are drawn by the same law, and those of the
/// items around it are the same ones. Only what the new item would change in *their* vectors is left out. Nothing is prepared, so that a
/// first answer takes no longer than others; the features of the neighbors are made from the dataset each time.
public struct NewItemEmbedder: Sendable {
    private let model: PinSageModel
    private let dataset: Dataset
    private let catalog: (any ItemCatalog)?
    private let sampler: NeighborhoodSampler
    private let kernels: Kernels

    /// - Parameter catalog: the dataset's, where the model's features ask for texts or attributes.
    /// - Throws: ``DataError`` when the dataset lacks features that the model reads.
    public init(model: PinSageModel, dataset: Dataset, catalog: (any ItemCatalog)?, kernels: Kernels) throws {
        try model.features.checkCompatible(with: dataset)
        guard catalog != nil || !model.features.needsCatalog else {
            throw DataError("the model's features are made of texts or attributes; the dataset has no catalog of them", file: dataset.path)
        }
        self.model = model
        self.dataset = dataset
        self.catalog = catalog
        self.kernels = kernels
        sampler = try NeighborhoodSampler(graph: dataset.graph, configuration: model.walks, seed: model.seed)
    }

    /// The embedding of a new item.
    ///
    /// - Parameters:
    ///   - features: dense features by name; one that is missing is zeros.
    ///   - collections: where it was put, each once; without any it is embedded from its features alone.
    ///   - seed: of its walks. The same arguments give the same embedding.
    /// - Throws: ``DataError`` for features of an unknown name or another width, or an unknown collection.
    /// - Complexity: O(walks) and the features of T items for one layer; another layer multiplies these by T.
    public func embedding(
        of description: ItemDescription, features: [String: [Float]] = [:], collections: [CollectionID] = [], seed: UInt64 = 0
    ) throws -> [Float] {
        for collection in collections where Int(collection.row) >= dataset.graph.collectionCount {
            throw DataError("expected a collection below \(dataset.graph.collectionCount), found \(collection.row)")
        }
        let own = try model.features.vector(for: description, dense: features, degree: collections.count)
        let configuration = model.configuration
        var h = Matrix(rows: 1, columns: own.count, values: own).widened(to: configuration.inputWidth)
        let neighborhood = neighborhood(in: collections, seed: seed)
        for layer in 0..<configuration.layers {
            let list = neighborhood.prefix(model.neighborsPerLayer[layer])
            let below = try latents(of: list.items.map { ItemID(row: $0) }, layer: layer)
            h = try convolve(own: h, neighbors: below, lists: Self.local(list, rows: nil), layer: layer)
        }
        return try head(h).values
    }

    /// h after `layer` layers of items of the dataset, as ``EmbeddingPass`` computes it. Shapes: (items, width into that layer)
    private func latents(of items: [ItemID], layer: Int) throws -> Matrix {
        guard layer > 0 else { return try inputs(of: items) }
        let lists = try sampler.neighborhoods(of: items, threads: 1).prefix(model.neighborsPerLayer[layer - 1])
        // Each item's own vector comes first, then every other item that somebody pools, once.
        var rows: [UInt32: Int32] = [:]
        var needed: [ItemID] = []
        for row in items.map(\.row) + lists.items where rows[row] == nil {
            rows[row] = Int32(needed.count)
            needed.append(ItemID(row: row))
        }
        let below = try latents(of: needed, layer: layer - 1)
        var own = Matrix(rows: 0, columns: 0)
        try kernels.gather(below, rows: items.map { Int64(rows[$0.row] ?? 0) }, into: &own)
        return try convolve(own: own, neighbors: below, lists: Self.local(lists, rows: rows), layer: layer - 1)
    }

    /// Input vectors of items of the dataset.
    private func inputs(of items: [ItemID]) throws -> Matrix {
        let width = model.features.width
        var values: [Float] = []
        values.reserveCapacity(items.count * width)
        let tables = model.features.dense.compactMap { block in dataset.features(named: block.name).map { (block.name, $0) } }
        for item in items {
            var dense: [String: [Float]] = [:]
            for (name, table) in tables { dense[name] = table.gather([Int(item.row)]).values }
            let description = model.features.needsCatalog ? try catalog?.description(of: item) : nil
            values += try model.features.vector(
                for: description ?? ItemDescription(), dense: dense, degree: dataset.graph.degree(of: item))
        }
        var h = Matrix(rows: items.count, columns: width, values: values).widened(to: model.configuration.inputWidth)
        if model.configuration.idWidth > 0, let ids = model.idVectors, ids.rows == dataset.items.count {
            try kernels.gather(ids, rows: items.map { Int64($0.row) }, into: &h, atColumn: model.configuration.featureWidth)
        }
        return h
    }

    private func convolve(own: Matrix, neighbors: Matrix, lists: RaggedLists, layer: Int) throws -> Matrix {
        let parameters = model.parameters.convolve[layer]
        var pooled = Matrix(rows: own.rows, columns: model.configuration.hiddenWidth)
        if neighbors.rows > 0 {
            let projected = try kernels.dense(neighbors, weight: parameters.q, bias: parameters.qBias, activation: .relu)
            switch model.configuration.pooling {
            case .importance: try kernels.pool(projected, lists: lists, into: &pooled)
            case .mean: try kernels.pool(projected, lists: lists.withEqualWeights(), into: &pooled)
            case .max:
                var argmax: [Int32] = []
                try kernels.poolMax(projected, lists: lists, into: &pooled, argmax: &argmax)
            }
        }
        var z = try kernels.dense(own, pooled, weight: parameters.w, bias: parameters.wBias, activation: .relu)
        try kernels.normalizeRows(&z)
        return z
    }

    private func head(_ h: Matrix) throws -> Matrix {
        let hidden = try kernels.dense(h, weight: model.parameters.g1, bias: model.parameters.g1Bias, activation: .relu)
        var z = try kernels.dense(hidden, weight: model.parameters.g2, bias: nil, activation: .none)
        if model.configuration.normalizesOutput { try kernels.normalizeRows(&z) }
        return z
    }

    /// Lists of positions in the matrix below; without `rows` the items are its rows in their order.
    private static func local(_ lists: RaggedNeighborhoods, rows: [UInt32: Int32]?) -> RaggedLists {
        let targets = rows.map { rows in lists.items.map { rows[$0] ?? 0 } } ?? lists.items.indices.map { Int32($0) }
        return RaggedLists(offsets: lists.offsets, targets: targets, weights: lists.weights)
    }

    /// The neighborhood of an item that is in these collections and not yet in the graph: the law of ``NeighborhoodSampler``, with uniform steps.
    ///
    /// In its own collections the new item is one member more, which walks may return to.
    private func neighborhood(in collections: [CollectionID], seed: UInt64) -> RaggedNeighborhoods {
        guard !collections.isEmpty else { return RaggedNeighborhoods(offsets: [0, 0]) }
        let graph = dataset.graph, walks = model.walks
        let own = Set(collections)
        let random = CounterRandom(seed: model.seed, round: 1).stream(of: seed)
        let restartBelow = CounterRandom.threshold(walks.restart)
        var visits: [UInt32: Int] = [:]
        for walk in 0..<walks.walks {
            var place: ItemID?  // nil is the new item
            for step in 0..<walks.walkLength {
                let word = random[walk: walk, step: step]
                let edges = place.map { graph.items.range(of: Int($0.row)) }
                if edges?.isEmpty == true { break }  // only a damaged file leads here
                let first = CounterRandom.draw(below: UInt64(edges?.count ?? collections.count), from: word)
                let collection =
                    edges.map { CollectionID(row: graph.items.targets[$0.lowerBound + Int(first.value)]) } ?? collections[Int(first.value)]
                guard Int(collection.row) < graph.collectionCount else { continue }
                let members = graph.collections.range(of: Int(collection.row))
                let second = CounterRandom.draw(below: UInt64(members.count + (own.contains(collection) ? 1 : 0)), from: first.rest)
                let target = Int(second.value) < members.count ? graph.collections.targets[members.lowerBound + Int(second.value)] : nil
                place = target.flatMap { Int($0) < graph.itemCount ? ItemID(row: $0) : nil }
                if let place { visits[place.row, default: 0] += 1 }
                if second.rest < restartBelow { place = nil }
            }
        }
        let kept = visits.sorted { ($0.value, $1.key) > ($1.value, $0.key) }.prefix(walks.neighbors)
        let total = Float(max(kept.reduce(0) { $0 + $1.value }, 1))
        return RaggedNeighborhoods(
            offsets: [0, Int64(kept.count)], items: kept.map(\.key), weights: kept.map { Float($0.value) / total })
    }
}
