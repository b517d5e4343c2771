/// Lists of weighted row numbers, one list per row: list `r` is `targets[offsets[r] ..< offsets[r + 1]]`.
///
/// Neighborhoods in local ids have this form, and so has a sparse matrix.
public struct RaggedLists: Sendable, Equatable {
    /// rows + 1 positions, from 0, never decreasing.
    public var offsets: [Int64]
    public var targets: [Int32]
    /// Parallel to `targets`.
    public var weights: [Float]

    /// No lists.
    public init() {
        offsets = [0]
        targets = []
        weights = []
    }

    public init(offsets: [Int64], targets: [Int32], weights: [Float]) {
        precondition(offsets.first == 0 && offsets.last == Int64(targets.count), "offsets must run from 0 to \(targets.count)")
        precondition(targets.count == weights.count, "\(targets.count) targets and \(weights.count) weights")
        self.offsets = offsets
        self.targets = targets
        self.weights = weights
    }

    public var rowCount: Int { offsets.count - 1 }

    /// The positions of one list in `targets` and `weights`.
    public func range(of row: Int) -> Range<Int> { Int(offsets[row])..<Int(offsets[row + 1]) }

    /// Appends one list.
    public mutating func append(_ list: some Sequence<(target: Int32, weight: Float)>) {
        for (target, weight) in list {
            targets.append(target)
            weights.append(weight)
        }
        offsets.append(Int64(targets.count))
    }
}

/// ``RaggedLists`` turned around: which lists name a table row, and at which position. Backward passes sum by it, in a fixed order.
public struct TransposedLists: Sendable {
    /// Table rows + 1.
    var offsets: [Int64] = [0]
    /// The list that names the row.
    var rows: [Int32] = []
    /// The position in the lists' `targets`.
    var slots: [Int64] = []
}
