/// Slow, obvious twins of the C kernels, each written from the formula in its header, in Double.
///
/// Tests compare the kernels with them, and `bench` runs both. Nothing here is blocked, vectorised or clever on purpose: whoever doubts a
/// kernel reads its twin. Matrices are row-major arrays; lists are ragged, with `offsets` of one more element than there are lists.
public enum Reference {}

/// Ragged lists of rows of a table, as the kernels take them.
public struct ReferenceLists: Sendable {
    public var offsets: [Int64]
    public var targets: [Int32]

    public init(offsets: [Int64], targets: [Int32]) {
        self.offsets = offsets
        self.targets = targets
    }

    /// How many lists there are.
    public var count: Int { offsets.count - 1 }

    /// The slots of one list: positions in ``targets``.
    public func slots(_ list: Int) -> Range<Int> { Int(offsets[list])..<Int(offsets[list + 1]) }
}
