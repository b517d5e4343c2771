import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite struct DatasetSplitTests {
    private func randomDataset(seed: UInt64, hasTimes: Bool) throws -> Dataset {
        var random = SplitMix(seed: seed)
        var assembler = DatasetAssembler()
        for item in 0..<60 { try assembler.addItem(identifier: "i\(item)") }
        for _ in 0..<500 {
            let time = hasTimes && Int.random(in: 0..<10, using: &random) > 0 ? Int64.random(in: 0..<1000, using: &random) : nil
            try assembler.addEdge(
                item: "i\(Int.random(in: 0..<60, using: &random))", collection: "c\(Int.random(in: 0..<40, using: &random))", time: time,
                weight: Float(Int.random(in: 1...2, using: &random)))
        }
        return try assembler.dataset()
    }

    /// What holds of every split: nothing is lost, nothing is in two parts, queries stay in train.
    private func check(_ graph: Graph, _ split: DatasetSplit) {
        checkValid(split.train)
        func keys(_ edges: [DatasetSplit.Edge]) -> Set<DatasetSplit.Edge> { Set(edges) }
        let all = Set(
            (0..<graph.itemCount).flatMap { item in
                graph.collections(of: ItemID(item)).map { DatasetSplit.Edge(item: ItemID(item), collection: $0) }
            })
        let train = Set(
            (0..<graph.itemCount).flatMap { item in
                split.train.collections(of: ItemID(item)).map { DatasetSplit.Edge(item: ItemID(item), collection: $0) }
            })
        #expect(train.count + split.test.edges.count + split.validation.edges.count == all.count)
        #expect(train.union(split.test.edges).union(split.validation.edges) == all)
        #expect(split.train.itemCount == graph.itemCount && split.train.collectionCount == graph.collectionCount)
        for part in [split.test, split.validation] {
            for pair in part.pairs {
                #expect(pair.query != pair.positive)
                #expect(split.train.contains(pair.query, in: pair.collection))
                #expect(!split.train.contains(pair.positive, in: pair.collection))
            }
        }
    }

    @Test(arguments: [false, true])
    func leaveRandomOfCollectionsWithFiveMembers(hasTimes: Bool) throws {
        let graph = try randomDataset(seed: 1, hasTimes: hasTimes).graph
        let split = try DatasetSplit(graph, configuration: .init(rule: .leaveRandom(1), validation: 1, minimumMembers: 5, seed: 3))
        check(graph, split)
        let large = (0..<graph.collectionCount).filter { graph.degree(of: CollectionID($0)) >= 5 }
        #expect(split.test.edges.map { Int($0.collection.row) } == large)
        #expect(split.test.pairs.count == large.count)
        // The validation part is cut the same way from what the test left.
        let still = (0..<graph.collectionCount).filter { graph.degree(of: CollectionID($0)) >= 6 }
        #expect(split.validation.edges.map { Int($0.collection.row) } == still)
        let again = try DatasetSplit(graph, configuration: .init(rule: .leaveRandom(1), validation: 1, minimumMembers: 5, seed: 3))
        #expect(again.test.edges == split.test.edges && again.test.pairs == split.test.pairs)
        let other = try DatasetSplit(graph, configuration: .init(rule: .leaveRandom(1), validation: 1, minimumMembers: 5, seed: 4))
        #expect(other.test.edges != split.test.edges)
    }

    @Test func drawsAreUniform() throws {
        // One collection of 8 members, 4000 seeds: a chi-square of 7 degrees of freedom above 24.3 has probability 0.001.
        let graph = try GraphBuilder.graph(
            itemCount: 8, collectionCount: 1, items: (0..<8).map { UInt32($0) }, collections: [UInt32](repeating: 0, count: 8))
        var positives = [Int](repeating: 0, count: 8), queries = [Int](repeating: 0, count: 8)
        for seed in 0..<4000 {
            let split = try DatasetSplit(graph, configuration: .init(rule: .leaveRandom(1), seed: UInt64(seed)))
            positives[Int(split.test.pairs[0].positive.row)] += 1
            queries[Int(split.test.pairs[0].query.row)] += 1
        }
        for counts in [positives, queries] {
            let chiSquare = counts.reduce(0.0) { $0 + (Double($1) - 500) * (Double($1) - 500) / 500 }
            #expect(chiSquare < 24.3, "\(counts)")
        }
    }

    @Test func leaveLastTakesTheLatest() throws {
        var assembler = DatasetAssembler()
        for (item, time) in [("a", 10), ("b", 30), ("c", 20), ("d", 5)] { try assembler.addEdge(item: item, collection: "x", time: Int64(time)) }
        try assembler.addEdge(item: "u", collection: "x")
        try assembler.addEdge(item: "a", collection: "y", time: 99)
        let dataset = try assembler.dataset()
        let split = try DatasetSplit(dataset.graph, configuration: .init(rule: .leaveLast(1), validation: 1))
        check(dataset.graph, split)
        #expect(split.test.named(in: dataset) == [EvaluationPair(query: "a", positive: "b", collection: "x")])
        #expect(split.validation.named(in: dataset) == [EvaluationPair(query: "a", positive: "c", collection: "x")])
        #expect(split.train.time(of: ItemID(0), in: CollectionID(0)) == 10)
    }

    @Test func before() throws {
        let graph = try randomDataset(seed: 2, hasTimes: true).graph
        let split = try DatasetSplit(graph, configuration: .init(rule: .before(700)))
        check(graph, split)
        #expect(split.test.edges.allSatisfy { (graph.time(of: $0.item, in: $0.collection) ?? 0) >= 700 })
        #expect(split.train.collections.times?.allSatisfy { $0 < 700 } == true)
        #expect(!split.test.edges.isEmpty)
    }

    @Test func shareAndGivenEdges() throws {
        let graph = try randomDataset(seed: 3, hasTimes: false).graph
        let split = try DatasetSplit(graph, configuration: .init(rule: .share(0.2), seed: 9))
        check(graph, split)
        let share = Double(split.test.edges.count) / Double(graph.edgeCount)
        #expect(0.1..<0.3 ~= share)
        #expect(split.test.pairs.count == split.test.edges.count)
        let given = try DatasetSplit(graph, configuration: .init(rule: .edges(split.test.edges.reversed())))
        #expect(given.test.edges == split.test.edges)
        #expect(try DatasetSplit(graph, configuration: .init(rule: .share(0))).test.edges.isEmpty)
        check(graph, try DatasetSplit(graph, configuration: .init(rule: .share(1))))
    }

    @Test func refusals() throws {
        let graph = try randomDataset(seed: 3, hasTimes: false).graph
        for rule in [DatasetSplit.Rule.leaveLast(1), .before(0), .leaveRandom(0), .share(2)] {
            #expect(throws: DataError.self) { try DatasetSplit(graph, configuration: .init(rule: rule)) }
        }
        let missing = DatasetSplit.Edge(item: ItemID(59), collection: CollectionID(900))
        #expect(throws: DataError.self) { try DatasetSplit(graph, configuration: .init(rule: .edges([missing]))) }
    }

    @Test func files() throws {
        let folder = try TemporaryFolder()
        let dataset = try randomDataset(seed: 4, hasTimes: true)
        try dataset.write(to: folder["d"])
        let report = try DatasetSplit.write(folder["d"], configuration: .init(rule: .leaveLast(1), validation: 2), to: folder["s"])
        let train = try Dataset.open(folder["s/train"])
        checkValid(train.graph)
        try Artifact.open(folder["s/train"]).verify()
        #expect(train.items.count == dataset.items.count && train.items[17] == dataset.items[17])
        #expect(train.graph.edgeCount == report.trainEdges)
        #expect(try PairsFile.read(folder["s/test.pairs.tsv"]).count == report.testPairs)
        #expect(try CollectionsFile.read(folder["s/validation.collections.tsv"]).count == report.validationEdges)
        // The held-out edges can be given back in.
        let edges = try DatasetSplit.edges(from: folder["s/test.collections.tsv"], in: dataset)
        #expect(edges.count == report.testEdges)
        // A cut that leaves nothing is refused and leaves no folder.
        var assembler = DatasetAssembler()
        try assembler.addEdge(item: "a", collection: "c", time: 7)
        try assembler.dataset().write(to: folder["tiny"])
        #expect(throws: DataError.self) { try DatasetSplit.write(folder["tiny"], configuration: .init(rule: .before(0)), to: folder["all"]) }
        #expect(folder.names == ["d", "s", "tiny"])
    }

    /// The old split and the new one never mix: train of one with the tests of the other would leak.
    @Test func aSplitIsReplacedAsAWhole() throws {
        let folder = try TemporaryFolder()
        try randomDataset(seed: 5, hasTimes: false).write(to: folder["d"])
        func split(_ seed: UInt64, validation: Int) throws {
            var configuration = DatasetSplit.Configuration(rule: .leaveRandom(1))
            configuration.validation = validation
            configuration.seed = seed
            try DatasetSplit.write(folder["d"], configuration: configuration, to: folder["s"])
        }
        try split(1, validation: 1)
        #expect(try FileSystem.names(in: folder["s"]).count == 5)
        try split(2, validation: 0)
        #expect(try FileSystem.names(in: folder["s"]) == ["test.collections.tsv", "test.pairs.tsv", "train"])
        // A file of somebody else stays, and what is ours is still replaced.
        try folder.write("s/notes.txt", "mine")
        let pairs = try folder.read("s/test.pairs.tsv")
        try split(1, validation: 1)
        #expect(try FileSystem.names(in: folder["s"]).count == 6)
        #expect(try folder.read("s/notes.txt") == Array("mine".utf8) && folder.read("s/test.pairs.tsv") != pairs)
        #expect(folder.names == ["d", "s"])
    }
}
