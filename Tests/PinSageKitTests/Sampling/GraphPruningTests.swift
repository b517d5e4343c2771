import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite("Graph pruning")
struct GraphPruningTests {
    /// Items of four directions; collections 0...7 of one direction each, 8 and 9 of all; item 0 is in everything.
    private func mixed() -> (graph: Graph, features: FeatureTable) {
        let count = 80
        var edges: [(item: Int, collection: Int)] = (0..<10).map { (0, $0) }
        for item in 1..<count {
            edges.append((item, item % 4))
            edges.append((item, 4 + item % 4))
            if item % 3 == 0 { edges.append((item, 8)) }
            if item % 5 == 0 { edges.append((item, 9)) }
        }
        var random = SplitMix(seed: 4)
        var values: [Float] = []
        for item in 0..<count { for column in 0..<6 { values.append((item % 4 == column ? 1 : 0) + 0.1 * random.signedUnit()) } }
        let features = FeatureTable(name: "f", matrix: Matrix(rows: count, columns: 6, values: values))
        return (TinyGraphs.graph(items: count, collections: 10, edges: edges), features)
    }

    private func configuration(_ change: (inout GraphPruning.Configuration) -> Void = { _ in }) -> GraphPruning.Configuration {
        var configuration = GraphPruning.Configuration()
        configuration.topics = 4
        configuration.droppedCollections = 0.2
        configuration.keptDegree = 2
        change(&configuration)
        return configuration
    }

    @Test("collections about everything go, and popular items keep the collections like them")
    func dropsAndTrims() throws {
        let (graph, features) = mixed()
        let pruning = try GraphPruning(
            configuration: configuration {
                $0.degreeExponent = 0.4; $0.rounds = 30
            }, seed: 3)
        let (pruned, report) = try pruning.pruned(graph, features: features, threads: 2)
        checkValid(pruned)
        #expect(report.collectionsDropped == 2)
        #expect(pruned.degree(of: CollectionID(8)) == 0 && pruned.degree(of: CollectionID(9)) == 0)
        #expect(report.edgesOfDroppedCollections == graph.degree(of: CollectionID(8)) + graph.degree(of: CollectionID(9)))
        // Item 0 has 8 collections left, of which 8^0.4 = 2.3, rounded up, stay: first the two of its own direction.
        let kept = pruned.collections(of: ItemID(0)).map(\.row)
        #expect(kept.count == 3 && kept.contains(0) && kept.contains(4))
        #expect(report.itemsTrimmed == 1 && report.edgesTrimmed == 5)
        #expect(report.edgesBefore == graph.edgeCount && report.edges == pruned.edgeCount)
        #expect(report.edges == report.edgesBefore - report.edgesOfDroppedCollections - report.edgesTrimmed)
        #expect(report.itemsLeftAlone == 0)
        #expect(try pruning.pruned(graph, features: features, threads: 1).report == report)
        #expect(try Array(pruning.pruned(graph, features: features, threads: 7).graph.items.targets) == Array(pruned.items.targets))
    }

    @Test("nothing to drop and nothing to trim leaves the graph as it is, with its weights and times")
    func keepsAll() throws {
        let graph = try GraphBuilder.graph(
            itemCount: 3, collectionCount: 2, items: [0, 1, 2, 0] as [UInt32], collections: [0, 0, 1, 1] as [UInt32], weights: [1, 2, 3, 4],
            times: [5, 6, 7, 8])
        // Item 2 has no features.
        let features = FeatureTable(name: "f", matrix: Matrix(rows: 3, columns: 2, values: [1, 0, 0, 1, 0, 0]))
        let pruning = try GraphPruning(
            configuration: configuration {
                $0.droppedCollections = 0; $0.degreeExponent = 1
            }, seed: 1)
        let (pruned, report) = try pruning.pruned(graph, features: features, threads: 2)
        #expect(Array(pruned.items.targets) == Array(graph.items.targets))
        #expect(pruned.items.weights.map { Array($0) } == graph.items.weights.map { Array($0) })
        #expect(pruned.collections.times.map { Array($0) } == graph.collections.times.map { Array($0) })
        #expect(report.edges == 4 && report.collectionsDropped == 0 && report.lowestDroppedEntropy == nil)
    }

    @Test func refusals() throws {
        let (graph, features) = mixed()
        for change in [
            { $0.droppedCollections = 1 }, { $0.degreeExponent = 0 }, { $0.topics = 1 }, { $0.sample = 3 }, { $0.rounds = 0 }, { $0.keptDegree = 0 },
            { $0.smallestCollection = 0 },
        ] as [(inout GraphPruning.Configuration) -> Void] {
            #expect(throws: SamplingError.self) { try GraphPruning(configuration: configuration(change), seed: 1) }
        }
        let few = FeatureTable(name: "f", matrix: features.rows(0..<5))
        #expect(throws: SamplingError.self) { try GraphPruning(seed: 1).pruned(graph, features: few, threads: 1) }
    }
}
