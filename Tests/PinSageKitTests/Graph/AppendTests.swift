import Foundation
import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite struct AppendTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Edges with repeats, times and weights; the second half has new items and collections.
    private func lines(_ range: Range<Int>, hasPayload: Bool) -> String {
        var random = SplitMix(seed: 4)
        let all = (0..<3000).map { number -> String in
            let item = random.next() % (number < 1500 ? 200 : 300), collection = random.next() % (number < 1500 ? 40 : 55)
            let payload = hasPayload ? "\t\(random.next() % 3 == 0 ? "" : String(random.next() % 1000))\t\(1 + random.next() % 3)" : ""
            return "item\(item)\tcollection\(collection)\(payload)\n"
        }
        return (hasPayload ? "item\tcollection\ttime\tweight\n" : "item\tcollection\n") + all[range].joined()
    }

    private func expectEqual(_ one: Dataset, _ other: Dataset, sourceLocation: SourceLocation = #_sourceLocation) {
        checkValid(one.graph, sourceLocation: sourceLocation)
        for (left, right) in [(one.graph.items, other.graph.items), (one.graph.collections, other.graph.collections)] {
            #expect(Array(left.offsets) == Array(right.offsets), sourceLocation: sourceLocation)
            #expect(Array(left.targets) == Array(right.targets), sourceLocation: sourceLocation)
            #expect(left.weights.map { Array($0) } == right.weights.map { Array($0) }, sourceLocation: sourceLocation)
            #expect(left.times.map { Array($0) } == right.times.map { Array($0) }, sourceLocation: sourceLocation)
        }
        for (left, right) in [(one.items, other.items), (one.collections, other.collections)] {
            #expect((0..<left.count).map { left[$0] } == (0..<right.count).map { right[$0] }, sourceLocation: sourceLocation)
            #expect((0..<left.count).allSatisfy { left.row(of: left[$0]) == $0 }, sourceLocation: sourceLocation)
        }
    }

    @Test("import and appends give what one import gives, at once and after compact", arguments: [false, true], [1, 2])
    func equalsOneImport(hasPayload: Bool, threads: Int) throws {
        try folder.write("all.tsv", lines(0..<3000, hasPayload: hasPayload))
        var configuration = ImportConfiguration()
        configuration.threads = threads
        let importer = DatasetImporter(configuration: configuration), appender = DatasetAppender(configuration: configuration)
        _ = try importer.run(edges: [folder["all.tsv"]], output: folder["whole"])
        let whole = try Dataset.open(folder["whole"])
        let cuts = [0, 1500, 1501, 2400, 3000]
        for part in 0..<4 { try folder.write("p\(part).tsv", lines(cuts[part]..<cuts[part + 1], hasPayload: hasPayload)) }
        _ = try importer.run(edges: [folder["p0.tsv"]], output: folder["d"])
        var before = try Dataset.open(folder["d"]).graph.edgeCount
        for part in 1..<4 {
            let report = try appender.run(folder["d"], edges: [folder["p\(part).tsv"]])
            let opened = try Dataset.open(folder["d"])
            #expect(report.edgesRead == cuts[part + 1] - cuts[part])
            #expect(report.edges == opened.graph.edgeCount && report.newEdges == opened.graph.edgeCount - before)
            #expect(report.items == opened.graph.itemCount && report.collections == opened.collections.count)
            #expect(opened.metadata["edges"]?.int == report.edges)
            before = opened.graph.edgeCount
            try Artifact.open(folder["d"]).verify()
        }
        expectEqual(try Dataset.open(folder["d"]), whole)
        expectEqual(try Dataset.open(folder["d"], resident: true), whole)
        #expect(try Artifact.open(folder["d"]).contains("overlay/items"))
        let report = try Dataset.compact(folder["d"], threads: threads)
        #expect(report.edges == whole.graph.edgeCount && report.folded > 0)
        expectEqual(try Dataset.open(folder["d"]), whole)
        #expect(try Artifact.open(folder["d"]).manifest.files.keys.allSatisfy { !$0.hasPrefix("overlay/") })
        #expect(try Artifact.open(folder["d"]).manifest.metadata["overlay"] == nil)
        try Artifact.open(folder["d"]).verify()
        // What a run left that was killed when all but removing the old files was done.
        try FileSystem.makeDirectories(folder[".d.partial-1-0"])
        #expect(try Dataset.compact(folder["d"], threads: threads).folded == 0)
        #expect(!folder.names.contains(".d.partial-1-0"))
        #expect(folder.names == ["all.tsv", "d", "p0.tsv", "p1.tsv", "p2.tsv", "p3.tsv", "whole"])
    }

    @Test("walks see appended edges, and known items keep their rows") func walksSeeThem() throws {
        try folder.write("e.tsv", "item\tcollection\na\tx\nb\tx\nc\ty\nd\ty\n")
        _ = try DatasetImporter().run(edges: [folder["e.tsv"]], output: folder["d"])
        func neighbors(_ item: String) throws -> Set<String> {
            let dataset = try Dataset.open(folder["d"])
            let sampler = try NeighborhoodSampler(graph: dataset.graph, configuration: WalkConfiguration(), seed: 1)
            return Set(try sampler.neighborhoods(of: [try dataset.item(named: item)], threads: 1)[0].map { dataset.items[Int($0.item.row)] })
        }
        #expect(try neighbors("a") == ["b"])
        try folder.write("n.tsv", "item\tcollection\na\ty\nnew\tx\n")
        let report = try DatasetAppender().run(folder["d"], edges: [folder["n.tsv"]])
        #expect(report.newItems == 1 && report.newCollections == 0 && report.newEdges == 2 && report.overlayEdges == 2)
        #expect(try neighbors("a") == ["b", "c", "d", "new"])
        #expect(try Dataset.open(folder["d"]).item(named: "new") == ItemID(4))
    }

    /// A catalog in a text file.
    private final class LineCatalog: ItemCatalogWriter {
        let path: String
        var lines = ""
        init(_ directory: String) { path = directory + "/" + Dataset.catalogFile }
        func append(_ item: ItemID, identifier: String, _ description: ItemDescription) throws {
            lines += "\(item.row) \(identifier) \(description.title ?? "-")\n"
        }
        func finish() throws { try lines.write(toFile: path, atomically: false, encoding: .utf8) }

        static func read(_ directory: String) throws -> [String] {
            try String(contentsOfFile: directory + "/" + Dataset.catalogFile, encoding: .utf8).split(separator: "\n").map(String.init)
        }
    }

    @Test("new items get features, or zeros, and descriptions") func featuresAndCatalog() throws {
        try folder.write("i.tsv", "item\ttitle\na\tA\nb\tB\n")
        try folder.write("e.tsv", "item\tcollection\na\tx\nb\tx\n")
        func features(_ name: String, _ rows: [[Float]], _ type: ElementType) throws {
            if type == .float32 {
                var writer = try NpyWriter<Float>(folder[name])
                try writer.append(rows.flatMap { $0 })
                try writer.finish(shape: [rows.count, rows[0].count])
            } else {
                var writer = try NpyWriter<UInt16>(folder[name], elementType: type)
                try writer.append(rows.flatMap { $0 }.map { HalfPrecision.float16($0) })
                try writer.finish(shape: [rows.count, rows[0].count])
            }
        }
        try features("f.npy", [[1, 2], [3, 4]], .float32)
        try features("h.npy", [[0.5], [0.25]], .float16)
        _ = try DatasetImporter().run(
            edges: [folder["e.tsv"]], items: folder["i.tsv"],
            features: [FeatureSource(name: "f", path: folder["f.npy"]), FeatureSource(name: "h", path: folder["h.npy"])], output: folder["d"],
            catalog: { LineCatalog($0) })
        #expect(try LineCatalog.read(folder["d"]) == ["0 a A", "1 b B"])
        let catalogs = DatasetAppender.Catalogs(
            open: { directory in
                InMemoryItemCatalog(
                    try LineCatalog.read(directory).map {
                        let title = String($0.split(separator: " ")[2])
                        return ItemDescription(title: title == "-" ? nil : title)
                    })
            }, make: { LineCatalog($0) })
        try folder.write("n.tsv", "item\tcollection\nc\tx\nd\tx\n")
        try folder.write("ni.tsv", "item\ttitle\nc\tC\nb\tBB\n")
        try features("nf.npy", [[5, 6], [7, 8]], .float32)
        // Without --allow-missing, d is a mistake; nothing is changed then.
        let error = #expect(throws: DataError.self) {
            try DatasetAppender().run(folder["d"], edges: [folder["n.tsv"]], items: folder["ni.tsv"], catalogs: catalogs)
        }
        #expect(error?.line == 3 && error?.message.contains("\"d\"") == true)
        var configuration = ImportConfiguration()
        configuration.allowsMissingItems = true
        let report = try DatasetAppender(configuration: configuration).run(
            folder["d"], edges: [folder["n.tsv"]], items: folder["ni.tsv"], features: [FeatureSource(name: "f", path: folder["nf.npy"])],
            catalogs: catalogs)
        #expect(report.newItems == 2 && report.itemsDescribed == 2)
        #expect(try LineCatalog.read(folder["d"]) == ["0 a A", "1 b BB", "2 c C", "3 d -"])
        for isCompacted in [false, true] {
            if isCompacted { _ = try Dataset.compact(folder["d"], threads: 1) }
            let dataset = try Dataset.open(folder["d"])
            #expect(dataset.features(named: "f")?.rows(0..<4).values == [1, 2, 7, 8, 5, 6, 0, 0])
            #expect(dataset.features(named: "h")?.rows(0..<4).values == [0.5, 0.25, 0, 0])
            try Artifact.open(folder["d"]).verify()
        }
    }

    @Test("what cannot be appended leaves the dataset as it was") func refusals() throws {
        try folder.write("e.tsv", "item\tcollection\na\tx\nb\tx\n")
        _ = try DatasetImporter().run(edges: [folder["e.tsv"]], output: folder["d"])
        let manifest = try folder.read("d/manifest.json")
        try folder.write("bad.tsv", "item\tcollection\na\tx\n\tx\n")
        try folder.write("i.tsv", "item\nc\nc\n")
        try folder.write("f.npy", "no array")
        #expect(throws: DataError.self) { try DatasetAppender().run(folder["d"], edges: [folder["bad.tsv"]]) }
        #expect(throws: DataError.self) { try DatasetAppender().run(folder["d"], edges: [folder["missing.tsv"]]) }
        #expect(throws: DataError.self) { try DatasetAppender().run(folder["d"], edges: [], items: folder["i.tsv"]) }
        #expect(throws: DataError.self) {
            try DatasetAppender().run(folder["d"], edges: [folder["e.tsv"]], features: [FeatureSource(name: "f", path: folder["f.npy"])])
        }
        #expect(throws: DataError.self) { try DatasetAppender().run(folder["none"], edges: [folder["e.tsv"]]) }
        #expect(throws: DataError.self) { try Dataset.compact(folder["none"], threads: 1) }
        #expect(try folder.read("d/manifest.json") == manifest)
        #expect(folder.names == ["bad.tsv", "d", "e.tsv", "f.npy", "i.tsv"])
    }

    @Test("a split and a pruned dataset take nothing of the overlay twice") func splitAfterAppend() throws {
        try folder.write("all.tsv", lines(0..<3000, hasPayload: false))
        try folder.write("p0.tsv", lines(0..<2000, hasPayload: false))
        try folder.write("p1.tsv", lines(2000..<3000, hasPayload: false))
        _ = try DatasetImporter().run(edges: [folder["all.tsv"]], output: folder["whole"])
        _ = try DatasetImporter().run(edges: [folder["p0.tsv"]], output: folder["d"])
        _ = try DatasetAppender().run(folder["d"], edges: [folder["p1.tsv"]])
        let configuration = DatasetSplit.Configuration(rule: .leaveRandom(2))
        try DatasetSplit.write(folder["whole"], configuration: configuration, to: folder["s1"])
        try DatasetSplit.write(folder["d"], configuration: configuration, to: folder["s2"])
        expectEqual(try Dataset.open(folder["s2/train"]), try Dataset.open(folder["s1/train"]))
        #expect(try folder.read("s2/test.pairs.tsv") == folder.read("s1/test.pairs.tsv"))
    }
}
