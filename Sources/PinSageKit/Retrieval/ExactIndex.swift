/// Exact nearest neighbors: every query is compared with every vector.
public struct ExactIndex: NearestNeighborIndex {
    /// What the manifest and `--kind` call it.
    public static let name = "exact"

    public let embeddings: Embeddings
    private let kernels: Kernels

    public init(embeddings: Embeddings, kernels: Kernels) {
        self.embeddings = embeddings
        self.kernels = kernels
    }

    init(_ artifact: Artifact, kernels: Kernels) throws {
        self.init(embeddings: try Embeddings(artifact), kernels: kernels)
    }

    /// - Complexity: O(Q * N * dimension); with a filter, N is what it lets through
    public func neighbors(of queries: Matrix, k: Int, among filter: ItemFilter?, excluding: Set<ItemID>) throws -> [[Neighbor]] {
        try check(queries, k: k, filter: filter)
        // As many more as are excluded, so that k remain however the excluded ones rank.
        let found = min(min(k, count) + excluding.count, filter?.count ?? count)
        guard found > 0 else { return Array(repeating: [], count: queries.rows) }
        let (ids, scores) =
            if let filter {
                try kernels.topK(queries: queries, rows: embeddings.vectors, candidates: filter.rows, k: found)
            } else {
                try kernels.topK(queries: queries, rows: embeddings.vectors, k: found)
            }
        return (0..<queries.rows).map { row in
            (row * found..<(row + 1) * found).lazy
                .map { Neighbor(item: ItemID(Int(ids[$0])), score: scores[$0]) }
                .filter { !excluding.contains($0.item) }
                .prefix(k).map { $0 }
        }
    }

    public func write(to path: String) throws {
        var writer = try ArtifactWriter(kind: StoredIndex.kind, at: path)
        try embeddings.write(into: &writer)
        let metadata: [String: JSONValue] = [
            "index": .string(ExactIndex.name), "storage": "f32", "normalized": JSONValue(embeddings.isNormalized),
            "dimension": JSONValue(dimension),
        ]
        try writer.commit(metadata: metadata.merging(embeddings.modelMetadata) { $1 })
    }
}
