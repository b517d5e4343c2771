import Foundation
import PinSageTestSupport
import Testing

@testable import PinSageKit
@testable import PinSageServer

/// Insertions, removals and reloads.
@Suite struct ChangeTests {
    private let fixture: ServedFixture
    private let folder: TemporaryFolder
    private let paths: ServedPaths

    init() throws {
        fixture = try ServedFixture.shared.get()
        folder = try TemporaryFolder()
        var paths = fixture.paths
        paths.live = folder["live.sqlite"]
        self.paths = paths
    }

    private func insert(_ service: RecommendationService, _ body: String) async -> Answer {
        await service.ask("POST", "/v1/items", body: body)
    }

    private static let newFont =
        #"{"item": "new font", "title": "Brand new", "text": "serif typeface kerning glyph", "url": "u", "attributes": {"topic": "fonts", "stars": "7000"}, "collections": ["c1-1", "c1-2", "unheard of"]}"#

    @Test func newItemsAreFoundAtOnceAndAfterARestart() async throws {
        for round in 0..<2 {
            let service = try fixture.service(paths: paths)
            if round == 0 {
                let answer = await insert(service, Self.newFont)
                #expect(answer.status == 200 && answer.body == #"{"items":1,"inserted":1,"replaced":0}"#, "\(answer.body)")
            }
            let item = try await service.ask("GET", "/v1/items/new%20font").json
            #expect(item["title"] == "Brand new" && item["attributes"] == ["topic": "fonts", "stars": "7000"])
            let related = try await service.ask("GET", "/v1/items/new%20font/related?k=10").items
            #expect(related.count == 10 && related.allSatisfy { !ServedFixture.isDatabase($0) } && !related.contains("new font"))
            // It is an answer, too: to its neighbors, to words, to meaning, through filters.
            let everything = await service.ask("GET", "/v1/items/\(related[0])/related?k=1000&explain=0")
            let all = try everything.items
            #expect(all.contains("new font") && all.count == ServedFixture.itemCount)
            #expect(everything.body.contains(#""item":"new font","title":"Brand new","url":"u""#))
            #expect(try await service.ask("GET", "/v1/items/it4/related?filter=\("stars > 6000".encoded)").items == ["new font"])
            #expect(try await service.ask("GET", "/v1/items/it4/related?filter=\("stars > 6000".encoded)&explain=1").items == ["new font"])
            for mode in ["words", "both"] {
                let found = await service.ask("POST", "/v1/search", body: #"{"text": "brand new", "mode": "\#(mode)"}"#)
                #expect(try found.items.contains("new font"), "\(mode)")
            }
            #expect(try await service.ask("POST", "/v1/recommend", body: #"{"items": ["new font", "it1"], "k": 3}"#).items.count == 3)
            #expect(try await service.ask("GET", "/v1/info").json["items"]?.int == ServedFixture.itemCount + 1)
        }
    }

    @Test func insertingAgainReplaces() async throws {
        let service = try fixture.service(paths: paths)
        _ = await insert(service, Self.newFont)
        let again = await insert(service, #"{"item": "new font", "title": "Database", "text": "database query storage engine"}"#)
        #expect(again.body == #"{"items":1,"inserted":0,"replaced":1}"#)
        let known = await insert(service, #"{"items": [{"item": "it1", "text": "database query storage engine"}, {"item": "other"}]}"#)
        #expect(known.body == #"{"items":2,"inserted":1,"replaced":1}"#)
        for service in [service, try fixture.service(paths: paths)] {
            #expect(service.view.index.count == ServedFixture.itemCount + 2)
            for name in ["new%20font", "it1"] {
                let related = try await service.ask("GET", "/v1/items/\(name)/related?k=5&filter=\("id ~ 'it' and id != 'it1'".encoded)").items
                #expect(related.count == 5 && related.allSatisfy { ServedFixture.isDatabase($0) }, "\(name): \(related)")
            }
            let all = try await service.ask("GET", "/v1/items/it2/related?k=1000").items
            #expect(all.count == Set(all).count && all.count == ServedFixture.itemCount + 1)
        }
    }

    @Test func removedItemsStayRemoved() async throws {
        let service = try fixture.service(paths: paths)
        _ = await insert(service, Self.newFont)
        for name in ["it6", "new%20font"] {
            #expect(await service.ask("DELETE", "/v1/items/\(name)").status == 204)
            #expect(await service.ask("DELETE", "/v1/items/\(name)").status == 404)
        }
        for service in [service, try fixture.service(paths: paths)] {
            #expect(await service.ask("GET", "/v1/items/it6").status == 404)
            #expect(await service.ask("GET", "/v1/items/it6/related").status == 404)
            let all = try await service.ask("GET", "/v1/items/it4/related?k=1000").items
            #expect(all.count == ServedFixture.itemCount - 2 && !all.contains("it6") && !all.contains("new font"))
            #expect(try await !service.ask("POST", "/v1/search", body: #"{"text": "it6"}"#).items.contains("it6"))
        }
        // What was removed may come back as something else.
        _ = await insert(service, #"{"item": "it6", "text": "serif font glyph"}"#)
        let back = try await fixture.service(paths: paths).ask("GET", "/v1/items/it6/related?k=4").items
        #expect(back.count == 4 && back.allSatisfy { !ServedFixture.isDatabase($0) })
    }

    @Test func wrongInsertionsChangeNothing() async throws {
        let service = try fixture.service(paths: paths)
        for (body, status, detail) in [
            ("{}", 400, "\"item\""), (#"{"item": ""}"#, 400, "\"item\""), (#"{"item": 5}"#, 400, "a text"), (#"{"items": []}"#, 400, "at least one"),
            (#"{"item": "x", "colour": "red"}"#, 400, "colour"), (#"{"item": "x", "attributes": {"colour": "red"}}"#, 400, "topic, stars"),
            (#"{"item": "x", "attributes": {"stars": 5}}"#, 400, "a text"),
            (#"{"item": "x", "features": {"image": [1, 2]}}"#, 400, "no dense features"),
            (#"{"item": "x", "features": {"image": ["a"]}}"#, 400, "numbers"), (#"{"items": [{"item": "x"}, {"item": "x"}]}"#, 400, "once"),
            (#"{"items": [{"item": "x"}, {"item": "y", "attributes": {"z": "1"}}]}"#, 400, "found \"z\""), (#"{"item": "a\u0000"}"#, 400, "NUL"),
        ] {
            let answer = await insert(service, body)
            #expect(answer.status == status && answer.detail.contains(detail), "\(body): \(answer.body)")
        }
        #expect(service.view.index.count == ServedFixture.itemCount && !FileManager.default.fileExists(atPath: folder["live.sqlite"]))
        #expect(await service.ask("POST", "/v1/items", body: Self.newFont, contentType: "text/plain").status == 415)
        #expect(await service.ask("POST", "/v1/items", body: Self.newFont, origin: "https://evil.example").status == 403)
        #expect(await service.ask("DELETE", "/v1/items/it1", origin: "null").status == 403)
        #expect(await service.ask("POST", "/v1/items", body: Self.newFont, origin: "http://localhost:8080").status == 200)
        let readOnly = try fixture.service()
        #expect(await readOnly.ask("POST", "/v1/items", body: Self.newFont).status == 403)
        #expect(await readOnly.ask("DELETE", "/v1/items/it1").status == 403)
    }

    @Test func writeKeysAreForWriting() async throws {
        var options = ServerOptions()
        options.keys = try APIKeys(contentsOf: try folder.write("keys", "read aaaaaaaaaaaaaaaa\nwrite bbbbbbbbbbbbbbbb\n"))
        let service = try fixture.service(options, paths: paths)
        for (key, status) in [(nil, 401), ("aaaaaaaaaaaaaaaa", 403), ("bbbbbbbbbbbbbbbb", 200)] as [(String?, Int)] {
            #expect(await service.ask("POST", "/v1/items", body: Self.newFont, key: key).status == status)
            #expect(await service.ask("POST", "/v1/reload", key: key).status == status)
            #expect(await service.ask("DELETE", "/v1/items/it1", key: key).status == (status == 200 ? 204 : status))
        }
    }

    /// A reload takes the new index and model, keeps every change, and embeds live items anew; a broken artifact changes nothing.
    @Test func reloadKeepsChanges() async throws {
        for name in ["dataset", "model", "index"] {
            let from = try #require(["dataset": paths.dataset, "model": paths.model, "index": paths.index][name] ?? nil)
            try FileManager.default.copyItem(atPath: from, toPath: folder[name])
        }
        let own = ServedPaths(index: folder["index"], dataset: folder["dataset"], model: folder["model"], live: folder["live.sqlite"])
        let service = try fixture.service(paths: own)
        _ = await insert(service, Self.newFont)
        _ = await service.ask("DELETE", "/v1/items/it6")
        let before = service.view
        try ServedFixture.build(own, kind: "exact", seed: 77)
        let answer = await service.ask("POST", "/v1/reload")
        #expect(answer.status == 200, "\(answer.body)")
        let after = service.view
        #expect(after.artifacts.index is ExactIndex && before.artifacts.index is HNSWIndex)
        #expect(after.index.count == ServedFixture.itemCount)
        let item = try after.item(named: "new font")
        #expect(after.index.vector(of: item) != before.index.vector(of: item))
        let related = try await service.ask("GET", "/v1/items/new%20font/related?k=5").items
        #expect(related.allSatisfy { !ServedFixture.isDatabase($0) })
        #expect(await service.ask("GET", "/v1/items/it6").status == 404)
        // What began before goes on with what it had.
        #expect(try before.index.neighbors(of: Matrix(rows: 1, columns: 16, values: before.index.vector(of: item)), k: 3)[0].count == 3)
        try Data("{}".utf8).write(to: URL(fileURLWithPath: folder["index/manifest.json"]))
        #expect(await service.ask("POST", "/v1/reload").status == 409)
        #expect(try await service.ask("GET", "/v1/items/new%20font/related?k=5").items == related)
    }

    /// The copy of the index takes its place with all changes, those before it and those after it, and not that of a later index.
    @Test func residentCopiesKeepChanges() async throws {
        var paths = self.paths
        paths.isResident = true
        let service = try fixture.service(paths: paths)
        #expect(await insert(service, #"{"item": "before", "title": "database"}"#).status == 200)
        #expect(await service.ask("DELETE", "/v1/items/it8").status == 204)
        let first = service.view.artifacts
        let answer = await service.ask("GET", "/v1/items/it4/related?k=200")
        try service.state.makeResident(first)
        #expect(await service.ask("GET", "/v1/items/it4/related?k=200").body == answer.body)
        #expect(await insert(service, #"{"item": "after", "title": "database"}"#).status == 200)
        let names = try await service.ask("GET", "/v1/items/it4/related?k=200").items
        #expect(names.contains("before") && names.contains("after") && !names.contains("it8"))
        #expect(await service.ask("POST", "/v1/reload").status == 200)
        let second = service.view
        try service.state.makeResident(first)
        #expect(service.view.artifacts === second.artifacts && service.view.artifacts !== first)
        #expect(try await service.ask("GET", "/v1/items/it4/related?k=200").items == names)
    }

    /// Readers and writers at once: no answer fails, and nothing acknowledged is missing.
    @Test func readsGoOnDuringChanges() async throws {
        let service = try fixture.service(paths: paths)
        await withTaskGroup(of: Int.self) { group in
            for writer in 0..<3 {
                group.addTask {
                    var failures = 0
                    for number in 0..<40 {
                        let body = #"{"item": "w\#(writer)-\#(number)", "text": "font glyph", "collections": ["c1-1"]}"#
                        let answer = await service.ask("POST", "/v1/items", body: body)
                        failures += answer.status == 200 ? 0 : 1
                        failures += await service.ask("GET", "/v1/items/w\(writer)-\(number)/related?k=5").status == 200 ? 0 : 1
                    }
                    return failures
                }
            }
            group.addTask {
                var failures = 0
                for _ in 0..<4 { failures += await service.ask("POST", "/v1/reload").status == 200 ? 0 : 1 }
                return failures
            }
            for reader in 0..<3 {
                group.addTask {
                    var failures = 0
                    for number in 0..<150 {
                        let filter = number % 3 == 0 ? "&filter=\("topic = 'fonts'".encoded)" : ""
                        failures += await service.ask("GET", "/v1/items/it\((reader * 31 + number) % 120)/related?k=9\(filter)").status == 200 ? 0 : 1
                    }
                    return failures
                }
            }
            for await failures in group { #expect(failures == 0) }
        }
        #expect(service.view.index.count == ServedFixture.itemCount + 120)
        #expect(try fixture.service(paths: paths).view.index.count == ServedFixture.itemCount + 120)
    }
}
