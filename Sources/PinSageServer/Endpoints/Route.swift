/// What a request asks for.
enum Route {
    case page(String)
    case health, ready, metrics, information, map, places
    case item(String)
    case related(String)
    case recommend, search
    case insertion, reload
    case removal(String)

    /// - Throws: ``Problem`` 404 for an unknown path, 405 for a method that the path does not have.
    init(_ call: HTTPCall) throws(Problem) {
        func require(_ methods: String...) throws(Problem) {
            // HEAD is GET without the body, which whoever sends the answer leaves out.
            guard methods.contains(call.method) || call.method == "HEAD" && methods.contains("GET") else {
                throw Problem(
                    405, "expected \(methods.joined(separator: " or ")), found \(call.method.prefix(20))", allow: methods.joined(separator: ", "))
            }
        }
        let segments = call.segments
        switch (segments.count, segments[0], segments.count > 1 ? segments[1] : "") {
        case (1, "healthz", _): self = .health
        case (1, "readyz", _): self = .ready
        case (1, "metrics", _): self = .metrics
        case (2, "v1", "info"): self = .information
        case (2, "v1", "map"): self = call.method == "POST" ? .places : .map
        case (2, "v1", "recommend"): self = .recommend
        case (2, "v1", "search"): self = .search
        case (2, "v1", "items"): self = .insertion
        case (2, "v1", "reload"): self = .reload
        case (3, "v1", "items") where call.method == "DELETE": self = .removal(segments[2])
        case (3, "v1", "items"): self = .item(segments[2])
        case (4, "v1", "items") where segments[3] == "related": self = .related(segments[2])
        case (1, let name, _) where StaticPages.names[name] != nil: self = .page(name)
        default: throw Problem(404, "there is nothing at \(call.path.prefix(200)); /openapi.json says what there is")
        }
        switch self {
        case .recommend, .search, .insertion, .reload: try require("POST")
        case .item, .removal: try require("GET", "DELETE")
        case .map, .places: try require("GET", "POST")
        default: try require("GET")
        }
    }

    /// The pattern of the path, for metrics.
    var name: String {
        switch self {
        case .page: "/"
        case .health: "/healthz"
        case .ready: "/readyz"
        case .metrics: "/metrics"
        case .information: "/v1/info"
        case .map: "/v1/map"
        case .places: "POST /v1/map"
        case .item: "/v1/items/{id}"
        case .related: "/v1/items/{id}/related"
        case .recommend: "/v1/recommend"
        case .search: "/v1/search"
        case .insertion: "POST /v1/items"
        case .removal: "DELETE /v1/items/{id}"
        case .reload: "/v1/reload"
        }
    }

    /// The key that is needed where there are keys; `nil` is none. The page itself says nothing about the data.
    var access: APIKeys.Access? {
        switch self {
        case .page, .health, .ready: nil
        case .insertion, .removal, .reload: .write
        default: .read
        }
    }
}
