import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite("Edges that give a label away")
struct LabelEdgeTests {
    /// Sections 0 (items 0, 1, 2) and 1 (items 3, 4) of list 2, and collection 3 that holds items 1, 2 and 5.
    private let graph = TinyGraphs.graph(
        items: 6, collections: 4,
        edges: [(0, 0), (1, 0), (2, 0), (3, 1), (4, 1)] + (0..<5).map { ($0, 2) } + [(1, 3), (2, 3), (5, 3)])

    private func labels(_ query: Int, _ positive: Int, _ collection: Int) -> [UInt32] {
        graph.labelCollections(of: PositivePair(query: ItemID(query), positive: ItemID(positive), collection: CollectionID(collection))).map(\.row)
    }

    @Test("a list that holds all of the pair's section goes with it, another shared collection stays")
    func enclosing() {
        #expect(labels(1, 2, 0) == [0, 2])
        #expect(labels(3, 4, 1) == [1, 2])
        #expect(labels(1, 2, 2) == [2])
        #expect(labels(1, 2, 3) == [3])
    }

    @Test("held-out questions leave nothing of the label in the graph")
    func heldOut() throws {
        let pair = DatasetSplit.Pair(query: ItemID(1), positive: ItemID(2), collection: CollectionID(0))
        let held = try HeldOutQuestions([pair], of: graph, most: 10)
        #expect(held.graph.collections(of: ItemID(2)).map(\.row) == [3])
        #expect(held.graph.edgeCount == graph.edgeCount - 2)
        let query = try #require(held.task().queries.first)
        #expect(query.items == [ItemID(1)] && query.positives == [ItemID(2)] && query.excluded == [ItemID(0), ItemID(1)])
        #expect(held.task(asksWithMembers: true).queries.first?.items == [ItemID(0), ItemID(1)])
    }

    @Test("where enough answers keep an edge, only they are asked about")
    func known() throws {
        // Items below 400 are in two collections each, the others in one.
        var edges = (0..<800).map { ($0, $0 / 4) }
        edges += (0..<400).map { ($0, 200 + $0 % 50) }
        let graph = TinyGraphs.graph(items: 800, collections: 250, edges: edges)
        func pairs(_ items: some Sequence<Int>) -> [DatasetSplit.Pair] {
            items.map { .init(query: ItemID($0 ^ 1), positive: ItemID($0), collection: CollectionID($0 / 4)) }
        }
        let many = try HeldOutQuestions(pairs(stride(from: 0, to: 800, by: 1)), of: graph, most: 1000)
        #expect(many.pairs.map(\.positive.row) == (0..<400).map { UInt32($0) })
        let few = try HeldOutQuestions(pairs(300..<800), of: graph, most: 50)
        #expect(few.pairs.count == 50 && few.pairs.contains { $0.positive.row >= 400 })
    }

    @Test("shared collections are the same by merging as by looking up, whatever the degrees")
    func shared() {
        // Item 0 is in all, item 1 in few, item 2 in none.
        var edges = (0..<200).map { (0, $0) }
        edges += [3, 70, 199].map { (1, $0) }
        edges += (0..<150).map { (3, $0) }
        let graph = TinyGraphs.graph(items: 4, collections: 200, edges: edges)
        let few = [3, 70, 199]
        let cases: [(Int, Int, [Int])] = [(0, 1, few), (1, 0, few), (0, 2, []), (0, 3, Array(0..<150)), (1, 3, [3, 70]), (1, 1, few)]
        for (first, second, expected) in cases {
            #expect(graph.sharedCollections(of: ItemID(first), and: ItemID(second)).map { Int($0.row) } == expected)
        }
    }
}
