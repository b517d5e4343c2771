/// A graph cut into what models are trained on and what they are tested with.
///
/// Rows of items and collections stay as they are; only edges are taken out. Every choice is a function of the seed, the collection and
/// the item, so it does not depend on the number of threads or the order of anything.
public struct DatasetSplit: Sendable {
    /// Which edges are held out.
    public enum Rule: Sendable, Hashable {
        /// The N latest members of each collection; members without a time are never taken. Ties go to the higher row.
        case leaveLast(Int)
        /// N members of each collection, drawn by seed.
        case leaveRandom(Int)
        /// Every edge at that time (seconds since 1970) or later; edges without a time stay.
        case before(Int64)
        /// These edges, which must exist.
        case edges([Edge])
        /// Every edge with this probability, by seed.
        case share(Double)
    }

    /// What is held out, and how much more for validation.
    public struct Configuration: Sendable, Hashable {
        public var rule: Rule
        /// How many more members of each collection are held out for validation: from what the test has left, by the same rule
        /// (after ``Rule/before(_:)``, ``Rule/edges(_:)`` and ``Rule/share(_:)``: the latest where the graph has times, otherwise drawn).
        public var validation = 0
        /// Collections with fewer members are left whole; each of the two cuts looks at what it finds. At least one more than is held out.
        public var minimumMembers = 2
        public var seed: UInt64 = 1

        public init(rule: Rule, validation: Int = 0, minimumMembers: Int = 2, seed: UInt64 = 1) {
            self.rule = rule
            self.validation = validation
            self.minimumMembers = minimumMembers
            self.seed = seed
        }
    }

    /// An item in a collection.
    public struct Edge: Sendable, Hashable {
        public var item: ItemID
        public var collection: CollectionID

        public init(item: ItemID, collection: CollectionID) {
            self.item = item
            self.collection = collection
        }
    }

    /// A held-out item, and the one of the same collection that asks for it.
    public struct Pair: Sendable, Hashable {
        public var query: ItemID
        public var positive: ItemID
        public var collection: CollectionID
    }

    /// What is held out in one of the two cuts.
    public struct HeldOut: Sendable {
        /// Ascending by collection, then item.
        public var edges: [Edge] = []
        /// One for each edge whose collection has a member left in ``DatasetSplit/train``. Where the positive has a time, the query is the member
        /// that was saved last before it of those left; otherwise, and where there is none, a member left that is drawn by seed.
        public var pairs: [Pair] = []
    }

    /// The graph without the held-out edges.
    public let train: Graph
    public let test: HeldOut
    public let validation: HeldOut

    /// Cuts a graph.
    ///
    /// - Throws: ``DataError`` when the rule needs times that the graph does not have, an edge does not exist, or a number makes no sense.
    /// - Complexity: O(edges), and O(d log d) for a collection of d members
    public init(_ graph: Graph, configuration: Configuration) throws {
        try DatasetSplit.validate(configuration, graph)
        let testEdges = try DatasetSplit.heldOut(of: graph, configuration.rule, configuration, stream: 1)
        var remaining = try graph.removing(testEdges)
        var validationEdges: [Edge] = []
        if configuration.validation > 0 {
            let rule: Rule =
                switch configuration.rule {
                case .leaveRandom: .leaveRandom(configuration.validation)
                case .leaveLast: .leaveLast(configuration.validation)
                default: remaining.collections.times != nil ? .leaveLast(configuration.validation) : .leaveRandom(configuration.validation)
                }
            validationEdges = try DatasetSplit.heldOut(of: remaining, rule, configuration, stream: 2)
            remaining = try remaining.removing(validationEdges)
        }
        train = remaining
        test = HeldOut(edges: testEdges, pairs: DatasetSplit.pairs(testEdges, graph, train: remaining, seed: configuration.seed, stream: 3))
        validation = HeldOut(
            edges: validationEdges, pairs: DatasetSplit.pairs(validationEdges, graph, train: remaining, seed: configuration.seed, stream: 4))
    }

