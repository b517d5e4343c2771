/// What `manifest.json` says of an artifact: its kind, its files with their lengths, shapes and checksums, and how it was made.
///
/// The first line of the file holds the CRC-32C of all that follows, so that damage in the manifest itself is found too.
public struct Manifest: Sendable, Hashable {
    /// What the manifest says of one file.
    public struct File: Sendable, Hashable {
        public var bytes: Int
        public var crc32c: UInt32
        /// For arrays; what `.npy` cannot say (bfloat16) is said here.
        public var elementType: ElementType?
        public var shape: [Int]?
    }

    /// The version of the layout that this code writes and the only one that it reads.
    public static let currentSchema = 1
    static let fileName = "manifest.json"

    /// "dataset", "model", "embeddings", "index", ...
    public var kind: String
    public var schema = Manifest.currentSchema
    /// By path relative to the artifact.
    public var files: [String: File]
    /// Whatever the writer wants to tell: sizes, settings, seeds.
    public var metadata: [String: JSONValue]

    func serialized() -> String {
        let entries = files.mapValues { file -> JSONValue in
            var entry: [String: JSONValue] = ["bytes": JSONValue(file.bytes), "crc32c": .string(hexadecimal(file.crc32c))]
            if let elementType = file.elementType { entry["dtype"] = .string(elementType.rawValue) }
            if let shape = file.shape { entry["shape"] = .array(shape.map { JSONValue($0) }) }
            return .object(entry)
        }
        let content: JSONValue = ["kind": .string(kind), "schema": JSONValue(schema), "files": .object(entries), "metadata": .object(metadata)]
        let body = String(content.serialized(indented: true).dropFirst(2)) + "\n"
        return Manifest.firstLine(crc32c: CRC32C.checksum(Array(body.utf8))) + body
    }

    private static func firstLine(crc32c: UInt32) -> String { "{\n  \"crc32c_of_the_following_lines\": \"\(hexadecimal(crc32c))\",\n" }

    /// - Throws: ``DataError`` for a missing, damaged or foreign manifest.
    init(contentsOf path: String) throws {
        let bytes = try FileSystem.contents(of: path, limit: 1 << 26)
        let length = Manifest.firstLine(crc32c: 0).utf8.count
        guard bytes.count > length else { throw DataError("expected a PinSageKit manifest, found \(bytes.count) bytes", file: path) }
        let checksum = CRC32C.checksum(Array(bytes[length...]))
        guard bytes.starts(with: Array(Manifest.firstLine(crc32c: checksum).utf8)) else {
            throw DataError("expected a manifest whose checksum is \(hexadecimal(checksum)), found another first line: damaged or edited", file: path)
        }
        let content = try JSONValue(parsing: bytes, file: path)
        guard let kind = content["kind"]?.string, let schema = content["schema"]?.int, let entries = content["files"]?.object else {
            throw DataError("expected the keys kind, schema and files", file: path)
        }
        guard schema == Manifest.currentSchema else {
            throw DataError(
                "expected schema version \(Manifest.currentSchema), found \(schema); it was written by another version of PinSageKit", file: path)
        }
        self.kind = kind
        self.schema = schema
        metadata = content["metadata"]?.object ?? [:]
        files = [:]
        for (name, entry) in entries {
            guard Manifest.isSafe(name), let byteCount = entry["bytes"]?.int, byteCount >= 0,
                let crc = entry["crc32c"]?.string.flatMap({ UInt32($0, radix: 16) })
            else { throw DataError("expected a relative path with bytes and crc32c, found the entry \"\(name)\"", file: path) }
            var file = File(bytes: byteCount, crc32c: crc)
            if let dtype = entry["dtype"]?.string {
                guard let elementType = ElementType(rawValue: dtype) else {
                    throw DataError("expected a known dtype of \(name), found \"\(dtype)\"", file: path)
                }
                file.elementType = elementType
            }
            file.shape = entry["shape"]?.array?.compactMap(\.int)
            files[name] = file
        }
    }

    init(kind: String, files: [String: File], metadata: [String: JSONValue]) {
        self.kind = kind
        self.files = files
        self.metadata = metadata
    }

    /// Whether a path stays inside the artifact.
    static func isSafe(_ name: String) -> Bool {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        return !name.utf8.contains(0) && name != fileName && parts.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." }
    }
}

/// Eight digits.
func hexadecimal(_ value: UInt32) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
}
