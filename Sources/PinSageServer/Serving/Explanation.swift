internal import PinSageKit

/// Why an item is an answer: collections that it shares with the question, and the neighbors that its embedding is pooled from.
///
/// The share of a collection is the chance that a step from the item through a collection that both are in went through this one and met
/// the asking item there: proportional to 1 / its size. The share of a neighbor is its importance weight times its similarity to the
/// question (0 where that is negative), divided by the sum of all: how much of what was pooled points to the question. Shares are of
/// everything that counts, so those listed may come to less than 1.
struct Explanation {
    struct Part {
        var name: String
        var share: Float
    }

    /// The most collections and neighbors that are listed.
    static let most = 5

    /// Sharing collections, largest share first; `size` is the number of items in each.
    var collections: [(part: Part, size: Int)] = []
    var neighbors: [(item: ItemID, share: Float)] = []

    /// - Parameters:
    ///   - item: an item of the base.
    ///   - questions: the items that asked, as far as they are in the base.
    ///   - vectors: the vectors that asked (Q, dimension).
    init(of item: ItemID, for questions: [ItemID], vectors: Matrix, in artifacts: Artifacts) throws {
        let graph = artifacts.dataset.graph
        let sharing = Set(questions.flatMap { graph.sharedCollections(of: item, and: $0) })
            .map { (collection: $0, size: graph.degree(of: $0)) }
            .sorted { ($0.size, $0.collection.row) < ($1.size, $1.collection.row) }
        let total = sharing.reduce(Float(0)) { $0 + 1 / Float(max($1.size, 1)) }
        collections = sharing.prefix(Self.most).map { collection, size in
            (Part(name: artifacts.dataset.collections[Int(collection.row)], share: 1 / Float(max(size, 1)) / total), size)
        }
        let drawn = try artifacts.sampler.neighborhoods(of: [item], threads: 1)
        let embeddings = artifacts.index.embeddings
        var weighed = drawn[0].map { neighbor, weight -> (item: ItemID, share: Float) in
            let vector = embeddings[neighbor]
            var best: Float = 0
            for row in 0..<vectors.rows {
                var product: Float = 0
                for column in vector.indices { product += vector[column] * vectors[row, column] }
                best = max(best, product)
            }
            return (neighbor, weight * best)
        }
        let sum = weighed.reduce(Float(0)) { $0 + $1.share }
        guard sum > 0 else { return }
        weighed.sort { ($0.share, $1.item) > ($1.share, $0.item) }
        neighbors = weighed.prefix(Self.most).filter { $0.share > 0 }.map { ($0.item, $0.share / sum) }
    }
}
