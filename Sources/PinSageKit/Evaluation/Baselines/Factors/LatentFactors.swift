/// What a factor method learned: a vector of each item and each collection, whose dot product is how well the item fits the collection.
public struct LatentFactors: Sendable {
    /// (N, E)
    public var items: Matrix
    /// (C, E)
    public var collections: Matrix
    /// (N) what every collection thinks of an item; `nil` for methods without it.
    public var itemBiases: [Float]?

    public init(items: Matrix, collections: Matrix, itemBiases: [Float]? = nil) {
        self.items = items
        self.collections = collections
        self.itemBiases = itemBiases
    }

    /// The most memory that a factor method takes; beyond it, it refuses instead of swapping.
    public static let mostBytes = 8 << 30

    /// - Throws: ``DataError`` that says what would be needed.
    static func checkMemory(_ name: String, bytes: Int) throws {
        guard bytes <= mostBytes else {
            throw DataError(
                "\(name) would need \(bytes >> 20) MiB for this dataset: expected at most \(mostBytes >> 20) MiB; try fewer factors")
        }
    }

    /// Gaussian numbers, a function of the seed and the element alone. Shapes: (rows, columns).
    static func gaussian(rows: Int, columns: Int, deviation: Float, seed: UInt64) -> Matrix {
        var random = GaussianSource(seed: seed)
        return Matrix(rows: rows, columns: columns, values: (0..<rows * columns).map { _ in deviation * Float(random.next()) })
    }

    /// Called while a method is trained: units done and in all.
    public typealias Progress = (_ done: Int, _ total: Int) -> Void
}

/// Scores by latent factors.
///
/// Asked with a collection, an item's score is p_c . q_i (+ b_i), the method's own prediction. Asked with items, it is the mean cosine of
/// its vector with theirs: the method has no vector for such a question, and cosine is how related items are taken from factor models.
public struct FactorScorer: CandidateScorer {
    public let name: String
    public let itemCount: Int
    private let collections: Matrix
    private let answers: StoredArray<Float>
    private let directions: Matrix
    private let storedDirections: StoredArray<Float>
    private let kernels: Kernels

    /// - Throws: ``KernelError/shapeMismatch(_:)``.
    public init(name: String, factors: LatentFactors, kernels: Kernels) throws(KernelError) {
        guard factors.items.columns == factors.collections.columns, factors.itemBiases.map({ $0.count == factors.items.rows }) ?? true else {
            throw .shapeMismatch("\(name): items \(factors.items.shape), collections \(factors.collections.shape)")
        }
        self.name = name
        self.kernels = kernels
        itemCount = factors.items.rows
        directions = try kernels.normalizedRows(factors.items)
        storedDirections = StoredArray(directions.values)
        guard let biases = factors.itemBiases else {
            collections = factors.collections
            answers = StoredArray(factors.items.values)
            return
        }
        // One more column: the item's bias times 1.
        let width = factors.items.columns
        var items = factors.items.widened(to: width + 1), collections = factors.collections.widened(to: width + 1)
        for item in 0..<items.rows { items[item, width] = biases[item] }
        for collection in 0..<collections.rows { collections[collection, width] = 1 }
        self.collections = collections
        answers = StoredArray(items.values)
    }

    public func score(_ queries: ArraySlice<EvaluationQuery>, into scores: inout Matrix) throws {
        let indices = Array(queries.indices)
        let byCollection = indices.filter { queries[$0].collection != nil }
        let byItems = indices.filter { queries[$0].collection == nil && !queries[$0].items.isEmpty }
        if !byCollection.isEmpty {
            var asked = Matrix(rows: 0, columns: 0)
            let rows = byCollection.map { Int64(queries[$0].collection?.row ?? 0) }
            try kernels.gather(collections, rows: rows, into: &asked)
            try score(asked, answers, rows: byCollection.map { $0 - queries.startIndex }, into: &scores)
        }
        if !byItems.isEmpty {
            var asked = Matrix(rows: byItems.count, columns: directions.columns)
            for (row, index) in byItems.enumerated() {
                let share = 1 / Float(queries[index].items.count)
                for item in queries[index].items {
                    for column in 0..<directions.columns { asked[row, column] += share * directions[Int(item.row), column] }
                }
            }
            try score(asked, storedDirections, rows: byItems.map { $0 - queries.startIndex }, into: &scores)
        }
    }

    /// Fills the named rows of `scores` with products of `asked` and `table`.
    private func score(_ asked: Matrix, _ table: StoredArray<Float>, rows: [Int], into scores: inout Matrix) throws(KernelError) {
        if rows.count == scores.rows {
            try kernels.scores(queries: asked, rows: table, first: 0, count: itemCount, into: &scores)
            return
        }
        var product = Matrix(rows: 0, columns: 0)
        try kernels.scores(queries: asked, rows: table, first: 0, count: itemCount, into: &product)
        for (index, row) in rows.enumerated() { scores.replaceRows(from: row, with: product.rows(index..<index + 1)) }
    }
}

/// Draws (collection, member, item that is no member): what pairwise ranking learns from.
///
/// Source: Rendle et al. 2009, section 4.2.2: memberships uniformly with replacement, the other item uniformly among the rest.
struct TripleSampler: Sendable {
    private let graph: Graph
    private let random: CounterRandom
    /// The collection of each position of `graph.collections.targets`.
    private let owners: [UInt32]

    struct Triple: Equatable {
        var collection: Int
        var member: Int
        var other: Int
    }

    init(graph: Graph, seed: UInt64) {
        self.graph = graph
        random = CounterRandom(seed: seed, round: 0x7472_6970)
        var owners: [UInt32] = []
        owners.reserveCapacity(graph.edgeCount)
        for collection in 0..<graph.collectionCount {
            owners.append(contentsOf: repeatElement(UInt32(collection), count: graph.collections.range(of: collection).count))
        }
        self.owners = owners
    }

    var memoryBytes: Int { owners.count * 4 }

    /// The triple of a draw; `nil` where the collection seems to hold every item (100 draws hit members).
    @inline(__always) func triple(epoch: Int, draw: Int) -> Triple? {
        guard !owners.isEmpty else { return nil }
        let stream = random.stream(of: UInt64(epoch))
        let edge = CounterRandom.draw(below: UInt64(owners.count), from: stream[walk: draw, step: 0])
        let position = Int(edge.value)
        let collection = Int(owners[position])
        for attempt in 1...100 {
            let other = Int(CounterRandom.draw(below: UInt64(graph.itemCount), from: stream[walk: draw, step: attempt]).value)
            if graph.collections.position(of: UInt32(other), inRow: collection) == nil {
                return Triple(collection: collection, member: Int(graph.collections.targets[position]), other: other)
            }
        }
        return nil
    }
}
