import Foundation
import PinSageTestSupport
import Testing

@testable import PinSageKit
@testable import PinSageServer

#if canImport(Glibc)
    import Glibc
#endif

/// A TCP connection that sends whatever bytes a test wants to; it blocks, so tests use it off the cooperative pool.
final class SocketClient {
    private let descriptor: Int32
    private var received: [UInt8] = []

    init(port: Int, patience: Int = 120) throws {
        #if canImport(Glibc)
            let kind = Int32(SOCK_STREAM.rawValue)
        #else
            let kind = SOCK_STREAM
        #endif
        descriptor = socket(AF_INET, kind, 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
        try #require(connected == 0, "no connection to port \(port)")
        var limit = timeval(tv_sec: patience, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    /// Sends all of the text, as far as the other side takes it. - Returns: whether it took everything.
    @discardableResult
    func send(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count <= 0 { return false }
            sent += count
        }
        return true
    }

    /// Tells the other side that nothing more comes; its answers still do.
    func endSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    private func fill() -> Bool {
        var buffer = [UInt8](repeating: 0, count: 65536)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count > 0 { received += buffer.prefix(count) }
        return count > 0
    }

    /// The next answer; `nil` when the connection ends without one.
    func answer(hasBody: Bool = true) -> (status: Int, head: String, body: String)? {
        let end = Array("\r\n\r\n".utf8)
        while true {
            if let place = received.indices.first(where: { received[$0...].starts(with: end) }) {
                let head = String(decoding: received[..<place], as: UTF8.self)
                let length =
                    head.lowercased().split(separator: "\r\n").first { $0.hasPrefix("content-length:") }
                    .flatMap { Int($0.dropFirst(15).trimmingCharacters(in: .whitespaces)) } ?? 0
                let needed = place + 4 + (hasBody ? length : 0)
                while received.count < needed { guard fill() else { return nil } }
                let body = String(decoding: received[place + 4..<needed], as: UTF8.self)
                received.removeSubrange(..<needed)
                return (Int(head.split(separator: " ")[1]) ?? 0, head, body)
            }
            guard fill() else { return nil }
        }
    }

    /// Whether the other side has closed, after whatever it still sends.
    func isClosed() -> Bool {
        var byte = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = recv(descriptor, &byte, byte.count, 0)
            if count == 0 { return true }
            if count < 0 { return errno == ECONNRESET }
        }
    }
}

/// A server on a free port for the time of `body`, which runs on a thread of its own.
func withServer<Value: Sendable>(
    _ options: ServerOptions = ServerOptions(), service: RecommendationService, _ body: @escaping @Sendable (_ port: Int) throws -> Value
) async throws -> Value {
    var options = options
    options.port = 0
    let (ports, continuation) = AsyncStream<Int>.makeStream()
    let running = options
    let server = Task { try await PinSageServer.run(options: running, service: service, stopsOnSignals: false) { continuation.yield($0) } }
    var iterator = ports.makeAsyncIterator()
    let port = try #require(await iterator.next())
    let result: Result<Value, any Error> = await withCheckedContinuation { continuation in
        Thread.detachNewThread { continuation.resume(returning: Result { try body(port) }) }
    }
    server.cancel()
    _ = try? await server.value
    return try result.get()
}
