public import Logging
public import PinSageKit
internal import Synchronization

/// Answers requests; see docs/serving.md for what it can be asked. ``PinSageServer`` puts it on a socket.
public final class RecommendationService: Sendable {
    let paths: ServedPaths
    let keys: APIKeys?
    /// Whether requests must name this machine's own address as their host: a page elsewhere that resolves its name to us is refused.
    let requiresLoopbackHost: Bool
    let metrics = RequestMetrics()
    let work: WorkQueue
    let pages: StaticPages
    let logger: Logger
    let state: ServingState
    private let isStopping = Atomic<Bool>(false)

    /// Opens what is served; cards, and a copy of the index where there should be one, are loaded in the background.
    ///
    /// - Throws: `DataError` when an artifact is missing or damaged, or they do not belong together; ``ConfigurationError``.
    /// - Complexity: O(1) in the number of items, but for a page of the catalog
    public init(paths: ServedPaths, options: ServerOptions, instructionSet: InstructionSet? = nil, logger: Logger) throws {
        try options.validate()
        self.paths = paths
        self.logger = logger
        keys = options.keys
        requiresLoopbackHost = options.keys == nil && ServerOptions.isLoopback(options.host)
        work = WorkQueue(threads: options.threads, limit: options.waiting)
        pages = try StaticPages()
        // Requests run beside each other, each on one thread.
        state = try ServingState(paths, kernels: Kernels(instructionSet: instructionSet, threads: 1))
        load(view.artifacts)
    }

    /// What requests that begin now see.
    var view: ServingView { state.view }

    /// Does in the background what makes requests faster, and what they can do without.
    func load(_ artifacts: Artifacts) {
        let (state, logger) = (state, logger)
        Task {
            try? await self.work.run {
                do { try artifacts.cards.load() } catch { logger.error("titles cannot be read", metadata: ["error": "\(error)"]) }
            }
        }
        guard paths.isResident else { return }
        Task {
            try? await self.work.run {
                do { try state.makeResident(artifacts) } catch { logger.error("the index cannot be copied", metadata: ["error": "\(error)"]) }
            }
        }
    }

    /// Makes /readyz say that no further requests should come.
    func stop() { isStopping.store(true, ordering: .relaxed) }

    var isReady: Bool { !isStopping.load(ordering: .relaxed) }

    /// What requests are counted under that no route was found for.
    static let unknownRoute = "other"

    /// The answer to one request, or the work that makes it. Every error is an answer.
    func answer(to call: HTTPCall) -> (answer: HTTPAnswer, route: String) {
        var name = Self.unknownRoute
        do {
            let route = try Route(call)
            name = route.name
            try authorize(call, for: route)
            return (try answer(route, call), name)
        } catch {
            return (.ready(reply(for: error, route: name)), name)
        }
    }

    /// Does what ``answer(to:)`` left for later.
    func reply(of work: HTTPAnswer.Work, route: String) async -> HTTPReply {
        do { return try await work() } catch { return reply(for: error, route: route) }
    }

    /// The answer to one request, whether it is there at once or later.
    func reply(to call: HTTPCall) async -> (reply: HTTPReply, route: String) {
        switch answer(to: call) {
        case (.ready(let reply), let route): (reply, route)
        case (.later(let work), let route): (await reply(of: work, route: route), route)
        }
    }

    private func reply(for error: any Error, route: String) -> HTTPReply {
        let problem = Problem(error)
        if problem.status == 500 { logger.error("request failed", metadata: ["route": "\(route)", "error": "\(error)"]) }
        return problem.response
    }

    private func answer(_ route: Route, _ call: HTTPCall) throws -> HTTPAnswer {
        let view = view
        switch route {
        case .page(let name): return .ready(try pages.reply(name, call))
        case .health: return .ready(HTTPReply(contentType: "text/plain; charset=utf-8", body: Array("ok\n".utf8)))
        case .ready:
            guard isReady else { throw Problem(503, "the server is stopping", retryAfter: 1) }
            return .ready(HTTPReply(contentType: "text/plain; charset=utf-8", body: Array("ready\n".utf8)))
        case .metrics: return .ready(metricsReply(view))
        case .information: return .later { try self.information(call, view) }
        case .map: return .later { try await self.map(call, view) }
        case .places: return .later { try await self.placesOnMap(call, view) }
        case .item(let name): return .later { try await self.item(name, call, view) }
        case .related(let name): return try related(name, call, view)
        case .recommend: return .later { try await self.recommend(call, view) }
        case .search: return .later { try await self.search(call, view) }
        case .insertion: return .later { try await self.insert(call) }
        case .removal(let name): return .later { try await self.remove(name, call) }
        case .reload: return .later { try await self.reload(call) }
        }
    }

    /// - Throws: ``Problem`` 401 without a key, 403 with one that may not, 421 for a host that is not this one.
    private func authorize(_ call: HTTPCall, for route: Route) throws(Problem) {
        if requiresLoopbackHost {
            // Without its port, of which an IPv6 address in brackets has its own colons.
            let host = call.host ?? ""
            let name = host.hasPrefix("[") ? host.prefix { $0 != "]" } + "]" : host.prefix { $0 != ":" }
            guard ServerOptions.isLoopback(String(name)) else {
                throw Problem(421, "expected a request for this machine's loopback address, found one for \"\(host.prefix(100))\"")
            }
        }
        // A browser names the page that a changing request came from; only our own may send one.
        if call.method != "GET", call.method != "HEAD", let origin = call.origin {
            guard ["http://", "https://"].contains(where: { origin == $0 + (call.host ?? "") }) else {
                throw Problem(403, "requests of pages of other origins are refused")
            }
        }
        guard let needed = route.access, let keys else { return }
        guard let access = keys.access(of: call.authorization) else {
            throw Problem(401, "expected a known API key in the header Authorization: Bearer KEY")
        }
        guard access >= needed else { throw Problem(403, "this key may read, but not change anything") }
    }
}
