import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite("Random walks")
struct RandomWalksTests {
    /// Graphs whose walks are understood, and one that is not special.
    enum Shape: String, CaseIterable, CustomTestStringConvertible {
        case random, cycle, star, completeBipartite, disconnected

        var testDescription: String { rawValue }

        var graph: Graph {
            switch self {
            case .random: TinyGraphs.random(items: 14, collections: 7, edgesPerItem: 3, seed: 6)
            case .cycle: TinyGraphs.graph(items: 9, collections: 9, edges: (0..<9).flatMap { [($0, $0), ($0, ($0 + 1) % 9)] })
            case .star: TinyGraphs.graph(items: 8, collections: 1, edges: (0..<8).map { ($0, 0) })
            case .completeBipartite: TinyGraphs.graph(items: 6, collections: 5, edges: (0..<6).flatMap { item in (0..<5).map { (item, $0) } })
            // A path of items that reach each other, a pair, and an item alone in its collection.
            case .disconnected:
                TinyGraphs.graph(items: 7, collections: 5, edges: [(0, 0), (1, 0), (1, 1), (2, 1), (3, 2), (4, 2), (5, 3)])
            }
        }
    }

    /// The probability of each item after one hop from each item.
    private func hops(_ graph: Graph) -> [[Double]] {
        (0..<graph.itemCount).map { item in
            var next = [Double](repeating: 0, count: graph.itemCount)
            let collections = graph.collections(of: ItemID(item))
            // A walker without an edge stays at its seed, which for a walk that began there is the item itself.
            if collections.isEmpty { next[item] = 1 }
            for collection in collections {
                let members = graph.items(of: collection)
                for member in members { next[Int(member.row)] += 1 / Double(collections.count * members.count) }
            }
            return next
        }
    }

    /// Personalised PageRank by power iteration: the share of its visits that an endless walk with restart makes to each item.
    private func pageRank(_ graph: Graph, from seed: Int, restart: Double) -> [Double] {
        let hops = hops(graph)
        var rank = hops[seed]
        for _ in 0..<400 {
            var next = [Double](repeating: 0, count: graph.itemCount)
            for item in 0..<graph.itemCount {
                let from = (item == seed ? restart : 0) + (1 - restart) * rank[item]
                for target in 0..<graph.itemCount { next[target] += from * hops[item][target] }
            }
            rank = next
        }
        return rank
    }

    /// The 60th visits of independent walks: (1 - 0.15)^60 < 6e-5 of the distribution is still that of the first hops, far below what
    /// 20,000 walks can tell.
    @Test(
        "the last visits of long walks are distributed as exact personalised PageRank (chi-square, false alarm 1e-6 per case)",
        arguments: Shape.allCases, [0.15, 0.5])
    func pageRank(shape: Shape, restart: Double) throws {
        let graph = shape.graph
        let count = 20_000, length = 60
        let walks = try RandomWalks(graph: graph, configuration: WalkConfiguration(walks: count, walkLength: length, restart: restart), seed: 31)
        for seed in 0..<graph.itemCount {
            let visits = try walks.visits(from: [ItemID(seed)], threads: 2)
            var counts = [Int](repeating: 0, count: graph.itemCount)
            for walk in 0..<count { counts[Int(visits[walk * length + length - 1])] += 1 }
            let expected = pageRank(graph, from: seed, restart: restart).map { $0 * Double(count) }
            var statistic = 0.0, cells = 0
            for item in counts.indices {
                if expected[item] == 0 {
                    #expect(counts[item] == 0, "item \(item) is not reachable from \(seed)")
                } else {
                    statistic += (Double(counts[item]) - expected[item]) * (Double(counts[item]) - expected[item]) / expected[item]
                    cells += 1
                }
            }
            // Wilson and Hilferty: the cube root of chi-square / k is close to normal; 4.75 is the 1 - 1e-6 quantile.
            let k = Double(max(1, cells - 1)), root = 1 - 2 / (9 * k) + 4.75 * (2 / (9 * k)).squareRoot()
            #expect(statistic <= k * root * root * root, "chi-square \(statistic) with \(k) degrees of freedom, seed item \(seed)")
        }
    }

    @Test("the test above notices a law that is a little off")
    func powerOfTheChiSquare() throws {
        let graph = Shape.random.graph
        let walks = try RandomWalks(graph: graph, configuration: WalkConfiguration(walks: 40_000, walkLength: 60, restart: 0.18), seed: 31)
        var rejected = 0
        for seed in 0..<graph.itemCount {
            let visits = try walks.visits(from: [ItemID(seed)], threads: 2)
            var counts = [Int](repeating: 0, count: graph.itemCount)
            for walk in 0..<40_000 { counts[Int(visits[walk * 60 + 59])] += 1 }
            let expected = pageRank(graph, from: seed, restart: 0.15).map { $0 * 40_000 }
            let statistic = zip(counts, expected).reduce(0.0) { $1.1 == 0 ? $0 : $0 + (Double($1.0) - $1.1) * (Double($1.0) - $1.1) / $1.1 }
            if statistic > 58 { rejected += 1 }  // above the 1 - 1e-6 quantile for 13 degrees of freedom
        }
        #expect(rejected >= 1)
    }

