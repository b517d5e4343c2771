import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite("Pixie")
struct PixieRecommenderTests {
    /// Two communities of 10 items in 3 collections each; item 20 is in one collection of both.
    private func communities() -> Graph {
        var edges: [(item: Int, collection: Int)] = []
        for item in 0..<20 { for collection in 0..<3 where (item + collection) % 3 != 0 { edges.append((item, item / 10 * 3 + collection)) } }
        return TinyGraphs.graph(items: 22, collections: 6, edges: edges + [(20, 0), (20, 3)])
    }

    @Test("recommends the query's own community, best first, without the query and what is excluded")
    func community() throws {
        let pixie = try PixieRecommender(graph: communities(), configuration: PixieConfiguration(steps: 20_000), seed: 1)
        let excluded = ItemID(3)
        let list = try pixie.recommend(queries: [(ItemID(1), 1)], excluding: [excluded], count: 5)
        #expect(list.count == 5)
        #expect(list.allSatisfy { $0.item.row < 10 || $0.item.row == 20 })
        #expect(!list.contains { $0.item == ItemID(1) || $0.item == excluded })
        #expect(zip(list, list.dropFirst()).allSatisfy { $0.score > $1.score || ($0.score == $1.score && $0.item < $1.item) })
        let shares = try pixie.visitShares(from: [(ItemID(1), 1)])
        #expect(abs(shares.reduce(0) { $0 + Double($1.score) } - 1) < 1e-5)
        #expect(zip(shares, shares.dropFirst()).allSatisfy { $0.item < $1.item })
    }

    @Test("items that several queries reach are boosted")
    func boost() throws {
        let graph = communities()
        let queries: [(item: ItemID, weight: Float)] = [(ItemID(1), 1), (ItemID(11), 1)]
        func share(_ boosts: Bool) throws -> Float {
            let pixie = try PixieRecommender(
                graph: graph, configuration: PixieConfiguration(steps: 50_000, boostsMultipleHits: boosts), seed: 1)
            return try pixie.visitShares(from: queries).first { $0.item == ItemID(20) }?.score ?? 0
        }
        #expect(try share(true) > 1.2 * share(false))
    }

    @Test("steps go by weight and degree and add up; isolated queries have no steps and no recommendations")
    func allotment() throws {
        let pixie = try PixieRecommender(graph: communities(), configuration: PixieConfiguration(steps: 10_000), seed: 1)
        let even = pixie.allotment([(ItemID(1), 1), (ItemID(4), 1)])
        #expect(even == [5000, 5000])
        let uneven = pixie.allotment([(ItemID(1), 3), (ItemID(4), 1), (ItemID(21), 1)])
        #expect(uneven == [7500, 2500, 0])
        #expect(try pixie.recommend(queries: [(ItemID(21), 1)], count: 5).isEmpty)
        #expect(try pixie.recommend(queries: [], count: 5).isEmpty)
        #expect(throws: SamplingError.self) { try pixie.scores(of: [ItemID(22)]) }
    }

    @Test("early stopping walks less and finds the same best items")
    func earlyStop() throws {
        let graph = communities()
        let full = try PixieRecommender(graph: graph, configuration: PixieConfiguration(steps: 200_000), seed: 1)
        let early = try PixieRecommender(
            graph: graph, configuration: PixieConfiguration(steps: 200_000, earlyStop: .init(items: 3, visits: 100)), seed: 1)
        let fullScores = try full.scores(of: [ItemID(1)]), earlyScores = try early.scores(of: [ItemID(1)])
        #expect(fullScores.map(\.score) != earlyScores.map(\.score))
        #expect(fullScores.count == earlyScores.count)
    }

    @Test("a preference pulls the walk toward preferred items")
    func preference() throws {
        let graph = communities()
        let plain = try PixieRecommender(graph: graph, configuration: PixieConfiguration(steps: 20_000), seed: 1)
        let biased = try PixieRecommender(graph: graph, configuration: PixieConfiguration(steps: 20_000), seed: 1) { $0.row % 2 == 0 }
        func even(_ pixie: PixieRecommender) throws -> Float {
            try pixie.scores(of: [ItemID(1)]).reduce(0) { $0 + ($1.item.row % 2 == 0 ? $1.score : 0) }
        }
        #expect(try even(biased) > even(plain) + 0.2)
    }

