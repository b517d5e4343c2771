import PinSageTestSupport
import Testing

@testable import PinSageKit
@testable import PinSageServer

/// `POST /v1/recommend` and `POST /v1/search`.
@Suite struct QuestionTests {
    private let fixture: ServedFixture
    private let service: RecommendationService

    init() throws {
        fixture = try ServedFixture.shared.get()
        service = try fixture.service()
    }

    private func recommend(_ body: String) async -> Answer { await service.ask("POST", "/v1/recommend", body: body) }
    private func search(_ body: String) async -> Answer { await service.ask("POST", "/v1/search", body: body) }

    @Test func severalItemsAskTogether() async throws {
        let one = try await recommend(#"{"items": ["it4"], "k": 10}"#).items
        #expect(try await service.ask("GET", "/v1/items/it4/related?k=10").items == one)
        let both = try await recommend(#"{"items": ["it4", "it5"], "k": 30, "pooling": "max"}"#).items
        #expect(both.contains { ServedFixture.isDatabase($0) } && both.contains { !ServedFixture.isDatabase($0) })
        #expect(!both.contains("it4") && !both.contains("it5"))
        // A weight that outweighs the other item decides.
        let heavy = try await recommend(#"{"items": [{"item": "it4", "weight": 1000}, "it5"], "k": 10, "exclude": ["it5"]}"#).items
        #expect(Set(heavy) == Set(one))
        #expect(try await recommend(#"{"items": ["it5", "it4"], "k": 10, "pooling": "last", "exclude": ["it5", "unknown"]}"#).items == one)
        let seen = try await recommend(#"{"items": ["it4"], "k": 5, "exclude_seen": false}"#).items
        #expect(seen.first == "it4")
        #expect(try await recommend(#"{"items": ["it4", "it5"], "pooling": "ward", "k": 5}"#).items.count == 5)
    }

    @Test func collectionsAskForTheirItems() async throws {
        let graph = service.view.artifacts.dataset
        let row = try #require(graph.collections.row(of: "c0-3"))
        let members = Set(graph.graph.items(of: CollectionID(row)).map { graph.items[Int($0.row)] })
        let answer = await recommend(#"{"collection": "c0-3", "k": 10, "explain": true}"#)
        #expect(answer.status == 200, "\(answer.body)")
        let items = try answer.items
        #expect(items.count == 10 && members.isDisjoint(with: items) && items.allSatisfy { ServedFixture.isDatabase($0) })
        #expect(try answer.json["results"]?.array?.first?["explanation"]?["neighbors"] != nil)
    }

    /// One catalogue asks and another answers.
    @Test func candidatesFilter() async throws {
        let answer = try await recommend(#"{"items": ["it4"], "candidates": "topic = 'fonts'", "filter": "stars > 50", "k": 1000}"#).items
        let expected = (0..<ServedFixture.itemCount).filter { $0 % 2 == 1 && $0 > 50 && $0 % 3 != 0 }.map { "it\($0)" }
        #expect(Set(answer) == Set(expected))
    }

    @Test func searchByWordsAndMeaning() async throws {
        let words = await search(#"{"text": "Title 17", "mode": "words"}"#)
        #expect(words.status == 200)
        #expect(try words.items.first == "it17")
        let meaning = await search(#"{"text": "kerning of a serif typeface", "mode": "meaning", "k": 10}"#)
        #expect(meaning.status == 200, "\(meaning.body)")
        let fonts = try meaning.items
        #expect(fonts.count == 10 && fonts.allSatisfy { !ServedFixture.isDatabase($0) })
        let both = await search(#"{"text": "storage engine", "filter": "stars < 60", "k": 40}"#)
        let numbers = try both.items.compactMap { Int($0.dropFirst(2)) }
        #expect(!numbers.isEmpty && numbers.allSatisfy { $0 < 60 && $0 % 3 != 0 })
        let kinds = Set(try #require(both.json["results"]?.array).compactMap { $0["matched"]?.string })
        #expect(kinds.isSubset(of: ["words", "meaning", "both"]) && kinds.contains("both"))
        #expect(try await search(#"{"text": "xyzzy", "mode": "words"}"#).items.isEmpty)
        // What the model has never seen has no meaning to it: no answers, and a word of why.
        for mode in ["meaning", "both"] {
            let unknown = await search(#"{"text": "\u65e5\u672c\u8a9e", "mode": "\#(mode)"}"#)
            #expect(try unknown.items.isEmpty && unknown.json["note"]?.string?.contains("none of these words") == true)
        }
        #expect(try both.json["note"] == nil)
    }

    @Test func wrongBodies() async {
        for (path, body, detail) in [
            ("recommend", "", "no JSON"), ("recommend", "[]", "a JSON object"), ("recommend", "{}", "either"),
            ("recommend", #"{"items": []}"#, "at least one"),
            ("recommend", #"{"items": ["it1"], "collection": "c0-1"}"#, "either"), ("recommend", #"{"items": "it1"}"#, "a list"),
            ("recommend", #"{"items": [5]}"#, "JSON object"), ("recommend", #"{"items": [{"item": "it1", "weight": -1}]}"#, "above 0"),
            ("recommend", #"{"items": [{"item": "it1", "weight": 1, "x": 1}]}"#, "\"x\""), ("recommend", #"{"items": ["it1"], "kk": 1}"#, "\"kk\""),
            ("recommend", #"{"items": ["it1"], "k": 0}"#, "1 to 1000"), ("recommend", #"{"items": ["it1"], "filter": null}"#, "a text"),
            ("recommend", #"{"items": ["it1"], "pooling": "sum"}"#, "mean, last, max, ward"),
            ("recommend", #"{"items": ["it1"], "diversify": 1.5}"#, "0 to 1"), ("recommend", #"{"items": ["it1"], "explain": 1}"#, "true or false"),
            ("recommend", #"{"items": ["it1"], "candidates": "x ="}"#, "filter:"), ("recommend", #"{"items": ["it1"], "items": []}"#, "twice"),
            ("recommend", String(repeating: "[", count: 100_000), "128 deep"), ("search", "{}", "with words"),
            ("search", #"{"text": " "}"#, "with words"),
            ("search", #"{"text": "a\u0000b"}"#, "NUL"), ("search", #"{"text": "a", "mode": "magic"}"#, "words, meaning, both"),
        ] {
            let answer = await service.ask("POST", "/v1/\(path)", body: body)
            #expect(answer.status == 400, "\(body.prefix(80)): \(answer.body)")
            #expect(answer.detail.contains(detail), "\(body.prefix(80)): \(answer.detail)")
        }
        #expect(await recommend(#"{"items": ["nobody"]}"#).status == 404)
        #expect(await recommend(#"{"collection": "nothing"}"#).status == 404)
        #expect(await service.ask("POST", "/v1/search", body: #"{"text": "a"}"#, contentType: "text/plain").status == 415)
        #expect(await service.ask("GET", "/v1/search").status == 405)
    }

    @Test func searchNeedsWhatItSearches() async throws {
        var paths = fixture.paths
        paths.model = nil
        let service = try fixture.service(paths: paths)
        #expect(await service.ask("POST", "/v1/search", body: #"{"text": "font", "mode": "meaning"}"#).status == 400)
        #expect(try await service.ask("POST", "/v1/search", body: #"{"text": "font"}"#).items.isEmpty == false)
    }
}
