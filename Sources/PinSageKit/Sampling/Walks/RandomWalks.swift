/// Random walks on a graph and nothing on top: where each walker is after each of its hops.
///
/// The law is that of ``NeighborhoodSampler``, which counts these visits. Here they are handed out as they are, for measurements, for corpora of walks
/// and for laws of counting that this package does not have. Every number is a function of (seed, round, item, walk, step), so visits are the
/// same on any thread count and in any batch.
///
///     let walks = try RandomWalks(graph: graph, configuration: WalkConfiguration(walks: 10, walkLength: 5, restart: 0), seed: 1)
///     let visits = try walks.visits(from: [ItemID(row: 3)], threads: 2)      // 1 x 10 x 5 item rows
public struct RandomWalks: Sendable {
    public let graph: Graph
    /// ``WalkConfiguration/neighbors`` is not used.
    public let configuration: WalkConfiguration
    public let seed: UInt64
    /// The edges that walks follow: all, or those in the time window and to collections that have a share.
    let walked: Graph
    /// Tables of both directions for weighted steps.
    let tables: (items: AliasTable, collections: AliasTable)?
    /// Which collections are preferred, and the table of steps from items that does.
    let preferring: (preference: CollectionPreference, items: AliasTable)?

    /// - Complexity: O(1) for uniform steps on the whole graph; O(edges) time and memory for weights (8 bytes an edge and direction) or a
    ///   time window (4); 8 bytes an edge for types and sizes of collections.
    /// - Throws: ``SamplingError/invalidConfiguration(_:)``, also where the graph does not have the types.
    public init(graph: Graph, configuration: WalkConfiguration, seed: UInt64) throws(SamplingError) {
        try configuration.validate()
        self.graph = graph
        self.configuration = configuration
        self.seed = seed
        let windowed = graph.edges(notBefore: configuration.notBefore, before: configuration.before)
        if let preference = try CollectionPreference(configuration, of: windowed) {
            walked = preference.entered(in: windowed)
            preferring = (preference, preference.table(of: walked.items, isWeighted: configuration.weighted))
        } else {
            walked = windowed
            preferring = nil
        }
        if configuration.weighted, let itemWeights = walked.items.weights, let collectionWeights = walked.collections.weights {
            tables = (AliasTable(walked.items, weights: itemWeights), AliasTable(walked.collections, weights: collectionWeights))
        } else {
            tables = nil
        }
    }

    /// Seeds per piece of work handed to a thread.
    private static let grain = 256

    /// The items that the walks from `items` reach.
    ///
    /// Shapes: (items, walks, walkLength), rows of items. A walker that restarts goes on from its seed, so it has a visit for each hop; a hop that
    /// finds no edge is a visit of the seed.
    /// - Parameters:
    ///   - round: another round draws independent walks.
    ///   - threads: the most threads used; it changes nothing in the result.
    /// - Throws: ``SamplingError/unknownItem(_:itemCount:)``.
    /// - Complexity: O(items * walks * walkLength) time, 4 bytes a visit.
    public func visits(from items: [ItemID], round: UInt64 = 0, threads: Int) throws -> StoredArray<UInt32> {
        for item in items where Int(item.row) >= graph.itemCount { throw SamplingError.unknownItem(item, itemCount: graph.itemCount) }
        let perSeed = configuration.visitsPerSeed
        let random = CounterRandom(seed: seed, round: round)
        return try unsafe StoredArray(count: items.count * perSeed) { (visits: UnsafeMutableBufferPointer<UInt32>) in
            guard let base = visits.baseAddress else { return }
            let output = unsafe VisitSlots(base: base)
            try parallelFor(items.count, threads: threads, grain: Self.grain) { range in
                let walked: Void? = unsafe WalkGraph.with(self.walked) { graph in
                    let engine = WalkEngine(configuration: configuration, random: random)
                    unsafe run(items[range], hidden: nil, engine: engine, on: graph, into: output.base + range.lowerBound * perSeed)
                }
                if walked == nil {
                    // A graph without edges: every hop is a visit of the seed.
                    for row in range { unsafe (output.base + row * perSeed).update(repeating: items[row].row, count: perSeed) }
                }
            }
        }
    }

