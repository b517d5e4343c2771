import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite("Weighted walks and time windows")
struct WeightedAndTimedWalkTests {
    /// A graph whose edges have weights and times, the same in both directions.
    private func graph(items: Int, collections: Int, edges: [(item: Int, collection: Int, weight: Float, time: Int64)]) -> Graph {
        let plain = TinyGraphs.graph(items: items, collections: collections, edges: edges.map { ($0.item, $0.collection) })
        let byItem = edges.sorted { ($0.item, $0.collection) < ($1.item, $1.collection) }
        let byCollection = edges.sorted { ($0.collection, $0.item) < ($1.collection, $1.item) }
        return Graph(
            items: Graph.Adjacency(
                offsets: plain.items.offsets, targets: plain.items.targets, weights: StoredArray(byItem.map(\.weight)),
                times: StoredArray(byItem.map(\.time))),
            collections: Graph.Adjacency(
                offsets: plain.collections.offsets, targets: plain.collections.targets, weights: StoredArray(byCollection.map(\.weight)),
                times: StoredArray(byCollection.map(\.time))))
    }

    @Test("alias tables hold exactly the weights' shares", arguments: [1, 2, 3, 10, 1000])
    func alias(degree: Int) {
        var random = SplitMix(seed: UInt64(degree))
        var weights = (0..<degree).map { _ in Float(random.next() % 1000) }
        weights[0] = 1_000_000
        if degree > 2 {
            weights[1] = -.infinity
            weights[2] = .nan
        }
        let side = Graph.Adjacency(offsets: StoredArray([0, Int64(degree)]), targets: StoredArray((0..<degree).map { UInt32($0) }))
        let table = AliasTable(side, weights: StoredArray(weights))
        var mass = [Double](repeating: 0, count: degree)
        for (slot, record) in table.records.enumerated() {
            let own = Double(record >> 32) / 0x1p32
            mass[slot] += own
            mass[Int(record & 0xFFFF_FFFF)] += 1 - own
        }
        let usable = weights.map { $0.isFinite && $0 > 0 ? Double($0) : 0 }
        let total = usable.reduce(0, +)
        for index in 0..<degree { #expect(abs(mass[index] / Double(degree) - usable[index] / total) < 1e-9) }
    }

    @Test("weighted steps follow the weights (chi-square, false alarm 1e-6), hidden edges aside", arguments: [false, true])
    func law(hides: Bool) throws {
        // One collection: item 0 and five others of weights 1...5; the first of those in a second collection of little weight as well.
        let edges = (0..<6).map { (item: $0, collection: 0, weight: Float(max(1, $0)), time: Int64(0)) } + [(1, 1, Float(0.5), 0)]
        let graph = graph(items: 6, collections: 2, edges: edges)
        let walks = 300_000
        let sampler = try NeighborhoodSampler(
            graph: graph, configuration: WalkConfiguration(walks: walks, walkLength: 1, restart: 0, weighted: true), seed: 4)
        let hidden = hides ? HiddenEdges(item: ItemID(5), collections: [CollectionID(0)]) : nil
        let list = try sampler.neighborhoods(of: [ItemID(0)], hiding: [hidden], threads: 1)[0]
        let others = 1...(hides ? 4 : 5)
        let total = Double(others.reduce(0, +))
        #expect(Set(list.map { Int($0.item.row) }) == Set(others))
        let visits = Double(walks) * total / (total + 1)
        let statistic = list.reduce(0.0) { sum, entry in
            let wanted = Double(entry.item.row) / total
            return sum + visits * (Double(entry.weight) - wanted) * (Double(entry.weight) - wanted) / wanted
        }
        #expect(statistic < (hides ? 30.7 : 33.4), "chi-square with \(others.count - 1) degrees of freedom: \(statistic)")
        let drawn = try sampler.neighborhoods(of: (0..<6).map { ItemID($0) }, threads: 2)
        #expect(try sampler.neighborhoods(of: (0..<6).map { ItemID($0) }, threads: 7) == drawn)
    }

    @Test("weights of 1, or none, are the uniform law; an item whose every edge is hidden stays alone")
    func unweighted() throws {
        let plain = TinyGraphs.random(items: 30, collections: 8, edgesPerItem: 2, seed: 1)
        let items = (0..<30).map { ItemID($0) }
        let uniform = try NeighborhoodSampler(graph: plain, configuration: WalkConfiguration(), seed: 1).neighborhoods(of: items, threads: 1)
        let asked = try NeighborhoodSampler(graph: plain, configuration: WalkConfiguration(weighted: true), seed: 1).neighborhoods(
            of: items, threads: 1)
        #expect(asked == uniform)
        let pair = graph(items: 2, collections: 1, edges: [(0, 0, 2, 0), (1, 0, 3, 0)])
        let alone = try NeighborhoodSampler(graph: pair, configuration: WalkConfiguration(weighted: true), seed: 1)
        let hidden = HiddenEdges(item: ItemID(0), collections: [CollectionID(0)])
        #expect(try alone.neighborhoods(of: [ItemID(0), ItemID(1)], hiding: [hidden, hidden], threads: 1).items == [])
    }

    @Test("only edges in the window are followed, in either direction; unknown times pass")
    func window() throws {
        let edges: [(item: Int, collection: Int, weight: Float, time: Int64)] = [
            (0, 0, 1, 10), (1, 0, 1, 20), (2, 0, 1, 30), (3, 0, 1, Graph.unknownTime), (0, 1, 1, 25), (4, 1, 1, 25),
        ]
        let graph = graph(items: 5, collections: 2, edges: edges)
        func neighbors(_ notBefore: Int64?, _ before: Int64?) throws -> Set<UInt32> {
            let sampler = try NeighborhoodSampler(
                graph: graph, configuration: WalkConfiguration(walks: 300, walkLength: 1, notBefore: notBefore, before: before), seed: 1)
            return Set(try sampler.neighborhoods(of: [ItemID(0)], threads: 1).items)
        }
        #expect(try neighbors(nil, nil) == [1, 2, 3, 4])
        #expect(try neighbors(nil, 30) == [1, 3, 4])
        #expect(try neighbors(nil, 25) == [1, 3])
        #expect(try neighbors(11, nil) == [4])
        #expect(try neighbors(nil, 10) == [])
    }
}
