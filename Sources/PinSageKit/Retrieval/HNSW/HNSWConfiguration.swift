/// How the graph of an ``HNSWIndex`` is built. `docs/parameters.md` says what each costs.
public struct HNSWConfiguration: Sendable, Hashable {
    /// What answers are ranked by.
    public enum Metric: String, CaseIterable, Sendable, Codable {
        /// The dot product, whatever the lengths of the vectors.
        case innerProduct = "inner-product"
        /// The dot product of vectors divided by their lengths; the index holds such copies.
        case cosine
    }

    public var metric: Metric
    /// M: links that a new item gets in each layer; lists hold 2 M in layer 0 and M above. 2 ... 256
    public var links: Int
    /// How many candidates a new item's links are chosen from. 1 ... 65536
    public var efConstruction: Int
    /// How many candidates a search keeps unless it says otherwise. 1 or more
    public var ef: Int
    /// What the traversal compares.
    public var storage: IndexStorage
    /// Decides the levels of items and the order in which they are inserted.
    public var seed: UInt64
    /// Items that are inserted at once: they search the graph without each other, and are compared with each other exactly. Part of what
    /// makes the graph, so it is never derived from the thread count. 1 ... 65536
    public var batch: Int

    public init(
        metric: Metric = .innerProduct, links: Int = 16, efConstruction: Int = 100, ef: Int = 64, storage: IndexStorage = .int8, seed: UInt64 = 7,
        batch: Int = 512
    ) {
        self.metric = metric
        self.links = links
        self.efConstruction = efConstruction
        self.ef = ef
        self.storage = storage
        self.seed = seed
        self.batch = batch
    }

    /// - Throws: ``ConfigurationError`` that names the first value outside its range.
    public func validate() throws {
        guard 2...256 ~= links else { throw ConfigurationError("links is \(links), expected 2 to 256") }
        guard 1...65536 ~= efConstruction else { throw ConfigurationError("efConstruction is \(efConstruction), expected 1 to 65536") }
        guard ef >= 1 else { throw ConfigurationError("ef is \(ef), expected 1 or more") }
        guard 1...65536 ~= batch else { throw ConfigurationError("batch is \(batch), expected 1 to 65536") }
    }
}