    private static func validate(_ configuration: Configuration, _ graph: Graph) throws {
        guard configuration.validation >= 0 else { throw DataError("expected 0 or more members for validation, found \(configuration.validation)") }
        switch configuration.rule {
        case .leaveLast(let count), .leaveRandom(let count):
            guard count > 0 else { throw DataError("expected at least 1 member to hold out, found \(count)") }
        case .share(let share):
            guard 0...1 ~= share else { throw DataError("expected a share between 0 and 1, found \(share)") }
        case .before, .edges: break
        }
        switch configuration.rule {
        case .leaveLast, .before:
            guard graph.collections.times != nil else { throw DataError("expected edges with times for a split by time, found none") }
        default: break
        }
    }

    private static func heldOut(of graph: Graph, _ rule: Rule, _ configuration: Configuration, stream: UInt64) throws -> [Edge] {
        if case .edges(let edges) = rule {
            return edges.sorted { ($0.collection, $0.item) < ($1.collection, $1.item) }
        }
        let times = graph.collections.times
        let random = SplitRandom(seed: configuration.seed, stream: stream)
        var edges: [Edge] = []
        for collection in 0..<graph.collectionCount {
            let range = graph.collections.range(of: collection)
            func key(_ position: Int) -> UInt64 { random.value(collection, Int(graph.collections.targets[position])) }
            func time(_ position: Int) -> Int64 { times?[position] ?? Graph.unknownTime }
            var chosen: [Int] = []
            switch rule {
            case .leaveLast(let count):
                guard range.count >= configuration.minimumMembers, range.count > count else { continue }
                let known = range.filter { time($0) != Graph.unknownTime }
                chosen = Array(known.sorted { (time($0), $0) > (time($1), $1) }.prefix(count))
            case .leaveRandom(let count):
                guard range.count >= configuration.minimumMembers, range.count > count else { continue }
                chosen = Array(range.sorted { (key($0), $0) < (key($1), $1) }.prefix(count))
            case .before(let limit):
                chosen = range.filter { time($0) >= limit && time($0) != Graph.unknownTime }
            case .share(let share):
                guard range.count >= max(configuration.minimumMembers, 2) else { continue }
                // In 64 bits a share of 1 would overflow; the comparison with the upper 53 bits is exact for all shares.
                chosen = range.filter { Double(key($0) >> 11) < share * 0x1p53 }
                // Somebody must be left to ask with.
                if chosen.count == range.count { chosen.removeLast() }
            case .edges: break
            }
            for position in chosen.sorted() {
                edges.append(Edge(item: ItemID(row: graph.collections.targets[position]), collection: CollectionID(collection)))
            }
        }
        return edges
    }

    private static func pairs(_ edges: [Edge], _ graph: Graph, train: Graph, seed: UInt64, stream: UInt64) -> [Pair] {
        let random = SplitRandom(seed: seed, stream: stream)
        var pairs: [Pair] = []
        for edge in edges {
            let range = train.collections.range(of: Int(edge.collection.row))
            if range.isEmpty { continue }
            var query: Int?
            if let times = train.collections.times, let time = graph.time(of: edge.item, in: edge.collection) {
                let before = range.filter { times[$0] != Graph.unknownTime && times[$0] <= time }
                query = before.max { (times[$0], $0) < (times[$1], $1) }
            }
            if query == nil {
                let offset = random.value(Int(edge.collection.row), Int(edge.item.row)).multipliedFullWidth(by: UInt64(range.count)).high
                query = range.lowerBound + Int(offset)
            }
            guard let query else { continue }
            pairs.append(Pair(query: ItemID(row: train.collections.targets[query]), positive: edge.item, collection: edge.collection))
        }
        return pairs
    }
}

