/// The importance neighborhoods of a list of items, one row per item.
///
/// Row `r` has the neighbors `offsets[r] ..< offsets[r + 1]`: highest visit count first, ties to the lower item row. Its weights are the
/// visit counts divided by their sum over the row, so a row's weights sum to 1 (within rounding), or the row is empty.
/// Source: Ying et al. 2018, section 3.1: the L1-normalised visit counts alpha_u of N(u).
public struct RaggedNeighborhoods: Sendable, Equatable {
    /// rows + 1 positions, the first 0.
    public var offsets: [Int64]
    /// Item rows of the graph, not positions in a batch.
    public var items: [UInt32]
    /// Importance weights, parallel to ``items``.
    public var weights: [Float]

    public init(offsets: [Int64] = [0], items: [UInt32] = [], weights: [Float] = []) {
        precondition(items.count == weights.count, "\(items.count) neighbors with \(weights.count) weights")
        precondition(offsets.last.map { Int($0) } == items.count, "offsets end at \(offsets.last ?? -1) for \(items.count) neighbors")
        self.offsets = offsets
        self.items = items
        self.weights = weights
    }

    /// The number of items whose neighborhoods these are.
    public var count: Int { offsets.count - 1 }

    /// The positions of one row's neighbors in ``items`` and ``weights``.
    public func range(of row: Int) -> Range<Int> { Int(offsets[row])..<Int(offsets[row + 1]) }

    /// One row's neighbors and importance weights, most important first.
    public subscript(row: Int) -> [(item: ItemID, weight: Float)] {
        range(of: row).map { (ItemID(row: items[$0]), weights[$0]) }
    }
}
