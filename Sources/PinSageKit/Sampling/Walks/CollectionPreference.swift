internal import Foundation

/// Steps from items that prefer some of the item's collections: by a share for each type of collections, by their size, or both.
///
/// With shares a step chooses first a type and then one of the item's collections of that type. Of an item whose collections are of some of the types
/// only, these types' shares count in proportion. Collections without a share are not entered. Among collections that do not differ in
/// type, one of n members is chosen in proportion to n^-exponent, times the edge's weight where weights count.
///
/// All choices together are one draw from the item's edges by weight, so an ``AliasTable`` makes them: 8 bytes an edge and as fast as weighted steps.
struct CollectionPreference: Sendable {
    /// For each type of ``CollectionTypes/names`` a share, relative to each other. `nil`: types make no difference.
    private let types: (known: CollectionTypes, shares: [Double])?
    /// n^-exponent for each collection of n members. `nil`: sizes make no difference.
    private let sizeFactors: [Double]?

    /// - Parameter configuration: validated.
    /// - Returns: `nil` where the configuration prefers none.
    init?(_ configuration: WalkConfiguration, of graph: Graph) throws(SamplingError) {
        if configuration.collectionTypes == nil && configuration.sizeExponent == 0 { return nil }
        types = try configuration.collectionTypes.map { named throws(SamplingError) in try Self.types(named, of: graph) }
        let exponent = configuration.sizeExponent
        sizeFactors =
            exponent == 0 ? nil : (0..<graph.collectionCount).map { pow(Double(max(graph.collections.degree(of: $0), 1)), -exponent) }
    }

    /// - Parameter shares: by name; types that are not named have none.
    private static func types(_ shares: [String: Double], of graph: Graph) throws(SamplingError) -> (CollectionTypes, [Double]) {
        guard let types = graph.collectionTypes else {
            throw .invalidConfiguration("collectionTypes has shares of types, but the collections of this dataset have no types")
        }
        for name in shares.keys.sorted() where !types.names.contains(name) {
            throw .invalidConfiguration("collectionTypes names the type \"\(name)\"; the collections are of \(types.names.joined(separator: ", "))")
        }
        return (types, types.names.map { shares[$0] ?? 0 })
    }

    /// The graph whose items are only in collections that have a share. Collections keep all their items, since nobody goes back from them.
    ///
    /// - Complexity: O(collections), and O(edges) where some have none.
    func entered(in graph: Graph) -> Graph {
        guard let types else { return graph }
        let isEntered = (0..<graph.collectionCount).map { collection in
            types.known.code(of: UInt32(collection)).map { types.shares[$0] > 0 } ?? false
        }
        if isEntered.allSatisfy({ $0 }) { return graph }
        let items = graph.items.filtered { position in
            let collection = Int(graph.items.targets[position])
            return collection < isEntered.count && isEntered[collection]
        }
        return Graph(items: items, collections: graph.collections, collectionTypes: graph.collectionTypes)
    }

    /// How much edges of one item count, relative to each other.
    private func weights(of edges: some Collection<(collection: UInt32, weight: Double)>, into weights: inout [Double], totals: inout [Double]) {
        weights.removeAll(keepingCapacity: true)
        for edge in edges {
            let size = sizeFactors.map { Int(edge.collection) < $0.count ? $0[Int(edge.collection)] : 0 } ?? 1
            weights.append(edge.weight * size)
        }
        guard let types else { return }
        for index in totals.indices { totals[index] = 0 }
        for (edge, weight) in zip(edges, weights) {
            if let code = types.known.code(of: edge.collection) { totals[code] += weight }
        }
        for (index, edge) in edges.enumerated() {
            let code = types.known.code(of: edge.collection)
            weights[index] = code.map { totals[$0] > 0 ? types.shares[$0] * weights[index] / totals[$0] : 0 } ?? 0
        }
    }

    /// - Parameter isWeighted: whether the edges' weights count too.
    func table(of items: Graph.Adjacency, isWeighted: Bool) -> AliasTable {
        var row: [Double] = [], totals = types?.shares ?? []
        let weights = unsafe StoredArray<Float>(count: items.targets.count) { weights in
            for item in 0..<items.rowCount {
                let range = items.range(of: item)
                let edges = range.lazy.map { (collection: items.targets[$0], weight: Self.weight(items, $0, isWeighted)) }
                self.weights(of: edges, into: &row, totals: &totals)
                // The table's weights are Float: in proportion to the largest none of a row's is lost to a small unit.
                let largest = row.max() ?? 0
                for (position, weight) in zip(range, row) { unsafe weights[position] = largest > 0 ? Float(weight / largest) : 0 }
            }
        }
        return AliasTable(items, weights: weights)
    }

    /// Whether an item with hidden edges needs a choice of its own. Of many edges hidden ones are better drawn again, but not where the shares of types
    /// that are left change, nor where a few edges may have nearly all of the weight.
    func needsChoice(degree: Int) -> Bool { types != nil || degree <= 64 }

    /// A choice among some edges that stand for all edges of one item.
    func choice(among positions: [UInt64], of items: Graph.Adjacency, isWeighted: Bool) -> EdgeChoice {
        var row: [Double] = [], totals = types?.shares ?? []
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
@safe struct PreferringRule<Others: StepRule>: StepRule {
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

/// From items by a table of their edges, but for hidden ones: a hidden edge that comes up is drawn again, as ``WeightedHiddenRule`` does.
@safe struct PreferringHiddenRule<Others: StepRule>: StepRule {
    let items: UnsafePointer<UInt64>
    let hidden: HiddenRule
    let others: Others

    @inline(__always) func edge(from item: UInt32, in graph: borrowing WalkGraph, word: UInt64) -> (position: UInt64, rest: UInt64) {
        unsafe WeightedHiddenRule.edge(items, from: item, in: graph, word: word, avoiding: hidden)
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
