/// Finds the items whose embeddings have the largest dot products with a query.
///
/// Results come by score descending, equal scores by lower item row. Fewer than k results mean that there are no more candidates.
public protocol NearestNeighborIndex: Sendable {
    /// The number of items in the index.
    var count: Int { get }
    var dimension: Int { get }

    /// The nearest items of each row of `queries` (Q, dimension), at most `k` each, without those in `excluding`.
    func neighbors(of queries: Matrix, k: Int, excluding: Set<ItemID>) throws -> [[Neighbor]]
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
