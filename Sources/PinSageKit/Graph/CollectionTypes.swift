/// Which kind each collection is of, where a dataset has several: boards and lists, or lists, sections and tags.
///
/// Walks may give each type a share of their steps (`WalkConfiguration.collectionTypes`).
public struct CollectionTypes: Sendable {
    /// The types' names, ascending by their UTF-8.
    public let names: [String]
    /// For each collection the position of its type in ``names``. Other numbers, and collections beyond the end, mean no type.
    let codes: StoredArray<UInt8>

    /// The name of the array, and of the names in the manifest's metadata.
    static let fileName = "collection_types"
    private static let none = UInt8.max
    /// More kinds than anybody tells apart; the rest of a byte's values mean no type.
    private static let most = 250

    /// - Parameter types: the name of each collection's type, `nil` for none.
    /// - Throws: ``DataError`` for an empty name and for more than 250 different ones.
    public init(_ types: some Sequence<String?>) throws {
        let types = Array(types)
        let names = Set(types.compactMap { $0 }).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        guard !names.contains("") else { throw DataError("expected the names of collections' types, found an empty one") }
        guard names.count <= Self.most else { throw DataError("expected at most \(Self.most) types of collections, found \(names.count)") }
        let codes = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, UInt8($0)) })
        self.init(names: names, codes: StoredArray(types.map { type in type.flatMap { codes[$0] } ?? Self.none }))
    }

    private init(names: [String], codes: StoredArray<UInt8>) {
        self.names = names
        self.codes = codes
    }

    /// The position of a collection's type in ``names``.
    @inline(__always) func code(of collection: UInt32) -> Int? {
        guard Int(collection) < codes.count else { return nil }
        let code = Int(codes[Int(collection)])
        return code < names.count ? code : nil
    }

    /// The name of a collection's type; `nil` for one without.
    public func name(of collection: CollectionID) -> String? { code(of: collection.row).map { names[$0] } }

    // MARK: Files

    /// Opens the types of a dataset; `nil` for one without.
    ///
    /// - Throws: ``DataError`` where the array and its names do not fit together.
    static func open(_ artifact: Artifact, collectionCount: Int) throws -> CollectionTypes? {
        guard artifact.contains(fileName) else { return nil }
        let codes = try artifact.vector(fileName, as: UInt8.self)
        guard codes.count <= collectionCount else {
            throw DataError("expected types of at most \(collectionCount) collections, found \(codes.count)", file: try artifact.path(of: fileName))
        }
        let names = artifact.manifest.metadata[fileName]?.array?.compactMap(\.string) ?? []
        guard !names.isEmpty, names.count <= most else {
            throw DataError("expected 1 to \(most) names of collections' types in the metadata, found \(names.count)", file: artifact.path)
        }
        return CollectionTypes(names: names, codes: codes)
    }

    /// Writes what ``open(_:collectionCount:)`` opens. - Returns: what goes into the manifest's metadata.
    func write(into writer: inout ArtifactWriter) throws -> [String: JSONValue] {
        try writer.write(Self.fileName, codes)
        return [Self.fileName: .array(names.map { .string($0) })]
    }
}

/// A table of collections as people give it: the columns `collection` (or what the edges call it) and `type`.
struct CollectionTable {
    private let path: String
    private var rows = IdentifierInterner()
    private var types: [String] = []

    static let typeColumn = "type"

    /// - Throws: ``DataError`` with the line of a collection that is there twice or has no type.
    init(_ path: String, configuration: ImportConfiguration) throws {
        self.path = path
        let column = configuration.collectionColumn
        var (rows, types) = (IdentifierInterner(), [String]())
        try TextTable(path).forEachRow(required: [column, Self.typeColumn]) { row in
            for name in [column, Self.typeColumn] where (row[name] ?? "").isEmpty {
                throw DataError("expected a value in the column \"\(name)\", found an empty field", file: path, line: row.line)
            }
            let collection = row[column] ?? ""
            guard rows.add(collection).isNew else {
                throw DataError("expected each collection once, found \"\(collection)\" again", file: path, line: row.line)
            }
            types.append(row[Self.typeColumn] ?? "")
        }
        (self.rows, self.types) = (rows, types)
    }

    /// The type of a collection; `nil` when the table does not have it.
    func type(of collection: String) -> String? { rows.row(of: collection).map { types[$0] } }

    /// - Throws: ``DataError`` for a collection that is not in the table, unless that is allowed.
    func type(of collection: String, allowsMissing: Bool) throws -> String? {
        if let type = type(of: collection) { return type }
        if allowsMissing { return nil }
        throw DataError("expected a type for every collection, found none for \"\(collection)\" (--allow-missing leaves it without one)", file: path)
    }
}
