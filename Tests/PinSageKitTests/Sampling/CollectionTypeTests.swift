import Foundation
import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite("Types and sizes of collections in walks")
struct CollectionTypeTests {
    private static let shares = ["board": 0.5, "list": 0.3, "tag": 0.0]

    /// A small random graph: 12 items, 9 collections of types board, list, tag and (the last) none, perhaps with weights.
    private func graph(seed: Int, isWeighted: Bool) throws -> Graph {
        let plain = TinyGraphs.random(items: 12, collections: 9, edgesPerItem: 5, seed: UInt64(seed))
        let types = try CollectionTypes((0..<9).map { $0 == 8 ? nil : ["board", "list", "tag"][$0 % 3] })
        func weighted(_ side: Graph.Adjacency, isItems: Bool) -> Graph.Adjacency {
            guard isWeighted else { return side }
            let weights = (0..<side.rowCount).flatMap { row in
                side.range(of: row).map { position in
                    let (item, collection) = isItems ? (row, Int(side.targets[position])) : (Int(side.targets[position]), row)
                    return Float(1 + (3 * item + 5 * collection) % 4)
                }
            }
            return Graph.Adjacency(offsets: side.offsets, targets: side.targets, weights: StoredArray(weights))
        }
        return Graph(
            items: weighted(plain.items, isItems: true), collections: weighted(plain.collections, isItems: false), collectionTypes: types)
    }

    /// The probabilities of one hop from an item to each item, step by step from the definition.
    ///
    /// - Parameter sizes: of the collections, in the graph that walks prefer small ones of.
    private func law(_ graph: Graph, from item: Int, shares: [String: Double], exponent: Double = 0, sizes: [Int] = []) -> [Double] {
        func edges(_ side: Graph.Adjacency, _ row: Int) -> [(target: Int, weight: Double)] {
            side.range(of: row).map { (Int(side.targets[$0]), Double(side.weights?[$0] ?? 1)) }
        }
        func type(_ collection: Int) -> String { graph.collectionTypes?.name(of: CollectionID(collection)) ?? "" }
        var law = [Double](repeating: 0, count: graph.itemCount)
        let own = edges(graph.items, item).map { edge in
            (target: edge.target, weight: exponent == 0 ? edge.weight : edge.weight / pow(Double(sizes[edge.target]), exponent))
        }
        let present = shares.filter { name, _ in own.contains { type($0.target) == name } }
        for (name, share) in present {
            let ofType = own.filter { type($0.target) == name }
            for (collection, weight) in ofType {
                let chosen = share / present.values.reduce(0, +) * weight / ofType.reduce(0) { $0 + $1.weight }
                let members = edges(graph.collections, collection)
                for member in members { law[member.target] += chosen * member.weight / members.reduce(0) { $0 + $1.weight } }
            }
        }
        return law
    }

    /// Compares counted visits with a law; the seed's own visits do not count.
    private func expect(_ list: [(item: ItemID, weight: Float)], follows law: [Double], from seed: Int, walks: Int) {
        var wanted = law
        wanted[seed] = 0
        let reached = wanted.reduce(0, +)
        #expect(Set(list.map { Int($0.item.row) }) == Set(wanted.indices.filter { wanted[$0] > 0 }))
        let visits = Double(walks) * reached / law.reduce(0, +)
        let statistic = list.reduce(0.0) { sum, entry in
            let share = wanted[Int(entry.item.row)] / reached, difference = Double(entry.weight) - share
            return sum + visits * difference * difference / share
        }
        // Wilson and Hilferty's approximation of the quantile that is passed once in a million.
        let freedom = Double(max(1, list.count - 1))
        let limit = freedom * pow(1 - 2 / (9 * freedom) + 4.7534 * (2 / (9 * freedom)).squareRoot(), 3)
        #expect(statistic < limit, "chi-square with \(Int(freedom)) degrees of freedom: \(statistic)")
    }

