/// Ranks items by their Personalized PageRank with respect to a query and gives those of a range of ranks: hard negatives.
///
/// Source: Ying et al. 2018, section 3.3: hard negatives are items at ranks 2000 to 5000.
///
/// Personalized PageRank is the share of time that an endless walk with restart spends at an item, so it is estimated by the visits of a
/// long walk (Fogaras et al. 2005). Forward push, the other usual way, touches every member of every collection it passes and needs
/// memory for all of them; a walk costs a fixed number of hops and memory in proportion to them, whatever the graph's size. What it loses is the
/// order among rarely visited items, which does not matter to a draw from thousands of ranks. Items with the same number of visits
/// are ordered by a hash of (seed, query, item) rather than by row: the low rows would otherwise be everybody's hard negatives.
///
/// Deterministic: a function of seed, query, ranks and graph, whatever the thread count and the other queries.
public struct PersonalizedPageRankRanker: Sendable {
    public let graph: Graph
    public let seed: UInt64
    /// Probability of returning to the query after each hop.
    public let restart: Double
    /// Visits per rank: a walk for ranks up to b makes `visitsPerRank * b` hops.
    public let visitsPerRank: Int

    /// - Parameters:
    ///   - restart: 0.15 is PageRank's usual value (Page et al. 1999).
    ///   - visitsPerRank: more visits order the far ranks better, at a proportional cost.
    public init(graph: Graph, seed: UInt64, restart: Double = 0.15, visitsPerRank: Int = 4) {
        precondition(restart >= 0 && restart <= 1, "a restart probability of \(restart)")
        precondition(visitsPerRank > 0, "\(visitsPerRank) visits per rank")
        self.graph = graph
        self.seed = seed
        self.restart = restart
        self.visitsPerRank = visitsPerRank
    }

    /// Walkers that run at the same time; the walk of a query is cut into this many.
    private static let walks = 128

    /// The items at ranks `ranks` (from 0, the query itself not ranked) of each query, best rank first; fewer, or none, where the walk
    /// does not reach that many items.
    ///
    /// - Throws: ``SamplingError`` when a query is not in the graph or `ranks` reaches beyond 2,000,000.
    /// - Complexity: O(visitsPerRank * ranks.upperBound) time per query and that much memory per thread.
    public func items(at ranks: Range<Int>, of queries: [ItemID], threads: Int) throws -> [[ItemID]] {
        for query in queries where Int(query.row) >= graph.itemCount { throw SamplingError.unknownItem(query, itemCount: graph.itemCount) }
        guard ranks.lowerBound >= 0, ranks.upperBound <= 2_000_000 else {
            throw SamplingError.invalidConfiguration("ranks must lie in 0..<2000000, not \(ranks)")
        }
        guard !ranks.isEmpty else { return Array(repeating: [], count: queries.count) }
        let most = min(ranks.upperBound, graph.itemCount)
        let hops = max(1, (visitsPerRank * most + Self.walks - 1) / Self.walks)
        let configuration = WalkConfiguration(walks: Self.walks, walkLength: hops, restart: restart, neighbors: most)
        let random = CounterRandom(seed: seed, round: 0x7061_6765_7261_6E6B)
        return try parallelMap(queries.count, threads: threads, grain: 4) { range in
            let drawn = unsafe WalkGraph.with(graph) { graph in
                unsafe items(at: ranks, of: queries[range], configuration: configuration, random: random, on: graph)
            }
            return drawn ?? Array(repeating: [], count: range.count)
        }
    }

    private func items(
        at ranks: Range<Int>, of queries: ArraySlice<ItemID>, configuration: WalkConfiguration, random: CounterRandom,
        on graph: borrowing WalkGraph
    ) -> [[ItemID]] {
        let engine = WalkEngine(configuration: configuration, random: random)
        let visits = configuration.visitsPerSeed
        let counter = VisitCounter(capacity: visits)
        let most = configuration.neighbors
        let top = UnsafeMutablePointer<UInt32>.allocate(capacity: most)
        let counts = UnsafeMutablePointer<UInt32>.allocate(capacity: most)
        defer {
            unsafe top.deallocate()
            unsafe counts.deallocate()
        }
        var results: [[ItemID]] = []
        for query in queries {
            unsafe engine.run([query], on: graph, rule: UniformRule())
            let names = RowScrambler(word: random.stream(of: UInt64(query.row))[walk: -1, step: 0])
            for visit in 0..<visits { unsafe engine.visits[visit] = names.scrambled(engine.visits[visit]) }
            let kept = unsafe counter.top(
                most, of: engine.visits, count: visits, seed: names.scrambled(query.row), items: top, counts: counts
            ).kept
            results.append(ranks.clamped(to: 0..<max(kept, 0)).map { unsafe ItemID(row: names.row(top[$0])) })
        }
        return results
    }
}

/// A bijection of 32-bit rows that depends on a random word: counting scrambled rows breaks ties by a hash instead of by row.
struct RowScrambler {
    private let key: UInt32

    init(word: UInt64) { key = UInt32(truncatingIfNeeded: word >> 32) }

    /// Odd constants of the lowbias32 hash (Wellons 2018) and their inverses modulo 2^32.
    private static var factors: (UInt32, UInt32) { (0x7FEB_352D, 0x846C_A68B) }
    private static var inverses: (UInt32, UInt32) { (inverse(factors.0), inverse(factors.1)) }

    /// Newton's iteration: each round doubles the number of right bits.
    private static func inverse(_ odd: UInt32) -> UInt32 {
        var x = odd
        for _ in 0..<5 { x = x &* (2 &- odd &* x) }
        return x
    }

    @inline(__always) func scrambled(_ row: UInt32) -> UInt32 {
        var x = (row ^ key) &* Self.factors.0
        x ^= x >> 16
        return x &* Self.factors.1
    }

    func row(_ scrambled: UInt32) -> UInt32 {
        var x = scrambled &* Self.inverses.1
        x ^= x >> 16
        return (x &* Self.inverses.0) ^ key
    }
}
