import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite("Neighborhood files")
struct NeighborhoodFileTests {
    private func sampler(seed: UInt64 = 1) throws -> NeighborhoodSampler {
        let graph = TinyGraphs.random(items: 100, collections: 20, edgesPerItem: 2, seed: 4)
        return try NeighborhoodSampler(graph: graph, configuration: WalkConfiguration(walks: 30, neighbors: 7), seed: seed)
    }

    @Test("what was written is what the sampler draws, whatever the parts and threads")
    func roundTrip() throws {
        let folder = try TemporaryFolder()
        let sampler = try sampler()
        let drawn = try sampler.neighborhoods(of: (0..<100).map { ItemID($0) }, threads: 1)
        for (partRows, threads) in [(7, 1), (1000, 2), (100, 7)] {
            let path = folder.path + "/all"
            try NeighborhoodFile.write(sampler, items: 0..<100, to: path, threads: threads, partRows: partRows)
            let file = try NeighborhoodFile.open(path)
            #expect(file.rows == 100)
            #expect(file.width == 7)
            #expect(file.neighborhoods(0..<100) == drawn)
            #expect(!FileSystem.isDirectory(path + ".parts"))
            try Artifact.open(path, kind: NeighborhoodFile.kind).verify()
        }
    }

    @Test("shards cover the items once and agree with the whole")
    func shards() throws {
        let folder = try TemporaryFolder()
        let sampler = try sampler()
        let drawn = try sampler.neighborhoods(of: (0..<100).map { ItemID($0) }, threads: 1)
        var next = 0
        for index in 0..<3 {
            let range = NeighborhoodFile.shard(index, of: 3, itemCount: 100)
            #expect(range.lowerBound == next)
            next = range.upperBound
            let path = folder.path + "/shard\(index)"
            try NeighborhoodFile.write(sampler, items: range, to: path, threads: 2)
            let file = try NeighborhoodFile.open(path)
            #expect(file.firstItem == ItemID(range.lowerBound))
            let rows = file.neighborhoods(0..<file.rows)
            for row in range { #expect(rows[row - range.lowerBound].map(\.item) == drawn[row].map(\.item)) }
        }
        #expect(next == 100)
    }

    @Test("a stopped run goes on after its finished parts; other settings start over; foreign folders are left alone")
    func resume() throws {
        struct Stop: Error {}
        let folder = try TemporaryFolder()
        let path = folder.path + "/all"
        // A thrown error stands for a killed process: parts stay, and an unfinished one with them.
        let unfinished = path + ".parts/40.neighbors.npy"
        try NeighborhoodFile.write(sampler(), items: 0..<100, to: folder.path + "/whole", threads: 1, partRows: 20)
        func writeParts(seed: UInt64) throws -> Int {
            try NeighborhoodFile.write(sampler(seed: seed), items: 0..<100, to: path, threads: 1, partRows: 20)
        }
        #expect(try writeParts(seed: 1) == 0)
        // Puts the parts of a run back as it would have left them when killed after two parts.
        try FileSystem.makeDirectories(path + ".parts")
        let kept = try NeighborhoodFile.open(path)
        let settings = try Artifact.open(path, kind: NeighborhoodFile.kind).manifest.metadata
        let output = try OutputFile(path + ".parts/settings.json")
        try output.write(Array((JSONValue.object(settings).serialized() + "\n").utf8))
        try output.close()
        for start in [0, 20] {
            try Npy.write(Array(kept.neighbors[start * 7..<(start + 20) * 7]), shape: [20, 7], to: path + ".parts/\(start).neighbors.npy")
            try Npy.write(Array(kept.weights[start * 7..<(start + 20) * 7]), shape: [20, 7], to: path + ".parts/\(start).weights.npy")
        }
        try Npy.write([UInt32](repeating: 0, count: 7), shape: [1, 7], to: unfinished)
        let before = kept.neighborhoods(0..<100)
        #expect(try writeParts(seed: 1) == 40)
        #expect(try NeighborhoodFile.open(path).neighborhoods(0..<100) == before)
        try FileSystem.makeDirectories(path + ".parts/mine")
        #expect(throws: DataError.self) { try writeParts(seed: 1) }
    }

    @Test("refreshed after an append, only what changed is drawn again, and the bits are those of a fresh run", arguments: [1, 2, 3])
    func refresh(hops: Int) throws {
        let folder = try TemporaryFolder()
        // Groups of items that share collections among themselves, in a chain: group g has collections 2g and 2g + 1, and the next group's first item.
        var assembler = DatasetAssembler()
        for item in 0..<120 {
            for collection in [2 * (item / 6), 2 * (item / 6) + 1] { try assembler.addEdge(item: "i\(item)", collection: "c\(collection)") }
            if item % 6 == 0, item > 0 { try assembler.addEdge(item: "i\(item)", collection: "c\(2 * (item / 6) - 1)") }
        }
        try assembler.dataset().write(to: folder["d"])
        func sampler(_ dataset: Dataset, seed: UInt64 = 1) throws -> NeighborhoodSampler {
            try NeighborhoodSampler(
                graph: dataset.graph, configuration: WalkConfiguration(walks: 60, walkLength: hops, restart: 0.3, neighbors: 8), seed: seed)
        }
        let before = try Dataset.open(folder["d"])
        try NeighborhoodFile.write(sampler(before), items: 0..<120, to: folder["old"], origin: before, threads: 2)
        try folder.write("n.tsv", "item\tcollection\ni60\tc0\nnew\tc21\n")
        _ = try DatasetAppender().run(folder["d"], edges: [folder["n.tsv"]])
        let after = try Dataset.open(folder["d"])
        let old = try NeighborhoodFile.open(folder["old"])
        let reuse = try NeighborhoodFile.Reuse(old, of: after, sampler: sampler(after))
        #expect(reuse.changedItems >= 14 && reuse.changedItems <= 30 + 30 * (hops - 1))
        try NeighborhoodFile.write(sampler(after), items: 0..<121, to: folder["new"], origin: after, reuse: reuse, threads: 2, partRows: 50)
        try NeighborhoodFile.write(sampler(after), items: 0..<121, to: folder["fresh"], origin: after, threads: 1)
        #expect(try folder.read("new/neighbors.npy") == folder.read("fresh/neighbors.npy"))
        #expect(try folder.read("new/weights.npy") == folder.read("fresh/weights.npy"))
        #expect(try folder.read("new/neighbors.npy") != folder.read("old/neighbors.npy"))
        // Neighborhoods of other settings, of a graph with appended edges or of another graph cannot be taken over.
        #expect(throws: DataError.self) { try NeighborhoodFile.Reuse(old, of: after, sampler: sampler(after, seed: 2)) }
        let later = try NeighborhoodFile.open(folder["new"])
        #expect(throws: DataError.self) { try NeighborhoodFile.Reuse(later, of: after, sampler: sampler(after)) }
        try Dataset.compact(folder["d"], threads: 1)
        let compacted = try Dataset.open(folder["d"])
        #expect(throws: DataError.self) { try NeighborhoodFile.Reuse(old, of: compacted, sampler: sampler(compacted)) }
    }

    @Test("other things are refused")
    func refusals() throws {
        let folder = try TemporaryFolder()
        #expect(throws: DataError.self) { try NeighborhoodFile.open(folder.path) }
        #expect(throws: DataError.self) { try NeighborhoodFile.open(folder.path + "/none") }
    }
}
