import PinSageTestSupport
import Testing

@testable import PinSageKit

/// Types of collections on their way through files: imported, appended, compacted, split.
@Suite struct CollectionTypeFileTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private static let edges = "item\tcollection\na\tx\nb\tx\nb\ty\nc\ty\nc\tz\na\tz\nd\tz\nd\tx\ne\tx\ne\tz\n"
    private static let types = "collection\ttype\nz\tlist\nx\tboard\ny\tlist\nunused\ttag\n"

    @discardableResult
    private func run(edges: String = Self.edges, types: String = Self.types, allowsMissing: Bool = false) throws -> Dataset {
        var configuration = ImportConfiguration()
        configuration.allowsMissingItems = allowsMissing
        _ = try DatasetImporter(configuration: configuration).run(
            edges: [folder.write("e.tsv", edges)], collections: folder.write("c.tsv", types), output: folder["d"])
        return try Dataset.open(folder["d"])
    }

    private func named(_ dataset: Dataset) -> [String: String] {
        var named: [String: String] = [:]
        for row in 0..<dataset.collections.count { named[dataset.collections[row]] = dataset.graph.collectionTypes?.name(of: CollectionID(row)) }
        return named
    }

    @Test func importedAndOpened() throws {
        let dataset = try run()
        #expect(named(dataset) == ["x": "board", "y": "list", "z": "list"])
        #expect(dataset.graph.collectionTypes?.names == ["board", "list"])
        try Artifact.open(folder["d"]).verify()
        let plain = try DatasetImporter().run(edges: [folder["e.tsv"]], output: folder["plain"])
        #expect(plain.edges == 10)
        #expect(try Dataset.open(folder["plain"]).graph.collectionTypes == nil)
        #expect(try named(run(types: "collection\ttype\nx\tboard\n", allowsMissing: true)) == ["x": "board"])
    }

    @Test func tablesThatAreWrong() throws {
        func message(_ types: String) -> String {
            let error = #expect(throws: DataError.self) { try run(types: types) }
            return error?.description ?? ""
        }
        #expect(message("collection\ttype\nx\tboard\n").contains("found none for \"y\" (--allow-missing"))
        #expect(message("collection\ttype\nx\tboard\nx\tlist\n").contains("3: expected each collection once, found \"x\" again"))
        #expect(message("collection\ttype\nx\t\n").contains("2: expected a value in the column \"type\""))
        #expect(message("collection\tkind\nx\ta\n").contains("expected a column \"type\""))
    }

    @Test func appendedCompactedAndSplit() throws {
        try run()
        try folder.write("more.tsv", "item\tcollection\na\tw\nb\tw\nc\tv\n")
        try folder.write("w.tsv", "collection\ttype\nw\tarea\nx\tlist\n")
        _ = try DatasetAppender().run(folder["d"], edges: [folder["more.tsv"]], collections: folder["w.tsv"])
        // A type that is known stays; what no table has is without.
        let expected = ["x": "board", "y": "list", "z": "list", "w": "area"]
        #expect(named(try Dataset.open(folder["d"])) == expected)
        _ = try DatasetAppender().run(folder["d"], edges: [folder.write("last.tsv", "item\tcollection\nq\tu\nq\tx\n")])
        #expect(named(try Dataset.open(folder["d"])) == expected)
        _ = try Dataset.compact(folder["d"], threads: 2)
        #expect(named(try Dataset.open(folder["d"])) == expected)
        let configuration = WalkConfiguration(walks: 20, collectionTypes: ["board": 1, "list": 2])
        let dataset = try Dataset.open(folder["d"])
        _ = try NeighborhoodSampler(graph: dataset.graph, configuration: configuration, seed: 1).neighborhoods(
            of: (0..<dataset.items.count).map { ItemID($0) }, threads: 2)
        try DatasetSplit.write(folder["d"], configuration: .init(rule: .leaveRandom(1), minimumMembers: 3, seed: 1), to: folder["s"])
        #expect(named(try Dataset.open(folder["s/train"])) == expected)
        try dataset.write(to: folder["copy"])
        #expect(named(try Dataset.open(folder["copy"])) == expected)
    }

    @Test func damage() throws {
        let dataset = try run()
        let codes = StoredArray<UInt8>([7, 255, 1, 0])
        var writer = try ArtifactWriter(kind: Dataset.kind, at: folder["long"])
        try Dataset(graph: dataset.graph.typed(nil), items: dataset.items, collections: dataset.collections).write(to: folder["plain"])
        let plain = try Artifact.open(folder["plain"])
        for name in plain.manifest.files.keys { try writer.addFile(named: name, from: plain) }
        try writer.write("collection_types", codes)
        try writer.commit(metadata: plain.manifest.metadata.merging(["collection_types": ["a", "b"]]) { $1 })
        let error = #expect(throws: DataError.self) { try Dataset.open(folder["long"]) }
        #expect(error?.description.contains("expected types of at most 3 collections, found 4") == true)
    }
}