    /// Draws an item's neighborhood with some of its edges hidden and compares it with the law of the graph that is left, in which collections
    /// count with the sizes that they had.
    private func expect(_ sampler: NeighborhoodSampler, hiding hidden: [CollectionID], from item: Int, shares: [String: Double]) throws {
        let graph = sampler.graph, configuration = sampler.configuration
        let left = try graph.removing(hidden.map { DatasetSplit.Edge(item: ItemID(item), collection: $0) })
        let sizes = (0..<graph.collectionCount).map { graph.collections.degree(of: $0) }
        let hides = hidden.isEmpty ? nil : HiddenEdges(item: ItemID(item), collections: hidden)
        let list = try sampler.neighborhoods(of: [ItemID(item)], hiding: [hides], threads: 2)[0]
        let law = law(left, from: item, shares: shares, exponent: configuration.sizeExponent, sizes: sizes)
        expect(list.map { ($0.item, $0.weight) }, follows: law, from: item, walks: configuration.walks)
    }

    @Test("steps follow the shares (chi-square, false alarm 1e-6), hidden edges aside", arguments: [false, true], [false, true])
    func law(isWeighted: Bool, hides: Bool) throws {
        let walks = 200_000
        for seed in 0..<3 {
            let graph = try graph(seed: seed, isWeighted: isWeighted)
            let configuration = WalkConfiguration(
                walks: walks, walkLength: 1, restart: 0, weighted: isWeighted, collectionTypes: Self.shares)
            let sampler = try NeighborhoodSampler(graph: graph, configuration: configuration, seed: UInt64(seed))
            for item in [0, 7] {
                // The first collections of the item: often all that it has of a type.
                let hidden = Array(graph.collections(of: ItemID(item)).prefix(hides ? 2 : 0))
                try expect(sampler, hiding: hidden, from: item, shares: Self.shares.filter { $0.value > 0 })
            }
        }
    }

    @Test(
        "small collections are preferred (chi-square, false alarm 1e-6), with and without types, hidden edges aside", arguments: [0.5, 1, -1],
        [false, true])
    func sizes(exponent: Double, hides: Bool) throws {
        let walks = 200_000
        for (seed, isWeighted, isTyped) in [(0, false, false), (1, true, false), (2, false, true), (3, true, true)] {
            let typed = try graph(seed: seed, isWeighted: isWeighted)
            // Without types one for all gives the law of none.
            let graph = isTyped ? typed : typed.typed(try CollectionTypes((0..<9).map { _ in "all" }))
            let shares = isTyped ? Self.shares.filter { $0.value > 0 } : ["all": 1]
            let sampler = try NeighborhoodSampler(
                graph: graph,
                configuration: WalkConfiguration(
                    walks: walks, walkLength: 1, restart: 0, weighted: isWeighted, collectionTypes: isTyped ? Self.shares : nil,
                    sizeExponent: exponent), seed: UInt64(seed))
            for item in [0, 7] {
                let hidden = Array(graph.collections(of: ItemID(item)).prefix(hides ? 2 : 0))
                try expect(sampler, hiding: hidden, from: item, shares: shares)
            }
        }
    }

    @Test("an item of many collections passes its hidden ones by (chi-square, false alarm 1e-6)")
    func manyCollections() throws {
        // Item 0 is in 100 collections of 2 to 5 members, and 20 of these are hidden.
        var edges: [(Int, Int)] = []
        for collection in 0..<100 {
            edges.append((0, collection))
            for member in 0...collection % 4 { edges.append((1 + (7 * collection + member) % 30, collection)) }
        }
        let graph = TinyGraphs.graph(items: 31, collections: 100, edges: edges).typed(try CollectionTypes((0..<100).map { _ in "all" }))
        let hidden = stride(from: 0, to: 100, by: 5).map { CollectionID($0) }
        let sampler = try NeighborhoodSampler(
            graph: graph, configuration: WalkConfiguration(walks: 200_000, walkLength: 1, restart: 0, sizeExponent: 1), seed: 4)
        try expect(sampler, hiding: hidden, from: 0, shares: ["all": 1])
    }

