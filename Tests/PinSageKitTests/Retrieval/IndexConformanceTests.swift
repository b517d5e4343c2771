import PinSageTestSupport
import Testing

@testable import PinSageKit

/// A kind of index, as every test of this file runs on it.
struct IndexKind: CustomTestStringConvertible, Sendable {
    let testDescription: String
    /// The least recall@10 on clustered vectors.
    let recall: Double
    let build: @Sendable (Embeddings, Kernels) throws -> any NearestNeighborIndex

    static let all: [IndexKind] =
        [
            IndexKind(testDescription: "exact", recall: 1) { ExactIndex(embeddings: $0, kernels: $1) },
            IndexKind(testDescription: "exact, int8", recall: 1) { try ExactIndex.build($0, storage: .int8, kernels: $1) },
            IndexKind(testDescription: "lsh", recall: 0.95) {
                try LSHIndex.build($0, configuration: LSHConfiguration(recall: 0.97), kernels: $1)
            },
        ]
        + IndexStorage.allCases.map { storage in
            IndexKind(testDescription: "hnsw, \(storage.rawValue)", recall: 0.97) {
                try HNSWIndex.build(
                    $0, configuration: HNSWConfiguration(links: 8, efConstruction: 80, ef: 80, storage: storage, batch: 100), kernels: $1)
            }
        }
}

/// Vectors for index tests.
enum IndexVectors {
    static func embeddings(_ values: [Float], width: Int, isNormalized: Bool = false) throws -> Embeddings {
        try Embeddings(
            identifiers: Identifiers((0..<values.count / width).map { "i\($0)" }), vectors: StoredArray(values), dimension: width,
            isNormalized: isNormalized)
    }

    /// Unit vectors around 40 centers.
    static func clustered(_ count: Int, width: Int, seed: UInt64) -> [Float] {
        var random = SplitMix(seed: 99)
        let centers = (0..<40).map { _ in (0..<width).map { _ in random.signedUnit() } }
        random = SplitMix(seed: seed)
        return (0..<count).flatMap { _ -> [Float] in
            let center = centers[Int(random.next() % 40)]
            let vector = center.map { $0 + 0.5 * random.signedUnit() }
            let length = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return vector.map { $0 / length }
        }
    }
}

@Suite struct IndexConformanceTests {
    private let kernels: Kernels

    init() throws { kernels = try Kernels(threads: 2) }

    /// What holds for the answers of every index, whatever it finds.
    private func expectSound(
        _ answers: [[Neighbor]], _ queries: Matrix, k: Int, excluding: Set<ItemID>, _ index: any NearestNeighborIndex, _ what: Comment
    ) throws {
        #expect(answers.count == queries.rows, "\(what)")
        let candidates = index.count - excluding.filter { Int($0.row) < index.count }.count
        let all = try ExactIndex(embeddings: index.embeddings, kernels: kernels).neighbors(of: queries, k: index.count, excluding: [])
        for (row, found) in answers.enumerated() {
            #expect(found.count == min(k, candidates), "\(what)")
            #expect(Set(found.map(\.item)).count == found.count && excluding.isDisjoint(with: found.map(\.item)), "\(what)")
            let inOrder = zip(found, found.dropFirst()).allSatisfy { $0.score > $1.score || ($0.score == $1.score && $0.item.row < $1.item.row) }
            #expect(inOrder, "\(what)")
            let scores = Dictionary(uniqueKeysWithValues: all[row].map { ($0.item, $0.score) })
            // bf16 and int8 are re-ranked in f32, so that scores are the exact index's own.
            #expect(found.allSatisfy { scores[$0.item] == $0.score }, "\(what)")
        }
    }

