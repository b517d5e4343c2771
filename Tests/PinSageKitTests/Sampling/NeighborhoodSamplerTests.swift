import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite("Importance neighborhoods")
struct NeighborhoodSamplerTests {
    private func all(_ graph: Graph) -> [ItemID] { (0..<graph.itemCount).map { ItemID($0) } }

    /// A power-law graph: a few items and collections have most edges.
    private static func skewed(items: Int, collections: Int, edges: Int, seed: UInt64) -> Graph {
        var random = SplitMix(seed: seed)
        var pairs: Set<[Int]> = []
        for _ in 0..<edges {
            let u = Double(random.next() >> 11) * 0x1p-53, v = Double(random.next() >> 11) * 0x1p-53
            pairs.insert([Int(u * u * u * Double(items)), Int(v * v * Double(collections))])
        }
        return TinyGraphs.graph(items: items, collections: collections, edges: pairs.map { ($0[0], $0[1]) })
    }

    // MARK: Determinism

    @Test("bit-equal for 1, 2 and 7 threads, in any batch, order and repetition", arguments: [(100, 2), (7, 5), (300, 3), (1, 1)])
    func equalAcrossThreads(walks: Int, length: Int) throws {
        let graph = Self.skewed(items: 700, collections: 150, edges: 4000, seed: 3)
        let sampler = try NeighborhoodSampler(
            graph: graph, configuration: WalkConfiguration(walks: walks, walkLength: length, restart: 0.4, neighbors: 20), seed: 11)
        let items = all(graph)
        let one = try sampler.neighborhoods(of: items, threads: 1)
        #expect(try sampler.neighborhoods(of: items, threads: 2) == one)
        #expect(try sampler.neighborhoods(of: items, threads: 7) == one)
        for start in [0, 333, 699] {
            let alone = try sampler.neighborhoods(of: [items[start]], threads: 1)
            #expect(alone.items == Array(one.items[one.range(of: start)]))
            #expect(alone.weights == Array(one.weights[one.range(of: start)]))
        }
        let backwards = try sampler.neighborhoods(of: items.reversed() + items, threads: 3)
        for row in items.indices {
            #expect(Array(backwards.items[backwards.range(of: 699 - row)]) == Array(one.items[one.range(of: row)]))
            #expect(Array(backwards.items[backwards.range(of: 700 + row)]) == Array(one.items[one.range(of: row)]))
        }
        // An unused list of hidden edges changes nothing either.
        #expect(try sampler.neighborhoods(of: items, hiding: items.map { _ in nil }, threads: 2) == one)
        #expect(try sampler.neighborhoods(of: items, hiding: items.map { HiddenEdges(item: $0, collections: []) }, threads: 2) == one)
    }

    @Test("another seed or round draws other walks")
    func roundsDiffer() throws {
        let graph = Self.skewed(items: 300, collections: 60, edges: 2000, seed: 4)
        let configuration = WalkConfiguration(walks: 50, walkLength: 2, neighbors: 10)
        let sampler = try NeighborhoodSampler(graph: graph, configuration: configuration, seed: 1)
        let other = try NeighborhoodSampler(graph: graph, configuration: configuration, seed: 2)
        let first = try sampler.neighborhoods(of: all(graph), round: 0, threads: 1)
        #expect(try sampler.neighborhoods(of: all(graph), round: 1, threads: 1) != first)
        #expect(try other.neighborhoods(of: all(graph), round: 0, threads: 1) != first)
        #expect(try sampler.neighborhoods(of: all(graph), round: 0, threads: 1) == first)
    }

    // MARK: Against a slow twin

    /// The documented law, one walker at a time and with nothing clever.
    private func twin(
        _ graph: Graph, _ configuration: WalkConfiguration, seed: UInt64, item: ItemID, hidden: HiddenEdges? = nil
    ) -> [(item: UInt32, count: Int)] {
        let stream = CounterRandom(seed: seed).stream(of: UInt64(item.row))
        var counts: [UInt32: Int] = [:]
        for walk in 0..<configuration.walks {
            var current = item
            for step in 0..<configuration.walkLength {
                var rest = stream[walk: walk, step: step]
                let collections = graph.collections(of: current).filter { hidden?.item != current || !(hidden?.collections.contains($0) ?? false) }
                guard !collections.isEmpty else { current = item; continue }
                let first = rest.multipliedFullWidth(by: UInt64(collections.count))
                let collection = collections[Int(first.high)]
                let items = graph.items(of: collection).filter { hidden?.item != $0 || !(hidden?.collections.contains(collection) ?? false) }
                guard !items.isEmpty else { current = item; continue }
                let second = first.low.multipliedFullWidth(by: UInt64(items.count))
                rest = second.low
                current = items[Int(second.high)]
                if current != item { counts[current.row, default: 0] += 1 }
                if Double(rest) < configuration.restart * 0x1p64 { current = item }
            }
        }
        return counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(configuration.neighbors).map { ($0.key, $0.value) }
    }

