/// Steps from items that choose first a type of collections, by its share, and then one of the item's collections of that type.
///
/// Of an item whose collections are of some of the types only, these types' shares count in proportion. Collections without a share are not entered.
/// Inside a type collections are equally likely, or in proportion to the edges' weights.
///
/// Both choices together are one draw from the item's edges by weight, so an ``AliasTable`` makes them: 8 bytes an edge and as fast as weighted steps.
struct TypeShares: Sendable {
    private let types: CollectionTypes
    /// For each type of ``CollectionTypes/names``, relative to each other.
    private let shares: [Double]

    /// - Parameter shares: by name, validated; types that are not named have none.
    init(_ shares: [String: Double], of graph: Graph) throws(SamplingError) {
        guard let types = graph.collectionTypes else {
            throw .invalidConfiguration("collectionTypes has shares of types, but the collections of this dataset have no types")
        }
        for name in shares.keys.sorted() where !types.names.contains(name) {
            throw .invalidConfiguration("collectionTypes names the type \"\(name)\"; the collections are of \(types.names.joined(separator: ", "))")
        }
        self.types = types
        self.shares = types.names.map { shares[$0] ?? 0 }
    }

    /// The graph whose items are only in collections that have a share. Collections keep all their items, since nobody goes back from them.
    ///
    /// - Complexity: O(collections), and O(edges) where some have none.
    func entered(in graph: Graph) -> Graph {
        let isEntered = (0..<graph.collectionCount).map { share(of: UInt32($0)) > 0 }
        if isEntered.allSatisfy({ $0 }) { return graph }
        let items = graph.items.filtered { position in
            let collection = Int(graph.items.targets[position])
            return collection < isEntered.count && isEntered[collection]
        }
        return Graph(items: items, collections: graph.collections, collectionTypes: graph.collectionTypes)
    }

    private func share(of collection: UInt32) -> Double { types.code(of: collection).map { shares[$0] } ?? 0 }

    /// The probability of each of some edges of one item, as weights.
    private func weights(of edges: some Collection<(collection: UInt32, weight: Double)>, into weights: inout [Double], totals: inout [Double]) {
        for index in totals.indices { totals[index] = 0 }
        for edge in edges {
            if let code = types.code(of: edge.collection) { totals[code] += edge.weight }
        }
        weights.removeAll(keepingCapacity: true)
        for edge in edges {
            weights.append(types.code(of: edge.collection).map { totals[$0] > 0 ? shares[$0] * edge.weight / totals[$0] : 0 } ?? 0)
        }
    }

    /// - Parameter isWeighted: whether the edges' weights count inside a type.
    func table(of items: Graph.Adjacency, isWeighted: Bool) -> AliasTable {
        var row: [Double] = [], totals = shares
        let weights = unsafe StoredArray<Float>(count: items.targets.count) { weights in
            for item in 0..<items.rowCount {
                let range = items.range(of: item)
                let edges = range.lazy.map { (collection: items.targets[$0], weight: Self.weight(items, $0, isWeighted)) }
                self.weights(of: edges, into: &row, totals: &totals)
                for (position, weight) in zip(range, row) { unsafe weights[position] = Float(weight) }
            }
        }
        return AliasTable(items, weights: weights)
    }

    /// A choice among some edges that stand for all edges of one item.
    func choice(among positions: [UInt64], of items: Graph.Adjacency, isWeighted: Bool) -> EdgeChoice {
        var row: [Double] = [], totals = shares
        let edges = positions.map { (collection: items.targets[Int($0)], weight: Self.weight(items, Int($0), isWeighted)) }
        weights(of: edges, into: &row, totals: &totals)
        return EdgeChoice(positions: positions, weights: row)
    }

    private static func weight(_ items: Graph.Adjacency, _ position: Int, _ isWeighted: Bool) -> Double {
        guard isWeighted, let weights = items.weights else { return 1 }
        let weight = position < weights.count ? weights[position] : 0
        return weight.isFinite && weight > 0 ? Double(weight) : 0
    }
}

/// A draw from a few edges in proportion to weights, by a search in their sums.
struct EdgeChoice: Sendable {
    private let positions: [UInt64]
    /// Words below bounds[i], and not below the one before, choose position i.
    private let bounds: [UInt64]

    init(positions: [UInt64], weights: [Double]) {
        let usable = zip(positions, weights).filter { $0.1 > 0 }
        let total = usable.reduce(0) { $0 + $1.1 }
        self.positions = usable.map(\.0)
        var sum = 0.0
        bounds = usable.map { _, weight in
            sum += weight
            return CounterRandom.threshold(sum / total)
        }
    }

    /// - Complexity: O(log edges)
    @inline(__always) func edge(word: UInt64) -> (position: UInt64, rest: UInt64) {
        guard !positions.isEmpty else { return (deadEnd, word) }
        var low = 0, high = positions.count - 1
        while low < high {
            let middle = (low + high) / 2
            if word < bounds[middle] { high = middle } else { low = middle + 1 }
        }
        // The search used the word's high bits: what follows needs fresh ones.
        return (positions[low], CounterRandom.mixed(word &+ CounterRandom.golden))
    }
}

/// From items by a table of their edges, from collections by another rule.
@safe struct TypedRule<Others: StepRule>: StepRule {
    let items: UnsafePointer<UInt64>
    let others: Others

    @inline(__always) func edge(from item: UInt32, in graph: borrowing WalkGraph, word: UInt64) -> (position: UInt64, rest: UInt64) {
        unsafe WeightedRule.edge(items, graph.items.row(item), word)
    }

    @inline(__always) func edge(
        fromCollection collection: UInt32, in graph: borrowing WalkGraph, word: UInt64
    ) -> (position: UInt64, rest: UInt64) {
        unsafe others.edge(fromCollection: collection, in: graph, word: word)
    }
}

/// From one item by a choice of its own, from everything else by another rule.
struct ChosenRule<Others: StepRule>: StepRule {
    let item: UInt32
    let choice: EdgeChoice
    let others: Others

    @inline(__always) func edge(from item: UInt32, in graph: borrowing WalkGraph, word: UInt64) -> (position: UInt64, rest: UInt64) {
        item == self.item ? choice.edge(word: word) : unsafe others.edge(from: item, in: graph, word: word)
    }

    @inline(__always) func edge(
        fromCollection collection: UInt32, in graph: borrowing WalkGraph, word: UInt64
    ) -> (position: UInt64, rest: UInt64) {
        unsafe others.edge(fromCollection: collection, in: graph, word: word)
    }
}
