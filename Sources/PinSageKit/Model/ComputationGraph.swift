/// What a minibatch computes, in local ids: Algorithm 2's sets S(0) ... S(K), each item once per layer.
///
/// Rows of layer k are either plain items, or *roots*: items seen with some of their edges hidden (the label's edge, or all of them for an item
/// that plays a new one), which therefore have rows of their own in every layer. Roots come first, in order.
public struct ComputationGraph: Sendable {
    /// What layer k (from 0) needs to compute its rows from the rows below.
    public struct Layer: Sendable {
        /// For each row its own row below. At layer 0 these are rows of `inputItems`.
        public var selfRows: [Int64]
        /// For each row its neighbors' rows below, with importance weights.
        public var neighbors: RaggedLists
        /// Whether `selfRows` is 0, 1, 2 ..., so that nothing needs gathering.
        public var selfIsPrefix: Bool
    }

    /// S(0): distinct items whose input vectors are gathered, row by row.
    public var inputItems: [UInt32]
    public var layers: [Layer]
    /// For a model without layers (K = 0): the input row of each root. Empty otherwise.
    public var rootInputRows: [Int64] = []
    public var rootCount: Int

    /// For each row that the lowest layer computes (each root when K = 0) its input row.
    public var selfInputRows: [Int64] { layers.first?.selfRows ?? rootInputRows }
}

/// A seed of a minibatch: an item, and which of its edges the batch must not see.
public struct Root: Sendable, Hashable {
    /// What is hidden while the neighborhood of a root is drawn.
    public enum Hiding: Sendable, Hashable {
        case nothing
        /// The edges between `item` and `collections` (ascending), in both directions. `item` may be another than the root's.
        case edges(item: ItemID, collections: [CollectionID])
        /// Every edge of the root: it is embedded as a new item would be.
        case everything
    }

    public var item: ItemID
    public var hiding: Hiding

    public init(item: ItemID, hiding: Hiding = .nothing) {
        self.item = item
        self.hiding = hiding
    }
}

/// Builds computation graphs: draws the neighborhoods layer by layer and re-indexes them.
///
/// Not thread-safe: it keeps one local-id slot per item of the dataset, which makes re-indexing a table look-up. One owner (the producer) uses it.
public final class ComputationGraphBuilder {
    private let sampler: NeighborhoodSampler
    private let layers: Int
    private let neighborsPerLayer: [Int]
    private let threads: Int
    private let precomputed: NeighborhoodFile?
    /// Local row of an item at the level being indexed, -1 where none; only touched entries are reset.
    private var localRow: [Int32]

    /// - Parameters:
    ///   - neighborsPerLayer: T of each layer, first the one nearest the input; each at most the sampler's T.
    ///   - precomputed: what the sampler draws for every item in round 0, which is then read instead. Roots, whose edges may be hidden, are drawn.
    public init(
        sampler: NeighborhoodSampler, itemCount: Int, neighborsPerLayer: [Int], threads: Int, precomputed: NeighborhoodFile? = nil
    ) {
        self.sampler = sampler
        self.layers = neighborsPerLayer.count
        self.neighborsPerLayer = neighborsPerLayer
        self.threads = threads
        self.precomputed = precomputed
        localRow = Array(repeating: -1, count: itemCount)
    }

    /// The computation graph of distinct roots.
    ///
    /// - Parameter round: mixed into the walks' seed, so that every epoch may draw anew.
    public func graph(of roots: [Root], round: UInt64) throws -> ComputationGraph {
        // Level K: the roots. Going down, each level has the roots first, then the plain items that the level above names.
        var levels: [ComputationGraph.Layer] = []
        var plain: [UInt32] = []  // plain items of the current level, after the roots
        let rootNeighborhoods = try neighborhoods(of: roots, round: round)
        var plainNeighborhoods = RaggedNeighborhoods()
        for level in stride(from: layers - 1, through: 0, by: -1) {
            let limit = neighborsPerLayer[level]
            let isInput = level == 0
            // Rows of the level below: roots (unless it is the input, where every item is plain), then plain items.
            let offset = isInput ? 0 : roots.count
            var below: [UInt32] = []
            func index(_ item: UInt32) -> Int32 {
                let known = localRow[Int(item)]
                if known >= 0 { return known }
                let row = Int32(offset + below.count)
                localRow[Int(item)] = row
                below.append(item)
                return row
            }
            var selfRows: [Int64] = []
            selfRows.reserveCapacity(roots.count + plain.count)
            if isInput {
                for root in roots { selfRows.append(Int64(index(root.item.row))) }
            } else {
                for row in roots.indices { selfRows.append(Int64(row)) }
            }
            for item in plain { selfRows.append(Int64(index(item))) }
            var lists = RaggedLists()
            lists.offsets.reserveCapacity(roots.count + plain.count + 1)
            lists.targets.reserveCapacity((roots.count + plain.count) * limit)
            lists.weights.reserveCapacity((roots.count + plain.count) * limit)
            for source in [rootNeighborhoods, plainNeighborhoods] {
                let kept = source.prefix(limit)
                for row in 0..<kept.count {
                    for position in kept.range(of: row) { lists.targets.append(index(kept.items[position])) }
                    lists.offsets.append(Int64(lists.targets.count))
                }
                lists.weights += kept.weights
            }
            for item in below { localRow[Int(item)] = -1 }
            let isPrefix = selfRows.enumerated().allSatisfy { $0.element == Int64($0.offset) }
            levels.append(.init(selfRows: selfRows, neighbors: lists, selfIsPrefix: isPrefix))
            if !isInput {
                // "N(u) is drawn once per item": items already drawn at the level above come first in `below` and would be drawn
                // again with the same counters, hence with the same result.
                plainNeighborhoods =
                    try precomputed?.neighborhoods(of: below.map { Int($0) }, itemCount: localRow.count)
                    ?? sampler.neighborhoods(of: below.map { ItemID(row: $0) }, round: round, threads: threads)
            }
            plain = below
        }
        if layers == 0 {
            var items: [UInt32] = []
            var rows: [Int64] = []
            for root in roots {
                if localRow[Int(root.item.row)] < 0 {
                    localRow[Int(root.item.row)] = Int32(items.count)
                    items.append(root.item.row)
                }
                rows.append(Int64(localRow[Int(root.item.row)]))
            }
            for item in items { localRow[Int(item)] = -1 }
            return ComputationGraph(
                inputItems: items, layers: [], rootInputRows: rows, rootCount: roots.count)
        }
        return ComputationGraph(inputItems: plain, layers: levels.reversed(), rootCount: roots.count)
    }

    private func neighborhoods(of roots: [Root], round: UInt64) throws -> RaggedNeighborhoods {
        let visible = roots.filter { $0.hiding != .everything }
        let hidden: [HiddenEdges?] = visible.map { root in
            guard case .edges(let item, let collections) = root.hiding else { return nil }
            return HiddenEdges(item: item, collections: collections)
        }
        let drawn = try sampler.neighborhoods(of: visible.map(\.item), hiding: hidden, round: round, threads: threads)
        if visible.count == roots.count { return drawn }
        var result = RaggedNeighborhoods()
        result.offsets.reserveCapacity(roots.count + 1)
        result.items = drawn.items
        result.weights = drawn.weights
        var next = 0
        for root in roots {
            if root.hiding != .everything { next += 1 }
            result.offsets.append(drawn.offsets[next])
        }
        return result
    }
}
