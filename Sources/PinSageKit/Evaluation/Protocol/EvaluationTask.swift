/// One question of an evaluation: what is asked, what a good answer holds, and what may be answered.
public struct EvaluationQuery: Sendable, Equatable {
    /// What is asked with: one item, or a collection's members, oldest first where their times are known. May be empty.
    public var items: [ItemID]
    /// The collection whose other members are asked for; `nil` when the question is an item alone.
    public var collection: CollectionID?
    /// The right answers: distinct, and none of them excluded.
    public var positives: [ItemID]
    /// Items that are no candidates: ascending, distinct.
    public var excluded: [ItemID]
    /// Where not `nil`, only these are candidates: distinct, the positives among them.
    public var candidates: [ItemID]?
    /// Right answers that are no items at all: no method can find them, and they count as not found.
    public var unknownPositives: Int

    public init(
        items: [ItemID], collection: CollectionID? = nil, positives: [ItemID], excluded: [ItemID], candidates: [ItemID]? = nil,
        unknownPositives: Int = 0
    ) {
        self.items = items
        self.collection = collection
        self.positives = positives
        self.excluded = excluded
        self.candidates = candidates
        self.unknownPositives = unknownPositives
    }
}

/// The questions that every method of one evaluation answers, over one numbering of the items.
public struct EvaluationTask: Sendable {
    /// What a line of the file asks.
    public enum Kind: String, Sendable {
        case pairs, collections, candidates
    }

    /// What does not fit the items and collections at hand, counted.
    public struct Dropped: Sendable, Equatable {
        /// The same answer twice for one collection.
        public var duplicates = 0
        /// Answers that are part of the question already: the query itself or a member of its collection in the dataset.
        public var members = 0
        /// Answers outside the ids that `--among` keeps.
        public var outside = 0
        /// Questions left without any answer by the above.
        public var queries = 0
        /// Answers that are no items: not left out, but counted as not found.
        public var unknownAnswers = 0
        /// Questions by a collection that the dataset does not have: asked with nothing, so that every candidate ties.
        public var unknownCollections = 0

        public init() {}
        /// Answers left out.
        public var answers: Int { duplicates + members + outside }
    }

    public let kind: Kind
    /// Rows of every score vector.
    public let itemCount: Int
    public let queries: [EvaluationQuery]
    /// Where not `nil`, only these are candidates in any query: ascending, distinct.
    public let among: [ItemID]?
    public let dropped: Dropped
    /// Whether the items of queries stand in the order in which people chose them, so that "last" means something.
    public let queriesAreOrdered: Bool

    public init(
        kind: Kind, itemCount: Int, queries: [EvaluationQuery], among: [ItemID]? = nil, dropped: Dropped = Dropped(),
        queriesAreOrdered: Bool = true
    ) {
        self.kind = kind
        self.itemCount = itemCount
        self.queries = queries
        self.among = among
        self.dropped = dropped
        self.queriesAreOrdered = queriesAreOrdered
    }

    /// The same task with at most `most` queries, taken at even distances: validation that is repeated often need not be exact.
    public func sample(of most: Int) -> EvaluationTask {
        guard most > 0, queries.count > most else { return self }
        return EvaluationTask(
            kind: kind, itemCount: itemCount, queries: (0..<most).map { queries[$0 * queries.count / most] }, among: among, dropped: dropped,
            queriesAreOrdered: queriesAreOrdered)
    }

    /// The mean number of candidates of a query.
    public var meanCandidateCount: Double {
        guard !queries.isEmpty else { return 0 }
        var total = 0
        for query in queries {
            if let candidates = query.candidates {
                total += candidates.count
            } else if let among {
                total += among.count - query.excluded.filter { item in among.containsSorted(item) }.count
            } else {
                total += itemCount - query.excluded.count
            }
        }
        return Double(total) / Double(queries.count)
    }
}

extension Array where Element: Comparable {
    /// Whether an ascending array holds `element`. - Complexity: O(log n)
    func containsSorted(_ element: Element) -> Bool {
        let position = partitioningIndex { $0 >= element }
        return position < count && self[position] == element
    }
}