    @Test(arguments: IndexKind.all) func countsAreNeverShort(_ kind: IndexKind) throws {
        for (count, width) in [(1, 3), (2, 8), (17, 5), (300, 16)] {
            let index = try kind.build(IndexVectors.embeddings(IndexVectors.clustered(count, width: width, seed: 1), width: width), kernels)
            #expect(index.count == count && index.dimension == width)
            let queries = Matrix(rows: 5, columns: width, values: IndexVectors.clustered(5, width: width, seed: 2))
            for k in [0, 1, 10, count - 1, count, count + 1, 5 * count] {
                for excluding: Set<ItemID> in [[], [ItemID(0)], Set((0..<count / 2).map { ItemID($0) }), Set((0..<count).map { ItemID($0) })] {
                    try expectSound(
                        try index.neighbors(of: queries, k: k, excluding: excluding), queries, k: k, excluding: excluding, index,
                        "\(count) items, k \(k), without \(excluding.count)")
                }
            }
        }
    }

    @Test(arguments: IndexKind.all) func emptyIndexes(_ kind: IndexKind) throws {
        let index = try kind.build(IndexVectors.embeddings([], width: 4), kernels)
        #expect(try index.neighbors(of: Matrix(rows: 2, columns: 4), k: 3, excluding: [ItemID(0)]) == [[], []])
        #expect(try index.neighbors(of: Matrix(rows: 0, columns: 4), k: 3, excluding: []) == [])
        let folder = try TemporaryFolder()
        try index.write(to: folder["i"])
        let opened = try StoredIndex.open(folder["i"], kernels: kernels)
        #expect(try opened.neighbors(of: Matrix(rows: 1, columns: 4), k: 3, excluding: []) == [[]])
    }

    @Test(arguments: IndexKind.all) func badQueriesAreRefused(_ kind: IndexKind) throws {
        let index = try kind.build(IndexVectors.embeddings(IndexVectors.clustered(9, width: 4, seed: 1), width: 4), kernels)
        #expect(throws: DataError.self) { try index.neighbors(of: Matrix(rows: 1, columns: 5), k: 1, excluding: []) }
        #expect(throws: ConfigurationError.self) { try index.neighbors(of: Matrix(rows: 1, columns: 4), k: -1, excluding: []) }
    }

    /// Equal vectors, zeros, and queries that rank nothing.
    @Test(arguments: IndexKind.all) func ties(_ kind: IndexKind) throws {
        let width = 6, vector: [Float] = [0.5, -0.25, 0.75, 0, 1, 0.125]
        let equal = (0..<400).flatMap { _ in vector }
        let zeros = [Float](repeating: 0, count: 400 * width)
        let few = (0..<400).flatMap { row in (0..<width).map { Float((row + $0) % 3) } }
        for (name, values) in [("equal", equal), ("zeros", zeros), ("three vectors", few)] {
            let index = try kind.build(IndexVectors.embeddings(values, width: width), kernels)
            let exact = ExactIndex(embeddings: index.embeddings, kernels: kernels)
            for (what, query) in [("vector", vector), ("zero", [Float](repeating: 0, count: width)), ("tiny", vector.map { $0 * 1e-30 })] {
                let query = Matrix(rows: 1, columns: width, values: query)
                for k in [1, 20, 400] {
                    let found = try index.neighbors(of: query, k: k, excluding: [])
                    try expectSound(found, query, k: k, excluding: [], index, "\(name), \(what), k \(k)")
                    // Which of equal items is up to the graph, but never their scores.
                    #expect(try found[0].map(\.score) == exact.neighbors(of: query, k: k, excluding: [])[0].map(\.score), "\(name), \(what), k \(k)")
                }
            }
        }
    }

    @Test(arguments: IndexKind.all) func queriesThatAreNotNumbersAreRefused(_ kind: IndexKind) throws {
        let index = try kind.build(IndexVectors.embeddings(IndexVectors.clustered(500, width: 8, seed: 1), width: 8), kernels)
        var query = Matrix(rows: 1, columns: 8, values: IndexVectors.clustered(1, width: 8, seed: 3))
        for value in [Float.nan, .infinity, -.infinity] {
            query[0, 3] = value
            #expect(throws: DataError.self) { try index.neighbors(of: query, k: 7, excluding: []) }
        }
        // Finite, though its products are not.
        query[0, 3] = 3e38
        #expect(try index.neighbors(of: query, k: 7, excluding: [])[0].count == 7)
    }

