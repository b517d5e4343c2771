/// How a walker at a row chooses one of the row's edges.
protocol StepRule {
    /// The position of the chosen edge in the targets of `graph.items`, or ``deadEnd``; and what is left of the random word.
    func edge(from item: UInt32, in graph: borrowing WalkGraph, word: UInt64) -> (position: UInt64, rest: UInt64)
    /// The same at a collection, in the targets of `graph.collections`.
    func edge(fromCollection collection: UInt32, in graph: borrowing WalkGraph, word: UInt64) -> (position: UInt64, rest: UInt64)
}

/// Stands for "no edge can be taken from here": above every position.
let deadEnd = UInt64.max

/// Every edge of a row is equally likely.
struct UniformRule: StepRule {
    @inline(__always) func edge(from item: UInt32, in graph: borrowing WalkGraph, word: UInt64) -> (position: UInt64, rest: UInt64) {
        unsafe graph.items.uniformEdge(of: item, word: word)
    }

    @inline(__always) func edge(
        fromCollection collection: UInt32, in graph: borrowing WalkGraph, word: UInt64
    ) -> (position: UInt64, rest: UInt64) {
        unsafe graph.collections.uniformEdge(of: collection, word: word)
    }
}

/// Every edge of a row is equally likely but those of one item that are hidden: they are not there, in either direction.
struct HiddenRule: StepRule {
    /// The item whose edges are hidden.
    let item: UInt32
    /// For each hidden edge that exists, in ascending order of collection: its position among the edges of each end.
    let edges: [(collection: UInt32, inItem: UInt64, inCollection: UInt64)]

    /// - Parameter hidden: its item must be in the graph; collections that are not, or do not hold the item, are dropped.
    init(_ hidden: HiddenEdges, in graph: borrowing WalkGraph) {
        let item = hidden.item.row
        self.item = item
        var edges: [(collection: UInt32, inItem: UInt64, inCollection: UInt64)] = []
        for collection in hidden.collections where unsafe collection.row <= graph.items.lastTarget {
            if let inItem = unsafe graph.items.position(of: collection.row, inRow: item),
                let inCollection = unsafe graph.collections.position(of: item, inRow: collection.row)
            {
                edges.append((collection.row, inItem, inCollection))
            }
        }
        self.edges = edges
    }

    @inline(__always) func edge(from item: UInt32, in graph: borrowing WalkGraph, word: UInt64) -> (position: UInt64, rest: UInt64) {
        guard item == self.item else { return unsafe UniformRule().edge(from: item, in: graph, word: word) }
        let (start, degree) = unsafe graph.items.row(item)
        guard degree > UInt64(edges.count) else { return (deadEnd, word) }
        let (choice, rest) = CounterRandom.draw(below: degree - UInt64(edges.count), from: word)
        var position = start + choice
        // Hidden positions ascend: each one at or below the position moves it up by one.
        for edge in edges where edge.inItem <= position { position += 1 }
        return (position, rest)
    }

    @inline(__always) func edge(
        fromCollection collection: UInt32, in graph: borrowing WalkGraph, word: UInt64
    ) -> (position: UInt64, rest: UInt64) {
        for edge in edges where edge.collection == collection {
            let (start, degree) = unsafe graph.collections.row(collection)
            guard degree > 1 else { return (deadEnd, word) }
            let (choice, rest) = CounterRandom.draw(below: degree - 1, from: word)
            let position = start + choice
            return (position >= edge.inCollection ? position + 1 : position, rest)
        }
        return unsafe UniformRule().edge(fromCollection: collection, in: graph, word: word)
    }
}

/// Every edge is equally likely, but a walker at a collection draws again, up to a few times, while the item it drew is not preferred.
///
/// Source: Eksombatchai et al. 2018, section 3.1 (biasing the walk): there the preference is a user's language or topic.
struct BiasedRule: StepRule {
    let prefers: @Sendable (ItemID) -> Bool
    /// The most draws: an item that is not preferred is reached with probability (share not preferred) ^ draws.
    let draws: Int

    @inline(__always) func edge(from item: UInt32, in graph: borrowing WalkGraph, word: UInt64) -> (position: UInt64, rest: UInt64) {
        unsafe UniformRule().edge(from: item, in: graph, word: word)
    }

    func edge(fromCollection collection: UInt32, in graph: borrowing WalkGraph, word: UInt64) -> (position: UInt64, rest: UInt64) {
        var (position, rest) = unsafe UniformRule().edge(fromCollection: collection, in: graph, word: word)
        guard position != deadEnd else { return (position, rest) }
        for _ in 1..<max(1, draws) {
            if unsafe prefers(ItemID(row: graph.collections.target(position))) { break }
            (position, rest) = unsafe UniformRule().edge(fromCollection: collection, in: graph, word: CounterRandom.mixed(rest &+ word))
        }
        return (position, rest)
    }
}
