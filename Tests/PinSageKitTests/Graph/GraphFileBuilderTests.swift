import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite struct GraphFileBuilderTests {
    /// The graph in files equals the one in memory, whatever the threads and the budget.
    @Test(arguments: [(1, 1 << 30), (2, 1 << 30), (7, 0), (2, 0)])
    func equalsTheBuilderInMemory(threads: Int, budget: Int) throws {
        for seed in 0..<6 {
            var random = SplitMix(seed: UInt64(seed))
            let itemCount = Int.random(in: 1...3000, using: &random), collectionCount = Int.random(in: 1...900, using: &random)
            let count = [1, 50, 20_000][seed % 3]
            // The upper half of the rows gets few edges, and some none.
            let items = (0..<count).map { _ in
                UInt32(Double(itemCount) * Double.random(in: 0..<1, using: &random) * Double.random(in: 0..<1, using: &random))
            }
            let collections = (0..<count).map { _ in UInt32.random(in: 0..<UInt32(collectionCount), using: &random) }
            let weights = seed % 2 == 0 ? (0..<count).map { _ in Float(Int.random(in: 1...3, using: &random)) } : nil
            let times = seed >= 3 ? (0..<count).map { _ in Int64.random(in: -9...9, using: &random) } : nil
            let expected = try GraphBuilder.graph(
                itemCount: itemCount, collectionCount: collectionCount, items: items, collections: collections, weights: weights, times: times)

            let folder = try TemporaryFolder()
            var writer = try ArtifactWriter(kind: "graph", at: folder["g"])
            var log = EdgeLog(scratchDirectory: writer.directory, budget: budget)
            for start in stride(from: 0, to: count, by: 777) {
                let range = start..<min(start + 777, count)
                try log.append(
                    items: Array(items[range]), collections: Array(collections[range]), weights: weights.map { Array($0[range]) } ?? [],
                    times: times.map { Array($0[range]) } ?? [])
                if start % 2 == 0 { try log.seal() }
            }
            try log.seal()
            var itemCounts = RowGroupCounts(), collectionCounts = RowGroupCounts()
            itemCounts.add(items)
            collectionCounts.add(collections)
            let builder = GraphFileBuilder(itemCount: itemCount, collectionCount: collectionCount, threads: threads, budget: budget, progress: nil)
            let summary = try builder.write(log, itemCounts: itemCounts, collectionCounts: collectionCounts, into: &writer)
            // Scratch files have lost their names by now.
            #expect(try FileSystem.names(in: writer.directory) == ["graph"])
            try writer.commit()
            let artifact = try Artifact.open(folder["g"])
            try artifact.verify()
            func adjacency(_ name: String) throws -> Graph.Adjacency {
                Graph.Adjacency(
                    offsets: try artifact.vector("graph/\(name).offsets", as: Int64.self),
                    targets: try artifact.vector("graph/\(name).targets", as: UInt32.self),
                    weights: artifact.contains("graph/\(name).weights") ? try artifact.vector("graph/\(name).weights", as: Float.self) : nil,
                    times: artifact.contains("graph/\(name).times") ? try artifact.vector("graph/\(name).times", as: Int64.self) : nil)
            }
            for (made, wanted) in [(try adjacency("items"), expected.items), (try adjacency("collections"), expected.collections)] {
                #expect(made.offsets.elementsEqual(wanted.offsets))
                #expect(made.targets.elementsEqual(wanted.targets))
                #expect(made.weights.map { Array($0) } == wanted.weights.map { Array($0) })
                #expect(made.times.map { Array($0) } == wanted.times.map { Array($0) })
            }
            #expect(summary.edges == expected.edgeCount)
            #expect(summary.hasWeights == (expected.items.weights != nil) && summary.hasTimes == (expected.items.times != nil))
            #expect(summary.itemsWithoutEdges == (0..<itemCount).count { expected.degree(of: ItemID($0)) == 0 })
        }
    }

    @Test func bucketsCoverAllRowsEvenly() {
        var random = SplitMix(seed: 1)
        let rows = (0..<10_000).flatMap { row in repeatElement(UInt32(row), count: Int.random(in: 0...20, using: &random)) }
        var counts = RowGroupCounts()
        counts.add(rows)
        let buckets = EdgeBuckets(counts, rowCount: 10_000, edgesPerBucket: 5000)
        #expect(buckets.starts.first == 0 && buckets.starts.last == 10_000)
        for bucket in 0..<buckets.count {
            #expect(rows.count { buckets.rows(of: bucket).contains(Int($0)) } <= 5000)
        }
        #expect(buckets.count <= 40)
    }
}
