extension FeatureTransform {
    /// The files that ``write(to:)`` makes in a directory.
    public static let fileNames = ["features.json", "features.safetensors"]
    /// Changes when older readers could not read the files or would make other vectors.
    static let version = 1

    /// Writes features.json (what the blocks are) and features.safetensors (what was fitted) into `directory`.
    ///
    /// features.safetensors holds, where there are text features: `text.buckets` (terms), the kept hash buckets as whole numbers, exact below
    /// 2^24; `text.weights` (terms); `text.projection` (terms, dimension).
    public func write(to directory: String) throws {
        var object: [String: JSONValue] = [
            "version": JSONValue(Self.version), "width": JSONValue(width),
            "dense": .array(dense.map { ["name": .string($0.name), "columns": JSONValue($0.columns)] }),
        ]
        if let largestLogDegree { object["log_degree"] = ["largest": .number(largestLogDegree), "weight": .number(logDegreeWeight)] }
        if let attributes {
            object["attributes"] = [
                "categorical": .array(attributes.categorical.map { .string($0) }), "buckets": JSONValue(attributes.buckets),
                "seed": .string(String(attributes.seed)),
                "numeric": .array(
                    attributes.numeric.map { ["name": .string($0.name), "mean": .number($0.mean), "deviation": .number($0.deviation)] }),
            ]
        }
        var tensors: [(name: String, tensor: Safetensors.Tensor)] = []
        if let text {
            object["text"] = [
                "dimension": JSONValue(text.dimension), "shortest_characters": JSONValue(text.hashing.shortestCharacters),
                "longest_characters": JSONValue(text.hashing.longestCharacters), "word_pairs": .bool(text.hashing.wordPairs),
                "bucket_bits": JSONValue(text.hashing.bucketBits), "seed": .string(String(text.hashing.seed)),
            ]
            tensors = [
                ("text.buckets", .init(shape: [text.buckets.count], values: text.buckets.map { Float($0) })),
                ("text.weights", .init(shape: [text.weights.count], values: text.weights)),
                ("text.projection", .init(text.projection)),
            ]
        }
        let json = directory + "/" + Self.fileNames[0]
        try FileSystem.remove(json)
        let file = try OutputFile(json)
        try file.write(JSONValue.object(object).serialized(indented: true) + "\n")
        try file.close()
        try Safetensors.write(tensors, to: directory + "/" + Self.fileNames[1])
    }

    /// Adds everything that rows depend on to a checksum.
    func update(_ crc: inout CRC32C) {
        var words = dense.map { "\($0.name) \($0.columns)" }
        words += ["\(largestLogDegree ?? -1) \(logDegreeWeight)"]
        if let attributes {
            words += attributes.categorical + attributes.numeric.map { "\($0.name) \($0.mean) \($0.deviation)" }
            words += ["\(attributes.buckets) \(attributes.seed)"]
        }
        crc.update(Array(words.joined(separator: "\n").utf8))
        guard let text else { return }
        let h = text.hashing
        crc.update(Array("\(h.shortestCharacters) \(h.longestCharacters) \(h.wordPairs) \(h.bucketBits) \(h.seed)".utf8))
        unsafe text.buckets.withUnsafeBytes { unsafe crc.update($0) }
        unsafe text.weights.withUnsafeBytes { unsafe crc.update($0) }
        unsafe text.projection.values.withUnsafeBytes { unsafe crc.update($0) }
    }

    /// Reads what ``write(to:)`` wrote.
    ///
    /// - Throws: ``DataError`` for missing or damaged files and for a version that this one does not know.
    public static func read(from directory: String, kernels: Kernels? = nil) throws -> FeatureTransform {
        try read(kernels: kernels) { try MappedFile(directory + "/" + $0) }
    }

    static func read(_ artifact: Artifact) throws -> FeatureTransform { try read(kernels: nil, file: artifact.file) }

