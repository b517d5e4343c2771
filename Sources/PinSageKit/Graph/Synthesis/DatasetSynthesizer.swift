internal import Synchronization

/// Makes datasets of any size with a known structure: degrees that follow a power law, communities, and features that show them.
///
/// Item i belongs to community `i mod communities`, and so does collection c. An edge picks a collection, then, with probability `affinity`, an item of the
/// collection's community, otherwise any item. Within either choice the r-th most popular of n is picked with a density that falls as a power of
/// r / n: items as (r/n)^-0.5, collections as (r/n)^-0.33; which row is the r-th most popular is a fixed permutation. Edges are a function of
/// the seed and their number alone, so the same data come out on any number of threads. Repeated edges become one, as in every import.
public struct DatasetSynthesizer: Sendable {
    /// Sizes, communities and the seed of what is drawn.
    public struct Configuration: Sendable, Codable, Hashable {
        public var items = 10_000
        public var collections = 5_000
        /// Edges drawn; slightly fewer remain, because repeated ones become one.
        public var edges = 100_000
        public var communities = 32
        /// The probability that an edge stays within a community.
        public var affinity = 0.8
        /// The width of the features; 0 for none. Row i is the centre of its community (a Gaussian vector of length about 1) plus noise.
        public var dimension = 32
        /// float32 or float16.
        public var featureType = ElementType.float32
        /// The length of the noise, relative to that of the centres.
        public var noise = 1.0
        /// Whether edges have times: the number of the edge in seconds, from 2020 on.
        public var hasTimes = false
        public var seed: UInt64 = 1
        /// The most threads that run at once; `nil` takes every core.
        public var threads: Int?
        /// About how many bytes of memory to use for edges before they are sorted on disk.
        public var memory = 4 << 30

        public init() {}

        /// - Throws: ``DataError`` for settings that make no graph.
        public func validate() throws {
            let largest = Int(UInt32.max) - 1
            guard 1...largest ~= items, 1...largest ~= collections else {
                throw DataError("expected between 1 and \(largest) items and collections, found \(items) and \(collections)")
            }
            guard edges > 0 else { throw DataError("expected at least one edge, found \(edges)") }
            guard communities > 0, communities <= min(items, collections) else {
                throw DataError("expected between 1 and \(min(items, collections)) communities, found \(communities)")
            }
            guard 0...1 ~= affinity else { throw DataError("expected an affinity between 0 and 1, found \(affinity)") }
            guard featureType == .float32 || featureType == .float16 else {
                throw DataError("expected features of type float32 or float16, found \(featureType.rawValue)")
            }
            guard dimension <= 65536 else { throw DataError("expected a dimension of at most 65536, found \(dimension)") }
            guard dimension >= 0, noise >= 0, noise.isFinite else {
                throw DataError("expected a dimension and noise of at least 0, found \(dimension) and \(noise)")
            }
            guard threads ?? 1 > 0, memory >= 16 << 20 else { throw DataError("expected at least one thread and 16 MiB of memory") }
        }
    }

    public let configuration: Configuration
    private let itemOrder: RankOrder
    private let collectionOrder: RankOrder

    public init(configuration: Configuration) throws {
        try configuration.validate()
        self.configuration = configuration
        let communities = configuration.communities
        itemOrder = RankOrder(rows: configuration.items, communities: communities)
        collectionOrder = RankOrder(rows: configuration.collections, communities: communities)
    }

    /// The two ends of an edge.
    public func edge(_ number: Int) -> (item: Int, collection: Int) {
        let random = SynthesisRandom(seed: configuration.seed, stream: 1, number: number)
        let draw = random.unit(0)
        // u^1.5 and u^2 are the positions whose densities fall as the powers -1/3 and -1/2.
        let collection = collectionOrder.row(draw * draw.squareRoot())
        let popularity = random.unit(1)
        let isInside = random.unit(2) < configuration.affinity
        let community = isInside ? collection % configuration.communities : Int(random.unit(3) * Double(configuration.communities))
        return (itemOrder.row(popularity * popularity, in: community), collection)
    }

    /// The name of a row: 11 bytes or more.
    static func itemName(_ row: Int) -> String { "item-" + padded(row) }
    static func collectionName(_ row: Int) -> String { "collection-" + padded(row) }

    private static func padded(_ row: Int) -> String {
        let digits = String(row)
        return String(repeating: "0", count: max(0, 6 - digits.count)) + digits
    }

    private static let blockEdges = 1 << 18

    /// Edges with consecutive numbers.
    private struct Block: Sendable {
        var numbers: Range<Int>
        var items: [UInt32] = []
        var collections: [UInt32] = []
    }

