import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite struct MinibatchTests {
    static func trainer(
        threads: Int, layers: Int = 2, seed: UInt64 = 4, epochs: Int = 3, hardNegatives: Int = 2, learningRate: Float = 1e-3,
        exclusion: NegativeExclusion = .coMembers, patience: Int = 0, queryMembers: Int = 1, newItemShare: Float = 0.5, graph: Graph? = nil
    ) throws -> Trainer {
        let graph = graph ?? TinyGraphs.random(items: 300, collections: 60, edgesPerItem: 3, seed: 2)
        let features = FeatureMatrix(values: TinyGraphs.matrix(rows: 300, columns: 8, seed: 3), degree: (column: 7, scale: 0.2))
        var configuration = TrainingConfiguration()
        configuration.epochs = epochs
        configuration.learningRate = learningRate
        configuration.batchSize = 64
        configuration.negatives = 20
        configuration.negativeExclusion = exclusion
        configuration.hardNegatives = hardNegatives
        configuration.hardNegativeRanks = 20...80
        configuration.seed = seed
        configuration.patience = patience
        configuration.queryMembers = queryMembers
        configuration.newItemShare = newItemShare
        return try Trainer(
            graph: graph, features: features, model: PinSageConfiguration(inputWidth: 8, layers: layers, dimension: 8),
            walks: WalkConfiguration(walks: 30, walkLength: 2, neighbors: 6), neighborsPerLayer: Array(repeating: 5, count: layers),
            configuration: configuration, kernels: try Kernels(threads: threads))
    }

    @Test(arguments: [1, 2, 7]) func areEqualOnAnyThreadCount(_ threads: Int) throws {
        let one = try Self.trainer(threads: 1).makeSource()
        let other = try Self.trainer(threads: threads).makeSource()
        for step in [0, one.stepsPerEpoch - 1, 2 * one.stepsPerEpoch] {
            let expected = try one.minibatch(step: step), found = try other.minibatch(step: step)
            #expect(found.pairs == expected.pairs)
            #expect(found.input.graph.inputItems == expected.input.graph.inputItems)
            #expect(found.input.neighbors == expected.input.neighbors)
            #expect(found.input.own == expected.input.own)
            #expect(found.layout.queries == expected.layout.queries)
            #expect(found.layout.negatives == expected.layout.negatives)
            #expect(found.layout.hard == expected.layout.hard)
            for (layer, other) in zip(found.input.graph.layers, expected.input.graph.layers) {
                #expect(layer.neighbors == other.neighbors && layer.selfRows == other.selfRows)
            }
        }
    }

    @Test(arguments: [1, 3, 1000]) func askWithMembersOfThePairsCollection(_ most: Int) throws {
        let graph = TinyGraphs.random(items: 300, collections: 60, edgesPerItem: 3, seed: 2)
        let source = try Self.trainer(threads: 2, queryMembers: most).makeSource()
        var full = 0
        for step in 0..<3 {
            let minibatch = try source.minibatch(step: step), roots = minibatch.input.graph
            for (index, pair) in minibatch.pairs.enumerated() {
                let range = minibatch.layout.queries.range(of: index)
                let items = range.map { ItemID(row: roots.inputItems[Int(roots.selfInputRows[Int(minibatch.layout.queries.targets[$0])])]) }
                let others = graph.items(of: pair.collection).filter { $0 != pair.positive }
                #expect(items.count == min(most, others.count) && Set(items).count == items.count)
                #expect(items[0] == pair.query && Set(items).isSubset(of: others))
                #expect(range.allSatisfy { minibatch.layout.queries.weights[$0] == 1 / Float(items.count) })
                if items.count < others.count { full += 1 }
            }
        }
        #expect((full > 0) == (most < 1000))
    }

    @Test(arguments: [0, 0.25, 0.65, 1] as [Float]) func areAboutNewItemsOrAboutKnownOnes(_ share: Float) throws {
        let graph = TinyGraphs.random(items: 300, collections: 60, edgesPerItem: 3, seed: 2)
        let source = try Self.trainer(threads: 2, layers: 1, newItemShare: share, graph: graph).makeSource()
        var newMinibatches = 0
        for step in 2 * source.stepsPerEpoch..<3 * source.stepsPerEpoch {
            let minibatch = try source.minibatch(step: step)
            let lists = minibatch.input.graph.layers[0].neighbors
            let answers = (0..<minibatch.pairs.count).map { minibatch.layout.positives[$0] } + minibatch.layout.negatives
            let asking = minibatch.layout.queries.targets.map { Int64($0) }
            let alone = Set(answers.filter { lists.range(of: Int($0)).isEmpty })
            if alone.count == Set(answers).count {
                newMinibatches += 1
                #expect(!minibatch.layout.hard.isEmpty && minibatch.layout.hard.allSatisfy { lists.range(of: Int($0)).isEmpty })
            } else {
                let roots = minibatch.input.graph
                let items = alone.map { ItemID(row: roots.inputItems[Int(roots.selfInputRows[Int($0)])]) }
                #expect(items.allSatisfy { graph.degree(of: $0) == 0 })
                for pair in minibatch.pairs where share > 0 { #expect(graph.degree(of: pair.positive) > graph.labelCollections(of: pair).count) }
            }
            #expect(asking.contains { !lists.range(of: Int($0)).isEmpty })
        }
        #expect(newMinibatches == Int(Float(source.stepsPerEpoch) * share))
    }

    @Test func haveEachPairOnceWhereNoneIsAboutNewItems() throws {
        let source = try Self.trainer(threads: 2, newItemShare: 0).makeSource()
        let pairs = try (0..<source.stepsPerEpoch).flatMap { try source.minibatch(step: $0).pairs }
        #expect(pairs.count == source.pairsPerEpoch && Set(pairs).count > pairs.count / 2)
        let graph = TinyGraphs.random(items: 300, collections: 60, edgesPerItem: 3, seed: 2)
        var configuration = TrainingConfiguration()
        configuration.seed = 4
        let expected = try PositivePairSource(graph: graph, configuration: configuration.pairs).pairs(epoch: 0, seed: 4)
        #expect(pairs == expected)
    }

    @Test func trainNewItemsWhereNoPositiveKeepsAnEdge() throws {
        // Each item is in one collection: whose edge is hidden, that item is a new one.
        let graph = TinyGraphs.graph(items: 300, collections: 60, edges: (0..<300).map { ($0, $0 / 5) })
        let source = try Self.trainer(threads: 1, graph: graph).makeSource()
        for step in 0..<source.stepsPerEpoch { #expect(try !source.minibatch(step: step).pairs.isEmpty) }
    }

    @Test func computeEachItemOncePerLayer() throws {
        let minibatch = try Self.trainer(threads: 2).makeSource().minibatch(step: 1)
        let graph = minibatch.input.graph
        #expect(Set(graph.inputItems).count == graph.inputItems.count)
        // Above the input, plain items come once; only roots with hidden edges repeat an item.
        let rowsBelow = graph.layers[1].neighbors.targets.map { Int($0) } + graph.layers[1].selfRows.map { Int($0) }
        let all = Set(0..<graph.layers[0].selfRows.count)
        #expect(Set(rowsBelow) == all)
    }

    @Test func followTheCurriculum() throws {
        let source = try Self.trainer(threads: 2).makeSource()
        for epoch in 0..<3 {
            let minibatch = try source.minibatch(step: epoch * source.stepsPerEpoch)
            #expect(minibatch.hardNegativesPerPair == epoch)
            #expect(minibatch.layout.hard.count <= epoch * minibatch.pairs.count)
            #expect((epoch == 0) == minibatch.layout.hard.isEmpty)
        }
    }

    @Test(arguments: NegativeExclusion.allCases) func neverTakeAnAnswerAsNegative(_ exclusion: NegativeExclusion) throws {
        let trainer = try Self.trainer(threads: 2, exclusion: exclusion)
        let graph = TinyGraphs.random(items: 300, collections: 60, edgesPerItem: 3, seed: 2)
        let source = try trainer.makeSource()
        let minibatch = try source.minibatch(step: 2 * source.stepsPerEpoch)
        let roots = minibatch.input.graph
        // Rows of the layout are roots; the item of a root is its own input row of the lowest layer.
        func item(_ row: Int64) -> ItemID { ItemID(row: roots.inputItems[Int(roots.selfInputRows[Int(row)])]) }
        let excluded = Set(minibatch.layout.excluded.map { [$0.pair, $0.negative] })
        var counted = 0, excludedCount = 0
        for (index, pair) in minibatch.pairs.enumerated() {
            for (column, row) in minibatch.layout.negatives.enumerated() {
                let negative = item(row)
                let isAnswer =
                    switch exclusion {
                    case .coMembers: graph.shareCollection(pair.query, negative)
                    case .collection: graph.collections(of: negative).contains(pair.collection)
                    }
                let isExcluded = isAnswer || negative == pair.query || negative == pair.positive
                #expect(excluded.contains([Int32(index), Int32(column)]) == isExcluded)
                if isExcluded { excludedCount += 1 } else { counted += 1 }
            }
            for slot in minibatch.layout.hardOffsets[index]..<minibatch.layout.hardOffsets[index + 1] {
                #expect(!graph.shareCollection(pair.query, item(Int64(minibatch.layout.hard[Int(slot)]))))
            }
        }
        #expect(counted > 0 && excludedCount > 0)
    }
}
