import Foundation
import PinSageTestSupport
import Testing

@testable import PinSageKit
@testable import PinSageServer

@Suite struct ReadEndpointTests {
    private let fixture: ServedFixture
    private let service: RecommendationService

    init() throws {
        fixture = try ServedFixture.shared.get()
        service = try fixture.service()
    }

    @Test func oneItem() async throws {
        let answer = await service.ask("GET", "/v1/items/it4")
        #expect(answer.status == 200 && answer.type == "application/json")
        let json = try answer.json
        #expect(json["item"] == "it4" && json["url"] == "https://example.org/4")
        #expect(json["attributes"]?["topic"] == "databases" && json["attributes"]?["stars"] == "4")
        #expect(json["collection_count"]?.int == 2 && json["collections"]?.array?.count == 2)
    }

    /// The answers of the service are those of the index, with their cards, whether these are loaded yet or looked up.
    @Test(arguments: [false, true]) func relatedItems(_ loaded: Bool) async throws {
        let view = service.view
        if loaded { try view.artifacts.cards.load() }
        let answer = await service.ask("GET", "/v1/items/it4/related?k=7")
        #expect(answer.status == 200, "\(answer.body)")
        let index = view.artifacts.index
        let item = try index.embeddings.item(named: "it4")
        let query = Matrix(rows: 1, columns: index.dimension, values: index.embeddings[item])
        let expected = try index.neighbors(of: query, k: 7, excluding: [item])[0]
        #expect(try answer.items == expected.map { index.embeddings.identifiers[Int($0.item.row)] })
        #expect(try answer.items.allSatisfy { ServedFixture.isDatabase($0) })
        let results = try #require(try answer.json["results"]?.array)
        for (result, neighbor) in zip(results, expected) {
            #expect(result["score"]?.double.map { Float($0) } == neighbor.score)
            let id = try #require(result["item"]?.string)
            #expect(result["title"]?.string?.hasPrefix("Title \(id.dropFirst(2)) ") == true)
            #expect(result["url"]?.string == "https://example.org/\(id.dropFirst(2))")
        }
        #expect(try await service.ask("GET", "/v1/items/it4/related").items.count == 20)
    }

    @Test func filtersNarrowTheAnswers() async throws {
        for (filter, isMatch) in [
            ("topic = 'fonts'", { $0 % 2 == 1 }), ("stars >= 100", { $0 >= 100 && $0 % 3 != 0 }), ("not has stars", { $0 % 3 == 0 }),
            ("stars < 9 and topic = \"databases\"", { $0 < 9 && $0 % 2 == 0 && $0 % 3 != 0 }), ("id in ('it1', 'it2')", { [1, 2].contains($0) }),
            ("topic != 'fonts' or stars = 5", { $0 % 2 == 0 || $0 == 5 }),
        ] as [(String, (Int) -> Bool)] {
            let answer = await service.ask("GET", "/v1/items/it4/related?k=1000&filter=\(filter.encoded)")
            let expected = (0..<ServedFixture.itemCount).filter { isMatch($0) && $0 != 4 }.map { "it\($0)" }
            #expect(answer.status == 200, "\(answer.body)")
            #expect(Set(try answer.items) == Set(expected), "\(filter)")
        }
    }

    @Test func badFiltersSayWhatIsWrong() async {
        for (filter, detail) in [
            ("topic", "after \"topic\""), ("topic = ", "found the end at character 9"), ("nonsense = 1", "found \"nonsense\""),
            ("topic = 'x", "closing '"), ("topic = 'x' stars = 1", "\"and\", \"or\" or the end"), ("(stars = 1", "\")\""),
            ("topic = fonts", "a text in quotes"), ("; DROP TABLE items", "found \";\""), ("stars ~ 5", "a text in quotes"), ("", "found the end"),
            (String(repeating: "(", count: 500), "levels"), (String(repeating: "x", count: 5000), "2000 characters"),
            ("`topic\"; --` = 1", "found \"topic"), ("row = 1", "found \"row\""), ("words '!!'", "expected words"),
        ] {
            let answer = await service.ask("GET", "/v1/items/it4/related?filter=\(filter.encoded)")
            #expect(answer.status == 400 && answer.type == "application/problem+json", "\(filter): \(answer.body)")
            #expect(answer.detail.contains(detail), "\(filter): \(answer.detail)")
        }
    }

