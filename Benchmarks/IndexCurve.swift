import Foundation
import PinSageKit

/// Recall against queries per second of an HNSW index on vectors of the user's own: `bench --vectors FILE.npy --queries FILE.npy`.
///
/// The truth is our exact index. Times are the best of several batches of all queries, as a shared machine disturbs the others, and the
/// distribution of single queries in turn.
struct IndexCurve {
    var vectors: String
    var queries: String
    /// Whether vectors stay in their file, as those of an index that was opened.
    var isMapped: Bool
    var configuration: HNSWConfiguration
    var kernels: Kernels

    static let poolSizes = [10, 12, 16, 20, 24, 32, 40, 48, 64, 96, 128, 192, 256, 512]

    /// The vectors and queries of the files.
    private func opened() throws -> (embeddings: Embeddings, queries: Matrix) {
        let (values, shape) = try Npy.open(vectors, as: Float.self)
        let (asked, askedShape) = try Npy.open(queries, as: Float.self)
        guard shape.count == 2, askedShape.count == 2, shape[1] == askedShape[1], askedShape[0] > 0, shape[0] >= 10 else {
            throw DataError("expected (N, d) vectors, N at least 10, and (Q, d) queries, found \(shape) and \(askedShape)", file: queries)
        }
        let embeddings = try Embeddings(
            identifiers: Identifiers((0..<shape[0]).map(String.init)), vectors: isMapped ? values : values.resident(), dimension: shape[1],
            isNormalized: false)
        return (embeddings, Matrix(rows: askedShape[0], columns: askedShape[1], values: Array(asked)))
    }

    /// Measurements of something else on the same vectors.
    func measurements(of subject: IndexMeasurements.Subject, recall: Double) throws -> IndexMeasurements {
        let (embeddings, queries) = try opened()
        return IndexMeasurements(
            subject: subject, embeddings: embeddings, queries: queries, configuration: configuration, recall: recall, kernels: kernels)
    }

    func run() throws {
        let (embeddings, matrix) = try opened()
        let truth = try ExactIndex(embeddings: embeddings, kernels: kernels).neighbors(of: matrix, k: 10, excluding: []).map { Set($0.map(\.item)) }
        let before = residentBytes(), processorBefore = processorSeconds(), clock = ContinuousClock(), start = clock.now
        let index = try HNSWIndex.build(embeddings, configuration: configuration, kernels: kernels)
        let build = start.duration(to: clock.now) / .seconds(1)
        print(
            "\(embeddings.count) x \(embeddings.dimension), \(configuration.storage.rawValue), M \(configuration.links), efConstruction \(configuration.efConstruction), "
                + "\(kernels.threads) threads, \(kernels.instructionSet.rawValue)")
        print(
            String(
                format: "build %.1f s, %.1f s of processor time, %lld MiB beside the f32 vectors, %lld MiB in all that are not of files", build,
                processorSeconds() - processorBefore, (residentBytes() - before) >> 20, residentBytes() >> 20))
        print("   ef  recall@10  queries/s   one query: median ms   p99 ms")
        for ef in Self.poolSizes {
            var best = Double.infinity
            var found: [[Neighbor]] = []
            for _ in 0..<7 {
                let start = clock.now
                found = try index.neighbors(of: matrix, k: 10, ef: ef)
                best = min(best, start.duration(to: clock.now) / .seconds(1))
            }
            let hits = zip(truth, found).reduce(0) { $0 + $1.0.intersection($1.1.map(\.item)).count }
            var single: [Double] = []
            for row in 0..<matrix.rows {
                let query = matrix.rows(row..<row + 1), start = clock.now
                _ = try index.neighbors(of: query, k: 10, ef: ef)
                single.append(start.duration(to: clock.now) / .milliseconds(1))
            }
            single.sort()
            print(
                String(
                    format: "%5d     %.4f  %9.0f                  %6.3f   %6.3f", ef, Double(hits) / Double(10 * matrix.rows),
                    Double(matrix.rows) / best, single[single.count / 2], single[single.count * 99 / 100]))
        }
    }

    private func processorSeconds() -> Double { Double(clock()) / Double(CLOCKS_PER_SEC) }

    /// What of this process is in memory, files aside.
    private func residentBytes() -> Int {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("RssAnon:") }
        return (line?.split(separator: " ").compactMap { Int($0) }.first ?? 0) << 10
    }
}