    @Test("equal for 1, 2 and 7 threads, alone and in a batch, and for any order of the query's items")
    func deterministic() throws {
        let graph = TinyGraphs.random(items: 200, collections: 40, edgesPerItem: 3, seed: 5)
        let pixie = try PixieRecommender(graph: graph, configuration: PixieConfiguration(steps: 3000), seed: 9)
        let queries = (0..<50).map { [ItemID($0), ItemID(($0 * 7 + 3) % 200)] } + [[ItemID(4)]]
        let one = try pixie.scores(of: queries, threads: 1)
        for threads in [2, 7] {
            let other = try pixie.scores(of: queries, threads: threads)
            #expect(zip(one, other).allSatisfy { $0.elementsEqual($1) { $0 == $1 } })
        }
        #expect(try pixie.scores(of: queries[13].reversed()).elementsEqual(one[13]) { $0 == $1 })
    }
}

@Suite("Personalized PageRank ranks")
struct PersonalizedPageRankRankerTests {
    @Test("ranks follow closeness, exclude the query, and do not depend on threads")
    func ranks() throws {
        // A path of items: item i shares a collection with i + 1. Closeness to item 0 falls along the path.
        let graph = TinyGraphs.graph(items: 60, collections: 59, edges: (0..<59).flatMap { [($0, $0), ($0 + 1, $0)] })
        let ranker = PersonalizedPageRankRanker(graph: graph, seed: 1, visitsPerRank: 2000)
        #expect(try ranker.items(at: 0..<4, of: [ItemID(0)], threads: 1)[0].map(\.row) == [1, 2, 3, 4])
        let queries = (0..<60).map { ItemID($0) }
        let one = try ranker.items(at: 3..<9, of: queries, threads: 1)
        #expect(try ranker.items(at: 3..<9, of: queries, threads: 2) == one)
        #expect(try ranker.items(at: 3..<9, of: queries, threads: 7) == one)
        let all = try ranker.items(at: 0..<60, of: queries, threads: 2)
        for (query, items) in zip(queries, all) {
            #expect(!items.contains(query))
            #expect(Set(items).count == items.count)
        }
        #expect(try ranker.items(at: 3..<9, of: [ItemID(20), ItemID(20)], threads: 1).map { $0 } == [one[20], one[20]])
    }

    @Test("ties favour no row: over many queries low and high rows are drawn equally often")
    func ties() throws {
        // One collection of everything: all other items are tied in expectation.
        let graph = TinyGraphs.graph(items: 400, collections: 1, edges: (0..<400).map { ($0, 0) })
        let ranker = PersonalizedPageRankRanker(graph: graph, seed: 3)
        let drawn = try ranker.items(at: 100..<200, of: (0..<400).map { ItemID($0) }, threads: 2).flatMap { $0 }
        let low = drawn.filter { $0.row < 200 }.count
        // 40,000 draws: six standard deviations of a fair coin are 600.
        #expect(abs(low - drawn.count / 2) < 600)
    }

    @Test("fewer items where fewer are reached; none beyond them; bad ranges are refused")
    func short() throws {
        let graph = TinyGraphs.graph(items: 10, collections: 2, edges: (0..<4).map { ($0, 0) } + [(5, 1)])
        let ranker = PersonalizedPageRankRanker(graph: graph, seed: 1)
        #expect(try ranker.items(at: 0..<9, of: [ItemID(0), ItemID(5), ItemID(9)], threads: 1).map(\.count) == [3, 0, 0])
        #expect(try ranker.items(at: 5..<9, of: [ItemID(0)], threads: 1) == [[]])
        #expect(try ranker.items(at: 2..<2, of: [ItemID(0)], threads: 1) == [[]])
        #expect(throws: SamplingError.self) { try ranker.items(at: 0..<2, of: [ItemID(10)], threads: 1) }
        #expect(throws: SamplingError.self) { try ranker.items(at: 0..<3_000_000, of: [ItemID(0)], threads: 1) }
    }
}
