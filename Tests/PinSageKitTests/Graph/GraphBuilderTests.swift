import PinSageTestSupport
import Testing

@testable import PinSageKit

/// What must hold of every graph, whoever made it.
func checkValid(_ graph: Graph, sourceLocation: SourceLocation = #_sourceLocation) {
    for (adjacency, other) in [(graph.items, graph.collections.rowCount), (graph.collections, graph.items.rowCount)] {
        #expect(adjacency.offsets.first == 0, sourceLocation: sourceLocation)
        #expect(adjacency.offsets.last == Int64(adjacency.targets.count), sourceLocation: sourceLocation)
        #expect(adjacency.weights == nil || adjacency.weights?.count == adjacency.targets.count, sourceLocation: sourceLocation)
        #expect(adjacency.times == nil || adjacency.times?.count == adjacency.targets.count, sourceLocation: sourceLocation)
        var isAscending = true
        for row in 0..<adjacency.rowCount {
            if adjacency.offsets[row] > adjacency.offsets[row + 1] { isAscending = false }
            let range = adjacency.range(of: row)
            for position in range.dropFirst() where adjacency.targets[position - 1] >= adjacency.targets[position] { isAscending = false }
        }
        #expect(isAscending, sourceLocation: sourceLocation)
        #expect(adjacency.targets.allSatisfy { $0 < other }, sourceLocation: sourceLocation)
    }
    // Both directions hold the same edges with the same payload.
    #expect(edges(graph.items, isReversed: false) == edges(graph.collections, isReversed: true), sourceLocation: sourceLocation)
}

struct TestEdge: Hashable {
    var item: UInt32
    var collection: UInt32
    var weight: Float
    var time: Int64
}

func edges(_ adjacency: Graph.Adjacency, isReversed: Bool) -> Set<TestEdge> {
    var set: Set<TestEdge> = []
    for row in 0..<adjacency.rowCount {
        for position in adjacency.range(of: row) {
            let target = adjacency.targets[position]
            set.insert(
                TestEdge(
                    item: isReversed ? target : UInt32(row), collection: isReversed ? UInt32(row) : target,
                    weight: adjacency.weights?[position] ?? 1, time: adjacency.times?[position] ?? Graph.unknownTime))
        }
    }
    return set
}

@Suite struct GraphBuilderTests {
    @Test func duplicatesAreMerged() throws {
        let graph = try GraphBuilder.graph(
            itemCount: 3, collectionCount: 2, items: [2, 0, 2, 0, 2], collections: [1, 0, 1, 1, 0], times: [50, Graph.unknownTime, 40, 7, 9])
        checkValid(graph)
        #expect(
            edges(graph.items, isReversed: false) == [
                TestEdge(item: 0, collection: 0, weight: 1, time: Graph.unknownTime), TestEdge(item: 0, collection: 1, weight: 1, time: 7),
                TestEdge(item: 2, collection: 0, weight: 1, time: 9), TestEdge(item: 2, collection: 1, weight: 2, time: 40),
            ])
        #expect(graph.degree(of: ItemID(1)) == 0)
    }

    @Test func aKnownTimeWinsOverAnUnknownOne() throws {
        let graph = try GraphBuilder.graph(
            itemCount: 1, collectionCount: 1, items: [0, 0, 0], collections: [0, 0, 0], times: [Graph.unknownTime, -100, 5])
        #expect(graph.items.times?[0] == -100)
    }

    @Test func plainGraphsCarryNoPayload() throws {
        let graph = try GraphBuilder.graph(
            itemCount: 2, collectionCount: 1, items: [1, 0], collections: [0, 0], weights: [1, 1], times: [Graph.unknownTime, Graph.unknownTime])
        #expect(graph.items.weights == nil && graph.items.times == nil)
        let empty = try GraphBuilder.graph(itemCount: 0, collectionCount: 0, items: [], collections: [])
        checkValid(empty)
        #expect(empty.edgeCount == 0)
    }

    @Test func badEdgesAreRefused() {
        #expect(throws: DataError.self) { try GraphBuilder.graph(itemCount: 1, collectionCount: 1, items: [1], collections: [0]) }
        #expect(throws: DataError.self) { try GraphBuilder.graph(itemCount: 1, collectionCount: 1, items: [0], collections: [1]) }
        for weight in [0, -1, Float.nan, .infinity] {
            #expect(throws: DataError.self) {
                try GraphBuilder.graph(itemCount: 1, collectionCount: 1, items: [0], collections: [0], weights: [weight])
            }
        }
    }

    /// Against a dictionary, on random edges of every kind.
    @Test(arguments: 0..<20)
    func randomGraphs(seed: Int) throws {
        var random = SplitMix(seed: UInt64(seed))
        let itemCount = Int.random(in: 1...40, using: &random), collectionCount = Int.random(in: 1...30, using: &random)
        let count = Int.random(in: 0...400, using: &random)
        let items = (0..<count).map { _ in UInt32.random(in: 0..<UInt32(itemCount), using: &random) }
        let collections = (0..<count).map { _ in UInt32.random(in: 0..<UInt32(collectionCount), using: &random) }
        let weights = (0..<count).map { _ in Float(Int.random(in: 1...3, using: &random)) }
        let times = (0..<count).map { _ in Int64.random(in: -2...9, using: &random) }.map { $0 == 9 ? Graph.unknownTime : $0 }
        let graph = try GraphBuilder.graph(
            itemCount: itemCount, collectionCount: collectionCount, items: items, collections: collections,
            weights: seed % 2 == 0 ? weights : nil, times: seed % 3 == 0 ? times : nil)
        checkValid(graph)
        var expected: [[UInt32]: TestEdge] = [:]
        for edge in 0..<count {
            let weight = seed % 2 == 0 ? weights[edge] : 1, time = seed % 3 == 0 ? times[edge] : Graph.unknownTime
            let key = [items[edge], collections[edge]]
            guard let old = expected[key] else {
                expected[key] = TestEdge(item: items[edge], collection: collections[edge], weight: weight, time: time)
                continue
            }
            let known = [old.time, time].filter { $0 != Graph.unknownTime }
            expected[key] = TestEdge(item: old.item, collection: old.collection, weight: old.weight + weight, time: known.min() ?? Graph.unknownTime)
        }
        #expect(edges(graph.items, isReversed: false) == Set(expected.values))
    }
}
