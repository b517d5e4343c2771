internal import PinSageKit

extension RecommendationService {
    /// Items on the map unless the request says otherwise, and at most.
    private static let mapItems = 20_000, mostMapItems = 200_000

    /// Places of some items.
    private struct Picture {
        var method: String
        var items: [ItemID]
        var x: [Float]
        var y: [Float]
        /// 0 to 1, for colors.
        var z: [Float]

        /// Items of a map that was made beforehand, evenly drawn.
        init(_ map: NeighborMap, limit: Int) {
            method = "neighbors"
            let count = min(limit, map.count)
            let rows = (0..<count).map { $0 * map.count / max(count, 1) }
            items = rows.map { ItemID($0) }
            x = rows.map { map.coordinates[2 * $0] }
            y = rows.map { map.coordinates[2 * $0 + 1] }
            z = rows.map { map.shades[$0] }
        }

        init(_ projection: PrincipalProjection) {
            method = "principal components"
            let coordinates = projection.coordinates
            items = projection.items
            x = items.indices.map { coordinates[$0, 0] }
            y = items.indices.map { coordinates.columns > 1 ? coordinates[$0, 1] : 0 }
            let depths = coordinates.columns > 2 ? items.indices.map { coordinates[$0, 2] } : []
            let (low, high) = (depths.min() ?? 0, depths.max() ?? 0)
            z = items.indices.map { depths.isEmpty || high <= low ? 0 : (depths[$0] - low) / (high - low) }
        }
    }

    /// `GET /v1/map?limit=`: items of the index on a plane; z is from 0 to 1, for colors.
    func map(_ call: HTTPCall, _ view: ServingView) async throws -> HTTPReply {
        try call.parameters.allow("limit")
        let limit = try call.parameters.integer("limit", in: 1...Self.mostMapItems) ?? Self.mapItems
        return try await work.run {
            let artifacts = view.artifacts
            let picture = artifacts.map.map { Picture($0, limit: limit) } ?? Picture(artifacts.projection(limit: limit))
            let places = picture.items.indices.filter { view.index.contains(picture.items[$0]) }
            let titles = try artifacts.titles(of: places.map { picture.items[$0] })
            var json = JSONBuffer(capacity: places.count * 100)
            json.beginObject()
            json.member("method", picture.method)
            json.member("total", view.index.count)
            func list(_ name: String, _ write: (inout JSONBuffer, Int) -> Void) {
                json.key(name)
                json.beginArray()
                for position in places.indices { write(&json, position) }
                json.endArray()
            }
            let identifiers = artifacts.index.embeddings.identifiers
            // Three digits place a point within a tenth of a pixel, and are a third of the bytes.
            func rounded(_ value: Float) -> Float { (value * 1000).rounded() / 1000 }
            list("items") { $0.value(identifiers[Int(picture.items[places[$1]].row)]) }
            list("titles") { $0.value(titles[$1]) }
            list("x") { $0.value(rounded(picture.x[places[$1]])) }
            list("y") { $0.value(rounded(picture.y[places[$1]])) }
            list("z") { $0.value(rounded(picture.z[places[$1]])) }
            json.endObject()
            return .json(json)
        }
    }
}
