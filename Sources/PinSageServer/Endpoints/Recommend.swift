internal import PinSageKit

extension RecommendationService {
    /// `POST /v1/recommend`: what goes with several items, or with a collection.
    func recommend(_ call: HTTPCall, _ view: ServingView) async throws -> HTTPReply {
        try call.parameters.allow()
        var body = try JSONBody(call)
        let explains = try body.flag("explain") ?? false
        let asking = try Self.askingItems(&body, view)
        let pooling: QueryPooling = try body.choice("pooling") ?? .mean
        var query = RelatedQuery(vectors: Matrix(rows: 0, columns: view.index.dimension))
        query.k = try body.integer("k", in: 1...(explains ? RequestLimits.explained : RequestLimits.k)) ?? 20
        query.ef = try body.integer("ef", in: 1...RequestLimits.ef)
        if let diversity = try body.fraction("diversify") { query.diversification = try Diversification(diversity: diversity) }
        let filters = try [body.text("filter"), body.text("candidates")].compactMap(\.self)
        if try body.flag("exclude_seen") ?? true { query.excluding = Set(asking.map(\.item)) }
        for name in try body.texts("exclude", longest: RequestLimits.questionItems) ?? [] {
            if let item = try? view.item(named: name) { query.excluding.insert(item) }
        }
        try body.finish()
        let dimension = view.index.dimension
        let question = query
        return try await reply(asking: asking.map(\.item), filters: filters, explains: explains, view) {
            var query = question
            var members = Matrix(rows: asking.count, columns: dimension, values: asking.flatMap { view.index.vector(of: $0.item) })
            if pooling == .mean {
                // Scaling by weight / mean weight before the plain mean gives the weighted mean.
                let scale = Float(asking.count) / max(asking.reduce(0) { $0 + $1.weight }, .leastNormalMagnitude)
                for (row, entry) in asking.enumerated() {
                    for column in 0..<dimension { members[row, column] *= entry.weight * scale }
                }
            }
            query.vectors = pooling.vectors(of: members)
            return query
        }
    }

    /// The items that ask, with their weights.
    private static func askingItems(_ body: inout JSONBody, _ view: ServingView) throws(Problem) -> [(item: ItemID, weight: Float)] {
        let list = try body.list("items", longest: RequestLimits.questionItems), collection = try body.text("collection")
        guard (list == nil) != (collection == nil) else { throw .badRequest("expected either \"items\" or \"collection\"") }
        if let collection {
            let dataset = view.artifacts.dataset
            guard let row = dataset.collections.row(of: collection) else {
                throw Problem(404, "there is no collection \"\(collection.prefix(200))\"")
            }
            let members = dataset.graph.items(of: CollectionID(row)).filter(view.index.contains)
            guard !members.isEmpty else { throw Problem(404, "the collection \"\(collection.prefix(200))\" has no items") }
            // Of a large collection as many as a question may have, evenly drawn.
            let count = min(members.count, RequestLimits.questionItems)
            return (0..<count).map { (members[$0 * members.count / count], 1) }
        }
        var asking: [(item: ItemID, weight: Float)] = []
        for value in list ?? [] {
            if let name = value.string {
                asking.append((try view.item(named: name), 1))
                continue
            }
            var entry = try JSONBody(value, place: "an entry of \"items\"")
            guard let name = try entry.text("item") else { throw .badRequest("expected \"item\" in every entry of \"items\"") }
            let weight = entry.take("weight") ?? 1
            guard let number = weight.double, number > 0, number <= 1e6 else {
                throw .badRequest("expected weights above 0 and at most 1000000, found \(weight.serialized().prefix(100))")
            }
            try entry.finish()
            asking.append((try view.item(named: name), Float(number)))
        }
        guard !asking.isEmpty else { throw .badRequest("expected at least one item in \"items\"") }
        return asking
    }
}
