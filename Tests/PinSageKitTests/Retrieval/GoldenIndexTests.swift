import Foundation
import PinSageTestSupport
import Testing

@testable import PinSageKit

/// Indexes that version 1 of the layouts wrote: every later version reads them and gives the answers that were given then, or refuses them clearly.
///
/// `PINSAGE_WRITE_GOLDEN=1 swift test --filter GoldenIndexTests` writes them, which is only right for kinds that are new.
@Suite struct GoldenIndexTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Golden/v1").path
    private static let kinds = ["exact", "exact-int8", "hnsw", "hnsw-f32-cosine", "hnsw-bf16", "lsh"]
    private let kernels: Kernels
    private let queries = Matrix(rows: 6, columns: 4, values: IndexVectors.clustered(6, width: 4, seed: 52))

    init() throws { kernels = try Kernels(threads: 1) }

    private func build(_ kind: String) throws -> any NearestNeighborIndex {
        let embeddings = try IndexVectors.embeddings(IndexVectors.clustered(300, width: 4, seed: 51), width: 4, isNormalized: true)
        switch kind {
        case "hnsw":
            return try HNSWIndex.build(
                embeddings, configuration: HNSWConfiguration(links: 4, efConstruction: 30, ef: 20, batch: 50), kernels: kernels
            ).removing([ItemID(5), ItemID(250)])
        case "hnsw-f32-cosine":
            return try HNSWIndex.build(
                embeddings, configuration: HNSWConfiguration(metric: .cosine, links: 4, efConstruction: 30, ef: 20, storage: .f32, batch: 50),
                kernels: kernels)
        case "hnsw-bf16":
            return try HNSWIndex.build(
                embeddings, configuration: HNSWConfiguration(links: 4, efConstruction: 30, ef: 20, storage: .bf16, batch: 50), kernels: kernels)
        case "exact-int8": return try ExactIndex.build(embeddings, storage: .int8, kernels: kernels)
        case "lsh":
            return try LSHIndex.build(
                embeddings, configuration: LSHConfiguration(bits: 3, tables: 4, visits: 200, candidates: 40), kernels: kernels)
        default: return ExactIndex(embeddings: embeddings, kernels: kernels)
        }
    }

    /// Answers as text: a line for each query, rows and the bits of scores to three decimals, in which no instruction set differs.
    private func answers(_ index: any NearestNeighborIndex) throws -> String {
        try index.neighbors(of: queries, k: 5, excluding: [ItemID(1)]).map { found in
            found.map { "\($0.item.row):\(Int(($0.score * 1000).rounded()))" }.joined(separator: " ")
        }.joined(separator: "\n") + "\n"
    }

    @Test(arguments: kinds) func answersAreThoseOfVersion1(_ kind: String) throws {
        let path = Self.folder + "/" + kind + ".index", text = Self.folder + "/" + kind + ".answers.txt"
        if ProcessInfo.processInfo.environment["PINSAGE_WRITE_GOLDEN"] != nil, !FileManager.default.fileExists(atPath: path) {
            try FileManager.default.createDirectory(atPath: Self.folder, withIntermediateDirectories: true)
            let index = try build(kind)
            try index.write(to: path)
            try answers(index).write(toFile: text, atomically: true, encoding: .utf8)
        }
        try Artifact.open(path, kind: StoredIndex.kind).verify()
        let index = try StoredIndex.open(path, kernels: kernels)
        #expect(index.count == 300 && index.dimension == 4 && index.embeddings.identifiers[299] == "i299")
        #expect(try answers(index) == String(contentsOfFile: text, encoding: .utf8))
        if kind == "hnsw" { #expect(index.present?.count == 298) }
    }
}