    @Test func explanationsAddUp() async throws {
        let answer = await service.ask("GET", "/v1/items/it4/related?k=12&explain=true")
        let results = try #require(try answer.json["results"]?.array)
        #expect(results.count == 12)
        let graph = service.view.artifacts.dataset.graph
        var shared = 0
        for result in results {
            let explanation = try #require(result["explanation"])
            let collections = explanation["collections"]?.array ?? [], neighbors = explanation["neighbors"]?.array ?? []
            let item = try service.view.item(named: try #require(result["item"]?.string)), asking = try service.view.item(named: "it4")
            #expect(collections.count == graph.sharedCollections(of: asking, and: item).count)
            if !collections.isEmpty {
                shared += 1
                #expect(abs(collections.reduce(0) { $0 + ($1["share"]?.double ?? 0) } - 1) < 1e-5)
            }
            #expect(!neighbors.isEmpty && neighbors.count <= 5)
            #expect(neighbors.reduce(0) { $0 + ($1["share"]?.double ?? 0) } <= 1.00001)
            #expect(neighbors.allSatisfy { $0["title"] != nil })
        }
        #expect(shared > 0)
    }

    @Test func diversityChangesTheChoiceNotTheFirst() async throws {
        let plain = try await service.ask("GET", "/v1/items/it4/related?k=10").items
        #expect(try await service.ask("GET", "/v1/items/it4/related?k=10&diversify=0").items == plain)
        let diverse = try await service.ask("GET", "/v1/items/it4/related?k=10&diversify=0.9").items
        #expect(diverse.first == plain.first && diverse.count == 10 && Set(diverse) != Set(plain))
    }

    @Test func wrongRequests() async {
        for (target, status, detail) in [
            ("/v1/items/nobody", 404, "nobody"), ("/v1/items/nobody/related", 404, "nobody"), ("/v2/items/it1", 404, "/openapi.json"),
            ("/v1/items/it1/related?k=0", 400, "1 to 1000"), ("/v1/items/it1/related?k=1001", 400, "1 to 1000"),
            ("/v1/items/it1/related?k=ten", 400, "ten"), ("/v1/items/it1/related?k=1&k=2", 400, "twice"),
            ("/v1/items/it1/related?limit=5", 400, "limit"), ("/v1/items/it1/related?diversify=2", 400, "0 to 1"),
            ("/v1/items/it1/related?explain=perhaps", 400, "perhaps"), ("/v1/items/it1/related?k=101&explain=1", 400, "1 to 100"),
            ("/v1/items/%ff", 400, "UTF-8"), ("/v1/items/%4", 400, "UTF-8"), ("/v1/items/..%2f..%2fetc%2fpasswd", 404, "no item"),
            ("/../../etc/passwd", 404, "nothing"), ("/%2e%2e/index.html", 404, "nothing"), ("/v1/items/it1?x=1", 400, "no parameters"),
            ("/v1/items/", 404, "no item"), ("//", 404, "nothing"), ("*", 400, "path"), ("/v1/items/%00", 404, "no item"),
        ] {
            let answer = await service.ask("GET", target)
            #expect(answer.status == status && answer.type == "application/problem+json", "\(target): \(answer.body)")
            #expect(answer.detail.contains(detail), "\(target): \(answer.detail)")
        }
        let answer = await service.ask("PUT", "/v1/items/it1")
        #expect(answer.status == 405 && answer.headers["allow"]?.contains("GET") == true)
    }

    @Test func operations() async throws {
        #expect(await service.ask("GET", "/healthz").status == 200)
        #expect(await service.ask("GET", "/readyz").body == "ready\n")
        _ = await service.ask("GET", "/v1/items/it1/related")
        let info = try await service.ask("GET", "/v1/info").json
        #expect(info["items"]?.int == ServedFixture.itemCount && info["attributes"] == ["topic", "stars"])
        let metrics = await service.ask("GET", "/metrics").body
        #expect(metrics.contains("pinsage_items 120"))
        service.stop()
        #expect(await service.ask("GET", "/readyz").status == 503)
        #expect(await service.ask("GET", "/healthz").status == 200)
    }

    @Test func histogramsAreCumulative() {
        let metrics = RequestMetrics()
        for seconds in [0.00001, 0.001, 0.1, 100] { metrics.record(route: "/r", status: 200, seconds: seconds) }
        metrics.record(route: "/r", status: 404, seconds: 0.001)
        let text = metrics.text(gauges: [])
        #expect(text.contains("pinsage_requests_total{route=\"/r\",status=\"200\"} 4"))
        #expect(text.contains("le=\"6.25e-05\"} 1") && text.contains("le=\"0.001\"} 3") && text.contains("le=\"+Inf\"} 5"))
        #expect(text.contains("_count{route=\"/r\"} 5"))
    }

    /// Quantiles are of the last one to two minutes, within a thousandth.
    @Test func quantilesForgetWhatIsOld() {
        let metrics = RequestMetrics(), start = ContinuousClock.now
        func value(_ quantile: String, after seconds: Int) -> Double? {
            let text = metrics.text(gauges: [], now: start + .seconds(seconds))
            let line = text.split(separator: "\n").first { $0.contains("latency_seconds{route=\"/r\",quantile=\"\(quantile)\"}") }
            return line?.split(separator: " ").last.flatMap { Double($0) }
        }
        for number in 1...1000 { metrics.record(route: "/r", status: 200, seconds: Double(number) / 1000, now: start) }
        for (quantile, expected) in [("0.5", 0.5), ("0.99", 0.99), ("0.999", 0.999)] {
            let found = value(quantile, after: 1) ?? 0
            #expect(abs(found - expected) <= 0.001 * expected, "\(quantile): \(found)")
        }
        // The second minute sees the first, the third does not.
        metrics.record(route: "/r", status: 200, seconds: 0.002, now: start + .seconds(70))
        #expect(value("0.5", after: 70).map { $0 > 0.4 } == true)
        #expect(value("0.999", after: 131).map { abs($0 - 0.002) < 1e-5 } == true)
        #expect(value("0.5", after: 1000)?.isNaN == true)
        #expect(metrics.text(gauges: [], now: start + .seconds(1000)).contains("latency_seconds_count{route=\"/r\"} 1001"))
    }

    /// A map that was made beforehand is shown, one of another index is not.
    @Test func mapOfNeighbors() async throws {
        let folder = try TemporaryFolder()
        var paths = fixture.paths
        let index = try StoredIndex.open(paths.index, kernels: Kernels(threads: 1))
        var configuration = NeighborMap.Configuration()
        configuration.epochs = 10
        let map = try NeighborMap(of: index, configuration: configuration, threads: 1)
        try map.write(to: folder["map"])
        paths.map = folder["map"]
        let json = try await fixture.service(paths: paths).ask("GET", "/v1/map?limit=60").json
        #expect(json["method"] == "neighbors" && json["items"]?.array?.count == 60 && json["titles"]?.array?.count == 60)
        #expect(json["items"]?.array?[1].string == "it2")
        let x = json["x"]?.array?[1].double ?? 0
        #expect(abs(x - Double(map.coordinates[4])) < 0.001)
        #expect(json["z"]?.array?.allSatisfy { 0...1 ~= ($0.double ?? -1) } == true)

        let other = ExactIndex(embeddings: index.embeddings, kernels: try Kernels(threads: 1))
        try other.write(to: folder["x"])
        let moved = try Embeddings(
            identifiers: index.embeddings.identifiers, vectors: StoredArray(index.embeddings.vectors.map { -$0 }), dimension: index.dimension,
            isNormalized: true)
        try ExactIndex(embeddings: moved, kernels: try Kernels(threads: 1)).write(to: folder["y"])
        try map.write(to: folder["x.map"])
        try map.write(to: folder["y.map"])
        paths.map = nil
        paths.index = folder["x"]
        #expect(try await fixture.service(paths: paths).ask("GET", "/v1/map").json["method"] == "neighbors")
        paths.index = folder["y"]
        #expect(try await fixture.service(paths: paths).ask("GET", "/v1/map").json["method"] == "principal components")
        paths.map = folder["y.map"]
        #expect(throws: DataError.self) { try fixture.service(paths: paths) }
    }

    /// What is looked at gets its place on the map, whether the sample has it or not.
    @Test func placesOfNamedItems() async throws {
        let folder = try TemporaryFolder()
        var paths = fixture.paths
        paths.live = folder["live.sqlite"]
        for method in ["principal components", "neighbors"] {
            if method == "neighbors" {
                var configuration = NeighborMap.Configuration()
                configuration.epochs = 10
                let index = try StoredIndex.open(paths.index, kernels: Kernels(threads: 1))
                try NeighborMap(of: index, configuration: configuration, threads: 1).write(to: folder["map"])
                paths.map = folder["map"]
            }
            let service = try fixture.service(paths: paths)
            _ = await service.ask("POST", "/v1/items", body: #"{"item": "new", "title": "Added", "text": "serif typeface kerning glyph"}"#)
            let map = try await service.ask("GET", "/v1/map?limit=30").json
            let shown = try #require(map["items"]?.array?.compactMap { $0.string })
            #expect(shown.count == 30 && !shown.contains("it5"))
            let body = #"{"items": ["it5", "nobody", "\#(shown[7])", "new", "it5"], "limit": 30}"#
            let places = try await service.ask("POST", "/v1/map", body: body).json
            #expect(places["method"]?.string == method && places["items"] == ["it5", .string(shown[7]), "new"])
            #expect(places["titles"]?.array?[2] == "Added")
            for axis in ["x", "y", "z"] {
                let numbers = try #require(places[axis]?.array?.compactMap { $0.double })
                // The sample's items lie where the sample says.
                #expect(numbers.count == 3 && numbers[1] == map[axis]?.array?[7].double, "\(method)")
                #expect(numbers.allSatisfy { $0.isFinite })
            }
            #expect(places["z"]?.array?.allSatisfy { 0...1 ~= ($0.double ?? -1) } == true)
            for wrong in ["{}", #"{"items": "it5"}"#, #"{"items": ["it5"], "limit": 0}"#, #"{"items": ["it5"], "x": 1}"#] {
                #expect(await service.ask("POST", "/v1/map", body: wrong).status == 400, "\(wrong)")
            }
            #expect(await service.ask("DELETE", "/v1/map").headers["allow"] == "GET, POST")
        }
    }

    @Test func indexOfAnotherModelIsRefused() throws {
        let folder = try TemporaryFolder()
        var paths = fixture.paths
        let model = try PinSageModel.open(try #require(paths.model))
        var embeddings = try StoredIndex.open(paths.index, kernels: Kernels(threads: 1)).embeddings
        for (fingerprint, fits) in [(model.fingerprint, true), ("0123456789abcdef", false)] {
            embeddings.modelFingerprint = fingerprint
            paths.index = folder[fingerprint]
            try ExactIndex(embeddings: embeddings, kernels: Kernels(threads: 1)).write(to: paths.index)
            #expect(try StoredIndex.open(paths.index, kernels: Kernels(threads: 1)).embeddings.modelFingerprint == fingerprint)
            if fits { _ = try fixture.service(paths: paths) } else { #expect(throws: DataError.self) { try fixture.service(paths: paths) } }
        }
    }

    @Test func pagesAreServedAndNothingElse() async {
        for (path, type) in [("/", "text/html"), ("/app.js", "text/javascript"), ("/style.css", "text/css"), ("/openapi.json", "application/json")] {
            let answer = await service.ask("GET", path)
            #expect(answer.status == 200 && answer.type.hasPrefix(type), "\(path)")
            #expect(answer.headers["content-security-policy"]?.contains("default-src 'none'") == true)
        }
        #expect(await service.ask("GET", "/index.html").status == 404)
    }
}

extension String {
    /// Percent-encoded for a query.
    var encoded: String {
        utf8.map { byte in
            let isPlain = (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
            return isPlain ? String(UnicodeScalar(byte)) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined()
    }
}
