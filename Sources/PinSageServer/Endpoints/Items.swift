internal import PinSageKit

extension RecommendationService {
    /// The most names of collections that an item's answer lists.
    private static let listedCollections = 50

    /// `GET /v1/items/{id}`
    func item(_ name: String, _ call: HTTPCall, _ view: ServingView) async throws -> HTTPReply {
        try call.parameters.allow()
        let item = try view.item(named: name)
        if let place = view.place(of: item), let entry = view.live?[place].item {
            return Self.reply(name, entry.description, collections: entry.collections, collectionCount: entry.collections.count)
        }
        return try await work.run {
            let description = try view.artifacts.catalog?.description(of: item) ?? ItemDescription()
            let dataset = view.artifacts.dataset
            let collections = dataset.graph.collections(of: item)
            return Self.reply(
                name, description, collections: collections.prefix(Self.listedCollections).map { dataset.collections[Int($0.row)] },
                collectionCount: collections.count)
        }
    }

    static func reply(_ name: String, _ description: ItemDescription, collections: [String], collectionCount: Int) -> HTTPReply {
        var json = JSONBuffer()
        json.beginObject()
        json.member("item", name)
        json.member("title", description.title)
        json.member("url", description.url)
        json.member("text", description.text)
        json.key("attributes")
        json.beginObject()
        for (name, value) in description.attributes.sorted(by: { $0.key < $1.key }) { json.member(name, value) }
        json.endObject()
        json.member("collection_count", collectionCount)
        json.key("collections")
        json.beginArray()
        for collection in collections { json.value(collection) }
        json.endArray()
        json.endObject()
        return .json(json)
    }

    /// `GET /v1/items/{id}/related?k=&filter=&diversify=&explain=&ef=`
    func related(_ name: String, _ call: HTTPCall, _ view: ServingView) throws -> HTTPAnswer {
        let parameters = call.parameters
        try parameters.allow("k", "filter", "diversify", "explain", "ef")
        let explains = try parameters.flag("explain")
        let item = try view.item(named: name)
        var query = RelatedQuery(vectors: Matrix(rows: 1, columns: view.index.dimension, values: view.index.vector(of: item)))
        query.k = try parameters.integer("k", in: 1...(explains ? RequestLimits.explained : RequestLimits.k)) ?? 20
        query.excluding = [item]
        query.ef = try parameters.integer("ef", in: 1...RequestLimits.ef)
        if let diversity = try parameters.fraction("diversify") { query.diversification = try Diversification(diversity: diversity) }
        // Following links takes microseconds; all else would hold up the connections of this thread.
        guard parameters["filter"] != nil || explains || query.diversification != nil || !(view.artifacts.index is HNSWIndex) else {
            return .ready(try Self.results(of: query, asking: [item], explains: false, view))
        }
        let question = query
        return .later {
            try await self.reply(asking: [item], filters: [parameters["filter"]].compactMap(\.self), explains: explains, view) { question }
        }
    }

    /// Finds and writes answers on the work queue.
    func reply(
        asking items: [ItemID], filters: [String], explains: Bool, _ view: ServingView, query: @escaping @Sendable () throws -> RelatedQuery
    ) async throws -> HTTPReply {
        try await work.run {
            var query = try query()
            for text in filters {
                let filter = try view.filter(text)
                query.filter = query.filter?.intersection(filter) ?? filter
            }
            return try Self.results(of: query, asking: items, explains: explains, view)
        }
    }

    private static func results(of query: RelatedQuery, asking items: [ItemID], explains: Bool, _ view: ServingView) throws -> HTTPReply {
        let answers = try query.answers(in: view.index)
        let cards = try view.cards(of: answers.map(\.item))
        var json = JSONBuffer(capacity: 64 + answers.count * 256)
        json.beginObject()
        json.key("results")
        json.beginArray()
        for (answer, card) in zip(answers, cards) {
            json.beginObject()
            json.members(card)
            json.member("score", answer.score)
            // The graph knows nothing of items beside the index.
            if explains, view.place(of: answer.item) == nil {
                let asking = items.filter { view.place(of: $0) == nil }
                let explanation = try Explanation(of: answer.item, for: asking, vectors: query.vectors, in: view.artifacts)
                try write(explanation, to: &json, view)
            }
            json.endObject()
        }
        json.endArray()
        json.endObject()
        return .json(json)
    }

    private static func write(_ explanation: Explanation, to json: inout JSONBuffer, _ view: ServingView) throws {
        json.key("explanation")
        json.beginObject()
        json.key("collections")
        json.beginArray()
        for (part, size) in explanation.collections {
            json.beginObject()
            json.member("collection", part.name)
            json.member("share", part.share)
            json.member("items", size)
            json.endObject()
        }
        json.endArray()
        json.key("neighbors")
        json.beginArray()
        for ((_, share), card) in zip(explanation.neighbors, try view.cards(of: explanation.neighbors.map(\.item))) {
            json.beginObject()
            json.members(card)
            json.member("share", share)
            json.endObject()
        }
        json.endArray()
        json.endObject()
    }
}
