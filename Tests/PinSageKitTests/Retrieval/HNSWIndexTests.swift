import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite struct HNSWIndexTests {
    private let kernels: Kernels

    init() throws { kernels = try Kernels(threads: 2) }

    private func recall(_ found: [[Neighbor]], _ truth: [[Neighbor]]) -> Double {
        let hits = zip(truth, found).reduce(0) { $0 + Set($1.0.map(\.item)).intersection($1.1.map(\.item)).count }
        return Double(hits) / Double(truth.reduce(0) { $0 + $1.count })
    }

    @Test func efIsPerCall() throws {
        let embeddings = try IndexVectors.embeddings(TinyGraphs.matrix(rows: 4000, columns: 32, seed: 1).values, width: 32)
        let index = try HNSWIndex.build(embeddings, configuration: HNSWConfiguration(links: 6, efConstruction: 40), kernels: kernels)
        let queries = TinyGraphs.matrix(rows: 100, columns: 32, seed: 2)
        let truth = try ExactIndex(embeddings: embeddings, kernels: kernels).neighbors(of: queries, k: 10, excluding: [])
        let recalls = try [10, 40, 160, 640].map { recall(try index.neighbors(of: queries, k: 10, ef: $0), truth) }
        #expect(recalls == recalls.sorted() && recalls[0] < 0.8 && recalls[3] > 0.98, "\(recalls)")
        #expect(throws: ConfigurationError.self) { try index.neighbors(of: queries, k: 10, ef: 0) }
    }

    /// However large: the pool is no larger than the index.
    @Test(arguments: [1, 300, Int.max]) func anyEf(_ ef: Int) throws {
        let kernels = try Kernels(threads: 1)
        let embeddings = try IndexVectors.embeddings(IndexVectors.clustered(400, width: 6, seed: 61), width: 6, isNormalized: true)
        let index = try HNSWIndex.build(embeddings, configuration: HNSWConfiguration(links: 6, efConstruction: 30), kernels: kernels)
        let filter = ItemFilter(items: 400, allowed: (0..<200).map { ItemID($0) })
        let query = Matrix(rows: 1, columns: 6, values: embeddings[ItemID(9)])
        #expect(try index.neighbors(of: query, k: 5, ef: ef)[0].count == 5)
        #expect(try index.neighbors(of: query, k: 5, among: filter, ef: ef)[0].allSatisfy { filter.contains($0.item) })
        // By the item: as by its vector, itself left out.
        #expect(try index.neighbors(of: ItemID(9), k: 5, ef: ef) == index.neighbors(of: query, k: 5, excluding: [ItemID(9)], ef: ef)[0])
        #expect(throws: DataError.self) { try index.neighbors(of: ItemID(400), k: 5) }
    }

    /// A copy in memory finds what the mapped files do, bit for bit, with removed items and without.
    @Test(arguments: IndexStorage.allCases) func residentIsEqual(_ storage: IndexStorage) throws {
        let folder = try TemporaryFolder(), kernels = try Kernels(threads: 1)
        let vectors = TinyGraphs.matrix(rows: 500, columns: 16, seed: 3)
        let embeddings = try Embeddings(
            identifiers: Identifiers((0..<500).map { "i\($0)" }), vectors: StoredArray(vectors.values), dimension: 16, isNormalized: false)
        let built = try HNSWIndex.build(embeddings, configuration: HNSWConfiguration(storage: storage), kernels: kernels)
        for (name, index) in [("all", built), ("fewer", built.removing((0..<40).map { ItemID($0 * 7) }))] {
            try index.write(to: folder[name])
            let mapped = try StoredIndex.open(folder[name], kernels: kernels)
            let resident = try mapped.resident()
            let queries = TinyGraphs.matrix(rows: 20, columns: 16, seed: 4)
            #expect(try resident.neighbors(of: queries, k: 10, excluding: []) == mapped.neighbors(of: queries, k: 10, excluding: []))
            #expect(resident.present?.count == mapped.present?.count && resident.embeddings.vectorsChecksum == mapped.embeddings.vectorsChecksum)
        }
    }

    @Test func cosineDividesByLengths() throws {
        let values = TinyGraphs.matrix(rows: 900, columns: 10, seed: 3).values.enumerated().map { $0.element * Float(1 + $0.offset / 10 % 7) }
        let embeddings = try IndexVectors.embeddings(values, width: 10)
        let queries = TinyGraphs.matrix(rows: 20, columns: 10, seed: 4)
        let unit = try IndexVectors.embeddings(Array(kernels.normalized(StoredArray(values), width: 10)), width: 10, isNormalized: true)
        let truth = try ExactIndex(embeddings: unit, kernels: kernels).neighbors(
            of: Matrix(rows: 20, columns: 10, values: Array(kernels.normalized(StoredArray(queries.values), width: 10))), k: 5, excluding: [])
        let index = try HNSWIndex.build(embeddings, configuration: HNSWConfiguration(metric: .cosine, ef: 200), kernels: kernels)
        let found = try index.neighbors(of: queries, k: 5, excluding: [])
        #expect(recall(found, truth) > 0.98)
        #expect(found.joined().allSatisfy { -1.0001...1.0001 ~= $0.score })
        let folder = try TemporaryFolder()
        try index.write(to: folder["i"])
        #expect(try StoredIndex.open(folder["i"], kernels: kernels).neighbors(of: queries, k: 5, excluding: []) == found)
    }

    @Test func levelsFollowTheirLaw() {
        let (order, levels) = HNSWIndex.insertionOrder(count: 100_000, configuration: HNSWConfiguration(links: 10))
        #expect(order.sorted() == Array(0..<100_000))
        let inOrder = order.map { levels[Int($0)] }
        #expect(inOrder == inOrder.sorted(by: >))
        // Each share is that of a binomial draw within five standard deviations.
        for (level, share) in [(1, 0.1), (2, 0.01), (3, 0.001)] {
            let count = Double(levels.count { Int($0) >= level })
            #expect(abs(count - 100_000 * share) < 5 * (100_000 * share).squareRoot(), "\(count) items in layer \(level)")
        }
        #expect(HNSWIndex.insertionOrder(count: 100, configuration: HNSWConfiguration(seed: 8)).order != Array(order.prefix(100)))
    }

    @Test func configurationsAndVectorsOutsideTheirRangesAreRefused() throws {
        let embeddings = try IndexVectors.embeddings([1, 2, 3, 4], width: 2)
        for configuration in [
            HNSWConfiguration(links: 1), HNSWConfiguration(links: 257), HNSWConfiguration(efConstruction: 0), HNSWConfiguration(ef: 0),
            HNSWConfiguration(batch: 0), HNSWConfiguration(batch: 65537),
        ] {
            #expect(throws: ConfigurationError.self) { try HNSWIndex.build(embeddings, configuration: configuration, kernels: kernels) }
        }
        for value in [Float.nan, .infinity, 2e15] {
            let bad = try IndexVectors.embeddings([1, 2, 3, value], width: 2)
            let error = #expect(throws: DataError.self) { try HNSWIndex.build(bad, kernels: kernels) }
            #expect(error?.message.contains("\"i1\"") == true)
        }
    }

    /// What a manifest with a right checksum may still say wrong.
    @Test func manifestsThatContradictTheArraysAreRefused() throws {
        let folder = try TemporaryFolder()
        let index = try HNSWIndex.build(
            IndexVectors.embeddings(IndexVectors.clustered(50, width: 4, seed: 1), width: 4), configuration: HNSWConfiguration(links: 4),
            kernels: kernels)
        try index.write(to: folder["i"])
        let artifact = try Artifact.open(folder["i"])
        for (key, value): (String, JSONValue) in [
            ("entry", 50), ("entry", -1), ("entry", -2), ("top", 16), ("top", -1), ("links", 5), ("links", 0), ("storage", "f64"),
            ("storage", "bf16"),
            ("metric", "l2"), ("hnsw_version", 3), ("hnsw_version", 2), ("index", "tree"), ("ef", 0), ("seed", "x"),
        ] {
            var writer = try ArtifactWriter(kind: StoredIndex.kind, at: folder["bad"])
            for name in artifact.manifest.files.keys.sorted() { try writer.addFile(named: name, from: artifact) }
            try writer.commit(metadata: artifact.manifest.metadata.merging([key: value]) { $1 })
            let error = #expect(throws: DataError.self, "\(key) \(value.serialized())") { try StoredIndex.open(folder["bad"], kernels: kernels) }
            #expect(error?.file?.hasPrefix(folder["bad"]) == true)
        }
    }
}
