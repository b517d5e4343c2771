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

    /// Whatever is answered at once or later, alone or behind others: the answers are those of the service, in the order of the questions.
    @Test func answersAreThoseOfTheServiceInOrder() async throws {
        let requests: [(method: String, target: String, body: String?)] = [
            ("GET", "/v1/items/it4/related?k=5", nil), ("GET", "/v1/items/it4", nil), ("HEAD", "/v1/items/it5/related", nil),
            ("GET", "/v1/items/it4/related?k=5&explain=true&diversify=0.4", nil), ("GET", "/healthz", nil),
            ("GET", "/v1/items/it6/related?filter=\("stars > 50".encoded)", nil), ("GET", "/v1/items/it%37/related?k=119&ef=200", nil),
            ("POST", "/v1/recommend", "{\"items\": [\"it1\", \"it2\"], \"k\": 4}"), ("GET", "/v1/items/nobody/related", nil),
            ("GET", "/v1/items/it1/related?kk=3", nil), ("GET", "/v1/items/it1/related?k=%zz", nil), ("GET", "/nowhere", nil),
            ("PUT", "/v1/items/it1", "{}"), ("DELETE", "/v1/items/it1/related", nil), ("POST", "/v1/search", "{\"text\": \"glyph\"}"),
            ("POST", "/v1/search", "nonsense"), ("GET", "/v1/info", nil), ("GET", "/v1/items/it9/related", "a body that means nothing"),
            ("GET", "/v1/items/it8/related?k=1", nil),
        ]
        var expected: [Answer] = []
        for (method, target, body) in requests { expected.append(await service.ask(method, target, body: body)) }
        let answers = expected
        try await withServer(service: service) { port in
            let texts = requests.map { method, target, body in
                let fields = body.map { "Content-Type: application/json\r\nContent-Length: \($0.utf8.count)\r\n" } ?? ""
                return "\(method) \(target) HTTP/1.1\r\n\(Self.host)\(fields)\r\n\(body ?? "")"
            }
            func check(_ client: SocketClient, _ number: Int) throws {
                let isHead = requests[number].method == "HEAD"
                let answer = try #require(client.answer(hasBody: !isHead), "\(texts[number])")
                let wanted = answers[number]
                #expect(answer.status == wanted.status && answer.body == (isHead ? "" : wanted.body), "\(texts[number])")
                let head = answer.head.lowercased()
                #expect(head.contains("\r\ncontent-type: \(wanted.type)") && head.contains("\r\ncontent-length: \(wanted.body.utf8.count)"))
                for (name, value) in wanted.headers { #expect(answer.head.contains("\r\n\(name): \(value)"), "\(texts[number])") }
            }
            let alone = try SocketClient(port: port)
            for number in texts.indices {
                alone.send(texts[number])
                try check(alone, number)
            }
            let together = try SocketClient(port: port)
            together.send(texts.joined())
            for number in texts.indices { try check(together, number) }
            // Cut at other places than between requests.
            let pieces = try SocketClient(port: port)
            let all = Array(texts.joined())
            for start in stride(from: 0, to: all.count, by: 37) { pieces.send(String(all[start..<min(start + 37, all.count)])) }
            for number in texts.indices { try check(pieces, number) }
        }
    }

    /// What comes before an end is answered, what comes after it is not.
    @Test func connectionsEndAfterTheirLastAnswer() async throws {
        try await withServer(service: service) { port in
            let slow = "GET /v1/items/it4/related?explain=true HTTP/1.1\r\n\(Self.host)\r\n"
            let quick = "GET /v1/items/it4/related HTTP/1.1\r\n\(Self.host)\r\n"
            for (end, statuses) in [
                ("broken\r\n\r\n", [200, 200, 400]), ("GET /healthz HTTP/1.1\r\n\(Self.host)Connection: close\r\n\r\n\(quick)", [200, 200, 200]),
                ("GET /healthz HTTP/1.0\r\n\(Self.host)\r\n\(quick)", [200, 200, 200]),
                ("GET /healthz HTTP/1.1\r\n\(Self.host)Connection: upgrade\r\nUpgrade: h2c\r\n\r\n\(quick)", [200, 200, 200]),
                ("GET /\(String(repeating: "x", count: 9000)) HTTP/1.1\r\n\(Self.host)\r\n\(quick)", [200, 200, 414]),
                ("GET /healthz HTTP/1.1\r\n\(Self.host)Content-Length: 9999999\r\n\r\n\(quick)", [200, 200, 413]),
            ] {
                let client = try SocketClient(port: port)
                client.send(slow + quick + end)
                for (place, status) in statuses.enumerated() {
                    let answer = try #require(client.answer(), "\(end.prefix(80))")
                    #expect(answer.status == status, "\(end.prefix(80))")
                    #expect(answer.head.lowercased().contains("\r\nconnection: close") == (place == 2), "\(answer.head)")
                }
                #expect(client.isClosed(), "\(end.prefix(80))")
            }
            // A client that says that it will not ask again is still answered.
            let done = try SocketClient(port: port)
            done.send(slow + quick)
            done.endSending()
            #expect(done.answer()?.status == 200 && done.answer()?.status == 200 && done.isClosed())
            let old = try SocketClient(port: port)
            old.send("GET /healthz HTTP/1.0\r\n\(Self.host)Connection: keep-alive\r\n\r\n" + quick)
            #expect(old.answer()?.head.lowercased().contains("\r\nconnection: keep-alive") == true)
            #expect(old.answer()?.status == 200)
        }
    }

    /// Answers that nobody reads do not pile up: after some of them no more requests are read.
    @Test func clientsThatDoNotReadAreNotReadEither() async throws {
        try await withServer(service: service) { port in
            let client = try SocketClient(port: port, patience: 1)
            let request = "GET /v1/items/it4/related?k=119 HTTP/1.1\r\n\(Self.host)\r\n"
            let many = String(repeating: request, count: 400_000)
            #expect(!client.send(many))
            let other = try SocketClient(port: port)
            other.send(request)
            #expect(other.answer()?.status == 200)
            // Once it reads, it is answered.
            for _ in 0..<200 { #expect(client.answer()?.status == 200) }
        }
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
