import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite struct OverlayIndexTests {
    private static let width = 8

    private static func embeddings(_ matrix: Matrix) throws -> Embeddings {
        try Embeddings(
            identifiers: Identifiers((0..<matrix.rows).map { "i\($0)" }), vectors: StoredArray(matrix.values), dimension: width, isNormalized: false)
    }

    /// After any mix of additions and removals the answers are those of an exact index of what is left.
    @Test(arguments: ["exact", "hnsw"]) func answersLikeAFreshIndex(_ kind: String) throws {
        let kernels = try Kernels(threads: 1)
        let base = TinyGraphs.matrix(rows: 300, columns: Self.width, seed: 1), added = TinyGraphs.matrix(rows: 700, columns: Self.width, seed: 2)
        let embeddings = try Self.embeddings(base)
        let index: any NearestNeighborIndex =
            kind == "exact"
            ? ExactIndex(embeddings: embeddings, kernels: kernels)
            : try HNSWIndex.build(embeddings, configuration: HNSWConfiguration(), kernels: kernels)
        var overlay = OverlayIndex(base: index, kernels: kernels)
        var random = SplitMix(seed: 5)
        var alive = Set(0..<300)
        let earlier = overlay
        for row in 0..<added.rows {
            let (next, item) = try overlay.adding(added.row(row))
            #expect(Int(item.row) == 300 + row)
            overlay = next
            alive.insert(300 + row)
            if row % 4 == 0, let gone = alive.sorted().randomElement(using: &random) {
                overlay = overlay.removing(ItemID(gone)).removing(ItemID(gone))
                alive.remove(gone)
            }
            guard [0, 1, 100, 255, 256, 257, 511, 512, 699].contains(row) else { continue }
            let all = try ExactIndex(
                embeddings: Self.embeddings(
                    Matrix(rows: 301 + row, columns: Self.width, values: base.values + added.values.prefix((row + 1) * Self.width))), kernels: kernels
            )
            let queries = TinyGraphs.matrix(rows: 3, columns: Self.width, seed: UInt64(row))
            let excluded: Set<ItemID> = [ItemID(3), ItemID(300)]
            for filter in [nil, ItemFilter(items: 301 + row, allowed: (0...300 + row).filter { $0 % 3 == 0 }.map { ItemID($0) })] {
                let allowed = alive.filter { filter?.contains(ItemID($0)) ?? true }
                let expected = try all.neighbors(
                    of: queries, k: 400, among: ItemFilter(items: all.count, allowed: allowed.map { ItemID($0) }), excluding: excluded)
                #expect(try overlay.neighbors(of: queries, k: 400, among: filter, excluding: excluded) == expected)
            }
            #expect(overlay.count == alive.count && overlay.rowCount == 301 + row)
        }
        for row in [0, 255, 256, 400, 699] { #expect(overlay.vector(of: ItemID(300 + row)) == added.row(row)) }
        #expect(earlier.count == 300 && earlier.rowCount == 300)
        #expect((0..<1000).allSatisfy { overlay.contains(ItemID($0)) == alive.contains($0) } && !overlay.contains(ItemID(1000)))
    }

    /// Cosines on both sides: the length of a query or of an added vector changes nothing.
    @Test func lengthsDoNotCountBesideCosines() throws {
        let kernels = try Kernels(threads: 1)
        let base = TinyGraphs.matrix(rows: 200, columns: Self.width, seed: 1), added = TinyGraphs.matrix(rows: 40, columns: Self.width, seed: 2)
        func overlay(scale: Float) throws -> OverlayIndex {
            let index = try HNSWIndex.build(Self.embeddings(base), configuration: HNSWConfiguration(metric: .cosine, ef: 200), kernels: kernels)
            var overlay = OverlayIndex(base: index, kernels: kernels)
            for row in 0..<added.rows { overlay = try overlay.adding(added.row(row).map { $0 * scale }).index }
            return overlay
        }
        let query = Matrix(rows: 1, columns: Self.width, values: TinyGraphs.matrix(rows: 1, columns: Self.width, seed: 3).values)
        let half = Matrix(rows: 1, columns: Self.width, values: query.values.map { $0 / 2 })
        let answers = try overlay(scale: 1).neighbors(of: query, k: 60)[0]
        #expect(answers.contains { Int($0.item.row) >= 200 } && answers.contains { Int($0.item.row) < 200 })
        #expect(answers.allSatisfy { $0.score <= 1.001 })
        #expect(try overlay(scale: 4).neighbors(of: half, k: 60)[0] == answers)
    }

    @Test func refusesOtherVectors() throws {
        let kernels = try Kernels(threads: 1)
        let overlay = OverlayIndex(
            base: ExactIndex(embeddings: try Self.embeddings(TinyGraphs.matrix(rows: 4, columns: Self.width, seed: 1)), kernels: kernels),
            kernels: kernels)
        #expect(throws: DataError.self) { try overlay.adding([1, 2]) }
        #expect(throws: DataError.self) { try overlay.adding([Float](repeating: .nan, count: Self.width)) }
    }

    @Test func filtersAreSets() {
        for items in [0, 1, 63, 64, 65, 130] {
            let all = ItemFilter(all: items)
            #expect(all.count == items && (0..<items).allSatisfy { all.contains(ItemID($0)) } && !all.contains(ItemID(items)))
            let third = ItemFilter(items: items, allowed: (0..<items).filter { $0 % 3 == 0 }.map { ItemID($0) })
            #expect(all.intersection(third).rows == third.rows)
            #expect(third.prefix(10).rows == third.rows.filter { $0 < 10 } && third.prefix(10).items == 10)
            let wider = third.extended(to: items + 70, allowing: [ItemID(0), ItemID(items), ItemID(items + 69), ItemID(items + 70)])
            #expect(wider.rows == third.rows + [Int64(items), Int64(items + 69)])
            #expect(third.removing(ItemID(0)).rows == third.rows.filter { $0 != 0 })
        }
    }

    /// Maximal marginal relevance against its definition.
    @Test func diversification() throws {
        let vectors = TinyGraphs.matrix(rows: 40, columns: Self.width, seed: 9)
        let candidates = (0..<40).map { Neighbor(item: ItemID($0), score: 1 - Float($0) / 50) }
        func product(_ a: Int, _ b: Int) -> Float { zip(vectors.row(a), vectors.row(b)).reduce(0) { $0 + $1.0 * $1.1 } }
        for diversity in [Float(0), 0.3, 1] {
            let chosen = try Diversification(diversity: diversity).chosen(12, from: candidates) { vectors.row(Int($0.row)) }
            var expected: [Int] = []
            while expected.count < 12 {
                let rest = (0..<40).filter { !expected.contains($0) }
                func value(_ row: Int) -> Float {
                    (1 - diversity) * candidates[row].score - diversity * (expected.map { product($0, row) }.max() ?? 0)
                }
                var best = rest[0]
                for row in rest where value(row) > value(best) { best = row }
                expected.append(best)
            }
            #expect(chosen.map { Int($0.item.row) } == expected)
        }
        #expect(throws: ConfigurationError.self) { try Diversification(diversity: 1.5) }
    }
}
