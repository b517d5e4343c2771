/// Exact nearest neighbors: every query is compared with every vector.
public struct ExactIndex: NearestNeighborIndex {
    public static let kind = "index"

    public let embeddings: Embeddings
    private let kernels: Kernels

    public init(embeddings: Embeddings, kernels: Kernels) {
        self.embeddings = embeddings
        self.kernels = kernels
    }

    public var count: Int { embeddings.count }
    public var dimension: Int { embeddings.dimension }

    /// - Complexity: O(Q * N * dimension)
    public func neighbors(of queries: Matrix, k: Int, excluding: Set<ItemID>) throws -> [[Neighbor]] {
        guard queries.columns == dimension else {
            throw DataError("the index has vectors of \(dimension) numbers, the query has \(queries.columns)")
        }
        guard queries.values.allSatisfy(\.isFinite) else { throw DataError("expected a query of finite numbers, found NaN or infinity") }
        guard k >= 0 else { throw ConfigurationError("k is \(k), expected 0 or more") }
        // As many more as are excluded, so that k remain however the excluded ones rank.
        let found = min(min(k, count) + excluding.count, count)
        guard found > 0 else { return Array(repeating: [], count: queries.rows) }
        let (ids, scores) = try kernels.topK(queries: queries, rows: embeddings.vectors, k: found)
        return (0..<queries.rows).map { row in
            (row * found..<(row + 1) * found).lazy
                .map { Neighbor(item: ItemID(Int(ids[$0])), score: scores[$0]) }
                .filter { !excluding.contains($0.item) }
                .prefix(k).map { $0 }
        }
    }

    /// Opens an index directory. - Throws: ``DataError`` when it is missing, damaged or of another kind of index.
    public static func open(_ path: String, kernels: Kernels) throws -> ExactIndex {
        let artifact = try Artifact.open(path, kind: kind)
        let (vectors, shape) = try artifact.array("vectors", as: Float.self)
        let identifiers = try Identifiers.open(artifact, prefix: "item_ids")
        guard shape.count == 2, shape[0] == identifiers.count else {
            throw DataError("expected vectors of the shape [\(identifiers.count), dimension], found \(shape)", file: try artifact.path(of: "vectors"))
        }
        let embeddings = try Embeddings(
            identifiers: identifiers, vectors: vectors, dimension: shape[1],
            isNormalized: artifact.manifest.metadata["normalized"]?.bool ?? false)
        return ExactIndex(embeddings: embeddings, kernels: kernels)
    }

    /// Writes the index as an artifact.
    public func write(to path: String) throws {
        var writer = try ArtifactWriter(kind: ExactIndex.kind, at: path)
        try writer.write("vectors", embeddings.vectors, shape: [count, dimension])
        try embeddings.identifiers.write(into: &writer, prefix: "item_ids")
        try writer.commit(metadata: [
            "index": "exact", "storage": "f32", "normalized": JSONValue(embeddings.isNormalized), "dimension": JSONValue(dimension),
        ])
    }
}
