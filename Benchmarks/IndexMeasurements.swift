import Foundation
import PinSageKit

/// What else is measured of indexes on vectors of the user's own: `bench --vectors FILE.npy --queries FILE.npy --measure lsh|filters|changes`.
///
/// The truth is our exact index. Single queries, one after the other: their median, and the time that 99 of 100 stay below.
struct IndexMeasurements {
    enum Subject: String, CaseIterable {
        case lsh, filters, changes
    }

    var subject: Subject
    var embeddings: Embeddings
    var queries: Matrix
    var configuration: HNSWConfiguration
    /// The recall that lsh is tuned to.
    var recall: Double
    var kernels: Kernels

    private typealias Search = (Matrix) throws -> [[Neighbor]]

    func run() throws {
        print(
            "\(embeddings.count) x \(embeddings.dimension), \(queries.rows) queries, \(kernels.threads) threads, \(kernels.instructionSet.rawValue)")
        switch subject {
        case .lsh: try hashes()
        case .filters: try filters()
        case .changes: try changes()
        }
    }

    private func time<R>(_ body: () throws -> R) rethrows -> (result: R, seconds: Double) {
        let clock = ContinuousClock(), start = clock.now
        let result = try body()
        return (result, start.duration(to: clock.now) / .seconds(1))
    }

    private func singles(_ search: Search) throws -> (median: Double, p99: Double) {
        var times: [Double] = []
        for row in 0..<queries.rows { times.append(try time { try search(queries.rows(row..<row + 1)) }.seconds * 1000) }
        times.sort()
        return (times[times.count / 2], times[times.count * 99 / 100])
    }

    private func recall(_ found: [[Neighbor]], _ truth: [[Neighbor]]) -> Double {
        let hits = zip(found, truth).reduce(0) { $0 + Set($1.0.map(\.item)).intersection($1.1.map(\.item)).count }
        return Double(hits) / Double(max(truth.reduce(0) { $0 + $1.count }, 1))
    }

    private func hashes() throws {
        let exact = ExactIndex(embeddings: embeddings, kernels: kernels)
        let truth = try exact.neighbors(of: queries, k: 10, excluding: [])
        let plain = try singles { try exact.neighbors(of: $0, k: 10, excluding: []) }
        print(String(format: "exact f32: one query: median %.3f ms, p99 %.3f ms", plain.median, plain.p99))
        let (index, seconds) = try time {
            try LSHIndex.build(embeddings, configuration: LSHConfiguration(recall: recall), kernels: kernels)
        }
        let chosen = index.parameters
        print(
            String(format: "lsh for recall %.3f: built and tuned in %.1f s: ", recall, seconds)
                + "\(chosen.bits) bits, \(chosen.tables) tables, \(chosen.visits) visits, \(chosen.candidates) candidates")
        print("visits of the tuned  recall@10   one query: median ms   p99 ms   exact / lsh")
        for factor in [0.25, 0.5, 1, 2, 4] {
            let visits = max(Int(Double(chosen.visits) * factor), 1)
            let search: Search = { try index.neighbors(of: $0, k: 10, visits: visits) }
            let found = try search(queries), times = try singles(search)
            print(
                String(
                    format: "%19.2f     %.4f                 %6.3f   %6.3f         %5.1f", factor, recall(found, truth), times.median, times.p99,
                    plain.median / times.median))
        }
    }

