import Foundation
import PinSageTestSupport
import Testing

@testable import PinSageKit
@testable import PinSageServer

/// What only a real connection shows: framing, limits, closing.
@Suite(.serialized) struct SocketTests {
    private let fixture: ServedFixture
    private let service: RecommendationService

    init() throws {
        fixture = try ServedFixture.shared.get()
        service = try fixture.service()
    }

    private static let host = "Host: localhost\r\n"

    @Test func manyRequestsOnOneConnection() async throws {
        try await withServer(service: service) { port in
            let client = try SocketClient(port: port)
            for round in 0..<3 {
                // Two at once: answers come in the order of the questions.
                client.send("GET /v1/items/it\(round)/related?k=3 HTTP/1.1\r\n\(Self.host)\r\nHEAD /healthz HTTP/1.1\r\n\(Self.host)\r\n")
                let first = try #require(client.answer())
                #expect(first.status == 200 && first.body.contains("\"results\":["))
                #expect(first.head.lowercased().contains("\r\ndate: ") && first.head.lowercased().contains("content-type: application/json"))
                let second = try #require(client.answer(hasBody: false))
                #expect(second.status == 200 && second.head.lowercased().contains("content-length: 3"))
            }
            let page = try SocketClient(port: port)
            page.send("GET / HTTP/1.1\r\n\(Self.host)\r\n")
            let tag = try #require(page.answer()?.head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("etag:") }?.dropFirst(6))
            page.send("GET / HTTP/1.1\r\n\(Self.host)If-None-Match: \(tag)\r\n\r\n")
            #expect(page.answer(hasBody: false)?.status == 304)
        }
        #expect(await service.ask("GET", "/metrics").body.contains("route=\"/healthz\",status=\"200\"} 3"))
    }

    @Test func malformedAndOversizedRequests() async throws {
        try await withServer(service: service) { port in
            func status(_ request: String) throws -> Int? {
                let client = try SocketClient(port: port)
                client.send(request)
                return client.answer()?.status
            }
            #expect(try status("nonsense\r\n\r\n") == 400)
            #expect(try status("GET /healthz HTTP/1.1\r\nbroken header\r\n\r\n") == 400)
            #expect(try status("GET /\(String(repeating: "x", count: 10_000)) HTTP/1.1\r\n\(Self.host)\r\n") == 414)
            // Floods of headers end the connection, with or without an answer.
            let many = (0..<5000).map { "X-\($0): y\r\n" }.joined()
            #expect([400, 431, nil].contains(try status("GET /healthz HTTP/1.1\r\n\(Self.host)\(many)\r\n")))
            let large = "X: " + String(repeating: "y", count: 200_000) + "\r\n"
            #expect([400, 431, nil].contains(try status("GET /healthz HTTP/1.1\r\n\(Self.host)\(large)\r\n")))
            let long = try SocketClient(port: port)
            long.send("POST /v1/items HTTP/1.1\r\n\(Self.host)Content-Length: 999999999\r\n\r\n")
            #expect(long.answer()?.status == 413)
            #expect(long.isClosed())
            let endless = try SocketClient(port: port)
            endless.send("POST /v1/items HTTP/1.1\r\n\(Self.host)Transfer-Encoding: chunked\r\n\r\n")
            let chunk = "10000\r\n" + String(repeating: "z", count: 65536) + "\r\n"
            for _ in 0..<40 { guard endless.send(chunk) else { break } }
            #expect([413, nil].contains(endless.answer()?.status))
            #expect(endless.isClosed())
            #expect(try status("GET /healthz HTTP/1.1\r\n\(Self.host)\r\n") == 200)
        }
    }

    /// Who connects and says nothing, or half a request, is let go.
    @Test func slowClientsAreLetGo() async throws {
        var options = ServerOptions()
        options.timeout = 1
        try await withServer(options, service: service) { port in
            let silent = try SocketClient(port: port), half = try SocketClient(port: port), body = try SocketClient(port: port)
            half.send("GET /healthz HTTP/1.1\r\nHost: loc")
            body.send("POST /v1/items HTTP/1.1\r\n\(Self.host)Content-Length: 100\r\n\r\nabc")
            #expect(silent.isClosed() && half.isClosed() && body.isClosed())
        }
    }
}
