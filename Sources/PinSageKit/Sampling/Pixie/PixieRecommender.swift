/// Recommends items by the visits of random walks with restart from one or several query items.
///
/// Source: Eksombatchai et al. 2018, section 3: steps are allotted to query items by weight and degree (equations 1 and 2), items reached
/// from several query items are boosted (equation 3), walks stop early once enough items have enough visits (algorithm 3), and a caller's
/// preference may bias them. Query items are not recommended.
///
/// Every result is a function of (seed, query item, configuration, graph): a query's walks are the same in any batch and on any thread count.
///
///     let pixie = try PixieRecommender(graph: graph, seed: 1)
///     let related = try pixie.recommend(queries: [(item, 1)], excluding: [], count: 10)
public struct PixieRecommender: Sendable {
    public let graph: Graph
    public let configuration: PixieConfiguration
    public let seed: UInt64
    private let prefers: (@Sendable (ItemID) -> Bool)?
    private let highestDegree: Int

    /// - Parameter prefers: walkers at a collection draw up to 4 times until they find such an item; `nil`: no preference.
    /// - Throws: ``SamplingError/invalidConfiguration(_:)``.
    /// - Complexity: O(items), for the highest degree.
    public init(
        graph: Graph, configuration: PixieConfiguration = PixieConfiguration(), seed: UInt64,
        prefers: (@Sendable (ItemID) -> Bool)? = nil
    ) throws(SamplingError) {
        try configuration.validate()
        self.graph = graph
        self.configuration = configuration
        self.seed = seed
        self.prefers = prefers
        highestDegree = (0..<graph.itemCount).reduce(0) { max($0, graph.items.degree(of: $1)) }
    }

    /// Hops per walk: few enough that a round of walks fits the first-level cache, so many that restarts and not ends shape the walk.
    static let walkLength = 32
    /// Walks per round; early stopping looks after each round, and steps are rounded up to whole walks.
    static let walksPerRound = 128
    private static let draws = 4

    /// The steps that each query item gets.
    ///
    /// Equations 1 and 2: s_q = degree * (C - log degree) with C the highest degree of the graph; steps_q = steps * w_q * s_q / sum of the s.
    /// Here the denominator is sum of w s, so that the steps add up to `steps` for weights of any scale.
    func allotment(_ queries: [(item: ItemID, weight: Float)]) -> [Int] {
        let shares = queries.map { query -> Double in
            let degree = Double(graph.degree(of: query.item))
            return degree == 0 ? 0 : Double(max(0, query.weight)) * degree * (Double(highestDegree) - degree.logarithm).magnitude
        }
        let total = shares.reduce(0, +)
        return shares.map { total > 0 ? Int((Double(configuration.steps) * $0 / total).rounded(.up)) : 0 }
    }

    /// The `count` best items, highest score first, ties to the lower row. Scores are shares of all (boosted) visits and sum to at most 1.
    ///
    /// - Parameters:
    ///   - queries: items and their weights; an item given twice has the sum of its weights, weights below 0 count as 0.
    ///   - excluding: not recommended, beside the query items themselves. Walks still pass through them.
    /// - Throws: ``SamplingError/unknownItem(_:itemCount:)``.
    public func recommend(
        queries: [(item: ItemID, weight: Float)], excluding: Set<ItemID> = [], count: Int
    ) throws -> [(item: ItemID, score: Float)] {
        let all = try visitShares(from: queries)
        let candidates = all.filter { !excluding.contains($0.item) }
        return Array(candidates.sorted { ($1.score, $0.item) < ($0.score, $1.item) }.prefix(max(0, count)))
    }

    /// Every visited item but the query items with its share of all (boosted) visits, in ascending order of row.
    public func visitShares(from queries: [(item: ItemID, weight: Float)]) throws -> [(item: ItemID, score: Float)] {
        try check(queries.map(\.item))
        return unsafe WalkGraph.with(graph) { graph in
            unsafe visitShares(from: queries, on: graph, tally: VisitTally(itemCount: self.graph.itemCount))
        } ?? []
    }