    @Test("an item in ten million collections, and one in none")
    func highestDegree() throws {
        let size = 10_000_000
        // Item 0 is in every collection, item 1, 2 or 3 beside it; item 4 in none.
        let thirds = (0..<3).map { (size - $0 + 2) / 3 }
        let itemOffsets = [0, size, size + thirds[0], size + thirds[0] + thirds[1], 2 * size, 2 * size].map { Int64($0) }
        let itemTargets = unsafe StoredArray<UInt32>(count: 2 * size) { targets in
            for collection in 0..<size { unsafe targets[collection] = UInt32(collection) }
            for collection in 0..<size { unsafe targets[Int(itemOffsets[1 + collection % 3]) + collection / 3] = UInt32(collection) }
        }
        let collectionOffsets = unsafe StoredArray<Int64>(count: size + 1) { offsets in
            for row in 0...size { unsafe offsets[row] = Int64(2 * row) }
        }
        let collectionTargets = unsafe StoredArray<UInt32>(count: 2 * size) { targets in
            for collection in 0..<size { unsafe targets[2 * collection + 1] = UInt32(1 + collection % 3) }
        }
        let graph = Graph(
            items: Graph.Adjacency(offsets: StoredArray(itemOffsets), targets: itemTargets),
            collections: Graph.Adjacency(offsets: collectionOffsets, targets: collectionTargets))
        let walks = try RandomWalks(graph: graph, configuration: WalkConfiguration(walks: 30_000, walkLength: 1, restart: 0), seed: 3)
        var counts = [Int](repeating: 0, count: 5)
        for item in try walks.visits(from: [ItemID(0)], threads: 2) { counts[Int(item)] += 1 }
        // Half of the hops return; six standard deviations of 30,000 draws of probability 1/2 and 1/6.
        #expect(abs(counts[0] - 15_000) < 520)
        for item in 1...3 { #expect(abs(counts[item] - 5000) < 390) }
        #expect(try walks.visits(from: [ItemID(4)], threads: 1).allSatisfy { $0 == 4 })
        let neighbors = try NeighborhoodSampler(graph: graph, configuration: WalkConfiguration(), seed: 3)
            .neighborhoods(of: [ItemID(0), ItemID(4)], threads: 1)
        #expect(Set(neighbors[0].map(\.item.row)) == [1, 2, 3])
        #expect(neighbors.range(of: 1).isEmpty)
    }

    @Test(
        "visits are the same on any number of threads, in any batch, and what neighborhoods count", arguments: [(50, 1), (100, 2), (1, 9), (300, 3)])
    func equalAcrossThreads(walks: Int, length: Int) throws {
        let graph = TinyGraphs.random(items: 600, collections: 90, edgesPerItem: 4, seed: 2)
        let configuration = WalkConfiguration(walks: walks, walkLength: length, restart: 0.3, neighbors: 1 << 16)
        let sampler = try RandomWalks(graph: graph, configuration: configuration, seed: 8)
        let items = (0..<600).map { ItemID($0) }
        let one = Array(try sampler.visits(from: items, threads: 1))
        #expect(Array(try sampler.visits(from: items, threads: 2)) == one)
        #expect(Array(try sampler.visits(from: items, threads: 7)) == one)
        #expect(Array(try sampler.visits(from: [items[333]], threads: 1)) == Array(one[333 * walks * length..<334 * walks * length]))
        #expect(Array(try sampler.visits(from: items, round: 1, threads: 2)) != one)
        let counted = try NeighborhoodSampler(graph: graph, configuration: configuration, seed: 8).neighborhoods(of: items, threads: 2)
        for row in [0, 17, 599] {
            var counts: [UInt32: Int] = [:]
            for visit in one[row * walks * length..<(row + 1) * walks * length] where visit != UInt32(row) { counts[visit, default: 0] += 1 }
            let total = Float(counts.values.reduce(0, +))
            #expect(counted[row].count == counts.count)
            for (item, weight) in counted[row] { #expect(abs(weight - Float(counts[item.row] ?? 0) / total) <= 2 * weight.ulp) }
        }
    }

    @Test("graphs without edges, unknown items")
    func ends() throws {
        let empty = TinyGraphs.graph(items: 3, collections: 0, edges: [])
        let walks = try RandomWalks(graph: empty, configuration: WalkConfiguration(walks: 2, walkLength: 3), seed: 1)
        #expect(Array(try walks.visits(from: [ItemID(2), ItemID(0)], threads: 2)) == [2, 2, 2, 2, 2, 2, 0, 0, 0, 0, 0, 0])
        #expect(try walks.visits(from: [], threads: 2).isEmpty)
        #expect(throws: SamplingError.unknownItem(ItemID(3), itemCount: 3)) { try walks.visits(from: [ItemID(3)], threads: 1) }
    }
}
