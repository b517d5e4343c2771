import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite struct LSHIndexTests {
    private let kernels: Kernels

    init() throws { kernels = try Kernels(threads: 2) }

    private func embeddings(_ count: Int, width: Int = 24, seed: UInt64 = 41) throws -> Embeddings {
        try IndexVectors.embeddings(IndexVectors.clustered(count, width: width, seed: seed), width: width, isNormalized: true)
    }

    private func recall(_ found: [[Neighbor]], _ truth: [[Neighbor]]) -> Double {
        let hits = zip(truth, found).reduce(0) { $0 + Set($1.0).intersection($1.1).count }
        return Double(hits) / Double(truth.reduce(0) { $0 + $1.count })
    }

    /// What is chosen reaches the recall that was asked for on queries that it has not seen, and reads far less than everything.
    @Test func settingsFollowTheRecall() throws {
        let embeddings = try embeddings(12_000)
        let queries = Matrix(rows: 200, columns: 24, values: IndexVectors.clustered(200, width: 24, seed: 42))
        let truth = try ExactIndex(embeddings: embeddings, kernels: kernels).neighbors(of: queries, k: 10, excluding: [])
        var work: [Double] = []
        for target in [0.5, 0.8, 0.95] {
            let index = try LSHIndex.build(embeddings, configuration: LSHConfiguration(recall: target), kernels: kernels)
            let found = recall(try index.neighbors(of: queries, k: 10, excluding: []), truth)
            #expect(found >= target, "\(target): \(found) with \(index.parameters)")
            #expect(index.parameters.measuredRecall.map { $0 >= target } == true)
            let parameters = index.parameters
            let (_, visited, _) = try index.search(
                queries, found: 10, filter: nil, visits: parameters.visits, candidates: parameters.candidates, tables: parameters.tables)
            work.append(Double(visited.reduce(0, +)) / 200 + Double(parameters.candidates))
            #expect(parameters.candidates < 12_000 / 2)
        }
        #expect(work[0] <= work[2], "\(work)")
    }

    @Test func settingsMayBeGiven() throws {
        let embeddings = try embeddings(3000)
        let index = try LSHIndex.build(
            embeddings, configuration: LSHConfiguration(bits: 5, tables: 6, visits: 900, candidates: 100, seed: 3), kernels: kernels)
        #expect(index.parameters.bits == 5 && index.parameters.tables == 6 && index.parameters.visits == 900 && index.parameters.candidates == 100)
        #expect(index.buckets.count == 6 * 33 && index.postings.count == 6 * 3000)
        for table in 0..<6 {
            let lists = (0..<32).map { cell in
                Array(index.postings[table * 3000 + Int(index.buckets[table * 33 + cell])..<table * 3000 + Int(index.buckets[table * 33 + cell + 1])])
            }
            #expect(lists.joined().sorted() == (0..<3000).map { UInt32($0) } && lists.allSatisfy { $0 == $0.sorted() })
        }
        // More of either finds more.
        let queries = Matrix(rows: 100, columns: 24, values: IndexVectors.clustered(100, width: 24, seed: 43))
        let truth = try ExactIndex(embeddings: embeddings, kernels: kernels).neighbors(of: queries, k: 10, excluding: [])
        let few = recall(try index.neighbors(of: queries, k: 10, visits: 100, candidates: 20), truth)
        let many = recall(try index.neighbors(of: queries, k: 10, visits: 6000, candidates: 1000), truth)
        #expect(few < many && many > 0.97, "\(few), \(many)")
        #expect(throws: ConfigurationError.self) { try index.neighbors(of: queries, k: 1, visits: 0) }
        #expect(throws: ConfigurationError.self) { try index.neighbors(of: queries, k: 1, visits: nil, candidates: 0) }
    }

    /// Terms of a query: its own buckets first, weights that rank them, no bucket twice.
    @Test func terms() throws {
        let index = try LSHIndex.build(
            embeddings(4000), configuration: LSHConfiguration(bits: 6, tables: 8, visits: 1000, candidates: 100), kernels: kernels)
        for row in [0, 7, 3999] {
            let query = index.embeddings[ItemID(row)]
            let products = try kernels.products(of: query, rows: index.planes.planes)
            let terms = QueryHasher(index: index, tables: 8).terms(of: query, products: products, visits: 2000)
            #expect(Set(terms.map(\.begin)).count == terms.count)
            #expect(zip(terms, terms.dropFirst()).allSatisfy { $0.weight >= $1.weight } && terms.allSatisfy { $0.weight >= 1 && $0.table < 8 })
            #expect(terms.reduce(0) { $0 + $1.end - $1.begin } >= 2000)
            // An item is in its own buckets, and nearly all of these are among the terms.
            let own = terms.count { term in index.postings[term.begin..<term.end].contains(UInt32(row)) }
            #expect(own >= 7, "\(own) of 8")
        }
    }

    @Test func configurationsOutsideTheirRangesAreRefused() throws {
        let embeddings = try embeddings(20)
        for configuration in [
            LSHConfiguration(recall: 0), LSHConfiguration(recall: 1), LSHConfiguration(bits: 0), LSHConfiguration(bits: 17),
            LSHConfiguration(tables: 0),
            LSHConfiguration(tables: 257), LSHConfiguration(visits: 0), LSHConfiguration(candidates: 0),
        ] {
            #expect(throws: ConfigurationError.self) { try LSHIndex.build(embeddings, configuration: configuration, kernels: kernels) }
        }
        let bad = try IndexVectors.embeddings([1, 2, 3, .nan], width: 2)
        #expect(throws: DataError.self) { try LSHIndex.build(bad, kernels: kernels) }
    }

    /// What a manifest with a right checksum may still say wrong.
    @Test func manifestsThatContradictTheArraysAreRefused() throws {
        let folder = try TemporaryFolder()
        let index = try LSHIndex.build(
            embeddings(400), configuration: LSHConfiguration(bits: 4, tables: 3, visits: 50, candidates: 20), kernels: kernels)
        try index.write(to: folder["i"])
        let artifact = try Artifact.open(folder["i"])
        for (key, value): (String, JSONValue) in [
            ("bits", 5), ("bits", 0), ("bits", 40), ("tables", 2), ("tables", 0), ("tables", 300), ("lsh_version", 2), ("visits", 0),
            ("candidates", -1), ("seed", "x"), ("length", 0), ("length", -1), ("distance", -1), ("distance", "far"), ("index", "hnsw"),
        ] {
            var writer = try ArtifactWriter(kind: StoredIndex.kind, at: folder["bad"])
            for name in artifact.manifest.files.keys.sorted() { try writer.addFile(named: name, from: artifact) }
            try writer.commit(metadata: artifact.manifest.metadata.merging([key: value]) { $1 })
            let error = #expect(throws: DataError.self, "\(key) \(value.serialized())") { try StoredIndex.open(folder["bad"], kernels: kernels) }
            #expect(error?.file?.hasPrefix(folder["bad"]) == true)
        }
    }

    /// Damage of what a search reads gives an error or an answer, never a crash.
    @Test func damagedFiles() throws {
        let folder = try TemporaryFolder()
        let index = try LSHIndex.build(
            embeddings(1000), configuration: LSHConfiguration(bits: 4, tables: 5, visits: 300, candidates: 40), kernels: kernels)
        try index.write(to: folder["i"])
        let queries = Matrix(rows: 3, columns: 24, values: IndexVectors.clustered(3, width: 24, seed: 44))
        var random = SplitMix(seed: 45), answered = 0
        for name in ["planes.npy", "plane_lifts.npy", "thresholds.npy", "buckets.npy", "postings.npy", "vectors.npy"] {
            let bytes = try folder.read("i/" + name)
            for pass in 0..<20 {
                var altered = bytes
                for _ in 0..<(pass < 10 ? 5 : bytes.count / 8) {
                    let place = 128 + Int(random.next() % UInt64(bytes.count - 128))
                    altered[place] = pass % 3 == 0 ? 0xff : UInt8(truncatingIfNeeded: random.next())
                }
                try folder.write("i/" + name, altered)
                do {
                    let found = try StoredIndex.open(folder["i"], kernels: kernels).neighbors(of: queries, k: 7, excluding: [])
                    #expect(found.allSatisfy { $0.count == 7 && $0.allSatisfy { 0..<1000 ~= Int($0.item.row) } })
                    answered += 1
                } catch is DataError {}
            }
            try folder.write("i/" + name, bytes)
        }
        #expect(answered > 60)
    }
}
