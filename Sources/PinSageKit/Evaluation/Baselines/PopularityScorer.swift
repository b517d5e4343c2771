/// The number of collections that an item is in, whatever is asked: the least that any method must beat.
public struct PopularityScorer: CandidateScorer {
    public let name = "popularity"
    private let degrees: [Float]

    public init(graph: Graph) {
        degrees = (0..<graph.itemCount).map { Float(graph.degree(of: ItemID($0))) }
    }

    public var itemCount: Int { degrees.count }

    public func score(_ queries: ArraySlice<EvaluationQuery>, into scores: inout Matrix) {
        for row in 0..<queries.count {
            scores.values.replaceSubrange(row * degrees.count..<(row + 1) * degrees.count, with: degrees)
        }
    }
}
