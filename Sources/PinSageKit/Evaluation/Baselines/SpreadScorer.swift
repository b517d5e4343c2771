#if canImport(Darwin)
    internal import Darwin
#else
    internal import Glibc
#endif

/// Scores that spread from the query's items over the graph: item, collection, item, once or more.
///
/// Item-kNN by cosine, RP3beta, popularity-damped walks and truncated Personalized PageRank are one computation with other factors,
/// exact and without any item-item matrix:
///
///     x[j] = from(degree(j)) for the query's items j
///     repeat: y[c] = sum of x[j] over members j of c, times through(size(c));  x[i] = sum of y[c] over collections c of i
///     score[i] = to(degree(i)) * (x after hop 1 + damping * x after hop 2 + ...)
public struct SpreadScorer: CandidateScorer {
    public let name: String
    private let graph: Graph
    private let threads: Int
    private let hops: Int
    private let damping: Float
    private let from: [Float]
    private let through: [Float]
    private let to: [Float]
    private let between: [Float]

    public var itemCount: Int { graph.itemCount }

    /// Cosine of co-occurrence: shared collections / sqrt(degree * degree).
    ///
    /// Source: Sarwar et al. 2001; a query of several items sums over them.
    public static func itemCosine(graph: Graph, threads: Int) -> SpreadScorer {
        SpreadScorer(
            name: "itemcf", graph: graph, threads: threads, from: { 1 / Float($0).squareRoot() }, through: { _ in 1 },
            to: { 1 / Float($0).squareRoot() })
    }

    /// The probability of a walk item, collection, item, divided by popularity to the power beta.
    ///
    /// Source: Paudel et al. 2016 (RP3beta; beta = 0 is P3).
    public static func rp3(beta: Double, graph: Graph, threads: Int) -> SpreadScorer {
        SpreadScorer(
            name: "rp3beta", graph: graph, threads: threads, from: { 1 / Float($0) }, through: { 1 / Float($0) },
            to: { 1 / powf(Float($0), Float(beta)) })
    }

    /// Personalized PageRank cut off after some hops: sum over h of damping^h times the distribution of a walk after h hops.
    public static func pageRank(hops: Int, damping: Double, graph: Graph, threads: Int) -> SpreadScorer {
        SpreadScorer(
            name: "pagerank", graph: graph, threads: threads, hops: hops, damping: Float(damping), from: { 1 / Float($0) },
            through: { 1 / Float($0) }, between: { 1 / Float($0) }, to: { _ in 1 })
    }

    private init(
        name: String, graph: Graph, threads: Int, hops: Int = 1, damping: Float = 1, from: (Int) -> Float, through: (Int) -> Float,
        between: (Int) -> Float = { _ in 1 }, to: (Int) -> Float
    ) {
        precondition(hops >= 1, "\(hops) hops")
        self.name = name
        self.graph = graph
        self.threads = threads
        self.hops = hops
        self.damping = damping
        func factors(_ count: Int, _ degree: (Int) -> Int, _ factor: (Int) -> Float) -> [Float] {
            (0..<count).map { degree($0) > 0 ? factor(degree($0)) : 0 }
        }
        self.from = factors(graph.itemCount, graph.items.degree, from)
        self.through = factors(graph.collectionCount, graph.collections.degree, through)
        self.between = hops > 1 ? factors(graph.itemCount, graph.items.degree, between) : []
        self.to = factors(graph.itemCount, graph.items.degree, to)
    }

    public func score(_ queries: ArraySlice<EvaluationQuery>, into scores: inout Matrix) throws {
        let columns = itemCount
        try unsafe scores.values.withUnsafeMutableBufferPointer { scores in
            nonisolated(unsafe) let scores = unsafe scores  // each query writes its own row
            let grain = max(1, (queries.count + 4 * threads - 1) / (4 * threads))
            try parallelFor(queries.count, threads: threads, grain: grain) { range in
                var spread = Spread(graph: graph, through: through)
                for row in range {
                    let line = unsafe UnsafeMutableBufferPointer(rebasing: scores[row * columns..<(row + 1) * columns])
                    unsafe score(queries[queries.startIndex + row].items, with: &spread, into: line)
                }
            }
        }
    }

    private func score(_ items: [ItemID], with spread: inout Spread, into scores: UnsafeMutableBufferPointer<Float>) {
        for item in items { spread.add(Int(item.row), from[Int(item.row)]) }
        unsafe spread.hop(into: scores)
        var weight: Float = 1
        if hops > 1 {
            var current = unsafe Array(scores)
            for _ in 1..<hops {
                weight *= damping
                for item in current.indices where current[item] > 0 {
                    spread.add(item, current[item] * between[item])
                    current[item] = 0
                }
                unsafe current.withUnsafeMutableBufferPointer { unsafe spread.hop(into: $0) }
                for item in current.indices { unsafe scores[item] += weight * current[item] }
            }
        }
        for item in scores.indices { unsafe scores[item] *= to[item] }
    }

    /// One worker's scratch: what lies on each collection at the moment.
    private struct Spread {
        let graph: Graph
        let through: [Float]
        var amounts: [Float]
        var touched: [Int] = []

        init(graph: Graph, through: [Float]) {
            self.graph = graph
            self.through = through
            amounts = Array(repeating: 0, count: graph.collectionCount)
        }

        mutating func add(_ item: Int, _ amount: Float) {
            guard amount != 0 else { return }
            let range = graph.items.range(of: item)
            unsafe graph.items.targets.withUnsafeBufferPointer { targets in
                for position in range {
                    let collection = unsafe Int(targets[position])
                    guard collection < amounts.count else { continue }  // damage in an unverified file
                    if amounts[collection] == 0 { touched.append(collection) }
                    amounts[collection] += amount
                }
            }
        }

        /// Hands everything on to the items, whose scores it adds to, and leaves the collections empty.
        mutating func hop(into scores: UnsafeMutableBufferPointer<Float>) {
            unsafe graph.collections.targets.withUnsafeBufferPointer { targets in
                for collection in touched {
                    let amount = amounts[collection] * through[collection]
                    for position in graph.collections.range(of: collection) {
                        let item = unsafe Int(targets[position])
                        if item < scores.count { unsafe scores[item] += amount }
                    }
                    amounts[collection] = 0
                }
            }
            touched.removeAll(keepingCapacity: true)
        }
    }
}
