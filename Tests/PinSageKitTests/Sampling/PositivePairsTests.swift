import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite("Positive pairs")
struct PositivePairsTests {
    /// One collection per list, members with their times.
    private func timed(_ lists: [[(item: Int, time: Int64)]], items: Int) -> Graph {
        let plain = TinyGraphs.graph(
            items: items, collections: lists.count, edges: lists.enumerated().flatMap { row, list in list.map { ($0.item, row) } })
        let times = lists.flatMap { $0.sorted { $0.item < $1.item }.map(\.time) }
        return Graph(
            items: plain.items,
            collections: Graph.Adjacency(offsets: plain.collections.offsets, targets: plain.collections.targets, times: StoredArray(times)))
    }

    private func set(_ source: PositivePairSource, epoch: Int = 0) -> Set<PositivePair> { Set(source.pairs(epoch: epoch, seed: 1)) }

    private func pair(_ query: Int, _ positive: Int, _ collection: Int) -> PositivePair {
        PositivePair(query: ItemID(query), positive: ItemID(positive), collection: CollectionID(collection))
    }

    @Test("consecutive in time, within the paper's hour")
    func consecutive() throws {
        let graph = timed([[(2, 10), (0, 3610), (1, 3650)], [(1, 5), (0, 3606)], [(3, 7)]], items: 4)
        let source = try PositivePairSource(graph: graph)
        #expect(source.pairing == .consecutive)
        #expect(source.windowSeconds == 3600)
        #expect(set(source) == [pair(2, 0, 0), pair(0, 1, 0)])
        #expect(source.count == 2)
        let wide = try PositivePairSource(graph: graph, configuration: .init(window: .unlimited, bothDirections: true))
        #expect(set(wide) == [pair(2, 0, 0), pair(0, 1, 0), pair(1, 0, 1), pair(0, 2, 0), pair(1, 0, 0), pair(0, 1, 1)])
        #expect(wide.count == 6)
        let narrow = try PositivePairSource(graph: graph, configuration: .init(window: .seconds(40)))
        #expect(set(narrow) == [pair(0, 1, 0)])
    }

    @Test("days have no hours; unknown times make no pairs; far times do not overflow")
    func times() throws {
        let days = try PositivePairSource(graph: timed([[(0, 0), (1, 86_400), (2, 864_000)]], items: 3))
        #expect(days.windowSeconds == nil)
        #expect(set(days) == [pair(0, 1, 0), pair(1, 2, 0)])
        let unknown = try PositivePairSource(graph: timed([[(0, 1), (1, Graph.unknownTime), (2, 5)]], items: 3))
        #expect(set(unknown) == [pair(0, 2, 0)])
        let far = try PositivePairSource(graph: timed([[(0, Int64.min + 1), (1, Int64.max)]], items: 2))
        #expect(far.count == 0)
        let none = try PositivePairSource(graph: timed([[(0, Graph.unknownTime), (1, Graph.unknownTime)]], items: 2))
        #expect(none.pairing == .sameCollection)
    }

    @Test("a pair of several collections is repeated, or given once")
    func distinct() throws {
        let graph = timed([[(0, 1), (1, 2)], [(0, 1), (1, 2)]], items: 2)
        #expect(try set(PositivePairSource(graph: graph)) == [pair(0, 1, 0), pair(0, 1, 1)])
        #expect(try set(PositivePairSource(graph: graph, configuration: .init(distinct: true))) == [pair(0, 1, 0)])
    }

    @Test("co-membership: every membership is a query once per epoch, its positive another member")
    func sameCollection() throws {
        let graph = TinyGraphs.random(items: 60, collections: 12, edgesPerItem: 3, seed: 3)
        let source = try PositivePairSource(graph: graph)
        #expect(source.pairing == .sameCollection)
        let first = source.pairs(epoch: 0, seed: 5)
        #expect(first.count == source.count)
        #expect(source.pairs(epoch: 0, seed: 5) == first)
        let second = source.pairs(epoch: 1, seed: 5)
        #expect(second != first)
        #expect(source.pairs(epoch: 0, seed: 6) != first)
        var queries: Set<[UInt32]> = []
        for pair in first {
            #expect(pair.query != pair.positive)
            #expect(graph.contains(pair.query, in: pair.collection))
            #expect(graph.contains(pair.positive, in: pair.collection))
            queries.insert([pair.query.row, pair.collection.row])
        }
        #expect(queries.count == first.count)
        #expect(first.map(\.query.row) != first.map(\.query.row).sorted())  // shuffled
    }

    @Test("co-membership draws every other member equally often (chi-square, false alarm 1e-6)")
    func uniform() throws {
        let graph = TinyGraphs.graph(items: 6, collections: 1, edges: (0..<6).map { ($0, 0) })
        let source = try PositivePairSource(graph: graph)
        var cells = [Int](repeating: 0, count: 36)
        let epochs = 5000
        for epoch in 0..<epochs { for pair in source.pairs(epoch: epoch, seed: 1) { cells[Int(pair.query.row * 6 + pair.positive.row)] += 1 } }
        let expected = Double(epochs) / 5
        var statistic = 0.0
        for cell in 0..<36 where cell / 6 != cell % 6 {
            let difference = Double(cells[cell]) - expected
            statistic += difference * difference / expected
        }
        #expect((0..<6).allSatisfy { cells[$0 * 7] == 0 })
        #expect(statistic < 74.0, "chi-square with 24 degrees of freedom: \(statistic)")
    }

    @Test("limits on the size of collections, and on the pairs of one")
    func limits() throws {
        let edges = (0..<2).map { ($0, 0) } + (0..<5).map { ($0, 1) } + (0..<40).map { ($0, 2) }
        let graph = TinyGraphs.graph(items: 40, collections: 4, edges: edges + [(7, 3)])
        func collections(_ configuration: PositivePairConfiguration) throws -> [UInt32: Int] {
            let source = try PositivePairSource(graph: graph, configuration: configuration)
            let pairs = source.pairs(epoch: 0, seed: 1)
            #expect(pairs.count == source.count)
            return pairs.reduce(into: [:]) { $0[$1.collection.row, default: 0] += 1 }
        }
        #expect(try collections(.init()) == [0: 2, 1: 5, 2: 40])
        #expect(try collections(.init(smallestCollection: 3, largestCollection: 39)) == [1: 5])
        #expect(try collections(.init(mostPairsPerCollection: 7)) == [0: 2, 1: 5, 2: 7])
        for bad in [
            PositivePairConfiguration(smallestCollection: 1), .init(smallestCollection: 5, largestCollection: 4),
            .init(window: .seconds(-1)), .init(mostPairsPerCollection: 0),
        ] {
            #expect(throws: SamplingError.self) { try PositivePairSource(graph: graph, configuration: bad) }
        }
    }
}
