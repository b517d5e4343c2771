/// Finds the items whose embeddings have the largest dot products with a query.
///
/// Results come by score descending, equal scores by lower item row. Fewer than k results mean that there are no more candidates.
public protocol NearestNeighborIndex: Sendable {
    /// The items and their f32 vectors, by which the scores of answers are computed.
    var embeddings: Embeddings { get }

    /// The nearest items of each row of `queries` (Q, dimension), at most `k` each, among those that `filter` lets through (`nil`: all) and
    /// without those in `excluding`.
    ///
    /// - Parameter ef: how many candidates this search keeps, for kinds that keep a pool of them (``HNSWIndex``); others do not use it. `nil` is the
    ///   index's own.
    func neighbors(of queries: Matrix, k: Int, among filter: ItemFilter?, excluding: Set<ItemID>, ef: Int?) throws -> [[Neighbor]]

    /// Whether scores are cosines: queries are divided by their lengths before they are compared, and so are vectors that are compared beside the index's.
    var comparesCosines: Bool { get }

    /// The items that were not removed, which alone can be answers; `nil` is all rows.
    var present: ItemFilter? { get }

    /// The same index with what its searches read at random copied into memory (huge pages where there are any) instead of read from the pages
    /// of its files: no search waits for the disk, and those of large indexes may be faster. A kind that reads front to back is returned as it is.
    ///
    /// - Complexity: O(N * dimension)
    func resident() throws -> any NearestNeighborIndex

    /// Writes the index as an artifact, which ``StoredIndex/open(_:kernels:)`` opens.
    func write(to path: String) throws
}

extension NearestNeighborIndex {
    /// All rows: what cannot lose items has no others.
    public var present: ItemFilter? { nil }

    public var comparesCosines: Bool { false }

    public func resident() throws -> any NearestNeighborIndex { self }

    /// The number of rows of the index, those of removed items included.
    public var count: Int { embeddings.count }
    public var dimension: Int { embeddings.dimension }

    /// The nearest items of each row of `queries` (Q, dimension), at most `k` each, without those in `excluding`.
    public func neighbors(of queries: Matrix, k: Int, among filter: ItemFilter? = nil, excluding: Set<ItemID>) throws -> [[Neighbor]] {
        try neighbors(of: queries, k: k, among: filter, excluding: excluding, ef: nil)
    }

    /// The nearest items of an item of the index, itself left out, at most `k`.
    public func neighbors(of item: ItemID, k: Int, among filter: ItemFilter? = nil, ef: Int? = nil) throws -> [Neighbor] {
        guard Int(item.row) < count else { throw DataError("the index has \(count) items, asked for those near row \(item.row)") }
        let query = Matrix(rows: 1, columns: dimension, values: embeddings[item])
        return try neighbors(of: query, k: k, among: filter, excluding: [item], ef: ef)[0]
    }

    /// - Throws: ``DataError`` where rows of the index and of the dataset are not the same items. A sample of rows tells, in time that does not grow with the
    ///   data.
    public func requireRows(of dataset: Dataset, file: String? = nil) throws {
        guard dataset.items.count == count else {
            throw DataError("the index has \(count) items, the dataset has \(dataset.items.count)", file: file)
        }
        let identifiers = embeddings.identifiers
        for row in stride(from: 0, to: count, by: max(1, count / 256)) where identifiers[row] != dataset.items[row] {
            throw DataError(
                "row \(row) is \"\(identifiers[row])\" in the index and \"\(dataset.items[row])\" in the dataset: they were not made of each other",
                file: file)
        }
    }

    /// - Throws: ``DataError`` when queries or filter are for another dimension or number of items, ``ConfigurationError`` for a negative k.
    func check(_ queries: Matrix, k: Int, filter: ItemFilter?) throws {
        if let filter, filter.items != count { throw DataError("the index has \(count) items, the filter is for \(filter.items)") }
        guard queries.columns == dimension else {
            throw DataError("the index has vectors of \(dimension) numbers, the query has \(queries.columns)")
        }
        guard queries.values.allSatisfy(\.isFinite) else { throw DataError("expected a query of finite numbers, found NaN or infinity") }
        guard k >= 0 else { throw ConfigurationError("k is \(k), expected 0 or more") }
    }
}

extension Matrix {
    /// Whether a query orders items at all, and by products that are finite: what approximate searches need.
    func ranks(_ row: Int) -> Bool {
        var largest: Float = 0
        for column in 0..<columns {
            let magnitude = self[row, column].magnitude
            if !(magnitude <= 1e15) { return false }
            largest = max(largest, magnitude)
        }
        return largest >= 1e-15
    }
}

/// One answer of an index.
public struct Neighbor: Sendable, Hashable {
    public var item: ItemID
    /// Dot product with the query; the cosine when both are normalised.
    public var score: Float

    public init(item: ItemID, score: Float) {
        self.item = item
        self.score = score
    }
}

/// How an index holds the vectors that it compares first; the f32 vectors score what is returned in any case.
public enum IndexStorage: String, CaseIterable, Sendable, Codable {
    case f32, bf16, int8
}

/// Index directories of any kind.
public enum StoredIndex {
    public static let kind = "index"

    /// Opens an index; what it is stands in its manifest.
    ///
    /// - Throws: ``DataError`` when it is missing, damaged or of an unknown kind of index.
    /// - Complexity: O(1); the arrays are mapped.
    public static func open(_ path: String, kernels: Kernels) throws -> any NearestNeighborIndex {
        try read(Artifact.open(path, kind: kind), kernels: kernels)
    }

    static func read(_ artifact: Artifact, kernels: Kernels) throws -> any NearestNeighborIndex {
        let name = artifact.manifest.metadata["index"]?.string
        switch name {
        case ExactIndex.name: return try ExactIndex(artifact, kernels: kernels)
        case HNSWIndex.name: return try HNSWIndex(artifact, kernels: kernels)
        case LSHIndex.name: return try LSHIndex(artifact, kernels: kernels)
        default:
            throw DataError(
                "expected an index of kind \(ExactIndex.name), \(HNSWIndex.name) or \(LSHIndex.name), found \(name.map { "\"\($0)\"" } ?? "none")",
                file: artifact.path + "/" + Manifest.fileName)
        }
    }
}