    private static func read(kernels: Kernels?, file: (_ name: String) throws -> MappedFile) throws -> FeatureTransform {
        let kernels = try kernels ?? Kernels()
        let description = try file(fileNames[0])
        let path = description.path
        let json = try JSONValue(parsing: unsafe description.withUnsafeBytes { unsafe Array($0) }, file: path)
        guard let version = json["version"]?.int else { throw DataError("expected the version of the features", file: path) }
        guard version == Self.version else { throw DataError("expected features of version \(Self.version), found version \(version)", file: path) }
        let fields = Fields(path: path)
        let dense = try fields.array(json, "dense").map { block in
            DenseBlock(name: try fields.string(block, "name"), columns: try fields.int(block, "columns", 0...1 << 24))
        }
        var largest: Double?
        var weight = 0.0
        if let block = json["log_degree"] { (largest, weight) = (try fields.number(block, "largest"), try fields.number(block, "weight")) }
        var attributes: AttributeFeatures?
        if let block = json["attributes"] {
            attributes = AttributeFeatures(
                categorical: try fields.array(block, "categorical").map { try fields.some($0.string, "categorical") },
                numeric: try fields.array(block, "numeric").map {
                    .init(name: try fields.string($0, "name"), mean: try fields.number($0, "mean"), deviation: try fields.number($0, "deviation"))
                },
                buckets: try fields.int(block, "buckets", 0...1 << 20), seed: try fields.some(UInt64(fields.string(block, "seed")), "seed"))
            guard attributes?.buckets != 0 || attributes?.categorical.isEmpty == true else {
                throw DataError("expected buckets for the categorical attributes, found 0", file: path)
            }
        }
        var text: TextFeatures?
        if let block = json["text"] { text = try readText(block, fields, from: file(fileNames[1])) }
        let transform = FeatureTransform(
            dense: dense, text: text, attributes: attributes, largestLogDegree: largest, logDegreeWeight: weight, kernels: kernels)
        guard try fields.int(json, "width", 0...1 << 30) == transform.width else {
            throw DataError("expected blocks of width \(json["width"]?.int ?? 0) together, found \(transform.width)", file: path)
        }
        return transform
    }

    private static func readText(_ block: JSONValue, _ fields: Fields, from file: MappedFile) throws -> TextFeatures {
        let hashing = TextHashing(
            shortestCharacters: try fields.int(block, "shortest_characters", 0...64),
            longestCharacters: try fields.int(block, "longest_characters", 0...64),
            wordPairs: try fields.some(block["word_pairs"]?.bool, "word_pairs"), bucketBits: try fields.int(block, "bucket_bits", 1...22),
            seed: try fields.some(UInt64(fields.string(block, "seed")), "seed"))
        let dimension = try fields.int(block, "dimension", 1...4096)
        let tensors = try Safetensors.read(file), path = file.path
        guard let buckets = tensors["text.buckets"], let weights = tensors["text.weights"], let projection = tensors["text.projection"]?.matrix else {
            throw DataError("expected the tensors text.buckets, text.weights and text.projection", file: path)
        }
        let terms = buckets.values.count
        guard weights.values.count == terms, projection.rows == terms, projection.columns == dimension else {
            throw DataError(
                "expected \(terms) weights and a projection of \(terms) x \(dimension), found \(weights.values.count) and "
                    + "\(projection.rows) x \(projection.columns)", file: path)
        }
        var kept: [UInt32] = []
        for value in buckets.values {
            guard let bucket = UInt32(exactly: value), Int(bucket) < hashing.bucketCount, bucket >= (kept.last.map { $0 + 1 } ?? 0) else {
                throw DataError("expected ascending buckets below \(hashing.bucketCount), found \(value)", file: path)
            }
            kept.append(bucket)
        }
        guard weights.values.allSatisfy(\.isFinite), projection.values.allSatisfy(\.isFinite) else {
            throw DataError("expected finite numbers, found others", file: path)
        }
        return TextFeatures(hashing: hashing, buckets: kept, weights: weights.values, projection: projection)
    }

    /// Members of JSON objects, with an error that names what is missing.
    private struct Fields {
        let path: String

        func some<Value>(_ value: Value?, _ name: String) throws -> Value {
            guard let value else { throw DataError("expected a usable '\(name)', found none", file: path) }
            return value
        }
        func array(_ json: JSONValue, _ name: String) throws -> [JSONValue] { try some(json[name]?.array, name) }
        func string(_ json: JSONValue, _ name: String) throws -> String { try some(json[name]?.string, name) }
        func number(_ json: JSONValue, _ name: String) throws -> Double { try some(json[name]?.double, name) }
        func int(_ json: JSONValue, _ name: String, _ range: ClosedRange<Int>) throws -> Int {
            let value = try some(json[name]?.int, name)
            guard range.contains(value) else { throw DataError("expected a '\(name)' in \(range), found \(value)", file: path) }
            return value
        }
    }
}