    /// Calls `body` with what `make` makes of all edges, in order, block after block; `make` runs on all threads.
    private func forEachBlock<Made: Sendable>(
        progress: ((ImportProgress) -> Void)?, make: @Sendable (Block) -> Made, _ body: (Made) throws -> Void
    ) throws {
        let threads = configuration.threads ?? Kernels.availableProcessors
        let step = 4 * Self.blockEdges * threads
        for start in stride(from: 0, to: configuration.edges, by: step) {
            let range = start..<min(start + step, configuration.edges)
            let blocks = (range.count + Self.blockEdges - 1) / Self.blockEdges
            let made = Mutex<[Int: Made]>([:])
            try parallelFor(blocks, threads: threads, grain: 1) { part in
                for index in part {
                    let first = start + index * Self.blockEdges
                    var block = Block(numbers: first..<min(first + Self.blockEdges, range.upperBound))
                    block.items.reserveCapacity(block.numbers.count)
                    block.collections.reserveCapacity(block.numbers.count)
                    for number in block.numbers {
                        let edge = edge(number)
                        block.items.append(UInt32(edge.item))
                        block.collections.append(UInt32(edge.collection))
                    }
                    let result = make(block)
                    made.withLock { $0[index] = result }
                }
            }
            for (_, result) in made.withLock({ $0 }).sorted(by: { $0.key < $1.key }) { try body(result) }
            progress?(ImportProgress(stage: .edges, count: range.upperBound, fraction: Double(range.upperBound) / Double(configuration.edges)))
        }
    }

    private func times(_ range: Range<Int>) -> [Int64] { configuration.hasTimes ? range.map { 1_577_836_800 + Int64($0) } : [] }

    /// Writes a dataset.
    public func write(to path: String, progress: ((ImportProgress) -> Void)? = nil) throws -> ImportReport {
        let clock = ContinuousClock()
        let start = clock.now
        var writer = try ArtifactWriter(kind: Dataset.kind, at: path)
        var log = EdgeLog(scratchDirectory: writer.directory, budget: configuration.memory / 2)
        var itemCounts = RowGroupCounts(), collectionCounts = RowGroupCounts()
        try forEachBlock(progress: progress, make: { $0 }) { block in
            itemCounts.add(block.items)
            collectionCounts.add(block.collections)
            try log.append(items: block.items, collections: block.collections, weights: [], times: times(block.numbers))
        }
        try log.seal()
        let builder = GraphFileBuilder(
            itemCount: configuration.items, collectionCount: configuration.collections,
            threads: configuration.threads ?? Kernels.availableProcessors, budget: configuration.memory / 2,
            progress: { progress?(ImportProgress(stage: .graph, count: configuration.edges, fraction: $0)) })
        let summary = try builder.write(log, itemCounts: itemCounts, collectionCounts: collectionCounts, into: &writer)
        try Identifiers.write(count: configuration.items, prefix: "item_ids", into: &writer, name: Self.itemName)
        try Identifiers.write(count: configuration.collections, prefix: "collection_ids", into: &writer, name: Self.collectionName)
        if configuration.dimension > 0 { try writeFeatures(into: &writer, progress: progress) }
        let sizes = Dataset.sizes(items: configuration.items, collections: configuration.collections, edges: summary.edges)
        let settings: JSONValue = [
            "communities": JSONValue(configuration.communities), "affinity": JSONValue(configuration.affinity),
            "noise": JSONValue(configuration.noise),
            "edges_drawn": JSONValue(configuration.edges), "seed": JSONValue("\(configuration.seed)"),
        ]
        try writer.commit(metadata: sizes.merging(["synthesis": settings]) { _, new in new })
        var report = ImportReport(
            summary, items: configuration.items, collections: configuration.collections, edgesRead: configuration.edges, itemsDescribed: 0)
        report.seconds = start.duration(to: clock.now) / .seconds(1)
        return report
    }

    /// Writes the edges as tab-separated text, as `import` reads them; the file appears under its name when it is complete.
    public func writeEdges(to path: String, progress: ((ImportProgress) -> Void)? = nil) throws {
        try TextFile.write(to: path) { file in
            try file.write(configuration.hasTimes ? "item\tcollection\ttime\n" : "item\tcollection\n")
            try forEachBlock(progress: progress, make: { text(of: $0) }) { text in try file.write(text) }
        }
    }

