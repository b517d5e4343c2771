internal import PinSageKit

/// How the server listens and what it refuses.
public struct ServerOptions: Sendable {
    public var host = "127.0.0.1"
    /// 0 lets the system choose; what it chose is logged and given to ``PinSageServer/run(options:service:onListening:)``'s closure.
    public var port = 8080
    /// The most threads that answer at once.
    public var threads = Kernels.availableProcessors
    /// Keys that requests must carry; `nil` needs none, which only a loopback address or ``isInsecure`` allows.
    public var keys: APIKeys?
    /// Listens on other addresses than loopback without keys.
    public var isInsecure = false
    /// The most connections that are open at once; further ones wait in the system's queue.
    public var connections = 1024
    /// Requests that may wait for slow work before further ones are answered with 503.
    public var waiting = 256
    /// Seconds that a client may take to send a request, and a connection may be idle.
    public var timeout = 30
    /// Where requests are logged, one JSON object a line; "-" is standard error, `nil` nowhere.
    public var requestLog: String?

    public init() {}

    /// Whether an address is this machine's own.
    static func isLoopback(_ host: String) -> Bool {
        let host = host.lowercased()
        if ["localhost", "::1", "[::1]"].contains(host) { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    /// - Throws: ``ConfigurationError`` naming the setting.
    public func validate() throws {
        guard (0...65535).contains(port) else { throw ConfigurationError("the port is \(port), expected 0 to 65535") }
        guard threads > 0, connections > 0, waiting > 0, timeout > 0 else {
            throw ConfigurationError("expected at least 1 thread, connection, waiting request and second of patience")
        }
        guard Self.isLoopback(host) || keys != nil || isInsecure else {
            throw ConfigurationError(
                "\(host) can be reached from other machines: give --api-key-file, or --insecure where something else guards the port")
        }
    }
}

/// Bounds of single requests. They are part of the API and stand in /openapi.json.
enum RequestLimits {
    static let bodyBytes = 1 << 20
    static let targetBytes = 8192
    static let headerBytes = 65536
    static let headerFields = 100
    /// Answers of one request.
    static let k = 1000
    /// Answers of one request whose reasons are asked for.
    static let explained = 100
    /// Items of one question.
    static let questionItems = 1000
    /// Characters of a filter or a search text.
    static let textLength = 2000
    static let ef = 10000
}
