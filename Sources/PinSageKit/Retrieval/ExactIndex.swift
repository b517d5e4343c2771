/// Exact nearest neighbors: every query is compared with every vector.
public struct ExactIndex: NearestNeighborIndex {
    /// What the manifest and `--kind` call it.
    public static let name = "exact"

    public let embeddings: Embeddings
    /// The int8 codes that are compared first; `nil` in f32 storage.
    private let codes: BoundedCodes?
    private let kernels: Kernels

    /// An index that reads all f32 vectors for every query.
    public init(embeddings: Embeddings, kernels: Kernels) {
        self.init(embeddings: embeddings, codes: nil, kernels: kernels)
    }

    private init(embeddings: Embeddings, codes: BoundedCodes?, kernels: Kernels) {
        self.embeddings = embeddings
        self.codes = codes
        self.kernels = kernels
    }

    /// An index that may read int8 codes first, a quarter of the bytes, and of the f32 vectors only those that the codes cannot rule out: the answers are
    /// the same, bit for bit, because the codes' errors have a proved bound.
    ///
    /// - Parameter storage: `f32` or `int8`. There is no `bf16`: codes are smaller, and lose nothing.
    /// - Throws: ``ConfigurationError`` for `bf16`, ``DataError`` for vectors of more than 131,072 numbers in `int8`.
    /// - Complexity: O(N * dimension)
    public static func build(_ embeddings: Embeddings, storage: IndexStorage, kernels: Kernels) throws -> ExactIndex {
        switch storage {
        case .f32: return ExactIndex(embeddings: embeddings, kernels: kernels)
        case .int8:
            guard embeddings.dimension <= 131_072 else {
                throw DataError("an exact index in int8 takes vectors of up to 131072 numbers, found \(embeddings.dimension)")
            }
            return ExactIndex(
                embeddings: embeddings, codes: try kernels.boundedCodes(embeddings.vectors, width: embeddings.dimension), kernels: kernels)
        case .bf16: throw ConfigurationError("an exact index stores f32 or int8, whose answers are the same; not bf16")
        }
    }

    init(_ artifact: Artifact, kernels: Kernels) throws {
        let embeddings = try Embeddings(artifact), count = embeddings.count
        switch artifact.manifest.metadata["storage"]?.string {
        case "f32": self.init(embeddings: embeddings, kernels: kernels)
        case "int8":
            let (codes, shape) = try artifact.array("codes", as: Int8.self)
            guard shape == [count, embeddings.dimension] else {
                throw DataError("expected the shape [\(count), \(embeddings.dimension)], found \(shape)", file: try artifact.path(of: "codes"))
            }
            self.init(
                embeddings: embeddings,
                codes: BoundedCodes(
                    codes: codes, scales: try artifact.vector("scales", as: Float.self, count: count),
                    residuals: try artifact.vector("residuals", as: Float.self, count: count),
                    norms: try artifact.vector("norms", as: Float.self, count: count)), kernels: kernels)
        case let other:
            throw DataError(
                "expected an exact index in f32 or int8, found \(other.map { "\"\($0)\"" } ?? "none")", file: artifact.path + "/" + Manifest.fileName)
        }
    }

    /// What is compared first.
    public var storage: IndexStorage { codes == nil ? .f32 : .int8 }

    /// The nearest items; see ``NearestNeighborIndex``. With a filter, the f32 vectors of what it lets through are compared in any storage.
    ///
    /// - Complexity: O(Q * N * dimension); with a filter, N is what it lets through
    public func neighbors(of queries: Matrix, k: Int, among filter: ItemFilter?, excluding: Set<ItemID>, ef: Int?) throws -> [[Neighbor]] {
        try check(queries, k: k, filter: filter)
        // As many more as are excluded, so that k remain however the excluded ones rank.
        let found = min(min(k, count) + excluding.count, filter?.count ?? count)
        guard found > 0 else { return Array(repeating: [], count: queries.rows) }
        let (ids, scores) =
            if let filter {
                try kernels.topK(queries: queries, rows: embeddings.vectors, candidates: filter.rows, k: found)
            } else if let codes {
                try kernels.topK(queries: queries, rows: embeddings.vectors, codes: codes, k: found)
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
        if let codes {
            try writer.write("codes", codes.codes, shape: [count, dimension])
            try writer.write("scales", codes.scales)
            try writer.write("residuals", codes.residuals)
            try writer.write("norms", codes.norms)
        }
        let metadata: [String: JSONValue] = [
            "index": .string(ExactIndex.name), "storage": .string(storage.rawValue), "normalized": JSONValue(embeddings.isNormalized),
            "dimension": JSONValue(dimension),
        ]
        try writer.commit(metadata: metadata.merging(embeddings.modelMetadata) { $1 })
    }
}
