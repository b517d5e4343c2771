import PinSageKit
import PinSageTestSupport
import Testing

@testable import PinSageCatalog

@Suite struct SQLiteCatalogTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @discardableResult
    private func write(_ items: [(id: String, description: ItemDescription)]) throws -> SQLiteCatalog {
        let writer = try SQLiteCatalogWriter(directory: folder.path)
        for (row, item) in items.enumerated() { try writer.append(ItemID(row), identifier: item.id, item.description) }
        try writer.finish()
        return try SQLiteCatalog(directory: folder.path)
    }

    private func message(_ body: () throws -> Void) -> String {
        do { try body() } catch { return "\(error)" }
        return "no error"
    }

    private static let hostile = [
        "'; DROP TABLE items; --", "\"quoted\" \\ back", "tab\tnew\nline", "日本語 größer é", "👍🏽\u{200D}", "\u{FFFD}\u{10FFFF}", " spaces ", "a\u{301}",
        String(repeating: "long ", count: 20_000), "%s %n ?1 :name @x $y",
    ]

    @Test func everythingComesBackAsWritten() throws {
        let items = Self.hostile.enumerated().map { index, text in
            (
                id: text,
                description: ItemDescription(
                    title: text, url: index % 2 == 0 ? text : nil, text: index % 3 == 0 ? nil : text + "!",
                    attributes: index % 2 == 0 ? ["kind": text, "versión \"x\"": "1.10"] : ["late \(index)": "007"])
            )
        }
        let catalog = try write(items)
        #expect(catalog.count == items.count)
        #expect(Set(catalog.attributeNames) == Set(items.flatMap(\.description.attributes.keys)))
        var seen: [ItemDescription] = []
        try catalog.forEachItem { item, description in
            #expect(Int(item.row) == seen.count)
            seen.append(description)
        }
        // Byte for byte, not as Swift compares strings (canonical equivalence).
        func bytes(_ description: ItemDescription) -> [[UInt8]?] {
            [description.title, description.url, description.text].map { $0.map { Array($0.utf8) } }
                + description.attributes.sorted { $0.key < $1.key }.flatMap { [Array($0.key.utf8), Array($0.value.utf8)] }
        }
        #expect(seen.map(bytes) == items.map { bytes($0.description) })
        #expect(try catalog.descriptions(of: [ItemID(3), ItemID(0), ItemID(3)]) == [items[3], items[0], items[3]].map(\.description))
        #expect(try catalog.description(of: ItemID(9)) == items[9].description)
        #expect(message { _ = try catalog.description(of: ItemID(10)) }.contains("row 10"))
        #expect(throws: Never.self) { try catalog.verify() }
        #expect(folder.names == ["catalog.sqlite"])  // no journal is left beside it
    }

    @Test func emptyTextsAreMissing() throws {
        let catalog = try write([("a", ItemDescription(title: "", url: "", text: "", attributes: ["kind": ""]))])
        #expect(try catalog.description(of: ItemID(0)) == ItemDescription())
        #expect(catalog.attributeNames == ["kind"])
    }

    @Test func emptyCatalog() throws {
        let catalog = try write([])
        #expect(catalog.count == 0 && catalog.attributeNames.isEmpty)
        #expect(try catalog.search("anything").isEmpty)
    }

    @Test func search() throws {
        let catalog = try write([
            ("postgresql", ItemDescription(title: "postgresql", text: "object-relational SQL database")),
            ("mysql", ItemDescription(title: "mysql", text: "another SQL database, unlike postgresql")),
            ("python3-numpy", ItemDescription(title: "python3-numpy", text: "fast array facility to the Python 3 language")),
            ("vim", ItemDescription(title: "vim", text: "enhanced vi editor")),
            ("größe", ItemDescription(title: "Größe", text: "Übung macht den Meister")),
        ])
        func found(_ text: String, limit: Int = 10) throws -> [Int] { try catalog.search(text, limit: limit).map { Int($0.row) } }
        #expect(try found("vim") == [3])
        #expect(try found("postgresql") == [0, 1])  // the id itself, then who mentions it
        #expect(try found("POSTGRES") == [0, 1])  // the last word may be unfinished; a title counts more than a text
        #expect(try found("database sql").count == 2)
        #expect(try found("sql data").count == 2)
        #expect(try found("numpy") == [2])
        #expect(try found("python3-numpy") == [2])
        #expect(try found("große übung") == [4])
        #expect(try found("ubung") == [4])  // accents do not matter
        #expect(try found("editor zebra") == [3])  // no item has both words
        #expect(try found("sql", limit: 1).count == 1)
        #expect(try found("sql", limit: 0).isEmpty)
        #expect(try found("nothinglikeit").isEmpty)
    }

    @Test func searchTakesAnyText() throws {
        let catalog = try write(Self.hostile.map { ($0, ItemDescription(title: $0)) })
        let inputs =
            Self.hostile + ["", " ", "\"", "*", "a*", "NEAR(a b)", "title:x", "AND", "OR NOT", "-", "^x", "(", "{a}", "\u{0}", "a\u{0}b", "+", "''"]
        for text in inputs {
            let found = try catalog.search(text, limit: 5)
            #expect(found.count <= 5 && Set(found).count == found.count)
        }
        for (row, text) in Self.hostile.enumerated() { #expect(try catalog.search(text, limit: 5).first == ItemID(row), "\(text.prefix(30))") }
    }

    @Test func theWriterRefuses() throws {
        #expect(message { try write([("a", ItemDescription()), ("a", ItemDescription())]) }.contains("found one twice"))
        for (attributes, expected) in [
            (["Title": "x"], "'Title'"), (["ROW": "x"], "'ROW'"), (["": "x"], "empty"), (["a\u{0}": "x"], "empty"), (["b": "x\u{0}y"], "NUL"),
        ] {
            let other = try TemporaryFolder()
            let text = message {
                let writer = try SQLiteCatalogWriter(directory: other.path)
                try writer.append(ItemID(0), identifier: "a", ItemDescription(attributes: attributes))
                try writer.finish()
            }
            #expect(text.contains(expected), "\(attributes): \(text)")
        }
        let other = try TemporaryFolder()
        let writer = try SQLiteCatalogWriter(directory: other.path)
        try writer.append(ItemID(0), identifier: "a", ItemDescription(attributes: ["Kind": "x"]))
        #expect(message { try writer.append(ItemID(1), identifier: "b", ItemDescription(attributes: ["kind": "x"])) }.contains("'kind'"))
        #expect(message { _ = try SQLiteCatalogWriter(directory: folder.path) }.contains("found one"))
        #expect(message { _ = try SQLiteCatalogWriter(directory: folder["no/such/folder"]) }.contains("catalog.sqlite"))
    }

    @Test func manyItemsAndColumnsThatAppearLate() throws {
        let items = (0..<9000).map { row in
            (id: "i\(row)", description: ItemDescription(title: "title \(row)", attributes: row < 8000 ? ["a": "\(row)"] : ["b": "\(row)"]))
        }
        let catalog = try write(items)
        #expect(catalog.count == 9000 && catalog.attributeNames == ["a", "b"])
        for row in [0, 4095, 4096, 7999, 8000, 8999] { #expect(try catalog.description(of: ItemID(row)) == items[row].description) }
        #expect(try catalog.search("8123") == [ItemID(8123)])
    }

    @Test func othersFilesAreRefused() throws {
        #expect(message { _ = try SQLiteCatalog(directory: folder["missing"]) }.contains("catalog.sqlite"))
        try folder.write("catalog.sqlite", "row\tid\n" + String(repeating: "not a database ", count: 100))
        #expect(message { _ = try SQLiteCatalog(directory: folder.path) }.contains("another kind of file"))
        try folder.write("catalog.sqlite", "")
        #expect(message { _ = try SQLiteCatalog(directory: folder.path) }.contains("expected an item catalog"))
    }

    /// Cut and altered files: any answer or a `DataError`, never a trap.
    @Test func damagedFiles() throws {
        try write((0..<400).map { ("i\($0)", ItemDescription(title: "title \($0)", text: "some words \($0 % 7)", attributes: ["kind": "k"])) })
        let bytes = try folder.read("catalog.sqlite")
        var refused = 0
        for step in 0..<80 {
            var damaged = bytes
            var state = UInt64(step + 1) &* 0x9E37_79B9_7F4A_7C15
            if step % 4 == 0 {
                damaged.removeLast(Int(state % UInt64(bytes.count)))
            } else {
                for _ in 0..<40 {
                    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    damaged[Int((state >> 16) % UInt64(bytes.count))] = UInt8(state >> 56)
                }
            }
            try folder.write("catalog.sqlite", damaged)
            do {
                let catalog = try SQLiteCatalog(directory: folder.path)
                try catalog.forEachItem { _, _ in }
                _ = try catalog.search("title words")
                try catalog.verify()
            } catch {
                #expect(error is DataError, "\(error)")
                refused += 1
            }
        }
        #expect(refused > 40)
    }

    @Test func manyThreadsReadAtOnce() async throws {
        let catalog = try write((0..<200).map { ("i\($0)", ItemDescription(title: "title \($0)")) })
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for task in 0..<16 {
                group.addTask {
                    try catalog.description(of: ItemID(task)).title == "title \(task)" && catalog.search("i\(task)").first == ItemID(task)
                }
            }
            for try await isRight in group { #expect(isRight) }
        }
    }
}
