/// A person who interacted with `query` went on to interact with `positive`, in `collection`: what training pulls together.
///
/// Source: Ying et al. 2018, section 3.2: pairs (q, i) where i was interacted with immediately after q.
public struct PositivePair: Hashable, Sendable {
    public var query: ItemID
    public var positive: ItemID
    /// The collection that makes the pair a positive; training hides the edge between it and `positive` (``HiddenEdges``).
    public var collection: CollectionID

    public init(query: ItemID, positive: ItemID, collection: CollectionID) {
        self.query = query
        self.positive = positive
        self.collection = collection
    }

    /// The same pair the other way round.
    public var reversed: PositivePair { PositivePair(query: positive, positive: query, collection: collection) }
}

/// Which pairs of a graph are positives.
public struct PositivePairConfiguration: Codable, Sendable, Equatable {
    /// How the members of a collection are paired.
    public enum Pairing: String, Codable, Sendable, CaseIterable {
        /// ``consecutive`` where any edge has a time, ``sameCollection`` otherwise.
        case automatic
        /// A member and the next one in time order. Edges of unknown time make no pairs; equal times are ordered by item row.
        case consecutive
        /// Each member with one other member, drawn uniformly anew in each epoch.
        case sameCollection
    }

    /// How far apart in time two consecutive members may be.
    public enum Window: Codable, Sendable, Equatable {
        /// The paper's hour, or no limit where every time is a whole number of days: such data knows no hours.
        case automatic
        case unlimited
        case seconds(Int64)
    }

    public var pairing: Pairing
    public var window: Window
    /// Whether each pair is also given the other way round.
    public var bothDirections: Bool
    /// Collections with fewer members make no pairs. At least 2.
    public var smallestCollection: Int
    /// Collections with more members make no pairs: a list of everything says nothing about relatedness. `nil`: no limit.
    public var largestCollection: Int?
    /// The most pairs per epoch from one collection under ``Pairing/sameCollection``, their queries drawn with replacement; `nil`: one per member.
    public var mostPairsPerCollection: Int?
    /// Whether a consecutive pair that several collections have is given once, with the lowest of them. Otherwise it is repeated evidence.
    public var distinct: Bool

    public init(
        pairing: Pairing = .automatic, window: Window = .automatic, bothDirections: Bool = false, smallestCollection: Int = 2,
        largestCollection: Int? = nil, mostPairsPerCollection: Int? = nil, distinct: Bool = false
    ) {
        self.pairing = pairing
        self.window = window
        self.bothDirections = bothDirections
        self.smallestCollection = smallestCollection
        self.largestCollection = largestCollection
        self.mostPairsPerCollection = mostPairsPerCollection
        self.distinct = distinct
    }

    /// Throws if a setting is outside its range.
    public func validate() throws(SamplingError) {
        if smallestCollection < 2 { throw .invalidConfiguration("smallestCollection must be at least 2, not \(smallestCollection)") }
        if let largestCollection, largestCollection < smallestCollection {
            throw .invalidConfiguration("largestCollection \(largestCollection) is less than smallestCollection \(smallestCollection)")
        }
        if let most = mostPairsPerCollection, most < 1 {
            throw .invalidConfiguration("mostPairsPerCollection must be at least 1, not \(most)")
        }
        if case .seconds(let seconds) = window, seconds < 0 {
            throw .invalidConfiguration("the window between consecutive items must not be negative: \(seconds) s")
        }
    }
}

/// The positive pairs of a graph, epoch by epoch.
///
/// `pairs(epoch:seed:)` is a function of its arguments: the same on any machine and thread count. Under
/// ``PositivePairConfiguration/Pairing/sameCollection`` every membership of an eligible collection is a query once per epoch (so a collection
/// counts in proportion to its size) and its positive is drawn anew; consecutive pairs are the same in each epoch, in another order.
///
///     let source = try PositivePairSource(graph: graph)
///     for pair in source.pairs(epoch: 1, seed: 7) { ... }
public struct PositivePairSource: Sendable {
    private let graph: Graph
    public let configuration: PositivePairConfiguration
    /// What ``PositivePairConfiguration/Pairing/automatic`` became.
    public let pairing: PositivePairConfiguration.Pairing
    /// The longest time between consecutive members that was applied, in seconds; `nil` where there is no limit.
    public let windowSeconds: Int64?

    /// Pairs per epoch.
    public var count: Int { baseCount * (configuration.bothDirections ? 2 : 1) }

    private let baseCount: Int
    /// Consecutive pairs, or empty.
    private let consecutive: [PositivePair]
    /// Collections that make co-membership pairs, or empty.
    private let eligible: [CollectionID]

