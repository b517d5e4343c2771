/// Item embeddings, in memory or mapped from disk: row r is the embedding of item r.
public struct Embeddings: Sendable {
    public static let kind = "embeddings"

    public let identifiers: Identifiers
    /// (N, dimension), flat.
    public let vectors: StoredArray<Float>
    public let dimension: Int
    /// Whether every vector has length 1 (or 0), so that dot product and cosine agree.
    public let isNormalized: Bool

    /// ``PinSageModel/fingerprint`` of the model that made the vectors, where that is known.
    public internal(set) var modelFingerprint: String?
    /// The checksum of the file of vectors in its manifest; `nil` for vectors that were made in memory.
    public internal(set) var vectorsChecksum: UInt32?

    public var count: Int { identifiers.count }

    /// - Throws: ``DataError`` when the sizes do not fit together.
    public init(identifiers: Identifiers, vectors: StoredArray<Float>, dimension: Int, isNormalized: Bool) throws {
        guard dimension > 0, vectors.count == identifiers.count * dimension else {
            throw DataError("expected \(identifiers.count) vectors of \(dimension) numbers, found \(vectors.count) numbers")
        }
        self.identifiers = identifiers
        self.vectors = vectors
        self.dimension = dimension
        self.isNormalized = isNormalized
    }

    /// The same embeddings with their vectors copied into memory (huge pages where there are any).
    func resident() throws -> Embeddings {
        var copy = try Embeddings(identifiers: identifiers, vectors: vectors.resident(), dimension: dimension, isNormalized: isNormalized)
        copy.modelFingerprint = modelFingerprint
        copy.vectorsChecksum = vectorsChecksum
        return copy
    }

    /// One embedding. - Complexity: O(dimension)
    public subscript(item: ItemID) -> [Float] {
        let start = Int(item.row) * dimension
        return Array(vectors[start..<start + dimension])
    }

    /// The row of an item. - Throws: ``DataError`` with the closest identifiers when there is none of that name.
    public func item(named identifier: String) throws -> ItemID {
        if let row = identifiers.row(of: identifier) { return ItemID(row) }
        throw DataError.unknownItem(identifier, closest: identifiers.closest(to: identifier, count: 3))
    }

    /// - Throws: ``DataError`` naming the first item whose vector has a number that is not finite or beyond `largest`.
    public func requireFinite(upTo largest: Float = .greatestFiniteMagnitude, file: String? = nil) throws {
        let bad = unsafe vectors.withUnsafeBufferPointer { values in unsafe values.firstIndex { !($0.magnitude <= largest) } }
        guard let bad else { return }
        let expected = largest == .greatestFiniteMagnitude ? "finite values" : "finite values up to \(largest)"
        let item = bad / dimension
        throw DataError("expected \(expected), found \(vectors[bad]) in the vector of item \"\(identifiers[item])\" (row \(item))", file: file)
    }

    /// Opens a directory of embeddings, or a NumPy file of vectors of any origin: `FILE.npy`, (items, dimension) in float32, with the identifiers of its rows
    /// in `FILE.npy.ids.txt`, one a line, as ``export(as:to:threads:progress:)`` writes them.
    ///
    /// Vectors are mapped. For a NumPy file ``isNormalized`` is found out, and ``modelFingerprint`` is `nil`.
    ///
    /// - Throws: ``DataError`` that names the file: for one that is missing, damaged or of another kind, type or shape, and for identifiers that are empty,
    ///   come twice, or are not as many as the rows.
    /// - Complexity: O(1) for a directory, O(N * dimension) for a NumPy file.
    public static func open(_ path: String) throws -> Embeddings {
        if FileSystem.kind(of: path)?.kind == .file { return try Embeddings(npy: path) }
        return try Embeddings(Artifact.open(path, kind: kind))
    }

    /// Writes the embeddings as an artifact; `madeBy` goes into its manifest.
    public func write(to path: String, madeBy: [String: JSONValue] = [:]) throws {
        var writer = try ArtifactWriter(kind: Embeddings.kind, at: path)
        try write(into: &writer)
        try writer.commit(metadata: madeBy.merging(["normalized": JSONValue(isNormalized), "dimension": JSONValue(dimension)]) { $1 })
    }

    /// The vectors in an artifact that holds them, an index for instance.
    init(_ artifact: Artifact) throws {
        let (vectors, shape) = try artifact.array("vectors", as: Float.self)
        let identifiers = try Identifiers.open(artifact, prefix: "item_ids")
        guard shape.count == 2, shape[0] == identifiers.count else {
            throw DataError("expected vectors of the shape [\(identifiers.count), dimension], found \(shape)", file: try artifact.path(of: "vectors"))
        }
        try self.init(
            identifiers: identifiers, vectors: vectors, dimension: shape[1],
            isNormalized: artifact.manifest.metadata["normalized"]?.bool ?? false)
        modelFingerprint = artifact.manifest.metadata[Self.modelKey]?.string
        vectorsChecksum = artifact.manifest.files["vectors.npy"]?.crc32c
    }

    static let modelKey = "model_fingerprint"

    /// What an index says in its manifest of the model whose vectors it holds.
    var modelMetadata: [String: JSONValue] { modelFingerprint.map { [Self.modelKey: .string($0)] } ?? [:] }

    /// The fingerprint of the model whose vectors both have, where one of them says it; nothing may hold vectors of two models.
    ///
    /// - Throws: ``DataError`` when both say it and differ.
    func commonModel(with others: Embeddings) throws -> String? {
        if let mine = modelFingerprint, let theirs = others.modelFingerprint, mine != theirs {
            throw DataError("vectors of two models (\(mine) and \(theirs)) cannot be compared: embed all items with one")
        }
        return modelFingerprint ?? others.modelFingerprint
    }

    /// - Throws: ``DataError`` when it is known that another model made the vectors.
    public func requireMade(by model: PinSageModel, file: String? = nil) throws {
        guard let modelFingerprint else { return }
        let found = model.fingerprint
        guard found == modelFingerprint else {
            throw DataError(
                "the vectors were made by another model (\(modelFingerprint)) than this one (\(found)): embed and index again", file: file)
        }
    }

    /// Writes what ``init(_:)`` reads; `normalized` in the metadata is the caller's.
    func write(into writer: inout ArtifactWriter) throws {
        try writer.write("vectors", vectors, shape: [count, dimension])
        try identifiers.write(into: &writer, prefix: "item_ids")
    }
}

extension DataError {
    static func unknownItem(_ identifier: String, closest: [String]) -> DataError {
        DataError("no item \"\(identifier)\"" + (closest.isEmpty ? "" : "; the closest are \(closest.map { "\"\($0)\"" }.joined(separator: ", "))"))
    }
}
