/// How an ``LSHIndex`` is built. What is `nil` is chosen by measuring on the index's own vectors.
public struct LSHConfiguration: Sendable, Hashable {
    /// The share of the true ten nearest that searches are tuned to find. Above 0, below 1
    public var recall: Double
    /// Hyperplanes of a table: it has 2^bits buckets. 1 ... 16; `nil` is about the logarithm of N / 64.
    public var bits: Int?
    /// Tables: each holds every item once, 4 bytes each. 1 ... 256; `nil` is the fewest of 4, 8, 16 and 32 that make searches cheapest.
    public var tables: Int?
    /// About how many postings a query reads: terms are added, likeliest first, until their lists are that long. 1 or more
    public var visits: Int?
    /// How many items are compared exactly. 1 or more
    public var candidates: Int?
    /// Decides the hyperplanes.
    public var seed: UInt64

    public init(recall: Double = 0.95, bits: Int? = nil, tables: Int? = nil, visits: Int? = nil, candidates: Int? = nil, seed: UInt64 = 7) {
        self.recall = recall
        self.bits = bits
        self.tables = tables
        self.visits = visits
        self.candidates = candidates
        self.seed = seed
    }

    /// - Throws: ``ConfigurationError`` that names the first value outside its range.
    public func validate() throws {
        guard recall > 0, recall < 1 else { throw ConfigurationError("recall is \(recall), expected more than 0 and less than 1") }
        if let bits, !(1...16 ~= bits) { throw ConfigurationError("bits is \(bits), expected 1 to 16") }
        if let tables, !(1...256 ~= tables) { throw ConfigurationError("tables is \(tables), expected 1 to 256") }
        if let visits, visits < 1 { throw ConfigurationError("visits is \(visits), expected 1 or more") }
        if let candidates, !(1...1 << 24 ~= candidates) { throw ConfigurationError("candidates is \(candidates), expected 1 to \(1 << 24)") }
    }
}

/// What an ``LSHIndex`` was built with, chosen or given.
public struct LSHParameters: Sendable, Hashable {
    public var bits: Int
    public var tables: Int
    public var visits: Int
    public var candidates: Int
    public var seed: UInt64
    /// The recall@10 that the index's own items had as queries; `nil` where there were too few to measure.
    public var measuredRecall: Double?
    /// The length that vectors are lifted to, and the usual distance of a query from its neighbors at that length.
    var length: Float
    var distance: Float
}
