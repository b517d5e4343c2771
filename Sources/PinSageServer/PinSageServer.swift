internal import HTTPTypes
internal import HummingbirdCore
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import ServiceLifecycle

/// Puts a ``RecommendationService`` on a socket, until the process is asked to stop.
public enum PinSageServer {
    /// Listens and answers until SIGTERM or SIGINT; requests that have begun are answered before it returns.
    ///
    /// - Parameter onListening: called once with the port that is listened on.
    /// - Throws: ``ConfigurationError``, and the system's error when the address cannot be listened on.
    public static func run(
        options: ServerOptions, service: RecommendationService, stopsOnSignals: Bool = true,
        onListening: @escaping @Sendable (_ port: Int) -> Void = { _ in }
    ) async throws {
        try options.validate()
        let log = try options.requestLog.map { try RequestLog(path: $0) }
        let loops = MultiThreadedEventLoopGroup(numberOfThreads: options.threads)
        let decoder = HTTP1Channel.Configuration.DecoderConfiguration(
            maxHeaderFieldSize: RequestLimits.headerBytes, maxHeaderListSize: RequestLimits.headerBytes,
            maxHeaderFieldCount: RequestLimits.headerFields)
        let clock = DateHeader()
        let timeout = options.timeout
        let channel = HTTP1Channel.Configuration(idleTimeout: .seconds(Int64(timeout)), httpDecoderConfiguration: decoder)
        let server = try HTTPServerBuilder { LoopChannel(HTTP1Channel(responder: $0, configuration: channel)) }.buildServer(
            configuration: ServerConfiguration(
                address: .hostname(options.host, port: options.port), backlog: 1024,
                availableConnectionsDelegate: MaximumAvailableConnections(options.connections, logger: service.logger)),
            eventLoopGroup: loops, logger: service.logger,
            responder: { request, writer, _ in
                try await answer(request, writer, service: service, log: log, clock: clock, timeout: timeout)
            },
            onServerRunning: { channel in onListening(channel.localAddress?.port ?? options.port) })
        var configuration = ServiceGroupConfiguration(
            services: [.init(service: server), .init(service: Stopping(service: service))],
            gracefulShutdownSignals: stopsOnSignals ? [.sigterm, .sigint] : [],
            logger: service.logger)
        configuration.maximumGracefulShutdownDuration = .seconds(Int64(timeout))
        do {
            try await ServiceGroup(configuration: configuration).run()
        } catch {
            try? await loops.shutdownGracefully()
            throw error
        }
        try await loops.shutdownGracefully()
        service.state.close()
        log?.flush()
    }

    /// Tells the service when the process is asked to stop.
    private struct Stopping: Service {
        let service: RecommendationService

        func run() async throws {
            try await gracefulShutdown()
            service.stop()
        }
    }

    /// The client took too long or sent too much: closing is the only way to be rid of what it still sends.
    private struct Closing: Error {}

    private static func answer(
        _ request: Request, _ writer: consuming ResponseWriter, service: RecommendationService, log: RequestLog?, clock: DateHeader, timeout: Int
    ) async throws {
        let start = ContinuousClock.now
        var (reply, route) = (HTTPReply(contentType: "text/plain", body: []), "other")
        do {
            let call = try await call(of: request, deadline: start + .seconds(timeout))
            (reply, route) = await service.reply(to: call)
        } catch let problem as Problem {
            reply = problem.response
        }
        var head = HTTPResponse(status: .init(code: reply.status))
        head.headerFields[.contentType] = reply.contentType
        head.headerFields[.contentLength] = String(reply.body.count)
        head.headerFields[.date] = clock.text
        for (name, value) in reply.headers {
            if let name = HTTPField.Name(name) { head.headerFields[name] = value }
        }
        if reply.closesConnection { head.headerFields[.connection] = "close" }
        let sendsBody = request.method != .head && reply.status != 304 && reply.status != 204 && !reply.body.isEmpty
        try await writer.write(response: head, body: sendsBody ? ResponseBody(byteBuffer: ByteBuffer(bytes: reply.body)) : ResponseBody())
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        service.metrics.record(route: route, status: reply.status, seconds: seconds)
        log?.write(method: request.method.rawValue, target: request.head.path ?? "", status: reply.status, bytes: reply.body.count, seconds: seconds)
        if reply.closesConnection { throw Closing() }
    }

    /// The request with its whole body.
    ///
    /// - Throws: ``Problem`` when it is too long or takes too long.
    private static func call(of request: Request, deadline: ContinuousClock.Instant) async throws -> HTTPCall {
        let target = request.head.path ?? ""
        guard target.utf8.count <= RequestLimits.targetBytes else {
            throw Problem(414, "expected a target of at most \(RequestLimits.targetBytes) bytes, found \(target.utf8.count)", closesConnection: true)
        }
        var call = try HTTPCall(method: request.method.rawValue, target: target)
        call.host = request.head.authority
        call.authorization = request.headers[.authorization]
        call.contentType = request.headers[.contentType]
        call.origin = request.headers[.origin]
        call.ifNoneMatch = request.headers[.ifNoneMatch]
        // A GET's body means nothing; it is read and thrown away by whoever reads the next request, within the same bound.
        if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > RequestLimits.bodyBytes {
            throw Problem(413, "expected a body of at most \(RequestLimits.bodyBytes) bytes, found \(length)", closesConnection: true)
        }
        guard request.headers[.contentLength] != nil || request.headers[.transferEncoding] != nil else { return call }
        for try await part in request.body {
            call.body += part.readableBytesView
            guard call.body.count <= RequestLimits.bodyBytes else {
                throw Problem(413, "expected a body of at most \(RequestLimits.bodyBytes) bytes, found more", closesConnection: true)
            }
            guard ContinuousClock.now < deadline else { throw Problem(408, "the body came too slowly", closesConnection: true) }
        }
        return call
    }
}
