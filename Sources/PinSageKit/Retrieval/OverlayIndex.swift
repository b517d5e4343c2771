/// An index with a few later items beside it and some of its own taken out: what a server searches between two builds of its index.
///
/// Rows below `base.count` are the base's; the n-th added item has the row `base.count + n`. Added items are compared exactly. A value never
/// changes, so that searches go on in the one they have while the next is made.
///
/// Added vectors stand in blocks whose sizes at least double from the newest to the oldest, merged as they fill: an addition copies
/// O(log added) vectors on average and at most `tailRows` at once but for merges.
public struct OverlayIndex: Sendable {
    public private(set) var base: any NearestNeighborIndex
    /// Vectors of added items in row order, oldest block first.
    private var blocks: [StoredArray<Float>] = []
    /// The items of the base that are still in; `nil` is all.
    private var remaining: ItemFilter?
    /// Added rows (from 0) that were taken out again.
    private var removedAdditions: Set<Int> = []
    /// How many items were ever added, removed ones too.
    public private(set) var addedCount = 0
    private let kernels: Kernels

    /// Vectors of the newest block, which is copied by each addition.
    static let tailRows = 256

    public init(base: any NearestNeighborIndex, kernels: Kernels) {
        self.base = base
        remaining = base.present
        self.kernels = kernels
    }

    /// The same index over another copy of its base.
    public func replacing(base: any NearestNeighborIndex) -> OverlayIndex {
        precondition(base.count == self.base.count && base.dimension == dimension, "\(base.count) items in place of \(self.base.count)")
        var next = self
        next.base = base
        return next
    }

    /// Rows of the base and of everything that was ever added.
    public var rowCount: Int { base.count + addedCount }
    /// Items that answers can have.
    public var count: Int { (remaining?.count ?? base.count) + addedCount - removedAdditions.count }
    public var dimension: Int { base.dimension }
    /// Insertions since the base, and items of the base that were taken out of it since.
    var changeCount: Int { addedCount + base.count - (remaining?.count ?? base.count) }

    /// Whether the item is in the index and was not taken out.
    public func contains(_ item: ItemID) -> Bool {
        let row = Int(item.row)
        if row < base.count { return remaining?.contains(item) ?? true }
        return row < rowCount && !removedAdditions.contains(row - base.count)
    }

    /// The vector of an item that is or was in the index. - Complexity: O(dimension)
    public func vector(of item: ItemID) -> [Float] {
        let row = Int(item.row)
        precondition(row < rowCount, "row \(row) of \(rowCount)")
        if row < base.count { return base.embeddings[item] }
        var start = (row - base.count) * dimension
        for block in blocks {
            if start < block.count { return Array(block[start..<start + dimension]) }
            start -= block.count
        }
        preconditionFailure("\(addedCount) added items in blocks of fewer")
    }

    /// The same index with one more item; where the base compares cosines, its vector is divided by its length.
    ///
    /// - Returns: the item's row beside the index.
    /// - Throws: ``DataError`` for a vector of another dimension or one that is not finite.
    public func adding(_ vector: [Float]) throws -> (index: OverlayIndex, item: ItemID) {
        guard vector.count == dimension else { throw DataError("the index has vectors of \(dimension) numbers, found \(vector.count)") }
        guard vector.allSatisfy(\.isFinite) else { throw DataError("expected a vector of finite numbers, found NaN or infinity") }
        var next = self, vector = vector
        if base.comparesCosines { vector = try kernels.normalized(Matrix(rows: 1, columns: dimension, values: vector)).values }
        if let tail = blocks.last, tail.count < Self.tailRows * dimension {
            next.blocks[blocks.count - 1] = StoredArray(Array(tail) + vector)
        } else {
            next.blocks.append(StoredArray(vector))
        }
        next.addedCount += 1
        // A full tail is merged with the block before it while that is no larger.
        while next.blocks.count > 1, let last = next.blocks.last, last.count >= Self.tailRows * dimension {
            let before = next.blocks[next.blocks.count - 2]
            guard before.count <= last.count else { break }
            next.blocks.removeLast(2)
            next.blocks.append(StoredArray(Array(before) + Array(last)))
        }
        return (next, ItemID(rowCount))
    }

    /// The same index without an item, which keeps its row. - Complexity: O(items / 64)
    public func removing(_ item: ItemID) -> OverlayIndex {
        var next = self
        let row = Int(item.row)
        if row < base.count {
            next.remaining = (remaining ?? ItemFilter(all: base.count)).removing(item)
        } else if row < rowCount {
            next.removedAdditions.insert(row - base.count)
        }
        return next
    }

    /// The nearest items of each query, at most `k` each: by score descending, equal scores by lower row.
    ///
    /// - Parameters:
    ///   - queries: (Q, dimension).
    ///   - filter: for all rows, ``rowCount`` of this value or of an earlier one: items that were added later are then not let through.
    ///   - ef: for a base of kind hnsw, see ``HNSWIndex``; others do not use it.
    /// - Throws: ``DataError``, ``ConfigurationError`` as ``NearestNeighborIndex/neighbors(of:k:among:excluding:)``.
    public func neighbors(of queries: Matrix, k: Int, among filter: ItemFilter? = nil, excluding: Set<ItemID> = [], ef: Int? = nil) throws
        -> [[Neighbor]]
    {
        let baseFilter: ItemFilter? =
            switch (filter.map { $0.prefix(base.count) }, remaining) {
            case (let filter?, let remaining?): filter.intersection(remaining)
            case (let filter?, nil): filter
            case (nil, let remaining): remaining
            }
        guard addedCount > removedAdditions.count else {
            return try base.neighbors(of: queries, k: k, among: baseFilter, excluding: excluding, ef: ef)
        }
        let (inBase, inAdded) = (excluding.filter { Int($0.row) < base.count }, excluding.filter { Int($0.row) >= base.count })
        var lists = try base.neighbors(of: queries, k: k, among: baseFilter, excluding: inBase, ef: ef)
        let queries = base.comparesCosines ? try kernels.normalized(queries) : queries
        var first = 0
        for block in blocks {
            let rows = block.count / dimension
            // `nil` is all: most requests after most changes.
            var candidates: [Int64]?
            if filter != nil || !inAdded.isEmpty || !removedAdditions.isEmpty {
                candidates = (first..<first + rows).filter { added in
                    let item = ItemID(base.count + added)
                    return !removedAdditions.contains(added) && !inAdded.contains(item) && (filter?.contains(item) ?? true)
                }.map { Int64($0 - first) }
            }
            let found = min(k, candidates?.count ?? rows)
            if found > 0 {
                let (ids, scores) =
                    if let candidates {
                        try kernels.topK(queries: queries, rows: block, candidates: candidates, k: found)
                    } else {
                        try kernels.topK(queries: queries, rows: block, k: found)
                    }
                for query in 0..<queries.rows {
                    lists[query] += (query * found..<(query + 1) * found).map { place in
                        Neighbor(item: ItemID(base.count + first + Int(ids[place])), score: scores[place])
                    }
                }
            }
            first += rows
        }
        return lists.map { Array($0.sorted { ($0.score, $1.item) > ($1.score, $0.item) }.prefix(k)) }
    }
}
