extension LSHIndex {
    /// Opens an artifact; see docs/formats.md. Sizes are checked here, buckets and postings when they are read.
    init(_ artifact: Artifact, kernels: Kernels) throws {
        let embeddings = try Embeddings(artifact)
        let metadata = artifact.manifest.metadata, manifest = artifact.path + "/" + Manifest.fileName
        guard let version = metadata["lsh_version"]?.int, version == LSHIndex.version else {
            throw DataError(
                "expected version \(LSHIndex.version) of lsh, found \(metadata["lsh_version"]?.serialized() ?? "none"); build the index again",
                file: manifest)
        }
        guard let bits = metadata["bits"]?.int, let tables = metadata["tables"]?.int, let visits = metadata["visits"]?.int,
            let candidates = metadata["candidates"]?.int, let seed = metadata["seed"]?.string.flatMap({ UInt64($0) }),
            let length = metadata["length"]?.double, let distance = metadata["distance"]?.double, length > 0, distance >= 0,
            Float(length).isFinite, Float(distance).isFinite
        else {
            throw DataError("expected bits, tables, visits, candidates, seed, length and distance of an lsh index", file: manifest)
        }
        do { try LSHConfiguration(bits: bits, tables: tables, visits: visits, candidates: candidates).validate() } catch {
            throw DataError("\(error)", file: manifest)
        }
        let count = embeddings.count, width = embeddings.dimension, planes = bits * tables, cells = 1 << bits
        guard count <= Int(Int32.max) else { throw DataError("\(count) items, expected at most \(Int32.max)", file: manifest) }
        func matrix<Element: StoredElement>(_ name: String, _ type: Element.Type, rows: Int, columns: Int) throws -> StoredArray<Element> {
            let (array, shape) = try artifact.array(name, as: type)
            guard shape == [rows, columns] else {
                throw DataError("expected the shape [\(rows), \(columns)], found \(shape)", file: try artifact.path(of: name))
            }
            return array
        }
        self.init(
            embeddings: embeddings,
            parameters: LSHParameters(
                bits: bits, tables: tables, visits: visits, candidates: candidates, seed: seed, measuredRecall: metadata["measured_recall"]?.double,
                length: Float(length), distance: Float(distance)),
            planes: HashPlanes(
                planes: try matrix("planes", Float.self, rows: planes, columns: width),
                lifts: try artifact.vector("plane_lifts", as: Float.self, count: planes),
                thresholds: try artifact.vector("thresholds", as: Float.self, count: planes)),
            buckets: try matrix("buckets", UInt32.self, rows: tables, columns: cells + 1),
            postings: try matrix("postings", UInt32.self, rows: tables, columns: count), kernels: kernels)
    }

    /// The version of the layout that this code writes and the only one that it reads.
    static let version = 1

    public func write(to path: String) throws {
        var writer = try ArtifactWriter(kind: StoredIndex.kind, at: path)
        try embeddings.write(into: &writer)
        try writer.write("planes", planes.planes, shape: [parameters.bits * parameters.tables, dimension])
        try writer.write("plane_lifts", planes.lifts)
        try writer.write("thresholds", planes.thresholds)
        try writer.write("buckets", buckets, shape: [parameters.tables, (1 << parameters.bits) + 1])
        try writer.write("postings", postings, shape: [parameters.tables, count])
        var metadata: [String: JSONValue] = [
            "index": .string(LSHIndex.name), "lsh_version": JSONValue(LSHIndex.version), "normalized": JSONValue(embeddings.isNormalized),
            "dimension": JSONValue(dimension), "storage": "f32", "bits": JSONValue(parameters.bits), "tables": JSONValue(parameters.tables),
            "visits": JSONValue(parameters.visits), "candidates": JSONValue(parameters.candidates), "seed": .string(String(parameters.seed)),
            "length": JSONValue(Double(parameters.length)), "distance": JSONValue(Double(parameters.distance)),
        ]
        if let recall = parameters.measuredRecall { metadata["measured_recall"] = JSONValue(recall) }
        try writer.commit(metadata: metadata.merging(embeddings.modelMetadata) { $1 })
    }
}