extension Graph {
    /// The graph without some of its edges, in memory; items and collections keep their rows.
    ///
    /// - Throws: ``DataError`` when an edge does not exist.
    /// - Complexity: O(edges of the graph + removed · log degree)
    public func removing(_ edges: [DatasetSplit.Edge]) throws -> Graph {
        // On unverified files the two directions may have different edges.
        var isRemovedFromItems = [Bool](repeating: false, count: items.targets.count)
        var isRemovedFromCollections = [Bool](repeating: false, count: collections.targets.count)
        for edge in edges {
            guard let position = items.position(of: edge.collection.row, inRow: Int(edge.item.row)),
                let other = collections.position(of: edge.item.row, inRow: Int(edge.collection.row))
            else { throw DataError("there is no edge between item \(edge.item.row) and collection \(edge.collection.row)") }
            isRemovedFromItems[position] = true
            isRemovedFromCollections[other] = true
        }
        return Graph(
            items: items.filtered { !isRemovedFromItems[$0] }, collections: collections.filtered { !isRemovedFromCollections[$0] },
            collectionTypes: collectionTypes)
    }

    /// The graph with the edges of some collections only, in memory; items and collections keep their rows.
    ///
    /// - Complexity: O(edges)
    func keeping(collections isKept: (Int) -> Bool) -> Graph {
        let kept = (0..<collectionCount).map(isKept)
        var isKeptPosition = [Bool](repeating: false, count: collections.targets.count)
        for collection in 0..<collectionCount where kept[collection] {
            for position in collections.range(of: collection) { isKeptPosition[position] = true }
        }
        return Graph(
            items: items.filtered { position in
                let collection = Int(items.targets[position])
                return collection < kept.count && kept[collection]
            }, collections: collections.filtered { isKeptPosition[$0] }, collectionTypes: collectionTypes)
    }

    /// The time of an edge; `nil` when it has none or does not exist. - Complexity: O(log degree)
    public func time(of item: ItemID, in collection: CollectionID) -> Int64? {
        guard let times = collections.times, let position = collections.position(of: item.row, inRow: Int(collection.row)) else { return nil }
        return times[position] == Graph.unknownTime ? nil : times[position]
    }
}

extension Graph.Adjacency {
    /// Where a target is in a row. - Complexity: O(log degree)
    func position(of target: UInt32, inRow row: Int) -> Int? {
        guard row < rowCount else { return nil }
        let range = range(of: row)
        var low = range.lowerBound, high = range.upperBound
        while low < high {
            let middle = low + (high - low) / 2
            if targets[middle] < target { low = middle + 1 } else { high = middle }
        }
        return low < range.upperBound && targets[low] == target ? low : nil
    }

    /// The edges at positions that satisfy `isKept`, in memory.
    func filtered(_ isKept: (Int) -> Bool) -> Graph.Adjacency {
        var kept: [Int] = []
        var offsets: [Int64] = [0]
        offsets.reserveCapacity(rowCount + 1)
        for row in 0..<rowCount {
            for position in range(of: row) where isKept(position) { kept.append(position) }
            offsets.append(Int64(kept.count))
        }
        func selected<Element>(_ values: StoredArray<Element>) -> StoredArray<Element> {
            unsafe StoredArray(count: kept.count) { output in
                for (index, position) in kept.enumerated() { unsafe output[index] = values[position] }
            }
        }
        let keptTimes = times.map { selected($0) }
        return Graph.Adjacency(
            offsets: StoredArray(offsets), targets: selected(targets), weights: weights.map { selected($0) },
            times: keptTimes.flatMap { $0.contains { $0 != Graph.unknownTime } ? $0 : nil })
    }
}

/// Random numbers that are a function of the seed, a stream and two numbers.
private struct SplitRandom {
    private let base: UInt64

    init(seed: UInt64, stream: UInt64) { base = SplitRandom.mixed(SplitRandom.mixed(seed) ^ stream) }

    func value(_ one: Int, _ other: Int) -> UInt64 {
        SplitRandom.mixed(SplitRandom.mixed(base ^ UInt64(truncatingIfNeeded: one)) ^ UInt64(truncatingIfNeeded: other))
    }

    /// Source: the finaliser of SplitMix64, Steele, Lea and Flood 2014, after its increment.
    private static func mixed(_ value: UInt64) -> UInt64 {
        var state = value &+ 0x9e37_79b9_7f4a_7c15
        state = (state ^ (state >> 30)) &* 0xbf58_476d_1ce4_e5b9
        state = (state ^ (state >> 27)) &* 0x94d0_49bb_1331_11eb
        return state ^ (state >> 31)
    }
}