    @Test("a new item's collections are chosen by their types' shares")
    func newItem() throws {
        let walks = 200_000
        let plain = try graph(seed: 5, isWeighted: false)
        let chosen = [0, 1, 3, 6].map { CollectionID($0) }
        // The same graph with an item more, but the collections do not know it.
        let items = Graph.Adjacency(
            offsets: StoredArray(Array(plain.items.offsets) + [Int64(plain.edgeCount + chosen.count)]),
            targets: StoredArray(Array(plain.items.targets) + chosen.map(\.row)))
        let grown = Graph(items: items, collections: plain.collections, collectionTypes: plain.collectionTypes)
        let shares = ["board": 1.0, "list": 3.0]
        let sampler = try NeighborhoodSampler(
            graph: plain, configuration: WalkConfiguration(walks: walks, walkLength: 1, restart: 0, collectionTypes: shares), seed: 2)
        let list = try sampler.neighborhood(ofNewItemIn: chosen)[0]
        expect(list.map { ($0.item, $0.weight) }, follows: law(grown, from: 12, shares: shares), from: 12, walks: walks)
    }

    @Test("the same bits on any number of threads, with and without hidden edges, and in a time window")
    func threads() throws {
        let plain = TinyGraphs.random(items: 700, collections: 90, edgesPerItem: 6, seed: 3)
        let graph = plain.typed(try CollectionTypes((0..<90).map { $0 % 7 == 0 ? nil : $0 % 2 == 0 ? "even" : "odd" }))
        for shares in [["even": 1, "odd": 2.5], ["odd": 1]] {
            let sampler = try NeighborhoodSampler(graph: graph, configuration: WalkConfiguration(before: 7, collectionTypes: shares), seed: 9)
            let items = (0..<700).map { ItemID($0) }
            let hiding = items.map { item in
                item.row % 3 == 0 ? HiddenEdges(item: item, collections: Array(graph.collections(of: item).prefix(1))) : nil
            }
            let expected = try sampler.neighborhoods(of: items, hiding: hiding, threads: 1)
            for threads in [2, 7] { #expect(try sampler.neighborhoods(of: items, hiding: hiding, threads: threads) == expected) }
            #expect(!expected.items.isEmpty)
        }
    }

    @Test("an item without collections that have a share stays alone")
    func nothingToEnter() throws {
        let graph = TinyGraphs.graph(items: 3, collections: 2, edges: [(0, 0), (1, 0), (1, 1), (2, 1)])
            .typed(try CollectionTypes(["a", "b"]))
        let sampler = try NeighborhoodSampler(graph: graph, configuration: WalkConfiguration(restart: 0, collectionTypes: ["b": 1]), seed: 1)
        let drawn = try sampler.neighborhoods(of: (0..<3).map { ItemID($0) }, threads: 1)
        #expect((0..<3).map { drawn[$0].map(\.item.row) } == [[], [2], [1]])
        let hidden = HiddenEdges(item: ItemID(1), collections: [CollectionID(1)])
        #expect(try sampler.neighborhoods(of: [ItemID(1)], hiding: [hidden], threads: 1).items.isEmpty)
    }

    @Test("shares that cannot be kept are refused by name")
    func refused() throws {
        let typed = try graph(seed: 0, isWeighted: false)
        func message(_ graph: Graph, _ shares: [String: Double]) -> String {
            let error = #expect(throws: SamplingError.self) {
                try NeighborhoodSampler(graph: graph, configuration: WalkConfiguration(collectionTypes: shares), seed: 1)
            }
            return error?.description ?? ""
        }
        #expect(message(typed.typed(nil), ["board": 1]).contains("the collections of this dataset have no types"))
        #expect(message(typed, ["boards": 1]).contains("the type \"boards\"; the collections are of board, list, tag"))
        #expect(message(typed, ["board": -1]).contains("the share -1.0 for \"board\""))
        #expect(message(typed, ["board": 0]).contains("gives no type a share"))
        #expect(message(typed, [:]).contains("gives no type a share"))
        for exponent in [Double.nan, .infinity, 5, -5] {
            #expect(throws: SamplingError.self) {
                try NeighborhoodSampler(graph: typed, configuration: WalkConfiguration(sizeExponent: exponent), seed: 1)
            }
        }
    }

    @Test("settings keep the shares; those without have no such key, as before")
    func coding() throws {
        let configuration = WalkConfiguration(collectionTypes: ["a": 0.25], sizeExponent: 0.5)
        #expect(try JSONDecoder().decode(WalkConfiguration.self, from: JSONEncoder().encode(configuration)) == configuration)
        #expect(!String(decoding: try JSONEncoder().encode(WalkConfiguration()), as: UTF8.self).contains("collectionTypes"))
    }
}
