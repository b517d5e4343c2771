internal import PinSageKit

extension RecommendationService {
    /// Items on the map unless the request says otherwise, and at most.
    private static let mapItems = 20_000, mostMapItems = 200_000

    /// `GET /v1/map?limit=`: items of the index on their embeddings' first two principal axes; z is a place from 0 to 1 along the third, for colors.
    func map(_ call: HTTPCall, _ view: ServingView) async throws -> HTTPReply {
        try call.parameters.allow("limit")
        let limit = try call.parameters.integer("limit", in: 1...Self.mostMapItems) ?? Self.mapItems
        return try await work.run {
            let projection = view.artifacts.projection(limit: limit)
            let places = projection.items.indices.filter { view.index.contains(projection.items[$0]) }
            let cards = try view.artifacts.titles(of: places.map { projection.items[$0] })
            let depths = projection.coordinates.columns > 2 ? places.map { projection.coordinates[$0, 2] } : []
            let (low, high) = (depths.min() ?? 0, depths.max() ?? 1)
            var json = JSONBuffer(capacity: places.count * 100)
            json.beginObject()
            json.member("method", "principal components")
            json.member("total", view.index.count)
            func list(_ name: String, _ write: (inout JSONBuffer, Int) -> Void) {
                json.key(name)
                json.beginArray()
                for position in places.indices { write(&json, position) }
                json.endArray()
            }
            let identifiers = view.artifacts.index.embeddings.identifiers
            // Three digits place a point within a tenth of a pixel, and are a third of the bytes.
            func rounded(_ value: Float) -> Float { (value * 1000).rounded() / 1000 }
            list("items") { $0.value(identifiers[Int(projection.items[places[$1]].row)]) }
            list("titles") { $0.value(cards[$1]) }
            list("x") { $0.value(rounded(projection.coordinates[places[$1], 0])) }
            list("y") { $0.value(projection.coordinates.columns > 1 ? rounded(projection.coordinates[places[$1], 1]) : 0) }
            list("z") { $0.value(depths.isEmpty || high <= low ? 0 : rounded((depths[$1] - low) / (high - low))) }
            json.endObject()
            return .json(json)
        }
    }
}