    /// - Throws: ``SamplingError/invalidConfiguration(_:)``.
    /// - Complexity: O(edges), and under consecutive pairing 12 bytes of memory per pair.
    public init(graph: Graph, configuration: PositivePairConfiguration = .init()) throws(SamplingError) {
        try configuration.validate()
        self.graph = graph
        self.configuration = configuration
        let hasTimes = graph.collections.times.map { $0.contains { $0 != Graph.unknownTime } } ?? false
        pairing =
            switch configuration.pairing {
            case .automatic: hasTimes ? .consecutive : .sameCollection
            case let chosen: chosen
            }
        let sizes = configuration.smallestCollection...max(configuration.largestCollection ?? .max, configuration.smallestCollection)
        if pairing == .consecutive {
            windowSeconds =
                switch configuration.window {
                case .unlimited: nil
                case .seconds(let seconds): seconds
                case .automatic: Self.hasHours(graph) ? 3600 : nil
                }
            consecutive = Self.consecutivePairs(graph, sizes: sizes, window: windowSeconds, distinct: configuration.distinct)
            eligible = []
            baseCount = consecutive.count
        } else {
            windowSeconds = nil
            consecutive = []
            eligible = (0..<graph.collectionCount).lazy.filter { sizes.contains(graph.collections.degree(of: $0)) }.map { CollectionID($0) }
            baseCount = eligible.reduce(0) { $0 + min(graph.degree(of: $1), configuration.mostPairsPerCollection ?? .max) }
        }
    }

    /// Whether two members of a collection may be a positive pair of each other: an item that shares such a collection with a query is no negative of it.
    public func producesPairs(_ collection: CollectionID) -> Bool {
        let size = graph.degree(of: collection)
        guard size >= configuration.smallestCollection, size <= configuration.largestCollection ?? .max else { return false }
        guard pairing == .consecutive, let times = graph.collections.times else { return true }
        return graph.collections.range(of: Int(collection.row)).contains { times[$0] != Graph.unknownTime }
    }

    /// The pairs of an epoch, shuffled.
    public func pairs(epoch: Int, seed: UInt64) -> [PositivePair] {
        let random = CounterRandom(seed: seed, round: UInt64(bitPattern: Int64(epoch)))
        var pairs = consecutive
        pairs.reserveCapacity(count)
        for collection in eligible { appendPairs(of: collection, random: random, to: &pairs) }
        if configuration.bothDirections {
            for index in 0..<pairs.count { pairs.append(pairs[index].reversed) }
        }
        // Fisher-Yates; the stream is one that no collection has.
        let order = random.stream(of: .max)
        for last in stride(from: pairs.count - 1, to: 0, by: -1) {
            pairs.swapAt(last, Int(CounterRandom.draw(below: UInt64(last + 1), from: order[walk: last >> 32, step: last & 0xFFFF_FFFF]).value))
        }
        return pairs
    }

    private func appendPairs(of collection: CollectionID, random: CounterRandom, to pairs: inout [PositivePair]) {
        let range = graph.collections.range(of: Int(collection.row))
        let size = range.count
        let most = configuration.mostPairsPerCollection ?? size
        let stream = random.stream(of: UInt64(collection.row))
        for index in 0..<min(size, most) {
            var word = stream[walk: 0, step: index]
            var query = UInt64(index)
            if most < size { (query, word) = CounterRandom.draw(below: UInt64(size), from: word) }
            var other = CounterRandom.draw(below: UInt64(size - 1), from: word).value
            if other >= query { other += 1 }
            pairs.append(
                PositivePair(
                    query: ItemID(row: graph.collections.targets[range.lowerBound + Int(query)]),
                    positive: ItemID(row: graph.collections.targets[range.lowerBound + Int(other)]), collection: collection))
        }
    }

    /// Whether any time is not a whole number of days.
    private static func hasHours(_ graph: Graph) -> Bool {
        graph.collections.times?.contains { $0 != Graph.unknownTime && $0 % 86_400 != 0 } ?? false
    }

    private static func consecutivePairs(
        _ graph: Graph, sizes: ClosedRange<Int>, window: Int64?, distinct: Bool
    ) -> [PositivePair] {
        guard let times = graph.collections.times else { return [] }
        var pairs: [PositivePair] = []
        var members: [(time: Int64, item: UInt32)] = []
        for row in 0..<graph.collectionCount {
            let range = graph.collections.range(of: row)
            guard sizes.contains(range.count) else { continue }
            members.removeAll(keepingCapacity: true)
            for position in range where times[position] != Graph.unknownTime {
                members.append((times[position], graph.collections.targets[position]))
            }
            members.sort { $0 < $1 }
            for (earlier, later) in zip(members, members.dropFirst()) {
                // Times may be any Int64, so their distance may overflow: then it is outside every window.
                let (distance, isTooFar) = later.time.subtractingReportingOverflow(earlier.time)
                if let window, isTooFar || distance > window { continue }
                pairs.append(
                    PositivePair(query: ItemID(row: earlier.item), positive: ItemID(row: later.item), collection: CollectionID(row)))
            }
        }
        guard distinct else { return pairs }
        pairs.sort { ($0.query, $0.positive, $0.collection) < ($1.query, $1.positive, $1.collection) }
        var kept: [PositivePair] = []
        for pair in pairs where kept.last.map({ $0.query != pair.query || $0.positive != pair.positive }) ?? true { kept.append(pair) }
        return kept
    }
}
