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
        let connections = HTTPConnections(service: service, log: log, patience: .seconds(Int64(options.timeout)))
        let server = connections.server(
            configuration: ServerConfiguration(
                address: .hostname(options.host, port: options.port), backlog: 1024,
                availableConnectionsDelegate: MaximumAvailableConnections(options.connections, logger: service.logger)),
            onServerRunning: { channel in onListening(channel.localAddress?.port ?? options.port) },
            eventLoopGroup: loops, logger: service.logger)
        var configuration = ServiceGroupConfiguration(
            services: [.init(service: server), .init(service: Stopping(service: service))],
            gracefulShutdownSignals: stopsOnSignals ? [.sigterm, .sigint] : [],
            logger: service.logger)
        configuration.maximumGracefulShutdownDuration = .seconds(Int64(options.timeout))
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
}
