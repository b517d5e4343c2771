internal import PinSageKit

/// What somebody wants to know: vectors that ask, and what answers may be.
struct RelatedQuery: Sendable {
    var vectors: Matrix
    var k = 20
    var excluding: Set<ItemID> = []
    var filter: ItemFilter?
    var diversification: Diversification?
    var ef: Int?

    /// The answers, best first. Where several vectors ask, an item counts by its best score.
    func answers(in index: OverlayIndex) throws -> [Neighbor] {
        let pool = diversification == nil ? k : min(Diversification.poolSize(k: k), max(index.count, 1))
        let lists = try index.neighbors(of: vectors, k: pool, among: filter, excluding: excluding, ef: ef)
        var found = lists.first ?? []
        if lists.count > 1 {
            var best: [ItemID: Float] = [:]
            for neighbor in lists.joined() { best[neighbor.item] = max(best[neighbor.item] ?? -.infinity, neighbor.score) }
            found = best.map { Neighbor(item: $0.key, score: $0.value) }.sorted { ($0.score, $1.item) > ($1.score, $0.item) }
            found.removeLast(max(0, found.count - pool))
        }
        return diversification?.chosen(k, from: found) { index.vector(of: $0) } ?? found
    }
}
