import Foundation
import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite struct ImportTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @discardableResult
    private func run(
        _ edges: String, name: String = "e.tsv", items: String? = nil, itemsName: String = "i.tsv", features: [FeatureSource] = [],
        threads: Int = 2, configure: (inout ImportConfiguration) -> Void = { _ in }
    ) throws -> Dataset {
        var configuration = ImportConfiguration()
        configuration.threads = threads
        configure(&configuration)
        let itemsPath = try items.map { try folder.write(itemsName, $0) }
        _ = try DatasetImporter(configuration: configuration).run(
            edges: [folder.write(name, edges)], items: itemsPath, features: features, output: folder["out"])
        let dataset = try Dataset.open(folder["out"])
        checkValid(dataset.graph)
        return dataset
    }

    /// The edges by name: "item collection weight time".
    private func named(_ dataset: Dataset) -> Set<String> {
        Set(
            edges(dataset.graph.items, isReversed: false).map { edge in
                let time = edge.time == Graph.unknownTime ? "-" : "\(edge.time)"
                return "\(dataset.items[Int(edge.item)]) \(dataset.collections[Int(edge.collection)]) \(edge.weight) \(time)"
            })
    }

    @Test func tabSeparated() throws {
        let dataset = try run("collection\titem\ttime\nc1\ta\t100\nc1\tb\t\r\n\nc2\ta\t2020-01-02T03:04:05Z\nc1\ta\t50\n")
        #expect(named(dataset) == ["a c1 2.0 50", "b c1 1.0 -", "a c2 1.0 1577934245"])
        #expect((0..<2).map { dataset.items[$0] } == ["a", "b"])
        #expect(dataset.hasTimes)
    }

    @Test func commaSeparated() throws {
        let text = "\u{feff}item,collection,weight,note\r\n\"a,\"\"1\"\"\",c,2.5,\"two\nlines\"\r\nb,\"c\",,\r\n\"a,\"\"1\"\"\",c,.5,\"\"\r\n"
        let dataset = try run(text, name: "e.csv")
        #expect(named(dataset) == ["a,\"1\" c 3.0 -", "b c 1.0 -"])
    }

    @Test func jsonLines() throws {
        let text =
            "{\"item\": \"a\", \"collection\": 7, \"time\": 12}\n\n{\"collection\": \"x\\ty\", \"item\": \"b\", \"weight\": 2, \"extra\": [1]}\n"
        let dataset = try run(text, name: "e.jsonl")
        #expect(named(dataset) == ["a 7 1.0 12", "b x\ty 2.0 -"])
    }

    @Test func adjacency() throws {
        let dataset = try run("c1 a b  a\n\nc2\tb\n", name: "e.txt") { $0.format = .adjacency }
        #expect(named(dataset) == ["a c1 2.0 -", "b c1 1.0 -", "b c2 1.0 -"])
    }

    @Test func otherColumnNames() throws {
        let dataset = try run("pin\tboard\twhen\tn\nx\ty\t-1.5\t3\n") {
            $0.itemColumn = "pin"
            $0.collectionColumn = "board"
            $0.timeColumn = "when"
            $0.weightColumn = "n"
        }
        #expect(named(dataset) == ["x y 3.0 -2"])
    }

    @Test func gzipAlsoOfSeveralMembers() throws {
        let one = try folder.write("one", "item\tcollection\na\tc\n"), two = try folder.write("two", "b\tc\n")
        guard
            try PinSageTestSupport.run("sh", ["-c", "gzip -c '\(one)' > '\(folder["z.tsv.gz"])'; gzip -c '\(two)' >> '\(folder["z.tsv.gz"])'"])?
                .status == 0
        else { return }
        _ = try DatasetImporter().run(edges: [folder["z.tsv.gz"]], output: folder["out"])
        #expect(named(try Dataset.open(folder["out"])) == ["a c 1.0 -", "b c 1.0 -"])
        let bytes = try folder.read("z.tsv.gz")
        let cut = try folder.write("cut.gz", Array(bytes.dropLast(9)))
        let error = #expect(throws: DataError.self) { try DatasetImporter().run(edges: [cut], output: folder["out2"]) }
        #expect(error?.message.contains("cut short") == true)
        var damaged = bytes
        damaged[20] ^= 0xff
        let bad = try folder.write("bad.gz", damaged)
        #expect(throws: DataError.self) { try DatasetImporter().run(edges: [bad], output: folder["out2"]) }
        #expect(!folder.names.contains("out2"))
    }

    @Test func itemsFixTheOrderOfRowsAndGoToTheCatalog() throws {
        final class Recorder: ItemCatalogWriter {
            var rows: [String] = []
            var isFinished = false
            let path: String
            init(_ directory: String) { path = directory + "/" + Dataset.catalogFile }
            func append(_ item: ItemID, identifier: String, _ description: ItemDescription) throws {
                rows.append(
                    "\(item.row) \(identifier) \(description.title ?? "-") \(description.text ?? "-") \(description.attributes.sorted { $0.key < $1.key })"
                )
            }
            func finish() throws {
                isFinished = true
                try Data("catalog".utf8).write(to: URL(fileURLWithPath: path))
            }
        }
        let items = try folder.write("i.tsv", "title\titem\tcolor\ttext\nTitle B\tb\tred\tx\n\ta\t\t\nC\tunused\t\ty\n")
        let edges = try folder.write("e.tsv", "item\tcollection\na\tc\nb\tc\nnew\tc\n")
        var configuration = ImportConfiguration()
        configuration.allowsMissingItems = true
        nonisolated(unsafe) var recorder: Recorder?
        let report = try DatasetImporter(configuration: configuration).run(
            edges: [edges], items: items, output: folder["out"],
            catalog: { directory in
                let made = Recorder(directory)
                unsafe recorder = made
                return made
            })
        let rows = unsafe recorder?.rows
        #expect(rows == ["0 b Title B x [(key: \"color\", value: \"red\")]", "1 a - - []", "2 unused C y []", "3 new - - []"])
        #expect(unsafe recorder?.isFinished == true)
        #expect(report.items == 4 && report.itemsWithoutEdges == 1 && report.itemsDescribed == 3 && report.edges == 3)
        #expect(try Dataset.open(folder["out"]).catalogPath == folder["out"] + "/catalog.sqlite")
    }

    @Test func rowsDoNotDependOnThreadsOrChunks() throws {
        var random = SplitMix(seed: 2)
        var text = "item\tcollection\ttime\n"
        for _ in 0..<60_000 {
            text +=
                "item-\(Int.random(in: 0..<9000, using: &random))\tcollection-\(Int.random(in: 0..<700, using: &random))\t\(Int.random(in: 0..<99, using: &random))\n"
        }
        var manifests: [[UInt8]] = []
        for threads in [1, 2, 7] {
            let dataset = try run(text, threads: threads)
            #expect(dataset.items[0] == "item-" + text.split(separator: "\n")[1].split(separator: "\t")[0].dropFirst(5))
            // The manifest has the checksum of every array; the source's name is the same.
            manifests.append(try folder.read("out/manifest.json"))
        }
        #expect(manifests[0] == manifests[1] && manifests[0] == manifests[2])
    }

    /// Steps of the import overlap and a later one may fail sooner; what is reported is still the first mistake in the file, on any number of threads.
    @Test(arguments: [1, 2, 7])
    func theFirstMistakeIsReported(threads: Int) throws {
        var lines = (0..<200_000).map { "item-\($0 % 5000)\tcollection-\($0 % 300)" }
        lines[150_000] = "a\tb\tc"
        lines[199_999] = "d"
        for (mistake, expected) in [(nil as Int?, "found 3"), (80_000, "\"strange\""), (150_001, "found 3")] {
            var text = lines
            if let mistake { text[mistake] = "strange\tcollection-1" }
            let items = "item\n" + (0..<5000).map { "item-\($0)\n" }.joined()
            let error = #expect(throws: DataError.self) {
                try run("item\tcollection\n" + text.joined(separator: "\n"), items: items, threads: threads)
            }
            #expect(error?.message.contains(expected) == true, "\(error?.description ?? "")")
            #expect(error?.line == min(mistake ?? .max, 150_000) + 2)
        }
    }

    @Test func chunksEndAtRecords() throws {
        let text = "item,collection\n" + (0..<500).map { "\"a\($0)\n\"\"x\"\"\",\"c\n\($0 % 7)\"\n" }.joined()
        let path = try folder.write("e.csv", text)
        var chunks = try ChunkReader(TextSource(path), isQuoted: true, chunkBytes: 37)
        var records = 0, pieces = 0, nextLine = 1
        while let chunk = try chunks.next() {
            #expect(chunk.firstLine == nextLine)
            nextLine += chunk.lineCount
            var parser = RecordParser(chunk, name: "e.csv", isQuoted: true)
            while try parser.next() {
                #expect(parser.fields.count == 2)
                if records > 0 { #expect(parser.text(0) == "a\(records - 1)\n\"x\"") }
                records += 1
            }
            pieces += 1
        }
        #expect(records == 501 && pieces > 100 && nextLine == 1 + 1 + 1500)
    }

    /// Small files get small buffers: what a few bytes of gzip hold comes in pieces then, and longer records than the file are whole.
    @Test func aSmallFileOfMuchText() throws {
        let text = "item\tcollection\n" + String(repeating: "a\tc\n", count: 20_000) + String(repeating: "x", count: 50_000) + "\tc\nb\tc"
        let path = try folder.write("e.tsv", text)
        guard try PinSageTestSupport.run("gzip", ["-k", path]) != nil else { return }
        var chunks = try ChunkReader(TextSource(path + ".gz"), isQuoted: false)
        var bytes: [UInt8] = [], pieces = 0
        while let chunk = try chunks.next() {
            bytes += chunk.bytes
            pieces += 1
        }
        #expect(bytes == Array((text + "\n").utf8) && pieces > 10)
    }

    struct Bad: Sendable, CustomTestStringConvertible {
        var text: String
        var name = "e.tsv"
        var line: Int?
        var column: Int?
        var expected: String
        var testDescription: String { expected }
    }

    @Test(arguments: [
        Bad(text: "", expected: "empty file"),
        Bad(text: "\n\n", line: 1, expected: "only empty lines"),
        Bad(text: "item\tboard\na\tc\n", line: 1, expected: "expected a column \"collection\" in the header, found \"item\", \"board\""),
        Bad(text: "item\titem\tcollection\n", line: 1, column: 6, expected: "found \"item\" again"),
        Bad(text: "item\tcollection\na\tc\na\n", line: 3, expected: "expected 2 fields as in the header, found 1"),
        Bad(text: "item\tcollection\na\tc\tx\n", line: 2, expected: "found 3"),
        Bad(text: "item\tcollection\na\t\n", line: 2, column: 3, expected: "column \"collection\", found an empty field"),
        Bad(text: "item\tcollection\n\tc\n", line: 2, column: 1, expected: "column \"item\", found an empty field"),
        Bad(text: "item\tcollection\n", expected: "at least one edge"),
        Bad(text: "item\tcollection\na\tc\0\n", line: 2, column: 4, expected: "found a NUL byte"),
        Bad(text: "item\tcollection\ttime\na\tc\tsoon\n", line: 2, column: 5, expected: "ISO 8601 time in the column \"time\", found \"soon\""),
        Bad(text: "item\tcollection\ttime\na\tc\t2021-02-29\n", line: 2, column: 5, expected: "found \"2021-02-29\""),
        Bad(text: "item\tcollection\tweight\na\tc\t-1\n", line: 2, column: 5, expected: "positive finite number"),
        Bad(text: "item\tcollection\tweight\na\tc\tnan\n", line: 2, column: 5, expected: "positive finite number"),
        Bad(text: "item,collection\n\"a,c\n", name: "e.csv", line: 2, expected: "closing quote"),
        Bad(text: "item,collection\n\"a\"b,c\n", name: "e.csv", line: 2, column: 4, expected: "after a closing quote"),
        Bad(text: "item,collection\nx,c\na\"b,\"c\"\"\n", name: "e.csv", line: 3, expected: "quote"),
        Bad(text: "{\"item\": \"a\"}\n", name: "e.jsonl", line: 1, expected: "expected a member \"collection\""),
        Bad(text: "{\"item\": \"a\", \"collection\": \"c\"}\n{]\n", name: "e.jsonl", line: 2, column: 2, expected: "key in quotes"),
        Bad(text: "[1]\n", name: "e.jsonl", line: 1, expected: "JSON object"),
        Bad(text: "{\"item\": \"a\", \"collection\": \"c\", \"time\": \"x\"}\n", name: "e.jsonl", line: 1, expected: "ISO 8601"),
    ])
    func badEdges(bad: Bad) throws {
        let error = #expect(throws: DataError.self) { try run(bad.text, name: bad.name) }
        #expect(error?.message.contains(bad.expected) == true, "\(error?.description ?? "")")
        #expect(error?.file == folder[bad.name])
        if let line = bad.line { #expect(error?.line == line, "\(error?.description ?? "")") }
        if let column = bad.column { #expect(error?.column == column, "\(error?.description ?? "")") }
        #expect(folder.names == [bad.name])
    }

    @Test func adjacencyWithoutItems() throws {
        let error = #expect(throws: DataError.self) { try run("c1 a\nc2\n", name: "e.txt") { $0.format = .adjacency } }
        #expect(error?.line == 2)
    }

    @Test(arguments: [[0xff], [0xc3], [0xe2, 0x82], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xc0, 0xaf]])
    func notUTF8(bytes: [UInt8]) throws {
        let path = try folder.write("e.tsv", Array("item\tcollection\na\tc\nb\tx".utf8) + bytes + Array("\n".utf8))
        let error = #expect(throws: DataError.self) { try DatasetImporter().run(edges: [path], output: folder["out"]) }
        #expect(error?.line == 3 && error?.column == 4, "\(error?.description ?? "")")
    }

    @Test func itemsThatAreWrong() throws {
        let edges = "item\tcollection\na\tc\nb\tc\n"
        var error = #expect(throws: DataError.self) { try run(edges, items: "item\ttitle\na\tA\n") }
        #expect(error?.line == 3 && error?.message.contains("\"b\"") == true)
        #expect(throws: Never.self) { try run(edges, items: "item\ttitle\na\tA\n") { $0.allowsMissingItems = true } }
        error = #expect(throws: DataError.self) { try run(edges, items: "item\na\nb\na\n") }
        #expect(error?.line == 4 && error?.message.contains("it was on line 2") == true)
        error = #expect(throws: DataError.self) { try run(edges, items: "name\na\n") }
        #expect(error?.line == 1 && error?.file == folder["i.tsv"])
        error = #expect(throws: DataError.self) { try run(edges, items: "item\ttitle\na\n") }
        #expect(error?.line == 2)
    }

    @Test func featuresFollowTheItems() throws {
        try Npy.write([Float(1), 2, 3, 4, 5, 6], shape: [3, 2], to: folder["f.npy"])
        try Npy.write([Double(1), 2, 3], to: folder["d.npy"])
        try folder.write("ids.txt", "c\na\nb\n")
        let dataset = try run(
            "item\tcollection\na\tx\n", items: "item\na\nb\nc\n",
            features: [
                FeatureSource(argument: "plain=\(folder["f.npy"])"), FeatureSource(argument: "named=\(folder["f.npy"]):\(folder["ids.txt"])"),
                FeatureSource(argument: "double=\(folder["d.npy"])"),
            ])
        #expect(dataset.features.map(\.name) == ["double", "named", "plain"])
        #expect(dataset.features(named: "plain")?.rows(0..<3).values == [1, 2, 3, 4, 5, 6])
        #expect(dataset.features(named: "named")?.rows(0..<3).values == [3, 4, 5, 6, 1, 2])
        #expect(dataset.features(named: "double")?.rows(0..<3).values == [1, 2, 3])
    }

    @Test func halfPrecisionFeaturesStaySmall() throws {
        try Npy.write([0x3c00, 0x4000, 0xbc00] as [UInt16], shape: [3, 1], elementType: .float16, to: folder["h.npy"])
        let dataset = try run("item\tcollection\na\tx\n", items: "item\na\nb\nc\n", features: [FeatureSource(argument: "h=\(folder["h.npy"])")])
        #expect(dataset.features[0].elementType == .float16)
        #expect(dataset.features[0].rows(0..<3).values == [1, 2, -1])
    }

    @Test func featuresThatAreWrong() throws {
        func message(_ argument: String, items: String? = "item\na\nb\n", allow: Bool = false) throws -> String {
            let source = try FeatureSource(argument: argument)
            let error = #expect(throws: DataError.self) {
                try run("item\tcollection\na\tx\n", items: items, features: [source]) { $0.allowsMissingItems = allow }
            }
            #expect(!folder.names.contains("out"))
            return error?.description ?? ""
        }
        try Npy.write([Float(1), 2, 3], shape: [3, 1], to: folder["three.npy"])
        try Npy.write([Float(1), .nan], shape: [2, 1], to: folder["nan.npy"])
        try Npy.write([UInt16(0x3c00), 0x7c00], shape: [2, 1], elementType: .float16, to: folder["inf.npy"])
        try Npy.write([Double(1e300), 1], shape: [2, 1], to: folder["huge.npy"])
        try Npy.write([Int64(1), 2], shape: [2, 1], to: folder["ints.npy"])
        try folder.write("two.txt", "a\nb\n")
        try folder.write("repeated.txt", "a\na\nb\n")
        try folder.write("unknown.txt", "a\nb\nq\n")
        #expect(try message("f=\(folder["three.npy"])").contains("expected 2 rows, one for each item of --items, found 3"))
        #expect(
            try message("f=\(folder["three.npy"]):\(folder["two.txt"])").contains(
                "expected 2 rows, one for each identifier of \(folder["two.txt"]), found 3"))
        #expect(try message("f=\(folder["three.npy"]):\(folder["repeated.txt"])").contains("\"a\" again"))
        #expect(try message("f=\(folder["three.npy"]):\(folder["unknown.txt"])").contains("repeated") == false)
        #expect(try message("f=\(folder["nan.npy"])").contains("found nan in row 1, column 0"))
        #expect(try message("f=\(folder["inf.npy"])").contains("found inf in row 1, column 0"))
        #expect(try message("f=\(folder["huge.npy"])").contains("row 0, column 0"))
        #expect(try message("f=\(folder["ints.npy"])").contains("found int64"))
        #expect(try message("f=\(folder["missing.npy"])").contains("no such file"))
        #expect(try message("f=\(folder["three.npy"])", items: nil).contains("--items"))
        for bad in ["x", "=f.npy", "a/b=f.npy", "f=", "f=x.npy:"] { #expect(throws: DataError.self) { try FeatureSource(argument: bad) } }
    }

    @Test(arguments: [
        ("0", 0), ("-5", -5), ("1577934245", 1_577_934_245), ("1577934245.9", 1_577_934_245), ("-0.5", -1), ("-1.5", -2), ("1970-01-01", 0),
        ("2020-02-29", 1_582_934_400),
        ("2020-01-02T03:04:05Z", 1_577_934_245), ("2020-01-02 03:04", 1_577_934_240), ("2020-01-02T03:04:05.123+01:30", 1_577_928_845),
        ("2020-01-02T03:04:05-0100", 1_577_937_845), ("1969-12-31T23:59:59Z", -1), ("0001-01-01", -62_135_596_800),
    ])
    func times(text: String, seconds: Int64) { #expect(Graph.time(parsing: text) == seconds) }

    @Test(arguments: [
        "", "-", "x", "1e9", "1.x", "2020-13-01", "2020-1-1", "2020-01-01T", "2020-01-01T25:00", "2020-01-01T10:00+", "99999999999999999999",
        "2020-01-01x",
    ])
    func notTimes(text: String) { #expect(Graph.time(parsing: text) == nil) }
}
