/// Makes a graph smaller and its walks better focused: drops collections about everything, and the edges of popular items to collections that are
/// about something else.
///
/// Source: Eksombatchai et al. 2018, section 3.2 (graph pruning): there the topics are those of a topic model; here they are the clusters of the items'
/// features. Items and collections keep their rows, so that only the graph differs and identifiers, features and models stay valid.
///
///     let pruning = try GraphPruning(configuration: .init(), seed: 1)
///     let (graph, report) = try pruning.pruned(dataset.graph, features: table, threads: 2)
public struct GraphPruning: Sendable {
    /// Which collections are dropped and how far popular items are trimmed.
    public struct Configuration: Sendable, Codable, Hashable {
        /// The share of the collections with the highest topic entropy that is dropped.
        public var droppedCollections = 0.1
        /// Collections with fewer members are never dropped: their entropy is bounded by their size.
        public var smallestCollection = 10
        /// An item keeps degree ^ exponent of its edges, to the collections most like it. Pixie reports its best result at 0.91.
        public var degreeExponent = 0.91
        /// Items with at most this many edges keep all of them.
        public var keptDegree = 10
        /// Clusters of the items' features.
        public var topics = 64
        /// Items that the clusters are fitted to.
        public var sample = 50_000
        /// Rounds of the clustering.
        public var rounds = 10

        public init() {}

        /// Throws if a setting is outside its range.
        public func validate() throws(SamplingError) {
            func require(_ isTrue: Bool, _ text: @autoclosure () -> String) throws(SamplingError) {
                if !isTrue { throw .invalidConfiguration(text()) }
            }
            try require((0..<1).contains(droppedCollections), "droppedCollections must be in 0..<1, not \(droppedCollections)")
            try require(smallestCollection >= 1, "smallestCollection must be at least 1, not \(smallestCollection)")
            try require(degreeExponent > 0 && degreeExponent <= 1, "degreeExponent must be in 0...1 and not 0, not \(degreeExponent)")
            try require(keptDegree >= 1, "keptDegree must be at least 1, not \(keptDegree)")
            try require((2...4096).contains(topics), "topics must be in 2...4096, not \(topics)")
            try require(sample >= topics, "sample must be at least the topics (\(topics)), not \(sample)")
            try require((1...1000).contains(rounds), "rounds must be in 1...1000, not \(rounds)")
        }
    }

    /// What was kept.
    public struct Report: Sendable, Hashable {
        public var edgesBefore = 0
        public var edges = 0
        public var collectionsDropped = 0
        /// Their edges.
        public var edgesOfDroppedCollections = 0
        public var itemsTrimmed = 0
        public var edgesTrimmed = 0
        /// Items that had edges and have none now.
        public var itemsLeftAlone = 0
        /// Bits: collections at or above it were dropped; `nil` when none were.
        public var lowestDroppedEntropy: Double?
    }

    public let configuration: Configuration
    public let seed: UInt64

    /// - Throws: ``SamplingError/invalidConfiguration(_:)``.
    public init(configuration: Configuration = Configuration(), seed: UInt64) throws(SamplingError) {
        try configuration.validate()
        self.configuration = configuration
        self.seed = seed
    }

    /// The pruned graph: the same rows, fewer edges.
    ///
    /// - Parameter features: of every item of the graph. Rows of zeros (unknown items) have no topic and are like nothing.
    /// - Complexity: O((items + sample * rounds) * topics * columns + edges * columns) time, 4 bytes x (items + collections) x columns of memory
    /// - Throws: ``SamplingError/argumentMismatch(_:)`` where there are not as many rows as items.
    public func pruned(_ graph: Graph, features: FeatureTable, threads: Int) throws -> (graph: Graph, report: Report) {
        guard features.rows == graph.itemCount else {
            throw SamplingError.argumentMismatch("\(features.rows) rows of features for \(graph.itemCount) items")
        }
        var report = Report()
        report.edgesBefore = graph.edgeCount
        let items = try UnitRows(features, threads: threads)
        let topics = try TopicClusters(items, configuration: configuration, seed: seed, threads: threads)
        let dropped = try diverseCollections(graph, topics: topics, threads: threads, report: &report)
        let centres = try collectionCentres(graph, items: items, threads: threads)
        let kept = try keptEdges(graph, dropped: dropped, items: items, centres: centres, threads: threads, report: &report)
        return (try Self.graph(graph, keeping: kept).typed(graph.collectionTypes), report)
    }

