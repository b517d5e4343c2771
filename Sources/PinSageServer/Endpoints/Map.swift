internal import PinSageKit

extension RecommendationService {
    /// Items on the map unless the request says otherwise, and at most.
    private static let mapItems = 20_000, mostMapItems = 200_000

    /// `GET /v1/map?limit=`: items of the index on a plane, evenly drawn; z is from 0 to 1, for colors.
    func map(_ call: HTTPCall, _ view: ServingView) async throws -> HTTPReply {
        try call.parameters.allow("limit")
        let limit = try call.parameters.integer("limit", in: 1...Self.mostMapItems) ?? Self.mapItems
        return try await work.run {
            let picture = Picture(of: view.artifacts, limit: limit)
            let items = picture.sample(of: view.index.base.count, limit: limit).filter(view.index.contains)
            return try Self.reply(items, on: picture, view)
        }
    }

    /// `POST /v1/map`: the places of named items on the map of that limit, so that what somebody looks at is on it even where the sample
    /// left it out. Names that nothing has are left out.
    func placesOnMap(_ call: HTTPCall, _ view: ServingView) async throws -> HTTPReply {
        try call.parameters.allow()
        var body = try JSONBody(call)
        let names = try body.texts("items", longest: RequestLimits.questionItems)
        let limit = try body.integer("limit", in: 1...Self.mostMapItems) ?? Self.mapItems
        try body.finish()
        guard let names else { throw Problem.badRequest("expected \"items\", the ids to place") }
        return try await work.run {
            var seen: Set<ItemID> = []
            let items = names.compactMap(view.find).filter { seen.insert($0).inserted }
            return try Self.reply(items, on: Picture(of: view.artifacts, limit: limit), view)
        }
    }

    private static func reply(_ items: [ItemID], on picture: Picture, _ view: ServingView) throws -> HTTPReply {
        let places = try items.map { try picture.place(of: $0, in: view.index) }
        let titles = try view.titles(of: items)
        var json = JSONBuffer(capacity: items.count * 100)
        json.beginObject()
        json.member("method", picture.method)
        json.member("total", view.index.count)
        func list(_ name: String, _ write: (inout JSONBuffer, Int) -> Void) {
            json.key(name)
            json.beginArray()
            for position in items.indices { write(&json, position) }
            json.endArray()
        }
        // Three digits place a point within a tenth of a pixel, and are a third of the bytes.
        func rounded(_ value: Float) -> Float { (value * 1000).rounded() / 1000 }
        list("items") { $0.value(view.name(of: items[$1])) }
        list("titles") { $0.value(titles[$1]) }
        list("x") { $0.value(rounded(places[$1].x)) }
        list("y") { $0.value(rounded(places[$1].y)) }
        list("z") { $0.value(rounded(places[$1].z)) }
        json.endObject()
        return .json(json)
    }
}

/// Where items lie on the page's map.
private enum Picture {
    /// Made beforehand by `project2d`.
    case neighbors(NeighborMap)
    /// The embeddings' principal axes, with the ends of the third one among the projected items.
    case axes(PrincipalProjection, depths: ClosedRange<Float>)

    struct Place {
        var x: Float
        var y: Float
        /// 0 to 1, for colors.
        var z: Float
    }

    /// - Parameter limit: how many items principal axes are found from: part of what the map is, where there is none made beforehand.
    init(of artifacts: Artifacts, limit: Int) {
        if let map = artifacts.map {
            self = .neighbors(map)
            return
        }
        let projection = artifacts.projection(limit: limit), coordinates = projection.coordinates
        let depths = coordinates.columns > 2 ? (0..<coordinates.rows).map { coordinates[$0, 2] } : []
        self = .axes(projection, depths: (depths.min() ?? 0)...(depths.max() ?? 0))
    }

    var method: String {
        switch self {
        case .neighbors: "neighbors"
        case .axes: "principal components"
        }
    }

    /// Rows of the base, evenly drawn.
    func sample(of count: Int, limit: Int) -> [ItemID] {
        let drawn = min(limit, count)
        return (0..<drawn).map { ItemID($0 * count / max(drawn, 1)) }
    }

    /// An item's place; one that is not on a map made beforehand lies at the nearest item that is.
    func place(of item: ItemID, in index: OverlayIndex) throws -> Place {
        switch self {
        case .neighbors(let map):
            var row = Int(item.row)
            if row >= map.count {
                let query = Matrix(rows: 1, columns: index.dimension, values: index.vector(of: item))
                row = try index.base.neighbors(of: query, k: 1, excluding: []).first?.first.map { Int($0.item.row) } ?? 0
            }
            guard row < map.count else { return Place(x: 0, y: 0, z: 0) }
            return Place(x: map.coordinates[2 * row], y: map.coordinates[2 * row + 1], z: map.shades[row])
        case .axes(let projection, let depths):
            let place = projection.place(of: index.vector(of: item))
            let span = depths.upperBound - depths.lowerBound
            let depth = place.count > 2 && span > 0 ? (place[2] - depths.lowerBound) / span : 0
            return Place(x: place[0], y: place.count > 1 ? place[1] : 0, z: min(max(depth, 0), 1))
        }
    }
}
