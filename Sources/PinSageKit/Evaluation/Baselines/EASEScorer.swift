/// The closed-form linear item model: often the best method that knows ids alone, for catalogues that fit one dense matrix.
///
/// Source:   Steck 2019 (EASE^R). With X the binary collections-by-items matrix and P = (X'X + lambda I)^-1:
/// Equation: B = I - P diag(P)^-1, zero diagonal; score[i] = sum over the query's items j of B[j, i].
/// - Complexity: O(N³) time and 8 N² bytes once, O(N) per query item.
public struct EASEScorer: CandidateScorer {
    /// Beyond this many items the dense matrices would not fit an ordinary machine (8 bytes x N²: 3.2 GB).
    public static let mostItems = 20_000

    public let name = "ease"
    public let lambda: Double
    public let itemCount: Int
    private let inverse: Matrix
    private let threads: Int

    /// - Throws: ``DataError`` when the catalogue is too large; ``KernelError`` when the matrix cannot be inverted.
    public init(graph: Graph, lambda: Double, kernels: Kernels) throws {
        guard graph.itemCount <= Self.mostItems else {
            throw DataError(
                "ease needs a dense matrix of items by items: expected at most \(Self.mostItems) items, found \(graph.itemCount)")
        }
        guard lambda > 0, lambda.isFinite else { throw DataError("ease: lambda must be above 0, found \(lambda)") }
        self.lambda = lambda
        itemCount = graph.itemCount
        threads = kernels.threads
        var gram = Self.gram(of: graph)
        for item in 0..<itemCount { gram[item, item] += Float(lambda) }
        try kernels.invertPositiveDefinite(&gram)
        inverse = gram
    }

    /// X'X: in how many collections two items are together.
    private static func gram(of graph: Graph) -> Matrix {
        let count = graph.itemCount
        var gram = Matrix(rows: count, columns: count)
        unsafe gram.values.withUnsafeMutableBufferPointer { gram in
            for collection in 0..<graph.collectionCount {
                let members = graph.items(of: CollectionID(collection)).map { Int($0.row) }.filter { $0 < count }
                for one in members {
                    for other in members { unsafe gram[one * count + other] += 1 }
                }
            }
        }
        return gram
    }

    public func score(_ queries: ArraySlice<EvaluationQuery>, into scores: inout Matrix) throws {
        let count = itemCount
        let diagonal = (0..<count).map { -1 / inverse[$0, $0] }
        try unsafe scores.values.withUnsafeMutableBufferPointer { scores in
            nonisolated(unsafe) let scores = unsafe scores  // each query writes its own row
            try parallelFor(queries.count, threads: threads, grain: 4) { range in
                unsafe inverse.values.withUnsafeBufferPointer { inverse in
                    for row in range {
                        let query = queries[queries.startIndex + row]
                        let start = row * count
                        for item in query.items {
                            let from = Int(item.row) * count
                            for column in 0..<count { unsafe scores[start + column] += inverse[from + column] }
                        }
                        for column in 0..<count { unsafe scores[start + column] *= diagonal[column] }
                        // B has a zero diagonal; the sum above counted -1 for each item asked with.
                        for item in query.items { unsafe scores[start + Int(item.row)] += 1 }
                    }
                }
            }
        }
    }
}