    private func filters() throws {
        let count = embeddings.count
        let exact = ExactIndex(embeddings: embeddings, kernels: kernels)
        let graph = try HNSWIndex.build(embeddings, configuration: configuration, kernels: kernels)
        let hashed = try LSHIndex.build(embeddings, configuration: LSHConfiguration(recall: recall), kernels: kernels)
        print("share  index  recall@10   one query: median ms   p99 ms")
        for share in [0.01, 0.1, 0.5, 1] {
            var random = Generator(3)
            let filter = ItemFilter(items: count, allowed: (0..<count).lazy.filter { _ in random.fraction() < share }.map { ItemID($0) })
            let truth = try exact.neighbors(of: queries, k: 10, among: filter, excluding: [])
            let kinds: [(String, any NearestNeighborIndex)] = [("exact", exact), ("hnsw", graph), ("lsh", hashed)]
            for (name, index) in kinds {
                let search: Search = { try index.neighbors(of: $0, k: 10, among: filter, excluding: []) }
                let found = try search(queries), times = try singles(search)
                print(
                    String(format: "%4.0f %%  ", 100 * share) + name.padding(toLength: 5, withPad: " ", startingAt: 0)
                        + String(format: "     %.4f                 %6.3f   %6.3f", recall(found, truth), times.median, times.p99))
            }
        }
    }

    /// The last eleventh of the vectors comes, as many of the others go.
    private func changes() throws {
        let count = embeddings.count, width = embeddings.dimension, first = count * 10 / 11, left = first - first / 10
        func part(_ rows: [Int]) throws -> Embeddings {
            try Embeddings(
                identifiers: Identifiers(rows.map { embeddings.identifiers[$0] }),
                vectors: StoredArray(rows.flatMap { embeddings.vectors[$0 * width..<($0 + 1) * width] }), dimension: width,
                isNormalized: embeddings.isNormalized)
        }
        var random = Generator(5)
        let gone = Set((0..<first).map { ($0, random.next()) }.sorted { $0.1 < $1.1 }.prefix(first - left).map(\.0))
        let (index, build) = try time {
            try HNSWIndex.build(try part(Array(0..<first)), configuration: configuration, kernels: kernels)
        }
        let (marked, marking) = time { index.removing(gone.lazy.map { ItemID($0) }) }
        let added = try part(Array(first..<count))
        let (changed, inserting) = try time { try marked.inserting(added) }
        let (compact, compacting) = try time { try changed.compacted().index }
        let kept = (0..<first).filter { !gone.contains($0) } + Array(first..<count)
        let (fresh, again) = try time { try HNSWIndex.build(try part(kept), configuration: configuration, kernels: kernels) }
        print("build of \(first) items: \(text(build)) s; of the \(kept.count) that are left in the end: \(text(again)) s")
        print(
            "\(gone.count) removed: marked in \(text(marking)) s; repair and \(added.count) insertions: \(text(inserting)) s; compaction: \(text(compacting)) s"
        )
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("pinsage-bench-\(ProcessInfo.processInfo.processIdentifier)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        var sizes: [String] = []
        for (name, index) in [("changed", changed), ("compacted", compact), ("fresh", fresh)] {
            let path = folder.appendingPathComponent(name).path
            try index.write(to: path)
            let files = try FileManager.default.contentsOfDirectory(atPath: path)
            let bytes = try files.reduce(0) { sum, file in
                sum + (try FileManager.default.attributesOfItem(atPath: path + "/" + file)[.size] as? Int ?? 0)
            }
            sizes.append(String(format: "%@ %.1f MiB", name, Double(bytes) / 0x1p20))
        }
        print("on disk: " + sizes.joined(separator: ", "))
        let exact = ExactIndex(embeddings: compact.embeddings, kernels: kernels)
        let truth = try exact.neighbors(of: queries, k: 10, excluding: [])
        let freshTruth = try ExactIndex(embeddings: fresh.embeddings, kernels: kernels).neighbors(of: queries, k: 10, excluding: [])
        print("   ef   recall@10: changed and compacted   fresh build")
        for ef in [16, 32, 64, 128, 256] {
            let one = recall(try compact.neighbors(of: queries, k: 10, ef: ef), truth)
            let other = recall(try fresh.neighbors(of: queries, k: 10, ef: ef), freshTruth)
            print(String(format: "%5d                           %.4f        %.4f", ef, one, other))
        }
    }

    private func text(_ seconds: Double) -> String { String(format: "%.3f", seconds) }
}
