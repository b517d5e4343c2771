/// The `pixie` baseline: shares of the visits of random walks with restart from the query's items.
///
/// An item that no walk visits scores 0 and ties with all other such items, so its rank is the middle of what is left.
/// Source: Eksombatchai et al. 2018 (``PixieRecommender``).
public struct PixieScorer: CandidateScorer {
    public let name = "pixie"
    public var itemCount: Int { recommender.graph.itemCount }
    private let recommender: PixieRecommender
    private let threads: Int

    public init(recommender: PixieRecommender, threads: Int) {
        self.recommender = recommender
        self.threads = threads
    }

    public func score(_ queries: ArraySlice<EvaluationQuery>, into scores: inout Matrix) throws {
        let shares = try recommender.scores(of: queries.map(\.items), threads: threads)
        for (row, visited) in shares.enumerated() {
            for (item, share) in visited { scores[row, Int(item.row)] = share }
        }
    }
}