    private func text(of block: Block) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(block.items.count * 40)
        let times = times(block.numbers)
        for index in block.items.indices {
            Self.append("item-", Int(block.items[index]), to: &text)
            text.append(0x09)
            Self.append("collection-", Int(block.collections[index]), to: &text)
            if configuration.hasTimes {
                text.append(0x09)
                text.append(contentsOf: String(times[index]).utf8)
            }
            text.append(0x0a)
        }
        return text
    }

    /// A name as ``itemName(_:)`` and ``collectionName(_:)`` make it, without a string in between.
    private static func append(_ prefix: StaticString, _ row: Int, to text: inout [UInt8]) {
        prefix.withUTF8Buffer { unsafe text.append(contentsOf: $0) }
        var digits = 6, power = 1_000_000
        while power <= row {
            digits += 1
            power *= 10
        }
        for _ in 0..<digits {
            power /= 10
            text.append(UInt8(ascii: "0") + UInt8(row / power % 10))
        }
    }

    // MARK: Features

    /// The features of an item. - Shapes: (dimension)
    public func features(of item: Int) -> [Float] {
        let scale = 1 / Double(configuration.dimension).squareRoot()
        let centre = SynthesisRandom(seed: configuration.seed, stream: 2, number: item % configuration.communities)
        let own = SynthesisRandom(seed: configuration.seed, stream: 3, number: item)
        return (0..<configuration.dimension).map { Float(scale * (centre.gaussian($0) + configuration.noise * own.gaussian($0))) }
    }

    private func writeFeatures(into writer: inout ArtifactWriter, progress: ((ImportProgress) -> Void)?) throws {
        if configuration.featureType == .float16 {
            try writeFeatures(into: &writer, as: UInt16.self, progress: progress) { HalfPrecision.float16($0) }
        } else {
            try writeFeatures(into: &writer, as: Float.self, progress: progress) { $0 }
        }
    }

    private func writeFeatures<Element: StoredElement>(
        into writer: inout ArtifactWriter, as type: Element.Type, progress: ((ImportProgress) -> Void)?, _ stored: @Sendable (Float) -> Element
    ) throws {
        let name = "features/synthetic.npy"
        var output = try NpyWriter<Element>(writer.newPath(for: name), elementType: configuration.featureType)
        let threads = configuration.threads ?? Kernels.availableProcessors
        let grain = 512
        let step = grain * 8 * threads
        for start in stride(from: 0, to: configuration.items, by: step) {
            let range = start..<min(start + step, configuration.items)
            let parts = Mutex<[Int: [Element]]>([:])
            try parallelFor(range.count, threads: threads, grain: grain) { part in
                let values = part.flatMap { features(of: start + $0).map(stored) }
                parts.withLock { $0[part.lowerBound] = values }
            }
            for (_, values) in parts.withLock({ $0 }).sorted(by: { $0.key < $1.key }) { try output.append(values) }
            progress?(ImportProgress(stage: .features, count: range.upperBound, fraction: Double(range.upperBound) / Double(configuration.items)))
        }
        let shape = [configuration.items, configuration.dimension]
        let written = try output.finish(shape: shape)
        writer.addFile(
            named: name, Manifest.File(bytes: written.bytes, crc32c: written.crc32c, elementType: configuration.featureType, shape: shape))
    }
}

/// Which row is the r-th most popular, overall and in each community.
private struct RankOrder: Sendable {
    private let rows: Int
    private let communities: Int

    init(rows: Int, communities: Int) {
        self.rows = rows
        self.communities = communities
    }

    /// - Parameter position: from 0 (most popular) to 1.
    func row(_ position: Double) -> Int { RankOrder.permuted(min(rows - 1, Int(position * Double(rows))), rows) }

    func row(_ position: Double, in community: Int) -> Int {
        let members = (rows - community + communities - 1) / communities
        return community + communities * RankOrder.permuted(min(members - 1, Int(position * Double(members))), members)
    }

    /// A permutation of 0 ..< count: multiplication by a number that shares no factor with it.
    private static func permuted(_ rank: Int, _ count: Int) -> Int {
        if count <= 2 { return rank }
        // A prime; where it divides the count, the next one cannot, below 2^32.
        let factor = UInt64(count) % 2_654_435_761 == 0 ? 2_654_435_789 : 2_654_435_761 as UInt64
        return Int((UInt64(rank) * factor) % UInt64(count))
    }
}

/// Random numbers that are a function of the seed, a stream, a number and an index.
private struct SynthesisRandom: Sendable {
    private let base: UInt64

    init(seed: UInt64, stream: UInt64, number: Int) {
        base = SynthesisRandom.mixed(SynthesisRandom.mixed(seed &+ stream &* 0x9e37_79b9_7f4a_7c15) ^ UInt64(truncatingIfNeeded: number))
    }

    /// Uniform in 0 ..< 1.
    func unit(_ index: Int) -> Double {
        Double(SynthesisRandom.mixed(base &+ UInt64(truncatingIfNeeded: index) &* 0xd1b5_4a32_d192_ed03) >> 11) * 0x1p-53
    }

    /// Mean 0, variance 1: the sum of twelve uniform numbers less six, near enough to Gaussian and the same on every machine.
    func gaussian(_ index: Int) -> Double {
        var sum = -6.0
        for part in 0..<12 { sum += unit(index * 12 + part) }
        return sum
    }

    /// Source: the finaliser of SplitMix64, Steele, Lea and Flood 2014, after its increment.
    private static func mixed(_ value: UInt64) -> UInt64 {
        var state = value &+ 0x9e37_79b9_7f4a_7c15
        state = (state ^ (state >> 30)) &* 0xbf58_476d_1ce4_e5b9
        state = (state ^ (state >> 27)) &* 0x94d0_49bb_1331_11eb
        return state ^ (state >> 31)
    }
}