    // MARK: Collections

    private func diverseCollections(_ graph: Graph, topics: TopicClusters, threads: Int, report: inout Report) throws -> [Bool] {
        let entropies = try parallelMap(graph.collectionCount, threads: threads, grain: 1024) { range in
            range.map { topics.entropy(of: graph.items(of: CollectionID($0))) }
        }
        let candidates = (0..<graph.collectionCount).filter { graph.degree(of: CollectionID($0)) >= configuration.smallestCollection }
        // The most diverse first, ties to the lower row.
        let order = candidates.sorted { (entropies[$1], $0) < (entropies[$0], $1) }
        var dropped = [Bool](repeating: false, count: graph.collectionCount)
        for collection in order.prefix(Int(configuration.droppedCollections * Double(candidates.count))) where entropies[collection] > 0 {
            dropped[collection] = true
            report.collectionsDropped += 1
            report.edgesOfDroppedCollections += graph.degree(of: CollectionID(collection))
            report.lowestDroppedEntropy = entropies[collection]
        }
        return dropped
    }

    /// The mean of the members of each collection. - Shapes: (collections, columns)
    private func collectionCentres(_ graph: Graph, items: UnitRows, threads: Int) throws -> UnitRows {
        try UnitRows(rows: graph.collectionCount, columns: items.columns, threads: threads) { collection, output in
            for member in graph.items(of: CollectionID(collection)) where Int(member.row) < items.rows {
                for column in 0..<items.columns { output[column] += items[Int(member.row), column] }
            }
        }
    }

    // MARK: Items

    /// The collections that each item keeps, ascending.
    private func keptEdges(
        _ graph: Graph, dropped: [Bool], items: UnitRows, centres: UnitRows, threads: Int, report: inout Report
    ) throws -> [[UInt32]] {
        let kept = try parallelMap(graph.itemCount, threads: threads, grain: 256) { range in
            range.map { item -> (kept: [UInt32], remaining: Int) in
                let remaining = graph.collections(of: ItemID(item)).map(\.row).filter { Int($0) < dropped.count && !dropped[Int($0)] }
                guard remaining.count > configuration.keptDegree else { return (remaining, remaining.count) }
                let share = Double(remaining.count).raised(to: configuration.degreeExponent).rounded(.up)
                let most = max(configuration.keptDegree, min(remaining.count, Int(share)))
                let likeness = remaining.map { items.product(item, centres, Int($0)) }
                let order = remaining.indices.sorted { (likeness[$1], remaining[$0]) < (likeness[$0], remaining[$1]) }
                return (order.prefix(most).map { remaining[$0] }.sorted(), remaining.count)
            }
        }
        for (item, row) in kept.enumerated() {
            report.edges += row.kept.count
            report.edgesTrimmed += row.remaining - row.kept.count
            report.itemsTrimmed += row.kept.count < row.remaining ? 1 : 0
            report.itemsLeftAlone += row.kept.isEmpty && graph.degree(of: ItemID(item)) > 0 ? 1 : 0
        }
        return kept.map(\.kept)
    }

    private static func graph(_ graph: Graph, keeping kept: [[UInt32]]) throws -> Graph {
        var items: [UInt32] = [], collections: [UInt32] = [], weights: [Float] = [], times: [Int64] = []
        for (item, row) in kept.enumerated() {
            var next = 0
            for position in graph.items.range(of: item) where next < row.count && graph.items.targets[position] == row[next] {
                items.append(UInt32(item))
                collections.append(row[next])
                if let all = graph.items.weights { weights.append(all[position]) }
                if let all = graph.items.times { times.append(all[position]) }
                next += 1
            }
        }
        return try GraphBuilder.graph(
            itemCount: graph.itemCount, collectionCount: graph.collectionCount, items: items, collections: collections,
            weights: graph.items.weights == nil ? nil : weights, times: graph.items.times == nil ? nil : times)
    }
}