    @Test(arguments: IndexKind.all) func recallOnClusters(_ kind: IndexKind) throws {
        let width = 24, count = 6000
        let values = IndexVectors.clustered(count, width: width, seed: 4)
        let queries = Matrix(rows: 200, columns: width, values: IndexVectors.clustered(200, width: width, seed: 5))
        let embeddings = try IndexVectors.embeddings(values, width: width)
        let truth = try ExactIndex(embeddings: embeddings, kernels: kernels).neighbors(of: queries, k: 10, excluding: [])
        let found = try kind.build(embeddings, kernels).neighbors(of: queries, k: 10, excluding: [])
        let hits = zip(truth, found).reduce(0) { $0 + Set($1.0.map(\.item)).intersection($1.1.map(\.item)).count }
        #expect(Double(hits) / 2000 >= kind.recall, "recall@10 \(Double(hits) / 2000)")
        // Vectors of any length: the largest dot products, not the smallest angles.
        var random = SplitMix(seed: 6)
        let scaled = (0..<count).flatMap { row -> [Float] in
            let length = 1 + 0.5 * random.signedUnit()
            return values[row * width..<(row + 1) * width].map { $0 * length }
        }
        let lengths = try IndexVectors.embeddings(scaled, width: width)
        let best = try ExactIndex(embeddings: lengths, kernels: kernels).neighbors(of: queries, k: 10, excluding: [])
        let near = try kind.build(lengths, kernels).neighbors(of: queries, k: 10, excluding: [])
        let same = zip(best, near).reduce(0) { $0 + Set($1.0.map(\.item)).intersection($1.1.map(\.item)).count }
        #expect(Double(same) / 2000 >= kind.recall - 0.02, "recall@10 \(Double(same) / 2000) of inner products")
    }

    /// Filters of any width: right items, right counts, and as many of the true neighbors as without.
    @Test(arguments: IndexKind.all) func filters(_ kind: IndexKind) throws {
        let width = 24, count = 6000
        let embeddings = try IndexVectors.embeddings(IndexVectors.clustered(count, width: width, seed: 14), width: width)
        let index = try kind.build(embeddings, kernels)
        let queries = Matrix(rows: 60, columns: width, values: IndexVectors.clustered(60, width: width, seed: 15))
        let ranked = try ExactIndex(embeddings: embeddings, kernels: kernels).neighbors(of: queries, k: count, excluding: [])
        var random = SplitMix(seed: 16)
        for share in [0.5, 0.1, 0.01, 0.001, 0] {
            let allowed = (0..<count).filter { _ in Double(random.next() >> 11) * 0x1p-53 < share }.map { ItemID($0) }
            let filter = ItemFilter(items: count, allowed: allowed)
            #expect(filter.count == allowed.count && filter.rows == allowed.map { Int64($0.row) })
            let excluding = Set(allowed.prefix(3))
            for k in [1, 10, 200, count] {
                let found = try index.neighbors(of: queries, k: k, among: filter, excluding: excluding)
                var hits = 0, all = 0
                for (row, answers) in found.enumerated() {
                    let truth = ranked[row].filter { filter.contains($0.item) && !excluding.contains($0.item) }.prefix(k)
                    #expect(answers.count == truth.count, "share \(share), k \(k)")
                    #expect(answers.allSatisfy { filter.contains($0.item) && !excluding.contains($0.item) })
                    hits += Set(truth).intersection(answers).count
                    all += truth.count
                }
                #expect(Double(hits) >= kind.recall * Double(all), "share \(share), k \(k): \(hits) of \(all)")
            }
        }
        let other = ItemFilter(items: count - 1, allowed: [])
        #expect(throws: DataError.self) { try index.neighbors(of: queries, k: 1, among: other, excluding: []) }
    }