    /// The scores of one query of several items of equal weight, in ascending order of row.
    public func scores(of query: [ItemID]) throws -> [(item: ItemID, score: Float)] {
        try visitShares(from: query.map { ($0, 1) })
    }

    /// ``scores(of:)`` for many queries at once.
    public func scores(of queries: [[ItemID]], threads: Int) throws -> [[(item: ItemID, score: Float)]] {
        for query in queries { try check(query) }
        return try parallelMap(queries.count, threads: threads, grain: 16) { range in
            let tally = VisitTally(itemCount: graph.itemCount)
            let scores = unsafe WalkGraph.with(graph) { graph in
                queries[range].map { unsafe visitShares(from: $0.map { ($0, 1) }, on: graph, tally: tally) }
            }
            return scores ?? Array(repeating: [], count: range.count)
        }
    }

    private func check(_ items: [ItemID]) throws(SamplingError) {
        for item in items where Int(item.row) >= graph.itemCount { throw .unknownItem(item, itemCount: graph.itemCount) }
    }

    private func visitShares(
        from queries: [(item: ItemID, weight: Float)], on graph: borrowing WalkGraph, tally: VisitTally
    ) -> [(item: ItemID, score: Float)] {
        var weights: [ItemID: Float] = [:]
        for query in queries { weights[query.item, default: 0] += max(0, query.weight) }
        // Ascending, so that the order in which a query's items are given changes no rounding.
        let distinct = weights.sorted { $0.key < $1.key }.map { (item: $0.key, weight: $0.value) }
        let steps = allotment(distinct)
        if distinct.count == 1 {
            unsafe walk(from: distinct[0].item, steps: steps[0], on: graph, tally: tally)
            let visits = tally.take()
            return shares(of: visits.map { ($0.item, Double($0.visits)) }, excluding: [distinct[0].item])
        }
        var scores: [UInt32: Double] = [:]
        for (query, steps) in zip(distinct, steps) {
            unsafe walk(from: query.item, steps: steps, on: graph, tally: tally)
            for (item, visits) in tally.take() {
                scores[item, default: 0] += configuration.boostsMultipleHits ? Double(visits).squareRoot() : Double(visits)
            }
        }
        let boosted = scores.sorted { $0.key < $1.key }.map { ($0.key, configuration.boostsMultipleHits ? $0.value * $0.value : $0.value) }
        return shares(of: boosted, excluding: Set(distinct.map(\.item)))
    }

    private func shares(of scores: [(UInt32, Double)], excluding queries: Set<ItemID>) -> [(item: ItemID, score: Float)] {
        let kept = scores.filter { !queries.contains(ItemID(row: $0.0)) }
        let total = kept.reduce(0) { $0 + $1.1 }
        return kept.map { (ItemID(row: $0.0), Float($0.1 / total)) }
    }

    private func walk(from query: ItemID, steps: Int, on graph: borrowing WalkGraph, tally: VisitTally) {
        let engine = tally.engine(restart: configuration.restart, seed: seed)
        let walks = (steps + Self.walkLength - 1) / Self.walkLength
        var first = 0
        while first < walks {
            let round = first..<min(first + Self.walksPerRound, walks)
            let visits =
                if let prefers {
                    unsafe engine.run(query, walks: round, on: graph, rule: BiasedRule(prefers: prefers, draws: Self.draws))
                } else {
                    unsafe engine.run(query, walks: round, on: graph, rule: UniformRule())
                }
            let frequent = unsafe tally.add(engine.visits, count: visits, seed: query.row, threshold: configuration.earlyStop?.visits ?? .max)
            if let stop = configuration.earlyStop, frequent > stop.items { return }
            first = round.upperBound
        }
    }
}
