/// A bipartite graph of items and collections: which items people put into which collections.
///
/// Both directions are kept as compressed sparse rows. The targets of a row are ascending and distinct; `weights` and `times`
/// are parallel to the targets of their direction. A value is immutable and may be shared by any number of threads; its
/// arrays live in memory or in mapped files (``StoredArray``).
public struct Graph: Sendable {
    /// One direction: for each row its targets, with what is known of each edge.
    public struct Adjacency: Sendable {
        /// Row `r` has the targets `offsets[r] ..< offsets[r + 1]`; `offsets.count` is rows + 1. int64: the paper's graph has 18 billion edges.
        public let offsets: StoredArray<Int64>
        /// Ascending and distinct within a row.
        public let targets: StoredArray<UInt32>
        /// How often (or how strongly) each edge was seen; `nil` when every weight is 1.
        public let weights: StoredArray<Float>?
        /// Seconds since 1970 of each edge, ``Graph/unknownTime`` where unknown; `nil` when no edge has a time.
        public let times: StoredArray<Int64>?

        public init(
            offsets: StoredArray<Int64>, targets: StoredArray<UInt32>, weights: StoredArray<Float>? = nil, times: StoredArray<Int64>? = nil
        ) {
            self.offsets = offsets
            self.targets = targets
            self.weights = weights
            self.times = times
        }

        public var rowCount: Int { Swift.max(0, offsets.count - 1) }

        /// The positions of a row's targets. On unverified files this is where damage is caught: the range always lies inside `targets`.
        public func range(of row: Int) -> Range<Int> {
            let end = Swift.min(Swift.max(Int(offsets[row + 1]), 0), targets.count)
            let start = Swift.min(Swift.max(Int(offsets[row]), 0), end)
            return start..<end
        }

        /// How many targets a row has.
        public func degree(of row: Int) -> Int { range(of: row).count }

        /// The position of the first target that is no row of the other side, which has `limit` rows.
        func firstTarget(notBelow limit: Int) -> Int? {
            unsafe targets.withUnsafeBufferPointer { targets in
                // The maximum vectorises, a search for the first does not.
                var greatest: UInt32 = 0
                for position in targets.indices { greatest = unsafe Swift.max(greatest, targets[position]) }
                guard targets.count > 0, Int(greatest) >= limit else { return nil }
                for position in targets.indices where unsafe Int(targets[position]) >= limit { return position }
                return nil
            }
        }
    }

    /// The time of an edge that has none.
    public static let unknownTime = Int64.min

    /// Item -> its collections.
    public let items: Adjacency
    /// Collection -> its items.
    public let collections: Adjacency
    /// The kinds of the collections; `nil` where all are of one kind.
    public let collectionTypes: CollectionTypes?

    public init(items: Adjacency, collections: Adjacency, collectionTypes: CollectionTypes? = nil) {
        self.items = items
        self.collections = collections
        self.collectionTypes = collectionTypes
    }

    /// The same edges, with these types of collections.
    func typed(_ types: CollectionTypes?) -> Graph { Graph(items: items, collections: collections, collectionTypes: types) }

    /// A checksum of all edges: another graph has another one but for one chance in 2^32. - Complexity: O(edges)
    public var fingerprint: UInt32 {
        var crc = CRC32C()
        unsafe items.offsets.withUnsafeBufferPointer { unsafe crc.update(UnsafeRawBufferPointer($0)) }
        unsafe items.targets.withUnsafeBufferPointer { unsafe crc.update(UnsafeRawBufferPointer($0)) }
        return crc.value
    }

    public var itemCount: Int { items.rowCount }
    public var collectionCount: Int { collections.rowCount }
    public var edgeCount: Int { items.targets.count }

    /// The number of collections that an item is in.
    public func degree(of item: ItemID) -> Int { items.degree(of: Int(item.row)) }
    /// The number of items in a collection.
    public func degree(of collection: CollectionID) -> Int { collections.degree(of: Int(collection.row)) }

    /// The collections that an item is in, ascending.
    public func collections(of item: ItemID) -> [CollectionID] {
        let range = items.range(of: Int(item.row))
        return unsafe items.targets.withUnsafeBufferPointer { targets in range.map { unsafe CollectionID(row: targets[$0]) } }
    }

    /// The items of a collection, ascending.
    public func items(of collection: CollectionID) -> [ItemID] {
        let range = collections.range(of: Int(collection.row))
        return unsafe collections.targets.withUnsafeBufferPointer { targets in range.map { unsafe ItemID(row: targets[$0]) } }
    }

    /// Whether `item` is in `collection`. - Complexity: O(log degree)
    public func contains(_ item: ItemID, in collection: CollectionID) -> Bool {
        let range = items.range(of: Int(item.row))
        var low = range.lowerBound, high = range.upperBound
        while low < high {
            let middle = (low + high) / 2
            if items.targets[middle] < collection.row { low = middle + 1 } else { high = middle }
        }
        return low < range.upperBound && items.targets[low] == collection.row
    }
}

extension Graph {
    /// The collections that two items share, ascending.
    ///
    /// - Complexity: O(sum of both degrees), or O(m log n) where that is less, for degrees m and n
    public func sharedCollections(of first: ItemID, and second: ItemID) -> [CollectionID] {
        var shared: [CollectionID] = []
        forEachSharedCollection(first, second) { collection in
            shared.append(collection)
            return true
        }
        return shared
    }

    /// Whether two items share a collection that satisfies `predicate`.
    public func shareCollection(_ first: ItemID, _ second: ItemID, where predicate: (CollectionID) -> Bool = { _ in true }) -> Bool {
        var found = false
        forEachSharedCollection(first, second) { collection in
            found = predicate(collection)
            return !found
        }
        return found
    }

    /// Merges two ascending lists of collections; `body` returns whether to go on.
    private func forEachSharedCollection(_ first: ItemID, _ second: ItemID, _ body: (CollectionID) -> Bool) {
        let (few, many) = degree(of: first) <= degree(of: second) ? (first, second) : (second, first)
        let left = items.range(of: Int(few.row)), right = items.range(of: Int(many.row))
        // Looking a few up in many is less than going through all of these.
        if left.count * 32 < right.count {
            for position in left {
                let collection = CollectionID(row: items.targets[position])
                if contains(many, in: collection), !body(collection) { return }
            }
            return
        }
        var a = left.lowerBound, b = right.lowerBound
        while a < left.upperBound, b < right.upperBound {
            let x = items.targets[a], y = items.targets[b]
            if x == y, !body(CollectionID(row: x)) { return }
            if x <= y { a += 1 }
            if y <= x { b += 1 }
        }
    }
}
