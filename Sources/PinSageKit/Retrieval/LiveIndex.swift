internal import Synchronization

/// An index that is searched while items come and go.
///
/// Readers take a ``snapshot``, which never changes, and wait for nobody. Writers go one at a time: what they insert stands beside the graph and is compared
/// exactly, what they remove is marked, until enough has come together to change the graph at once (``fold()``). The same writes in the same order give the
/// same snapshots, whoever reads meanwhile.
///
///     let live = LiveIndex(index)
///     try live.insert("new", vector: vector)
///     let answers = try live.snapshot.neighbors(of: queries, k: 10)
///
/// Items are known by their names: their rows change when the graph is changed.
public final class LiveIndex: Sendable {
    /// The items at one moment.
    public struct Snapshot: Sendable {
        let base: HNSWIndex
        fileprivate(set) var overlay: OverlayIndex
        /// Names of the rows beside the graph, in their order.
        fileprivate var added: [String] = []
        /// The newest of these rows that a name has, counted from 0.
        fileprivate var rowsOfAdded: [String: Int] = [:]

        fileprivate init(_ base: HNSWIndex) {
            self.base = base
            overlay = OverlayIndex(base: base, kernels: base.kernels)
        }

        /// The number of items.
        public var count: Int { overlay.count }
        public var dimension: Int { base.dimension }

        /// The name of an item of this snapshot.
        public func identifier(of item: ItemID) -> String {
            let row = Int(item.row)
            return row < base.count ? base.embeddings.identifiers[row] : added[row - base.count]
        }

        /// The row that an item has in this snapshot; `nil` where there is none of that name.
        public func item(named identifier: String) -> ItemID? {
            let row = rowsOfAdded[identifier].map { base.count + $0 } ?? base.embeddings.identifiers.row(of: identifier)
            return row.map { ItemID($0) }.flatMap { overlay.contains($0) ? $0 : nil }
        }

        /// The vector of an item, divided by its length where the metric is cosine.
        public func vector(of item: ItemID) -> [Float] { overlay.vector(of: item) }

        /// The nearest items of each row of `queries` (Q, dimension), at most `k` each; see ``OverlayIndex``.
        ///
        /// - Parameter filter: for the rows of this snapshot or of an earlier one with the same graph.
        public func neighbors(
            of queries: Matrix, k: Int, among filter: ItemFilter? = nil, excluding: Set<ItemID> = [], ef: Int? = nil
        ) throws -> [[Neighbor]] {
            try overlay.neighbors(of: queries, k: k, among: filter, excluding: excluding, ef: ef)
        }

        /// The index of this snapshot's items alone: those of the graph in their order, then the others in the order in which they came.
        fileprivate func folded() throws -> HNSWIndex {
            let left = (0..<added.count).filter { overlay.contains(ItemID(base.count + $0)) }
            var index = base.removing((0..<base.count).lazy.map { ItemID($0) }.filter { !overlay.contains($0) })
            if index.presentCount < index.count { index = try index.compacted().index }
            guard !left.isEmpty else { return index }
            let vectors = left.map { overlay.vector(of: ItemID(base.count + $0)) }
            let areNormalized = vectors.allSatisfy { vector in
                let square = vector.reduce(Float(0)) { $0 + $1 * $1 }
                return square == 0 || abs(square - 1) <= 1e-4
            }
            return try index.inserting(
                Embeddings(
                    identifiers: Identifiers(left.map { added[$0] }), vectors: StoredArray(Array(vectors.joined())), dimension: dimension,
                    isNormalized: areNormalized))
        }
    }

    private let current: Mutex<Snapshot>
    /// Held by whoever writes.
    private let writing = Mutex(())
    private let foldAt: Int?

    /// - Parameter foldAt: how many insertions and removals are collected before the graph is changed; `nil` is a 64th of the items, at least 1024 and at
    ///   most 16,384: each write copies the names of those that were collected.
    public init(_ index: HNSWIndex, foldAt: Int? = nil) {
        current = Mutex(Snapshot(index))
        self.foldAt = foldAt.map { max($0, 1) }
    }

    /// What is in the index now. - Complexity: O(1)
    public var snapshot: Snapshot { current.withLock { $0 } }

    /// Inserts an item, or gives it another vector.
    ///
    /// - Throws: ``DataError`` for a vector of another dimension, not finite or beyond 1e15. The index is then as before.
    public func insert(_ identifier: String, vector: [Float]) throws {
        try writing.withLock { _ in
            var next = snapshot
            guard vector.count == next.dimension else { throw DataError("the index has vectors of \(next.dimension) numbers, found \(vector.count)") }
            guard vector.allSatisfy({ $0.magnitude <= 1e15 }) else {
                throw DataError("expected a vector of finite values up to 1e15, found another in that of \"\(identifier)\"")
            }
            if let known = next.item(named: identifier) { next.overlay = next.overlay.removing(known) }
            let (overlay, _) = try next.overlay.adding(vector)
            next.overlay = overlay
            next.rowsOfAdded[identifier] = next.added.count
            next.added.append(identifier)
            try publish(next)
        }
    }

    /// Takes an item out. - Returns: whether there was one of that name.
    @discardableResult
    public func remove(_ identifier: String) throws -> Bool {
        try writing.withLock { _ in
            var next = snapshot
            guard let known = next.item(named: identifier) else { return false }
            next.overlay = next.overlay.removing(known)
            try publish(next)
            return true
        }
    }

    /// Changes the graph now: inserts what stands beside it, repairs the links of removed items and frees their memory.
    ///
    /// - Returns: the index of the items, which can be written.
    @discardableResult
    public func fold() throws -> HNSWIndex {
        try writing.withLock { _ in try folded(snapshot) }
    }

    private func folded(_ snapshot: Snapshot) throws -> HNSWIndex {
        let index = try snapshot.folded()
        current.withLock { $0 = Snapshot(index) }
        return index
    }

    private func publish(_ next: Snapshot) throws {
        // What the base had lost before does not count: folding at once again would not help.
        let changes = next.overlay.changeCount - (next.base.count - next.base.presentCount)
        if changes >= foldAt ?? min(max(1024, next.base.count / 64), 16384) {
            _ = try folded(next)
        } else {
            current.withLock { $0 = next }
        }
    }
}