    /// `@unchecked Sendable`: a seed's visits are written by the one thread that has the seed, and read after all have ended.
    @unsafe private struct VisitSlots: @unchecked Sendable {
        let base: UnsafeMutablePointer<UInt32>
    }

    /// Runs the walks of some seeds by the rule that the configuration and the hidden edges ask for.
    ///
    /// - Parameter visits: room for ``WalkConfiguration/visitsPerSeed`` visits of each seed.
    func run(
        _ seeds: ArraySlice<ItemID>, hidden: HiddenEdges?, engine: WalkEngine, on graph: WalkGraph, into visits: UnsafeMutablePointer<UInt32>
    ) {
        guard let tables else {
            if let hidden {
                unsafe run(seeds, hidden: hidden, rule: HiddenRule(hidden, in: graph), engine: engine, on: graph, into: visits)
            } else {
                unsafe run(seeds, hidden: nil, rule: UniformRule(), engine: engine, on: graph, into: visits)
            }
            return
        }
        unsafe tables.items.records.withUnsafeBufferPointer { items in
            unsafe tables.collections.records.withUnsafeBufferPointer { collections in
                guard let itemBase = items.baseAddress, let collectionBase = collections.baseAddress else { return }
                let weighted = unsafe WeightedRule(items: itemBase, collections: collectionBase)
                if let hidden {
                    let rule = unsafe WeightedHiddenRule(weighted: weighted, hidden: HiddenRule(hidden, in: graph))
                    unsafe run(seeds, hidden: hidden, rule: rule, engine: engine, on: graph, into: visits)
                } else {
                    unsafe run(seeds, hidden: nil, rule: weighted, engine: engine, on: graph, into: visits)
                }
            }
        }
    }

    /// Runs the walks by `rule`, or by the preferences at items and by `rule` at collections.
    private func run(
        _ seeds: ArraySlice<ItemID>, hidden: HiddenEdges?, rule: some StepRule, engine: WalkEngine, on graph: WalkGraph,
        into visits: UnsafeMutablePointer<UInt32>
    ) {
        guard let preferring else {
            unsafe engine.run(seeds, on: graph, rule: rule, into: visits)
            return
        }
        unsafe preferring.items.records.withUnsafeBufferPointer { records in
            guard let records = records.baseAddress else { return }
            if let hidden, !preferring.preference.needsChoice(degree: walked.items.degree(of: Int(hidden.item.row))) {
                let rule = unsafe PreferringHiddenRule(items: records, hidden: HiddenRule(hidden, in: graph), others: rule)
                unsafe engine.run(seeds, on: graph, rule: rule, into: visits)
                return
            }
            let rule = unsafe PreferringRule(items: records, others: rule)
            if let hidden {
                unsafe engine.run(
                    seeds, on: graph, rule: ChosenRule(item: hidden.item.row, choice: choice(without: hidden), others: rule), into: visits)
            } else {
                unsafe engine.run(seeds, on: graph, rule: rule, into: visits)
            }
        }
    }

    /// What an item with hidden edges chooses from: the others, among which preferences then hold, as if these edges were not in the graph.
    ///
    /// - Complexity: O(degree), once for each seed that has hidden edges
    private func choice(without hidden: HiddenEdges) -> EdgeChoice {
        let positions = walked.items.range(of: Int(hidden.item.row)).filter { position in
            !hidden.collections.contains(CollectionID(row: walked.items.targets[position]))
        }
        return edgeChoice(among: positions.map { UInt64($0) }, isWeighted: configuration.weighted)
    }

    /// A choice among edges that stand for all edges of one item, by the preferences. Only where there are some.
    func edgeChoice(among positions: [UInt64], isWeighted: Bool) -> EdgeChoice {
        preferring?.preference.choice(among: positions, of: walked.items, isWeighted: isWeighted) ?? EdgeChoice(positions: [], weights: [])
    }
}