    @Test("equal to a walk written out step by step", arguments: [1, 3, 50, 1000], [false, true])
    func equalsTwin(neighbors: Int, hides: Bool) throws {
        let graph = Self.skewed(items: 120, collections: 30, edges: 500, seed: 8)
        var random = SplitMix(seed: 5)
        for (walks, length, restart) in [(40, 3, 0.3), (1, 1, 0), (130, 2, 0.5), (3, 30, 1)] {
            let configuration = WalkConfiguration(walks: walks, walkLength: length, restart: restart, neighbors: neighbors)
            let sampler = try NeighborhoodSampler(graph: graph, configuration: configuration, seed: 21)
            let hiding: [HiddenEdges?] = all(graph).map { item in
                guard hides, random.next() % 4 > 0 else { return nil }
                // Half of the roots are other items than the hidden one.
                let of = random.next() % 2 == 0 ? item : ItemID(Int(random.next() % 120))
                let collections = graph.collections(of: of).filter { _ in random.next() % 2 == 0 }
                return HiddenEdges(item: of, collections: collections + [CollectionID(Int(random.next() % 30))])
            }
            let drawn = try sampler.neighborhoods(of: all(graph), hiding: hiding, threads: 2)
            for item in all(graph) {
                let expected = twin(graph, configuration, seed: 21, item: item, hidden: hiding[Int(item.row)])
                let range = drawn.range(of: Int(item.row))
                #expect(Array(drawn.items[range]) == expected.map(\.item))
                let total = Float(expected.reduce(0) { $0 + $1.count })
                for (weight, count) in zip(drawn.weights[range], expected.map(\.count)) {
                    #expect(abs(weight - Float(count) / total) <= 2 * weight.ulp)
                }
            }
        }
    }

    // MARK: Properties

