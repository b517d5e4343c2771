extension HNSWIndex {
    /// Builds the index. The same embeddings and configuration give the same graph, bit for bit, on any number of threads.
    ///
    /// Items are inserted in batches, in the order of a random number each, which also decides their levels: the highest come first, so the entry of
    /// all searches is the very first item. A batch searches the graph as it was before; see `ps_hnsw_insert`.
    ///
    /// - Parameter progress: called with the number of items inserted so far.
    /// - Throws: ``ConfigurationError`` for bad parameters, ``DataError`` for values that are not finite or beyond 1e15.
    public static func build(
        _ embeddings: Embeddings, configuration: HNSWConfiguration = HNSWConfiguration(), kernels: Kernels, progress: ((Int) -> Void)? = nil
    ) throws -> HNSWIndex {
        try configuration.validate()
        let count = embeddings.count, width = embeddings.dimension
        guard count <= Int(Int32.max) else { throw ConfigurationError("\(count) items, expected at most \(Int32.max)") }
        let held = try held(embeddings, metric: configuration.metric, kernels: kernels)
        let rows = try traversalRows(held.vectors, width: width, storage: configuration.storage, kernels: kernels)
        let (order, levels) = insertionOrder(count: count, configuration: configuration)
        let graph = GrowingGraph(configuration, rows: rows, count: count, width: width, levels: levels)
        try insert(order, levels: levels, into: graph, batch: configuration.batch, kernels: kernels, progress: progress)
        return HNSWIndex(embeddings: held, graph: try graph.packed(kernels: kernels), configuration: configuration, kernels: kernels)
    }

    /// Inserts rows in batches, highest levels first; the first row becomes the entry where it is higher than any before.
    static func insert(
        _ order: [UInt32], levels: [UInt8], into graph: GrowingGraph, batch size: Int, kernels: Kernels, progress: ((Int) -> Void)?
    ) throws {
        var next = 0
        while next < order.count {
            let batch = Array(order[next..<min(next + size, order.count)])
            try graph.insert(batch: batch, levels: batch.map { Int32(levels[Int($0)]) }, kernels: kernels)
            if graph.entry < 0 || Int(levels[Int(batch[0])]) > graph.top {
                graph.entry = Int(batch[0])
                graph.top = Int(levels[Int(batch[0])])
            }
            next += batch.count
            progress?(next)
        }
    }

    /// The vectors that an index holds: checked, and divided by their lengths where the metric asks for it.
    static func held(_ embeddings: Embeddings, metric: HNSWConfiguration.Metric, kernels: Kernels) throws -> Embeddings {
        // What the int8 codes and the sums of products can take.
        try embeddings.requireFinite(upTo: 1e15)
        guard metric == .cosine && !embeddings.isNormalized else { return embeddings }
        var held = try Embeddings(
            identifiers: embeddings.identifiers, vectors: try kernels.normalized(embeddings.vectors, width: embeddings.dimension),
            dimension: embeddings.dimension, isNormalized: true)
        held.modelFingerprint = embeddings.modelFingerprint
        return held
    }

    /// Rows in the order in which they are inserted, and the level of each row.
    ///
    /// An item is in layer l with probability M^-l, as in the paper (m_L = 1 / ln M); the thresholds are whole numbers, so that every machine
    /// draws the same levels.
    static func insertionOrder(count: Int, configuration: HNSWConfiguration) -> (order: [UInt32], levels: [UInt8]) {
        let random = CounterRandom(seed: configuration.seed)
        let words = (0..<count).map { random.word(item: UInt64($0), walk: 0, step: 0) }
        let levels = words.map { word in
            var level: UInt8 = 0
            var threshold = UInt64.max / UInt64(configuration.links)
            while word < threshold && level < UInt8(LayeredGraph.mostLevels) {
                level += 1
                threshold /= UInt64(configuration.links)
            }
            return level
        }
        let order = (0..<UInt32(count)).sorted { (words[Int($0)], $0) < (words[Int($1)], $1) }
        return (order, levels)
    }

    static func traversalRows(
        _ vectors: StoredArray<Float>, width: Int, storage: IndexStorage, kernels: Kernels
    ) throws -> TraversalRows {
        switch storage {
        case .f32: return .f32(vectors)
        case .bf16: return .bf16(try kernels.bfloat16(vectors))
        case .int8:
            let (codes, scales) = try kernels.quantized(vectors, width: width)
            return .int8(codes: codes, scales: scales)
        }
    }
}

extension GrowingGraph {
    /// An empty graph with the lists that a configuration asks for.
    convenience init(_ configuration: HNSWConfiguration, rows: TraversalRows, count: Int, width: Int, levels: [UInt8]) {
        let links = configuration.links
        self.init(
            rows: rows, count: count, width: width, levels: levels,
            options: InsertionOptions(
                ef: configuration.efConstruction, links: links, upperLinks: links, linksKept: 2 * links, upperKept: links), spare: links)
    }
}