    /// The same files on 1, 2 and 7 threads, and again; and what is opened answers as what was built.
    @Test(arguments: IndexKind.all) func buildsAreEqualBitForBit(_ kind: IndexKind) throws {
        let folder = try TemporaryFolder()
        let embeddings = try IndexVectors.embeddings(IndexVectors.clustered(1500, width: 20, seed: 7), width: 20)
        let queries = Matrix(rows: 30, columns: 20, values: IndexVectors.clustered(30, width: 20, seed: 8))
        var first: (manifest: [UInt8], answers: [[Neighbor]])?
        for (run, threads) in [1, 2, 7, 2].enumerated() {
            let kernels = try Kernels(threads: threads)
            let index = try kind.build(embeddings, kernels)
            try index.write(to: folder["\(run)"])
            let opened = try StoredIndex.open(folder["\(run)"], kernels: kernels)
            // The manifest holds the checksum of every file.
            let manifest = try folder.read("\(run)/manifest.json"), answers = try index.neighbors(of: queries, k: 10, excluding: [])
            #expect(try opened.neighbors(of: queries, k: 10, excluding: []) == answers)
            for row in 0..<3 {
                #expect(try opened.neighbors(of: queries.rows(row..<row + 1), k: 10, excluding: [])[0] == answers[row])
            }
            if let first {
                #expect(manifest == first.manifest, "\(threads) threads")
                #expect(answers == first.answers, "\(threads) threads")
            } else {
                first = (manifest, answers)
            }
        }
    }

    /// Many searches of one index at once, of different sizes, all get what they get alone.
    @Test(arguments: IndexKind.all) func searchesAtOnce(_ kind: IndexKind) async throws {
        let one = try Kernels(threads: 1)
        let index = try kind.build(IndexVectors.embeddings(IndexVectors.clustered(1200, width: 12, seed: 9), width: 12), one)
        let queries = Matrix(rows: 64, columns: 12, values: IndexVectors.clustered(64, width: 12, seed: 10))
        let expected = try (1...8).map { try index.neighbors(of: queries, k: $0 * 7, excluding: []) }
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for task in 0..<48 {
                group.addTask {
                    let found = try index.neighbors(of: queries, k: (task % 8 + 1) * 7, excluding: [])
                    return found == expected[task % 8]
                }
            }
            for try await isEqual in group { #expect(isEqual) }
        }
    }

    /// Damage of any kind gives an error or an answer, never a crash.
    @Test(arguments: IndexKind.all) func damagedFiles(_ kind: IndexKind) throws {
        let folder = try TemporaryFolder()
        let index = try kind.build(IndexVectors.embeddings(IndexVectors.clustered(200, width: 6, seed: 11), width: 6), kernels)
        try index.write(to: folder["i"])
        let queries = Matrix(rows: 4, columns: 6, values: IndexVectors.clustered(4, width: 6, seed: 12))
        let files = try Artifact.open(folder["i"]).manifest.files.keys.sorted()
        #expect(files.contains("vectors.npy"))
        var random = SplitMix(seed: 13), answered = 0
        for name in files + ["manifest.json"] {
            let path = "i/" + name, bytes = try folder.read(path)
            for length in [0, 1, 64, bytes.count / 2, bytes.count - 1, bytes.count + 1] where length != bytes.count {
                try folder.write(path, length < bytes.count ? Array(bytes[..<length]) : bytes + [0])
                #expect(throws: DataError.self, "\(name) of \(length) bytes") { try StoredIndex.open(folder["i"], kernels: kernels) }
            }
            for pass in 0..<30 {
                var altered = bytes
                for _ in 0..<(pass < 15 ? 1 : 40) {
                    altered[Int(random.next() % UInt64(bytes.count))] = pass % 3 == 0 ? 0xff : UInt8(truncatingIfNeeded: random.next())
                }
                try folder.write(path, altered)
                if altered != bytes { #expect(throws: DataError.self) { try Artifact.open(folder["i"]).verify() } }
                do {
                    let found = try StoredIndex.open(folder["i"], kernels: kernels).neighbors(of: queries, k: 9, excluding: [])
                    #expect(found.allSatisfy { $0.count == 9 && $0.allSatisfy { 0..<200 ~= Int($0.item.row) } })
                    answered += 1
                } catch is DataError {}
            }
            try folder.write(path, bytes)
        }
        #expect(answered > 0)
        #expect(throws: Never.self) { try StoredIndex.open(folder["i"], kernels: kernels) }
    }
}