    @Test("at most T neighbors, never the item itself, no item twice, by weight and then row; weights sum to 1")
    func properties() throws {
        let graph = Self.skewed(items: 500, collections: 100, edges: 3000, seed: 9)
        for neighbors in [1, 10, 200] {
            let sampler = try NeighborhoodSampler(
                graph: graph, configuration: WalkConfiguration(walks: 60, walkLength: 4, restart: 0.2, neighbors: neighbors), seed: 2)
            let drawn = try sampler.neighborhoods(of: all(graph), threads: 2)
            #expect(drawn.count == graph.itemCount)
            for row in 0..<drawn.count {
                let list = drawn[row]
                #expect(list.count <= neighbors)
                #expect(Set(list.map(\.item)).count == list.count)
                #expect(!list.contains { $0.item == ItemID(row) })
                for (left, right) in zip(list, list.dropFirst()) {
                    #expect(left.weight > right.weight || (left.weight == right.weight && left.item < right.item))
                }
                let isolated = graph.degree(of: ItemID(row)) == 0
                #expect(!isolated || list.isEmpty)
                // A float sum of at most 200 terms of at most 1.
                if !list.isEmpty { #expect(abs(list.reduce(0) { $0 + Double($1.weight) } - 1) < 1e-5) }
            }
        }
    }

    @Test("ties go to the lower row: every other member of one collection is equally near")
    func ties() throws {
        // 3 hops over a pair of items that share a collection with the seed: with many walks, all 9 others are visited; keep 4.
        let graph = TinyGraphs.graph(items: 3, collections: 2, edges: [(0, 0), (1, 0), (0, 1), (2, 1)])
        var seen = false
        for seed in 0..<200 as Range<UInt64> {
            let sampler = try NeighborhoodSampler(
                graph: graph, configuration: WalkConfiguration(walks: 4, walkLength: 1, restart: 0.5, neighbors: 2), seed: seed)
            let list = try sampler.neighborhoods(of: [ItemID(0)], threads: 1)[0]
            guard list.count == 2, list[0].weight == list[1].weight else { continue }
            seen = true
            #expect(list.map(\.item) == [ItemID(1), ItemID(2)])
        }
        #expect(seen)
    }

    @Test("hidden edges are never used: with them the only bridge gone, the other side is never reached")
    func bridge() throws {
        // Two cliques, joined by item 4 being in collection 1 as well.
        let left = (0..<5).map { (item: $0, collection: 0) }, right = (5..<10).map { (item: $0, collection: 1) }
        let graph = TinyGraphs.graph(items: 10, collections: 2, edges: left + right + [(4, 1)])
        let sampler = try NeighborhoodSampler(
            graph: graph, configuration: WalkConfiguration(walks: 500, walkLength: 6, restart: 0.1, neighbors: 9), seed: 3)
        let hidden = HiddenEdges(item: ItemID(4), collections: [CollectionID(1)])
        let open = try sampler.neighborhoods(of: all(graph), threads: 1)
        let closed = try sampler.neighborhoods(of: all(graph), hiding: all(graph).map { _ in hidden }, threads: 1)
        for row in 0..<10 {
            #expect(open.range(of: row).count == 9)
            #expect(closed.range(of: row).count == 4)
            #expect(closed[row].allSatisfy { ($0.item.row < 5) == (row < 5) })
        }
    }

    @Test("an item whose every edge is hidden has no neighbors, and other walks avoid it")
    func allHidden() throws {
        let graph = TinyGraphs.graph(items: 4, collections: 2, edges: [(0, 0), (1, 0), (2, 0), (0, 1), (3, 1)])
        let hidden = HiddenEdges(item: ItemID(0), collections: [CollectionID(0), CollectionID(1)])
        let sampler = try NeighborhoodSampler(graph: graph, configuration: WalkConfiguration(walks: 64, walkLength: 3), seed: 1)
        let drawn = try sampler.neighborhoods(of: all(graph), hiding: Array(repeating: hidden, count: 4), threads: 1)
        #expect(drawn.range(of: 0).isEmpty)
        #expect(drawn[1].map(\.item) == [ItemID(2)])
        #expect(drawn.range(of: 3).isEmpty)  // its collection has no one else left
    }

    // MARK: Graphs with known answers

    @Test("cycle, star, complete bipartite, disconnected and empty graphs")
    func knownGraphs() throws {
        let configuration = WalkConfiguration(walks: 400, walkLength: 1, restart: 0, neighbors: 50)
        // Cycle: item i is in collections i and i + 1: one hop reaches the items beside it.
        let n = 12
        let cycle = TinyGraphs.graph(items: n, collections: n, edges: (0..<n).flatMap { [($0, $0), ($0, ($0 + 1) % n)] })
        let around = try NeighborhoodSampler(graph: cycle, configuration: configuration, seed: 1).neighborhoods(of: all(cycle), threads: 2)
        for row in 0..<n { #expect(Set(around[row].map { Int($0.item.row) }) == [(row + 1) % n, (row + n - 1) % n]) }
        // Star: one collection of everything.
        let star = TinyGraphs.graph(items: 9, collections: 1, edges: (0..<9).map { ($0, 0) })
        let rays = try NeighborhoodSampler(graph: star, configuration: configuration, seed: 1).neighborhoods(of: all(star), threads: 2)
        for row in 0..<9 { #expect(rays.range(of: row).count == 8) }
        let complete = TinyGraphs.graph(items: 6, collections: 5, edges: (0..<6).flatMap { item in (0..<5).map { (item, $0) } })
        let near = try NeighborhoodSampler(graph: complete, configuration: configuration, seed: 1).neighborhoods(of: all(complete), threads: 2)
        for row in 0..<6 { #expect(near.range(of: row).count == 5) }
        // Two components, and an item without edges.
        let apart = TinyGraphs.graph(items: 5, collections: 2, edges: [(0, 0), (1, 0), (2, 1), (3, 1)])
        let parts = try NeighborhoodSampler(graph: apart, configuration: configuration, seed: 1).neighborhoods(of: all(apart), threads: 1)
        #expect((0..<5).map { parts[$0].map(\.item.row) } == [[1], [0], [3], [2], []])
        #expect(parts[0].map(\.weight) == [1])
        // A lonely item in a collection of its own only ever meets itself.
        let lonely = TinyGraphs.graph(items: 1, collections: 1, edges: [(0, 0)])
        #expect(try NeighborhoodSampler(graph: lonely, configuration: configuration, seed: 1).neighborhoods(of: [ItemID(0)], threads: 1).items == [])
        let empty = TinyGraphs.graph(items: 3, collections: 0, edges: [])
        let none = try NeighborhoodSampler(graph: empty, configuration: configuration, seed: 1).neighborhoods(of: all(empty), threads: 2)
        #expect(none.offsets == [0, 0, 0, 0])
        let nothing = TinyGraphs.graph(items: 0, collections: 0, edges: [])
        #expect(try NeighborhoodSampler(graph: nothing, configuration: configuration, seed: 1).neighborhoods(of: [], threads: 2).count == 0)
    }

    @Test("an item of very high degree, and items that many walks reach")
    func hub() throws {
        let size = 100_000
        var edges = (0..<size).map { (item: 0, collection: $0) }
        edges += (0..<size).map { (item: 1 + $0 % 1000, collection: $0) }
        let graph = TinyGraphs.graph(items: 1001, collections: size, edges: edges)
        let sampler = try NeighborhoodSampler(graph: graph, configuration: WalkConfiguration(walks: 500, walkLength: 4, restart: 0.5), seed: 1)
        let drawn = try sampler.neighborhoods(of: [ItemID(0), ItemID(17)], threads: 1)
        #expect(drawn.range(of: 0).count == 50)
        #expect(drawn[1].first?.item == ItemID(0))  // every way from a leaf passes the hub
    }

    // MARK: Law

    /// Expected visits per walk of every item, exactly, by carrying the walker's distribution along.
    private func exactVisits(_ graph: Graph, from seed: Int, length: Int, restart: Double, hidden: HiddenEdges? = nil) -> [Double] {
        var place = [Double](repeating: 0, count: graph.itemCount)
        var visits = place
        place[seed] = 1
        for _ in 0..<length {
            var next = [Double](repeating: 0, count: graph.itemCount)
            for item in 0..<graph.itemCount where place[item] > 0 {
                let isHidden = { (item: Int, collection: CollectionID) in
                    hidden.map { Int($0.item.row) == item && $0.collections.contains(collection) } ?? false
                }
                let collections = graph.collections(of: ItemID(item)).filter { !isHidden(item, $0) }
                for collection in collections {
                    let members = graph.items(of: collection).filter { !isHidden(Int($0.row), collection) }
                    for member in members { next[Int(member.row)] += place[item] / Double(collections.count * members.count) }
                }
            }
            for item in next.indices { visits[item] += next[item] }
            place = next.map { $0 * (1 - restart) }
            place[seed] += restart
        }
        visits[seed] = 0
        return visits
    }

    /// Chi-square of observed weights against expected visits, for walks of one hop or with hops made independent by restart = 1.
    ///
    /// Visits of one walk depend on each other, so the statistic is taken over walks of one hop, and the longer law is tested by its
    /// mean in `longWalks`.
    @Test("one-hop visits follow the exact law (chi-square, false alarm 1e-6 per case)", arguments: [false, true])
    func chiSquare(hides: Bool) throws {
        let graph = TinyGraphs.random(items: 12, collections: 6, edgesPerItem: 3, seed: 6)
        let walks = 200_000
        let sampler = try NeighborhoodSampler(
            graph: graph, configuration: WalkConfiguration(walks: walks, walkLength: 1, restart: 0, neighbors: 12), seed: 77)
        for seed in 0..<12 {
            let hiddenItem = (seed * 5) % 12
            let hidden = hides ? HiddenEdges(item: ItemID(hiddenItem), collections: Array(graph.collections(of: ItemID(hiddenItem)).prefix(1))) : nil
            let expected = exactVisits(graph, from: seed, length: 1, restart: 0, hidden: hidden)
            let list = try sampler.neighborhoods(of: [ItemID(seed)], hiding: [hidden], threads: 1)[0]
            let total = expected.reduce(0, +)
            guard total > 0 else { #expect(list.isEmpty); continue }
            // The number of visits other than to the seed is random; given it, the counts are multinomial.
            let visits = Double(walks) * total
            var statistic = 0.0, cells = 0
            for item in 0..<12 where expected[item] > 0 {
                let share = Double(list.first { Int($0.item.row) == item }?.weight ?? 0)
                let wanted = expected[item] / total
                statistic += visits * (share - wanted) * (share - wanted) / wanted
                cells += 1
            }
            #expect(list.allSatisfy { expected[Int($0.item.row)] > 0 })
            // Wilson and Hilferty: the cube root of chi-square / k is close to normal; 4.75 is the 1 - 1e-6 quantile.
            let k = Double(max(1, cells - 1))
            let limit = k * cube(1 - 2 / (9 * k) + 4.75 * (2 / (9 * k)).squareRoot())
            #expect(statistic <= limit, "chi-square \(statistic) with \(k) degrees of freedom, limit \(limit), seed item \(seed)")
        }
    }

    private func cube(_ x: Double) -> Double { x * x * x }

    @Test("long walks with restart have the visits of the exact walk, and in the limit of personalised PageRank", arguments: [0.0, 0.15, 0.5, 1.0])
    func longWalks(restart: Double) throws {
        let graph = TinyGraphs.random(items: 15, collections: 7, edgesPerItem: 2, seed: 2)
        let walks = 100_000, length = 8
        let sampler = try NeighborhoodSampler(
            graph: graph, configuration: WalkConfiguration(walks: walks, walkLength: length, restart: restart, neighbors: 15), seed: 5)
        let drawn = try sampler.neighborhoods(of: all(graph), threads: 2)
        for seed in 0..<15 {
            let expected = exactVisits(graph, from: seed, length: length, restart: restart)
            let total = expected.reduce(0, +)
            for item in 0..<15 {
                let share = Double(drawn[seed].first { Int($0.item.row) == item }?.weight ?? 0)
                // Per walk an item has 0...length visits, so a share's standard deviation is at most length / (2 total sqrt(walks));
                // six of them: 225 cells, each alarming falsely with probability below 2e-9.
                let deviation = Double(length) / (2 * max(total, 1e-9) * Double(walks).squareRoot())
                #expect(abs(share - (total > 0 ? expected[item] / total : 0)) <= 6 * deviation)
            }
        }
    }

    // MARK: Refusals and damage

    @Test("bad rows, lists and settings are refused")
    func refusals() throws {
        let graph = TinyGraphs.random(items: 5, collections: 3, edgesPerItem: 1, seed: 1)
        let sampler = try NeighborhoodSampler(graph: graph, configuration: WalkConfiguration(), seed: 1)
        #expect(throws: SamplingError.unknownItem(ItemID(5), itemCount: 5)) { try sampler.neighborhoods(of: [ItemID(5)], threads: 1) }
        #expect(throws: SamplingError.self) { try sampler.neighborhoods(of: [ItemID(0)], hiding: [], threads: 1) }
        #expect(throws: SamplingError.unknownItem(ItemID(9), itemCount: 5)) {
            try sampler.neighborhoods(of: [ItemID(0)], hiding: [HiddenEdges(item: ItemID(9), collections: [])], threads: 1)
        }
        for bad in [
            WalkConfiguration(walks: 0), WalkConfiguration(walkLength: 0), WalkConfiguration(restart: -0.1), WalkConfiguration(restart: 1.1),
            WalkConfiguration(restart: .nan), WalkConfiguration(neighbors: 0), WalkConfiguration(walks: 1 << 20, walkLength: 1 << 20),
            WalkConfiguration(notBefore: 5, before: 5),
        ] {
            #expect(throws: SamplingError.self) { try NeighborhoodSampler(graph: graph, configuration: bad, seed: 1) }
        }
    }

    @Test("damaged offsets and targets give wrong neighbors at worst")
    func damage() throws {
        let graph = TinyGraphs.random(items: 40, collections: 10, edgesPerItem: 3, seed: 1)
        var random = SplitMix(seed: 12)
        for _ in 0..<100 {
            func damaged(_ side: Graph.Adjacency) -> Graph.Adjacency {
                var offsets = Array(side.offsets), targets = Array(side.targets)
                for _ in 0..<3 {
                    offsets[Int(random.next() % UInt64(offsets.count))] = Int64(bitPattern: random.next() >> (random.next() % 64))
                    targets[Int(random.next() % UInt64(targets.count))] = UInt32(truncatingIfNeeded: random.next() >> (random.next() % 64))
                }
                return Graph.Adjacency(offsets: StoredArray(offsets), targets: StoredArray(targets))
            }
            let broken = Graph(items: damaged(graph.items), collections: damaged(graph.collections))
            let sampler = try NeighborhoodSampler(graph: broken, configuration: WalkConfiguration(walks: 50, walkLength: 4), seed: 1)
            let hiding = all(graph).map { HiddenEdges(item: $0, collections: [CollectionID(0), CollectionID(3)]) }
            let drawn = try sampler.neighborhoods(of: all(graph), hiding: hiding, threads: 2)
            #expect(drawn.items.allSatisfy { $0 < 40 })
            #expect(try sampler.neighborhoods(of: all(graph), threads: 2).items.allSatisfy { $0 < 40 })
        }
    }
}
