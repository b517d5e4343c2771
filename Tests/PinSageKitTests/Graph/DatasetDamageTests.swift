import Foundation
import PinSageTestSupport
import Testing

@testable import PinSageKit

/// Damage to the files of a dataset that has one of every kind, an overlay among them.
@Suite struct DatasetDamageTests {
    private func dataset(_ folder: TemporaryFolder) throws -> [String] {
        var assembler = DatasetAssembler()
        for number in 0..<30 {
            try assembler.addEdge(item: "i\(number % 7)", collection: "c\(number % 4)", time: Int64(number), weight: Float(1 + number % 3))
        }
        assembler.addFeatures(FeatureTable(name: "f", matrix: TinyGraphs.matrix(rows: 7, columns: 3, seed: 1)))
        try assembler.dataset().write(to: folder["d"])
        try folder.write("n.tsv", "item\tcollection\ttime\tweight\ni1\tc3\t5\t2\nnew\tc1\t\t1\n")
        _ = try DatasetAppender().run(folder["d"], edges: [folder["n.tsv"]])
        let names = try FileSystem.files(below: folder["d"])
        #expect(names.count == 8 + 6 + 1 + 4 + 1)  // graph, identifiers, features, overlay, manifest
        return names
    }

    @Test("every file, cut anywhere or longer than it was, is refused on opening, by its name") func truncation() throws {
        let folder = try TemporaryFolder()
        for name in try dataset(folder) {
            let bytes = try folder.read("d/" + name)
            for length in Set([0, 1, 64, 127, 128, bytes.count / 2, bytes.count - 1, bytes.count + 1]) where length != bytes.count {
                try folder.write("d/" + name, length < bytes.count ? Array(bytes[..<length]) : bytes + [0])
                let error = #expect(throws: DataError.self, "\(name) of \(length) bytes") { try Dataset.open(folder["d"]) }
                #expect(error?.file == folder["d/" + name], "\(name) of \(length) bytes: \(error?.description ?? "")")
            }
            try FileManager.default.removeItem(atPath: folder["d/" + name])
            #expect(throws: DataError.self, "without \(name)") { try Dataset.open(folder["d"]) }
            try folder.write("d/" + name, bytes)
        }
        #expect(throws: Never.self) { try Dataset.open(folder["d"]) }
    }

    @Test("a flipped bit in any byte of any file is found by verifying, with the file's name") func flips() throws {
        let folder = try TemporaryFolder()
        for name in try dataset(folder) {
            let bytes = try folder.read("d/" + name)
            for position in bytes.indices {
                var flipped = bytes
                flipped[position] ^= 1 << UInt8((position * 5) % 8)
                try folder.write("d/" + name, flipped)
                let error = #expect(throws: DataError.self, "byte \(position) of \(name)") { try Artifact.open(folder["d"]).verify() }
                #expect(error?.file == folder["d/" + name])
            }
            try folder.write("d/" + name, bytes)
        }
        try Artifact.open(folder["d"]).verify()
    }

    @Test("damaged arrays that were not verified give wrong neighbors or errors, never more", arguments: 0..<4) func walksOnDamage(seed: Int) throws {
        let folder = try TemporaryFolder()
        var random = SplitMix(seed: UInt64(seed))
        let arrays = try dataset(folder).filter { $0.hasSuffix(".npy") }
        for _ in 0..<150 {
            let name = "d/" + arrays[Int(random.next() % UInt64(arrays.count))]
            let original = try folder.read(name)
            var bytes = original
            for _ in 0..<1 + random.next() % 8 where bytes.count > 128 {
                bytes[128 + Int(random.next() % UInt64(bytes.count - 128))] = UInt8(truncatingIfNeeded: random.next() >> (random.next() % 64))
            }
            try folder.write(name, bytes)
            do {
                let dataset = try Dataset.open(folder["d"])
                let items = (0..<dataset.graph.itemCount).map { ItemID($0) }
                for isWeighted in [false, true] {
                    let walks = WalkConfiguration(walks: 20, walkLength: 3, weighted: isWeighted, before: isWeighted ? 20 : nil)
                    let drawn = try NeighborhoodSampler(graph: dataset.graph, configuration: walks, seed: 1).neighborhoods(of: items, threads: 2)
                    #expect(drawn.items.allSatisfy { $0 < items.count })
                }
                _ = try PixieRecommender(graph: dataset.graph, seed: 1).recommend(queries: items.prefix(2).map { ($0, 1) }, count: 5)
                for item in 0..<dataset.items.count { _ = dataset.items.row(of: dataset.items[item]) }
                _ = try DatasetSplit(dataset.graph, configuration: .init(rule: .leaveRandom(1)))
            } catch is DataError {}
            try folder.write(name, original)
        }
    }
}
