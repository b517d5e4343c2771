/// Draws importance neighborhoods: the items that short random walks from an item visit most.
///
/// The law of a walk: it starts at the seed item and takes ``WalkConfiguration/walkLength`` hops, each to a uniformly chosen collection of the
/// item and on to a uniformly chosen item of the collection (or in proportion to the edges' weights, or preferring types and sizes of
/// collections). After each hop it returns to the seed with probability ``WalkConfiguration/restart``; it does not end. Every item reached is a
/// visit, but for the seed itself, which is never its own neighbor. The T items with the most visits are kept, ties to the lower row, and their
/// counts divided by their sum.
/// An item without edges has an empty neighborhood. A dead end, which only hidden edges or a time window can make, returns to the seed.
///
/// Source: Ying et al. 2018, section 3.1. Every choice is a function of (seed, round, item, walk, step) (see ``CounterRandom``), so results
/// are bit-equal on any thread count and in any batch.
///
///     let sampler = try NeighborhoodSampler(graph: graph, configuration: WalkConfiguration(), seed: 1)
///     let neighborhoods = try sampler.neighborhoods(of: [ItemID(row: 0), ItemID(row: 5)], threads: 2)
public struct NeighborhoodSampler: Sendable {
    let walks: RandomWalks

    public var graph: Graph { walks.graph }
    public var configuration: WalkConfiguration { walks.configuration }
    public var seed: UInt64 { walks.seed }

    /// - Complexity: O(1) for uniform steps on the whole graph; O(edges) time and memory for weights (8 bytes an edge and direction) or a
    ///   time window (4).
    /// - Throws: ``SamplingError/invalidConfiguration(_:)``.
    public init(graph: Graph, configuration: WalkConfiguration, seed: UInt64) throws(SamplingError) {
        walks = try RandomWalks(graph: graph, configuration: configuration, seed: seed)
    }

    /// Seeds per piece of work handed to a thread.
    private static let grain = 128

    /// Draws the neighborhoods of `items`, one row each, in their order; an item may occur more than once.
    ///
    /// - Parameters:
    ///   - items: the seeds.
    ///   - hiding: for each seed the edges that its walks must not use, or nil. Not the edges of the seed necessarily.
    ///   - round: another round draws independent walks, e.g. one per epoch.
    ///   - threads: the most threads used; it changes nothing in the result.
    /// - Throws: ``SamplingError`` when a row is not in the graph or `hiding` has another length than `items`.
    /// - Complexity: O(walks * walkLength) per seed.
    public func neighborhoods(
        of items: [ItemID], hiding: [HiddenEdges?]? = nil, round: UInt64 = 0, threads: Int
    ) throws -> RaggedNeighborhoods {
        try check(items, hiding)
        let most = min(configuration.neighbors, configuration.visitsPerSeed)
        let random = CounterRandom(seed: seed, round: round)
        var counts = [Int32](repeating: 0, count: items.count)
        var neighbors: [UInt32] = []
        var weights: [Float] = []
        // Every seed has room for `most` neighbors, so threads write without waiting; rows are closed up afterwards.
        try unsafe counts.withUnsafeMutableBufferPointer { counts in
            let counts = unsafe Slots(base: counts.baseAddress)
            neighbors = try unsafe Array(unsafeUninitializedCapacity: items.count * most) { neighbors, filled in
                let neighborSlots = unsafe Slots(base: neighbors.baseAddress)
                weights = try unsafe Array(unsafeUninitializedCapacity: items.count * most) { weights, filledWeights in
                    let weightSlots = unsafe Slots(base: weights.baseAddress)
                    try parallelFor(items.count, threads: threads, grain: Self.grain) { range in
                        unsafe WalkGraph.with(walks.walked) { graph in
                            unsafe draw(
                                items[range], hiding: hiding?[range], random: random, on: graph, most: most,
                                into: (counts, neighborSlots, weightSlots))
                        }
                    }
                    unsafe filledWeights = close(counts, rows: items.count, width: most, weightSlots)
                }
                unsafe filled = close(counts, rows: items.count, width: most, neighborSlots)
            }
        }
        var offsets = [Int64](repeating: 0, count: items.count + 1)
        for row in 0..<items.count { offsets[row + 1] = offsets[row] + Int64(counts[row]) }
        return RaggedNeighborhoods(offsets: offsets, items: neighbors, weights: weights)
    }

    private func check(_ items: [ItemID], _ hiding: [HiddenEdges?]?) throws(SamplingError) {
        let count = graph.itemCount
        for item in items where Int(item.row) >= count { throw .unknownItem(item, itemCount: count) }
        guard let hiding else { return }
        guard hiding.count == items.count else {
            throw .argumentMismatch("\(hiding.count) lists of hidden edges for \(items.count) items: expected one (or nil) per item")
        }
        for case .some(let hidden) in hiding where Int(hidden.item.row) >= count { throw .unknownItem(hidden.item, itemCount: count) }
    }

    /// Memory that several threads fill, each its own rows.
    ///
    /// `@unchecked Sendable`: a seed's row is written by the one thread that has the seed, and read after all have ended.
    @unsafe private struct Slots<Element: BitwiseCopyable>: @unchecked Sendable {
        let base: UnsafeMutablePointer<Element>?
    }

    /// Moves the filled part of each row of `width` slots up to the row before; returns how many elements there are.
    private func close<Element>(_ counts: Slots<Int32>, rows: Int, width: Int, _ slots: Slots<Element>) -> Int {
        guard let counts = unsafe counts.base, let base = unsafe slots.base else { return 0 }
        var end = 0
        for row in 0..<rows {
            let count = unsafe Int(counts[row])
            if end != row * width { unsafe (base + end).update(from: base + row * width, count: count) }
            end += count
        }
        return end
    }

    private func draw(
        _ items: ArraySlice<ItemID>, hiding: ArraySlice<HiddenEdges?>?, random: CounterRandom, on graph: borrowing WalkGraph, most: Int,
        into slots: (counts: Slots<Int32>, neighbors: Slots<UInt32>, weights: Slots<Float>)
    ) {
        guard let rowCounts = unsafe slots.counts.base, let neighbors = unsafe slots.neighbors.base, let weights = unsafe slots.weights.base
        else { return }
        let engine = WalkEngine(configuration: configuration, random: random)
        let counter = VisitCounter(capacity: configuration.visitsPerSeed)
        let visitCounts = UnsafeMutablePointer<UInt32>.allocate(capacity: most)
        defer { unsafe visitCounts.deallocate() }
        var first = items.startIndex
        while first < items.endIndex {
            var group = 1
            let hidden = hiding?[first]
            if hidden == nil {
                // Hidden edges are a seed's own rule, so a seed that has some walks alone.
                while group < engine.seedsPerGroup, first + group < items.endIndex, hiding?[first + group] == nil { group += 1 }
            }
            unsafe walks.run(items[first..<first + group], hidden: hidden ?? nil, engine: engine, on: graph, into: engine.visits)
            for member in 0..<group {
                let row = first + member
                let (kept, total) = unsafe counter.top(
                    most, of: engine.visits + member * configuration.visitsPerSeed, count: configuration.visitsPerSeed,
                    seed: items[row].row, items: neighbors + row * most, counts: visitCounts)
                unsafe rowCounts[row] = Int32(kept)
                let scale = 1 / Float(max(total, 1))
                for place in 0..<kept { unsafe weights[row * most + place] = Float(visitCounts[place]) * scale }
            }
            first += group
        }
    }
}
