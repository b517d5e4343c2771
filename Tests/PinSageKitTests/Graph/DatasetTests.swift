import Foundation
import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite struct DatasetTests {
    private func assembled() throws -> Dataset {
        var assembler = DatasetAssembler()
        for name in ["vim", "nano", "lonely"] { try assembler.addItem(identifier: name) }
        try assembler.addEdge(item: "vim", collection: "editors", time: 5)
        try assembler.addEdge(item: "nano", collection: "editors")
        try assembler.addEdge(item: "ed", collection: "classics", weight: 2)
        assembler.addFeatures(FeatureTable(name: "f", matrix: Matrix(rows: 4, columns: 2, values: [1, 2, 3, 4, 5, 6, 7, 8])))
        return try assembler.dataset()
    }

    @Test func assembledInMemory() throws {
        let dataset = try assembled()
        checkValid(dataset.graph)
        #expect((0..<4).map { dataset.items[$0] } == ["vim", "nano", "lonely", "ed"])
        #expect(dataset.graph.time(of: ItemID(0), in: CollectionID(0)) == 5)
        #expect(dataset.graph.time(of: ItemID(1), in: CollectionID(0)) == nil)
        #expect(dataset.graph.items.weights.map { Array($0) } == [1, 1, 2])
        #expect(try dataset.item(named: "nano") == ItemID(1))
        let error = #expect(throws: DataError.self) { try dataset.item(named: "vin") }
        #expect(error?.message.contains("\"vim\"") == true)
    }

    @Test func writtenAndOpened() throws {
        let folder = try TemporaryFolder()
        let dataset = try assembled()
        try dataset.write(to: folder["d"])
        for resident in [false, true] {
            let opened = try Dataset.open(folder["d"], resident: resident)
            checkValid(opened.graph)
            #expect(edges(opened.graph.items, isReversed: false) == edges(dataset.graph.items, isReversed: false))
            #expect(opened.items.row(of: "ed") == 3)
            #expect(opened.features.map(\.name) == ["f"])
            #expect(opened.features[0].rows(3..<4).values == [7, 8] && opened.features[0].rows(0..<1).values == [1, 2])
            #expect(opened.catalogPath == nil)
        }
    }

    @Test func assemblerRefuses() throws {
        var assembler = DatasetAssembler()
        try assembler.addItem(identifier: "a")
        #expect(throws: DataError.self) { try assembler.addItem(identifier: "a") }
        #expect(throws: DataError.self) { try assembler.addItem(identifier: "") }
        #expect(throws: DataError.self) { try assembler.addEdge(item: "a", collection: "") }
        #expect(throws: DataError.self) { try assembler.addEdge(item: "a", collection: "c", weight: 0) }
        try assembler.addEdge(item: "b", collection: "c")
        // An item that an edge mentioned first may be described later.
        try assembler.addItem(identifier: "b")
        assembler.addFeatures(FeatureTable(name: "f", matrix: Matrix(rows: 3, columns: 1)))
        #expect(throws: DataError.self) { try assembler.dataset() }
    }

    /// Whatever is done to the bytes of a dataset, opening and using it gives values or errors, and verifying finds it.
    @Test func damageNeverCrashes() throws {
        let folder = try TemporaryFolder()
        try assembled().write(to: folder["d"])
        let names = try FileSystem.files(below: folder["d"])
        var random = SplitMix(seed: 8)
        for round in 0..<600 {
            let name = "d/" + names[round % names.count]
            let original = try folder.read(name)
            var bytes = original
            // Arrays are damaged behind their header, which other tests are about.
            let position = Int.random(in: (name.hasSuffix(".npy") ? 128 : 0)..<bytes.count, using: &random)
            bytes[position] ^= UInt8.random(in: 1...255, using: &random)
            try folder.write(name, bytes)
            do {
                let dataset = try Dataset.open(folder["d"])
                for item in 0..<dataset.items.count { _ = dataset.items[item] }
                _ = dataset.items.row(of: "ed")
                _ = dataset.collections.row(of: "editors")
                for row in 0..<dataset.graph.itemCount { #expect(dataset.graph.items.range(of: row).upperBound <= dataset.graph.edgeCount) }
                for row in 0..<dataset.graph.collectionCount {
                    #expect(dataset.graph.collections.range(of: row).upperBound <= dataset.graph.edgeCount)
                }
            } catch is DataError {}
            #expect(throws: DataError.self, "byte \(position) of \(name)") { try Artifact.open(folder["d"]).verify() }
            try folder.write(name, original)
        }
    }

    @Test func pairsAndCollectionsFiles() throws {
        let folder = try TemporaryFolder()
        let pairs = [EvaluationPair(query: "a", positive: "b", collection: "c d"), EvaluationPair(query: "x", positive: "ü")]
        try PairsFile.write(pairs, to: folder["p.tsv"])
        #expect(try PairsFile.read(folder["p.tsv"]) == pairs)
        try folder.write("q.tsv", "positive\tquery\nb\ta\n")
        #expect(try PairsFile.read(folder["q.tsv"]) == [EvaluationPair(query: "a", positive: "b")])
        try CollectionsFile.write([(collection: "c", item: "i"), (collection: "c", item: "j")], to: folder["c.tsv"])
        #expect(try CollectionsFile.read(folder["c.tsv"]).map { $0.collection + $0.item } == ["ci", "cj"])
        #expect(throws: DataError.self) { try PairsFile.read(folder["c.tsv"]) }
        #expect(throws: DataError.self) { try PairsFile.write([EvaluationPair(query: "a\tb", positive: "c")], to: folder["bad.tsv"]) }
        #expect(folder.names == ["c.tsv", "p.tsv", "q.tsv"])
    }
}
