internal import PinSageCatalog
internal import PinSageKit

extension RecommendationService {
    /// The most items of one insertion.
    private static let batch = 100

    /// `POST /v1/items`: one item, or several under "items". All are in when the answer comes, or none.
    func insert(_ call: HTTPCall) async throws -> HTTPReply {
        try call.parameters.allow()
        var body = try JSONBody(call)
        var items: [LiveItem] = []
        if let list = try body.list("items", longest: Self.batch) {
            try body.finish()
            for value in list {
                var entry = try JSONBody(value, place: "an entry of \"items\"")
                items.append(try Self.item(&entry))
            }
            guard !items.isEmpty else { throw Problem.badRequest("expected at least one item in \"items\"") }
            guard Set(items.map(\.identifier)).count == items.count else { throw Problem.badRequest("expected every item once") }
        } else {
            items = [try Self.item(&body)]
        }
        let state = state
        return try await work.run { [items] in
            let attributes = state.view.artifacts.catalog?.attributeNames ?? []
            for name in items.flatMap(\.description.attributes.keys) where !attributes.contains(name) {
                throw Problem.badRequest("expected attributes among \(attributes.prefix(50).joined(separator: ", ")), found \"\(name.prefix(100))\"")
            }
            let replaced = try state.insert(items)
            var json = JSONBuffer()
            json.beginObject()
            json.member("items", items.count)
            json.member("inserted", items.count - replaced)
            json.member("replaced", replaced)
            json.endObject()
            return .json(json)
        }
    }

    private static func item(_ body: inout JSONBody) throws(Problem) -> LiveItem {
        guard let name = try body.text("item", longest: 1000), !name.isEmpty else { throw .badRequest("expected \"item\", the id of the new item") }
        var description = ItemDescription()
        description.title = try body.text("title", longest: RequestLimits.bodyBytes)
        description.url = try body.text("url", longest: RequestLimits.bodyBytes)
        description.text = try body.text("text", longest: RequestLimits.bodyBytes)
        if let value = body.take("attributes") {
            guard let attributes = value.object else { throw .badRequest("expected \"attributes\" to be an object") }
            for (name, value) in attributes {
                guard let text = value.string, !text.utf8.contains(0) else {
                    throw .badRequest("expected the attribute \"\(name.prefix(100))\" to be a text")
                }
                description.attributes[name] = text
            }
        }
        var features: [String: [Float]] = [:]
        if let value = body.take("features") {
            guard let tables = value.object else { throw .badRequest("expected \"features\" to be an object") }
            for (name, value) in tables {
                let numbers = value.array?.map { Float($0.double ?? .nan) } ?? [.nan]
                guard numbers.allSatisfy(\.isFinite) else {
                    throw .badRequest("expected the features \"\(name.prefix(100))\" to be a list of numbers")
                }
                features[name] = numbers
            }
        }
        let collections = try body.texts("collections", longest: 1000) ?? []
        try body.finish()
        return LiveItem(identifier: name, description: description, features: features, collections: collections)
    }

    /// `DELETE /v1/items/{id}`
    func remove(_ name: String, _ call: HTTPCall) async throws -> HTTPReply {
        try call.parameters.allow()
        let state = state
        return try await work.run {
            try state.remove(name)
            return HTTPReply(status: 204, contentType: "application/json", body: [])
        }
    }

    /// `POST /v1/reload`
    func reload(_ call: HTTPCall) async throws -> HTTPReply {
        try call.parameters.allow()
        let state = state, start = ContinuousClock.now
        return try await work.run {
            let view: ServingView
            do { view = try state.reload() } catch let error as DataError {
                // Whoever may write may know where the files are.
                throw Problem(409, "nothing was changed: \(error)")
            }
            self.load(view.artifacts)
            var json = JSONBuffer()
            json.beginObject()
            json.member("items", view.index.count)
            json.key("seconds")
            json.value((ContinuousClock.now - start) / .seconds(1))
            json.endObject()
            return .json(json)
        }
    }
}
