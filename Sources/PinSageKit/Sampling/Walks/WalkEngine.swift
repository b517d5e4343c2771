/// Runs the walks of a few seeds at once, in lockstep, so that the memory latency of one walker hides behind the others.
///
/// A block of walkers takes the same step together: all choose an edge, all read the collection behind it, all choose an edge there, all
/// read the item. Each of these loops has independent iterations, so the processor keeps as many misses in flight as it can.
///
/// One engine belongs to one thread. Its memory is allocated once: 32 bytes a walker and 4 bytes a visit.
@safe final class WalkEngine {
    let configuration: WalkConfiguration
    /// Seeds whose walks run together, so that even one short walk per seed fills a block.
    let seedsPerGroup: Int
    /// The visits of the current group: those of its seed `s` are `s * visitsPerSeed ..< (s + 1) * visitsPerSeed`, in no particular order.
    /// A visit that did not happen (dead end) and a return to the seed are both the seed's own row: neither counts.
    let visits: UnsafeMutablePointer<UInt32>

    private let random: CounterRandom
    private let restartBelow: UInt64
    private let walkers: Walkers

    /// The walkers of a block, as parallel arrays.
    @safe private struct Walkers {
        /// Walkers in flight: enough to cover memory latency, few enough that all arrays stay in the first-level cache.
        static let most = 128

        let seeds: UnsafeMutablePointer<UInt32>
        let items: UnsafeMutablePointer<UInt32>
        let collections: UnsafeMutablePointer<UInt32>
        /// The random counter of each walker's next step.
        let counters: UnsafeMutablePointer<UInt64>
        let positions: UnsafeMutablePointer<UInt64>
        let rests: UnsafeMutablePointer<UInt64>

        init() {
            unsafe seeds = .allocate(capacity: Self.most)
            unsafe items = .allocate(capacity: Self.most)
            unsafe collections = .allocate(capacity: Self.most)
            unsafe counters = .allocate(capacity: Self.most)
            unsafe positions = .allocate(capacity: Self.most)
            unsafe rests = .allocate(capacity: Self.most)
        }

        func deallocate() {
            unsafe seeds.deallocate()
            unsafe items.deallocate()
            unsafe collections.deallocate()
            unsafe counters.deallocate()
            unsafe positions.deallocate()
            unsafe rests.deallocate()
        }
    }

    /// - Parameter configuration: validated.
    init(configuration: WalkConfiguration, random: CounterRandom) {
        self.configuration = configuration
        self.random = random
        restartBelow = CounterRandom.threshold(configuration.restart)
        seedsPerGroup = max(1, Walkers.most / configuration.walks)
        walkers = Walkers()
        unsafe visits = .allocate(capacity: max(seedsPerGroup, 1) * configuration.visitsPerSeed)
    }

    deinit {
        unsafe visits.deallocate()
        walkers.deallocate()
    }

    /// Runs all walks of `seeds` (at most ``seedsPerGroup``, all in the graph) and leaves their visits in ``visits``.
    func run(_ seeds: ArraySlice<ItemID>, on graph: borrowing WalkGraph, rule: some StepRule) {
        unsafe run(seeds, on: graph, rule: rule, into: visits)
    }

    /// Runs all walks of any number of seeds.
    ///
    /// - Parameter output: room for ``WalkConfiguration/visitsPerSeed`` visits of each seed, in the order of seed, walk, hop.
    func run(_ seeds: ArraySlice<ItemID>, on graph: borrowing WalkGraph, rule: some StepRule, into output: UnsafeMutablePointer<UInt32>) {
        let walks = configuration.walks
        var output = unsafe output
        var slot = 0
        for seed in seeds {
            var counter = random.stream(of: UInt64(seed.row)).counter(walk: 0, step: 0)
            for _ in 0..<walks {
                unsafe walkers.seeds[slot] = seed.row
                unsafe walkers.items[slot] = seed.row
                unsafe walkers.counters[slot] = counter
                counter &+= CounterRandom.nextWalk
                slot &+= 1
                // Blocks go across seeds, so that all but the last are full.
                if slot == Walkers.most {
                    unsafe hop(slot, visits: output, on: graph, rule: rule)
                    unsafe output += slot &* configuration.walkLength
                    slot = 0
                }
            }
        }
        if slot > 0 { unsafe hop(slot, visits: output, on: graph, rule: rule) }
    }

    /// Runs some of one seed's walks, numbered as in ``run(_:on:rule:)``, and leaves their visits at the start of ``visits``.
    ///
    /// - Parameter walks: at most ``WalkConfiguration/walks`` of them; their numbers may be any, so that a long job goes in rounds.
    /// - Returns: how many visits there are.
    func run(_ seed: ItemID, walks: Range<Int>, on graph: borrowing WalkGraph, rule: some StepRule) -> Int {
        precondition(walks.count <= configuration.walks, "\(walks.count) walks in an engine for \(configuration.walks)")
        let stream = random.stream(of: UInt64(seed.row))
        var first = 0
        while first < walks.count {
            let count = min(Walkers.most, walks.count - first)
            for slot in 0..<count {
                unsafe walkers.seeds[slot] = seed.row
                unsafe walkers.items[slot] = seed.row
                unsafe walkers.counters[slot] = stream.counter(walk: walks.lowerBound + first + slot, step: 0)
            }
            unsafe hop(count, visits: visits + first * configuration.walkLength, on: graph, rule: rule)
            first += count
        }
        return walks.count * configuration.walkLength
    }

    private func hop(
        _ count: Int, visits: UnsafeMutablePointer<UInt32>, on graph: borrowing WalkGraph, rule: some StepRule
    ) {
        let length = configuration.walkLength
        let restartBelow = restartBelow
        let seeds = unsafe walkers.seeds, items = unsafe walkers.items, counters = unsafe walkers.counters
        let collections = unsafe walkers.collections, positions = unsafe walkers.positions, rests = unsafe walkers.rests
        for step in 0..<length {
            let isLast = step == length &- 1
            for slot in 0..<count {
                let counter = unsafe counters[slot]
                unsafe counters[slot] = counter &+ CounterRandom.golden
                let edge = unsafe rule.edge(from: items[slot], in: graph, word: CounterRandom.mixed(counter))
                unsafe positions[slot] = edge.position
                unsafe rests[slot] = edge.rest
                unsafe graph.items.prefetchTarget(edge.position)
            }
            for slot in 0..<count {
                let position = unsafe positions[slot]
                let collection = unsafe position == deadEnd ? 0 : graph.items.target(position)
                unsafe collections[slot] = collection
                unsafe graph.collections.prefetchRow(collection)
            }
            for slot in 0..<count {
                let edge = unsafe rule.edge(fromCollection: collections[slot], in: graph, word: rests[slot])
                let position = unsafe positions[slot] == deadEnd ? deadEnd : edge.position
                unsafe positions[slot] = position
                unsafe rests[slot] = edge.rest
                unsafe graph.collections.prefetchTarget(position)
            }
            for slot in 0..<count {
                let position = unsafe positions[slot]
                let seed = unsafe seeds[slot]
                let item = unsafe position == deadEnd ? seed : graph.collections.target(position)
                unsafe visits[slot &* length &+ step] = item
                // Memory is what walks wait for: nobody goes on from where the last hop ends.
                if isLast { continue }
                let next = unsafe rests[slot] < restartBelow ? seed : item
                unsafe items[slot] = next
                unsafe graph.items.prefetchRow(next)
            }
        }
    }
}
