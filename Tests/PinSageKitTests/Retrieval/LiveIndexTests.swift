import PinSageTestSupport
import Synchronization
import Testing

@testable import PinSageKit

@Suite struct LiveIndexTests {
    private static let width = 12

    private func index(_ count: Int, metric: HNSWConfiguration.Metric = .innerProduct) throws -> HNSWIndex {
        let embeddings = try Embeddings(
            identifiers: Identifiers((0..<count).map { "i\($0)" }),
            vectors: StoredArray(IndexVectors.clustered(count, width: Self.width, seed: 31).map { metric == .cosine ? 3 * $0 : $0 }),
            dimension: Self.width, isNormalized: metric == .innerProduct)
        return try HNSWIndex.build(
            embeddings, configuration: HNSWConfiguration(metric: metric, links: 8, efConstruction: 60, ef: 60, batch: 64),
            kernels: Kernels(threads: 1))
    }

    private func vector(_ number: Int) -> [Float] { IndexVectors.clustered(1, width: Self.width, seed: 1000 + UInt64(number)) }

    private func nearest(_ vector: [Float], in snapshot: LiveIndex.Snapshot) throws -> String? {
        let query = Matrix(rows: 1, columns: Self.width, values: vector)
        return try snapshot.neighbors(of: query, k: 1)[0].first.map { snapshot.identifier(of: $0.item) }
    }

    @Test(arguments: [HNSWConfiguration.Metric.innerProduct, .cosine]) func writesAreSeenAtOnce(_ metric: HNSWConfiguration.Metric) throws {
        let live = LiveIndex(try index(500, metric: metric), foldAt: 64)
        var alive = Set((0..<500).map { "i\($0)" })
        for number in 0..<300 {
            let before = live.snapshot
            try live.insert("n\(number)", vector: vector(number))
            alive.insert("n\(number)")
            #expect(before.item(named: "n\(number)") == nil && live.snapshot.item(named: "n\(number)") != nil)
            #expect(try nearest(vector(number), in: live.snapshot) == "n\(number)")
            let gone = number % 3 == 0 ? "n\(number / 2)" : "i\(number)"
            #expect(try live.remove(gone) == alive.contains(gone))
            #expect(try !live.remove(gone))
            alive.remove(gone)
            #expect(live.snapshot.count == alive.count)
        }
        // Again under the same name.
        try live.insert("n7", vector: vector(9999))
        #expect(try nearest(vector(9999), in: live.snapshot) == "n7")
        alive.insert("n7")
        let snapshot = live.snapshot
        let folded = try live.fold()
        #expect(Set((0..<folded.count).map { folded.identifiers[$0] }) == alive && folded.present == nil)
        #expect(live.snapshot.count == alive.count && snapshot.count == alive.count)
        #expect(throws: DataError.self) { try live.insert("x", vector: [1]) }
        #expect(throws: DataError.self) { try live.insert("x", vector: [Float](repeating: .infinity, count: Self.width)) }
        #expect(live.snapshot.item(named: "x") == nil)
    }

    /// Two writers, two readers: every insertion is found as soon as it returned, no removed item ever is, answers are never short, and
    /// nothing is lost in the end.
    @Test func nothingIsLostUnderLoad() async throws {
        let live = LiveIndex(try index(400), foldAt: 40)
        let written = Written()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<2 {
                group.addTask {
                    for number in stride(from: writer, to: 240, by: 2) {
                        try live.insert("n\(number)", vector: self.vector(number))
                        written.numbers.withLock { $0.append(number) }
                        #expect(try live.remove("i\(number)"))
                        if number % 5 == 0 { #expect(try live.remove("n\(number)")) }
                    }
                }
            }
            for reader in 0..<2 {
                group.addTask {
                    var random = SplitMix(seed: UInt64(reader))
                    for _ in 0..<150 {
                        let known = written.numbers.withLock { $0 }
                        let snapshot = live.snapshot
                        let query = Matrix(rows: 1, columns: Self.width, values: self.vector(Int(random.next() % 240)))
                        let answers = try snapshot.neighbors(of: query, k: 10)[0]
                        #expect(answers.count == 10 && answers.allSatisfy { snapshot.overlay.contains($0.item) })
                        if let number = known.randomElement(using: &random), number % 5 != 0 {
                            #expect(try self.nearest(self.vector(number), in: snapshot) == "n\(number)")
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        let expected = Set((240..<400).map { "i\($0)" } + (0..<240).filter { $0 % 5 != 0 }.map { "n\($0)" })
        let last = try live.fold()
        #expect(Set((0..<last.count).map { last.identifiers[$0] }) == expected)
        for number in 0..<240 where number % 5 != 0 { #expect(try nearest(vector(number), in: live.snapshot) == "n\(number)") }
    }
}

extension HNSWIndex {
    fileprivate var identifiers: Identifiers { embeddings.identifiers }
}

/// What writers have finished, for readers of the same test.
private final class Written: Sendable {
    let numbers = Mutex<[Int]>([])
}
