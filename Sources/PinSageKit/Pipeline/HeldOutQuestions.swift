/// Pairs held out of a graph, as questions, and the graph without what gives their answers away.
///
/// With a pair's edge go the edges to collections that hold all of the pair's (``Graph/labelCollections(of:)``), as training hides them. Questions are
/// about known items as far as there are enough: an answer that keeps no edge is a new item, and says little of how items with edges rank.
struct HeldOutQuestions {
    let graph: Graph
    let pairs: [DatasetSplit.Pair]

    /// Fewer questions than this tell no two models apart.
    private static let enough = 200

    /// - Parameters:
    ///   - graph: with the edges of the pairs.
    ///   - most: questions, taken at even distances.
    init(_ held: [DatasetSplit.Pair], of graph: Graph, most: Int) throws {
        func hidden(_ pair: DatasetSplit.Pair) -> [CollectionID] {
            graph.labelCollections(of: PositivePair(query: pair.query, positive: pair.positive, collection: pair.collection))
        }
        let known = held.filter { graph.degree(of: $0.positive) > hidden($0).count }
        let asked = known.count >= Self.enough ? known : held
        let step = max(1, asked.count / most)
        pairs = stride(from: 0, to: asked.count, by: step).prefix(most).map { asked[$0] }
        let edges = pairs.flatMap { pair in hidden(pair).map { DatasetSplit.Edge(item: pair.positive, collection: $0) } }
        self.graph = try graph.removing(Array(Set(edges)))
    }

    /// - Parameter asksWithMembers: whether the collection that is left asks, or one item of it.
    func task(asksWithMembers: Bool = false) -> EvaluationTask {
        let queries = pairs.map { pair in
            let members = graph.items(of: pair.collection)
            return EvaluationQuery(
                items: asksWithMembers ? members : [pair.query], positives: [pair.positive], excluded: Set(members + [pair.query]).sorted())
        }
        return EvaluationTask(kind: asksWithMembers ? .collections : .pairs, itemCount: graph.itemCount, queries: queries)
    }
}
