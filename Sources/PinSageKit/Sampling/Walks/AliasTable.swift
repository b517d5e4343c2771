/// Draws an edge of a row in proportion to its weight in O(1): one record of 8 bytes an edge.
///
/// Source: Walker 1977; the construction is Vose 1991. Chosen over a binary search in cumulative weights because a draw reads one record
/// wherever it falls, as an unweighted step reads one target, instead of log2(degree) of them in turn.
///
/// Weights that are negative or not finite count as 0; a row whose weights are all 0 is drawn uniformly. Probabilities are kept as 32-bit fractions
/// of the row, so each is exact to 2^-32 / degree.
struct AliasTable: Sendable {
    /// Parallel to the targets: in the high half the share of the slot that is the edge's own, as a fraction of 2^32, in the low half the edge
    /// within the row that has the remainder.
    let records: StoredArray<UInt64>

    /// - Complexity: O(edges) time, 8 bytes an edge.
    init(_ side: Graph.Adjacency, weights: StoredArray<Float>) {
        records = unsafe StoredArray(count: side.targets.count) { records in
            unsafe records.initialize(repeating: 0)
            var small: [Int] = [], large: [Int] = [], share: [Double] = []
            for row in 0..<side.rowCount {
                let range = side.range(of: row)
                guard !range.isEmpty else { continue }
                let usable = range.map { position -> Double in
                    let weight = position < weights.count ? weights[position] : 0
                    return weight.isFinite && weight > 0 ? Double(weight) : 0
                }
                let total = usable.reduce(0, +)
                share = total > 0 ? usable.map { $0 * Double(range.count) / total } : usable.map { _ in 1 }
                small.removeAll(keepingCapacity: true)
                large.removeAll(keepingCapacity: true)
                for (index, share) in share.enumerated() { if share < 1 { small.append(index) } else { large.append(index) } }
                while let poor = small.popLast() {
                    guard let rich = large.popLast() else {
                        unsafe records[range.lowerBound + poor] = Self.record(1, poor)  // rounding: it was 1 but for an ulp
                        continue
                    }
                    unsafe records[range.lowerBound + poor] = Self.record(share[poor], rich)
                    share[rich] -= 1 - share[poor]
                    if share[rich] < 1 { small.append(rich) } else { large.append(rich) }
                }
                for index in large { unsafe records[range.lowerBound + index] = Self.record(1, index) }
            }
        }
    }

    private static func record(_ share: Double, _ other: Int) -> UInt64 {
        UInt64(UInt32(clamping: Int64((share * 0x1p32).rounded()))) << 32 | UInt64(UInt32(other))
    }
}

/// Every edge of a row is taken in proportion to its weight.
@safe struct WeightedRule: StepRule {
    let items: UnsafePointer<UInt64>
    let collections: UnsafePointer<UInt64>

    @inline(__always) static func edge(
        _ records: UnsafePointer<UInt64>, _ row: (start: UInt64, degree: UInt64), _ word: UInt64
    ) -> (position: UInt64, rest: UInt64) {
        guard row.degree > 0 else { return (deadEnd, word) }
        let (slot, rest) = CounterRandom.draw(below: row.degree, from: word)
        let record = unsafe records[Int(truncatingIfNeeded: row.start &+ slot)]
        let choice = rest >> 32 < record >> 32 ? slot : record & 0xFFFF_FFFF
        // Half of the word went into the comparison: what follows needs fresh bits.
        return (row.start &+ choice, CounterRandom.mixed(rest))
    }

    @inline(__always) func edge(from item: UInt32, in graph: borrowing WalkGraph, word: UInt64) -> (position: UInt64, rest: UInt64) {
        unsafe Self.edge(items, graph.items.row(item), word)
    }

    @inline(__always) func edge(
        fromCollection collection: UInt32, in graph: borrowing WalkGraph, word: UInt64
    ) -> (position: UInt64, rest: UInt64) {
        unsafe Self.edge(collections, graph.collections.row(collection), word)
    }
}

/// Every edge in proportion to its weight, but for hidden ones: a hidden edge that comes up is drawn again.
@safe struct WeightedHiddenRule: StepRule {
    let weighted: WeightedRule
    let hidden: HiddenRule

    /// Draws before the walker gives up and returns to its seed. It gives up where hidden edges have nearly all of a row's weight: with
    /// half of it, once in 2^64 steps.
    private static var draws: Int { 64 }

    @inline(__always) func edge(from item: UInt32, in graph: borrowing WalkGraph, word: UInt64) -> (position: UInt64, rest: UInt64) {
        unsafe Self.edge(weighted.items, from: item, in: graph, word: word, avoiding: hidden)
    }

    /// - Parameter records: of the edges of items.
    @inline(__always) static func edge(
        _ records: UnsafePointer<UInt64>, from item: UInt32, in graph: borrowing WalkGraph, word: UInt64, avoiding hidden: HiddenRule
    ) -> (position: UInt64, rest: UInt64) {
        let row = unsafe graph.items.row(item)
        var (position, rest) = unsafe WeightedRule.edge(records, row, word)
        guard item == hidden.item else { return (position, rest) }
        for _ in 0..<draws {
            if !hidden.edges.contains(where: { $0.inItem == position }) { return (position, rest) }
            (position, rest) = unsafe WeightedRule.edge(records, row, CounterRandom.mixed(rest &+ CounterRandom.golden))
        }
        return (deadEnd, rest)
    }

    @inline(__always) func edge(
        fromCollection collection: UInt32, in graph: borrowing WalkGraph, word: UInt64
    ) -> (position: UInt64, rest: UInt64) {
        var (position, rest) = unsafe weighted.edge(fromCollection: collection, in: graph, word: word)
        guard let edge = hidden.edges.first(where: { $0.collection == collection }) else { return (position, rest) }
        for _ in 0..<Self.draws {
            if position != edge.inCollection { return (position, rest) }
            (position, rest) = unsafe weighted.edge(fromCollection: collection, in: graph, word: CounterRandom.mixed(rest &+ CounterRandom.golden))
        }
        return (deadEnd, rest)
    }
}
