/// How importance neighborhoods are drawn.
///
/// Source: Ying et al. 2018, section 3.1 (importance-based neighborhoods); Eksombatchai et al. 2018 for walks with restart. Neither
/// gives the number, length or restart probability of PinSage's walks: they are options here, with these defaults.
public struct WalkConfiguration: Codable, Sendable, Equatable {
    /// Walks per seed item. More walks give steadier importance weights at a proportional cost.
    public var walks: Int
    /// Item hops per walk; a hop goes item -> collection -> item. A walk always takes all of them: a restart is not an end.
    public var walkLength: Int
    /// After each hop the walker returns to its seed item with this probability, 0...1.
    public var restart: Double
    /// T: the most neighbors that are kept. The paper's final model has 50.
    public var neighbors: Int
    /// Whether edges are followed in proportion to their weights; otherwise all edges of a row are equally likely.
    public var weighted: Bool
    /// Only edges with a time at or after this are followed (seconds since 1970). `nil`: no such limit. Edges of unknown time pass.
    public var notBefore: Int64?
    /// Only edges with a time strictly before this are followed, e.g. the start of a test period. `nil`: no such limit. Edges of unknown time pass.
    public var before: Int64?
    /// The share that each type of collections has in the steps from items, relative to the others; types that are not named have none. `nil`: all
    /// collections of an item are equally likely, whatever their types. See ``Graph/collectionTypes``.
    public var collectionTypes: [String: Double]?
    /// Steps from items prefer small collections: one of n members is entered in proportion to n^-sizeExponent. Few items of a large collection belong
    /// together. 0: all collections of an item are equally likely; 1: all fellow members are. Negative ones prefer large collections.
    public var sizeExponent: Double

    public init(
        walks: Int = 100, walkLength: Int = 2, restart: Double = 0.5, neighbors: Int = 50, weighted: Bool = false,
        notBefore: Int64? = nil, before: Int64? = nil, collectionTypes: [String: Double]? = nil, sizeExponent: Double = 0
    ) {
        self.walks = walks
        self.walkLength = walkLength
        self.restart = restart
        self.neighbors = neighbors
        self.weighted = weighted
        self.notBefore = notBefore
        self.before = before
        self.collectionTypes = collectionTypes
        self.sizeExponent = sizeExponent
    }

    /// Reads a configuration in which any field may be missing: it then has its default, so that files of older versions stay readable.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        let standard = WalkConfiguration()
        walks = try values.decodeIfPresent(Int.self, forKey: .walks) ?? standard.walks
        walkLength = try values.decodeIfPresent(Int.self, forKey: .walkLength) ?? standard.walkLength
        restart = try values.decodeIfPresent(Double.self, forKey: .restart) ?? standard.restart
        neighbors = try values.decodeIfPresent(Int.self, forKey: .neighbors) ?? standard.neighbors
        weighted = try values.decodeIfPresent(Bool.self, forKey: .weighted) ?? standard.weighted
        notBefore = try values.decodeIfPresent(Int64.self, forKey: .notBefore)
        before = try values.decodeIfPresent(Int64.self, forKey: .before)
        collectionTypes = try values.decodeIfPresent([String: Double].self, forKey: .collectionTypes)
        sizeExponent = try values.decodeIfPresent(Double.self, forKey: .sizeExponent) ?? standard.sizeExponent
    }

    /// The most visits that one seed's walks can make.
    var visitsPerSeed: Int { walks * walkLength }

    /// The most walks, hops and visits per seed: scratch memory is proportional to the visits.
    static let largestVisitsPerSeed = 1 << 24

    /// Throws if a setting is outside its range.
    public func validate() throws(SamplingError) {
        func require(_ isTrue: Bool, _ text: @autoclosure () -> String) throws(SamplingError) {
            if !isTrue { throw .invalidConfiguration(text()) }
        }
        try require((1...Self.largestVisitsPerSeed).contains(walks), "walks must be in 1...\(Self.largestVisitsPerSeed), not \(walks)")
        try require(
            (1...Self.largestVisitsPerSeed).contains(walkLength), "walkLength must be in 1...\(Self.largestVisitsPerSeed), not \(walkLength)")
        try require(
            walks * walkLength <= Self.largestVisitsPerSeed,
            "walks x walkLength must be at most \(Self.largestVisitsPerSeed), not \(walks) x \(walkLength)")
        try require(restart >= 0 && restart <= 1, "restart must be a probability in 0...1, not \(restart)")
        try require((1...Self.largestVisitsPerSeed).contains(neighbors), "neighbors must be in 1...\(Self.largestVisitsPerSeed), not \(neighbors)")
        if let collectionTypes {
            for (name, share) in collectionTypes.sorted(by: { $0.key < $1.key }) {
                try require(share >= 0 && share.isFinite, "collectionTypes has the share \(share) for \"\(name)\", expected 0 or more")
            }
            try require(collectionTypes.values.contains { $0 > 0 }, "collectionTypes gives no type a share")
        }
        // Beyond that the differences of two sizes are all or nothing.
        try require(sizeExponent >= -4 && sizeExponent <= 4, "sizeExponent must be in -4...4, not \(sizeExponent)")
        if let notBefore, let before {
            try require(notBefore < before, "the time window is empty: notBefore \(notBefore) is not less than before \(before)")
        }
    }
}
