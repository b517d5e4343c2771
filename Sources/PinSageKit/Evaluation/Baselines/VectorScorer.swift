/// Scores by the dot product of vectors: trained embeddings, and every baseline that is a table of vectors.
///
/// Vectors are used as they are stored. Over L2-normalised ones the score is the cosine; `PinSageKit` writes normalised embeddings
/// unless told otherwise.
public struct VectorScorer: CandidateScorer {
    public let name: String
    public let itemCount: Int
    public let dimension: Int
    public let pooling: QueryPooling
    private let candidates: StoredArray<Float>
    private let asked: StoredArray<Float>
    private let kernels: Kernels

    /// - Parameters:
    ///   - candidates: (N, E) the vectors of the items as answers.
    ///   - queries: (N, E) the vectors of the items as questions, where they differ.
    /// - Throws: ``KernelError/shapeMismatch(_:)``.
    public init(
        name: String, candidates: StoredArray<Float>, queries: StoredArray<Float>? = nil, dimension: Int, pooling: QueryPooling = .mean,
        kernels: Kernels
    ) throws(KernelError) {
        guard dimension > 0, candidates.count % dimension == 0, queries == nil || queries?.count == candidates.count else {
            throw .shapeMismatch("\(name): \(candidates.count) and \(queries?.count ?? candidates.count) values in rows of \(dimension)")
        }
        self.name = name
        self.dimension = dimension
        self.pooling = pooling
        self.candidates = candidates
        self.asked = queries ?? candidates
        self.kernels = kernels
        itemCount = candidates.count / dimension
    }

    /// The vectors of a table in memory.
    public init(
        name: String, candidates: Matrix, queries: Matrix? = nil, pooling: QueryPooling = .mean, kernels: Kernels
    ) throws(KernelError) {
        try self.init(
            name: name, candidates: StoredArray(candidates.values), queries: queries.map { StoredArray($0.values) },
            dimension: candidates.columns, pooling: pooling, kernels: kernels)
    }

    public func score(_ queries: ArraySlice<EvaluationQuery>, into scores: inout Matrix) throws {
        var values: [Float] = []
        var owners: [Int] = []
        for (row, query) in queries.enumerated() {
            let vectors = pooling.vectors(of: vectors(of: query.items))
            values += vectors.values
            owners += repeatElement(row, count: vectors.rows)
        }
        let vectors = Matrix(rows: owners.count, columns: dimension, values: values)
        if owners == Array(0..<queries.count) {
            try kernels.scores(queries: vectors, rows: candidates, first: 0, count: itemCount, into: &scores)
            return
        }
        // Several vectors for some queries, none for others: products in pieces of the block's size, then the maximum per query.
        var product = Matrix(rows: 0, columns: 0)
        var start = 0
        while start < owners.count {
            let end = min(start + max(queries.count, 1), owners.count)
            let piece = Matrix(
                rows: end - start, columns: dimension, values: Array(vectors.values[start * dimension..<end * dimension]))
            try kernels.scores(queries: piece, rows: candidates, first: 0, count: itemCount, into: &product)
            unsafe scores.values.withUnsafeMutableBufferPointer { scores in
                unsafe product.values.withUnsafeBufferPointer { product in
                    for index in start..<end {
                        let isFirst = index == 0 || owners[index - 1] != owners[index]
                        let into = owners[index] * itemCount, from = (index - start) * itemCount
                        for item in 0..<itemCount {
                            let score = unsafe product[from + item]
                            unsafe scores[into + item] = isFirst ? score : max(scores[into + item], score)
                        }
                    }
                }
            }
            start = end
        }
    }

    private func vectors(of items: [ItemID]) -> Matrix {
        var values: [Float] = []
        values.reserveCapacity(items.count * dimension)
        unsafe asked.withUnsafeBufferPointer { asked in
            for item in items {
                precondition(Int(item.row) < itemCount, "item \(item.row) of \(itemCount)")
                unsafe values.append(contentsOf: asked[Int(item.row) * dimension..<(Int(item.row) + 1) * dimension])
            }
        }
        return Matrix(rows: items.count, columns: dimension, values: values)
    }
}
