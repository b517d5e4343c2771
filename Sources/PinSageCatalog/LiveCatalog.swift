internal import Foundation
internal import GRDB
public import PinSageKit

/// An item that was put into a running server, with all that its embedding was made from.
public struct LiveItem: Sendable, Hashable {
    public var identifier: String
    public var description: ItemDescription
    /// Dense features by name.
    public var features: [String: [Float]]
    /// Names of the collections that it was put into.
    public var collections: [String]

    public init(identifier: String, description: ItemDescription, features: [String: [Float]] = [:], collections: [String] = []) {
        self.identifier = identifier
        self.description = description
        self.features = features
        self.collections = collections
    }
}

/// What changed since an index was built: items that were put in, and items of the index that were taken out. One SQLite file.
///
/// Its write-ahead log is the server's: a change is on the disk when the method that makes it returns, and an opened file has every change
/// that was acknowledged, also after a kill or a power cut. Searches and filters work on it as on a dataset's catalog.
///
///     items(row INTEGER PRIMARY KEY, id, title, url, text, one column for each attribute)     items_search as in a dataset's catalog
///     sources(row, vector BLOB of little-endian f32, features TEXT, collections TEXT)         removed(id)         state(key, value)
public final class LiveCatalog: Sendable {
    /// "PSKL" in the file header.
    static let applicationID: Int32 = 0x5053_4B4C
    static let version: Int32 = 1

    public let path: String
    /// The attributes that items may have.
    public let attributeNames: [String]
    private let database: DatabasePool

    /// Opens the file, or makes it.
    ///
    /// - Parameter attributes: those of the dataset; columns that the file lacks are added.
    /// - Throws: `DataError` when it is another kind of file, damaged, or cannot be written.
    public init(path: String, attributes: [String]) throws {
        self.path = path
        var configuration = Configuration()
        configuration.prepareDatabase { db in
            // FULL: the log is synced at each commit, so that what was acknowledged outlives a power cut.
            try db.execute(sql: "PRAGMA synchronous = FULL")
        }
        (database, attributeNames) = try CatalogSchema.translatingErrors(of: path) {
            let database = try DatabasePool(path: path, configuration: configuration)
            let names = try database.write { db in
                if try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_schema") == 0 { try Self.create(db) }
                guard try Int32.fetchOne(db, sql: "PRAGMA application_id") == Self.applicationID,
                    try Int32.fetchOne(db, sql: "PRAGMA user_version") == Self.version
                else { throw DataError("expected a file of live items, found a SQLite file of another kind", file: path) }
                func columns() throws -> [String] {
                    let names = try String.fetchAll(db, sql: "SELECT name FROM pragma_table_info('items') ORDER BY cid")
                    return Array(names.dropFirst(CatalogSchema.fixedColumns.count))
                }
                var known = try columns()
                for name in attributes where !known.contains(name) {
                    try db.execute(sql: "ALTER TABLE items ADD COLUMN \(CatalogSchema.quoted(name)) TEXT")
                    known.append(name)
                }
                return known
            }
            return (database, names)
        }
    }

    private static func create(_ db: Database) throws {
        try db.execute(
            sql: """
                PRAGMA application_id = \(applicationID);
                PRAGMA user_version = \(version);
                CREATE TABLE items (row INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, title TEXT, url TEXT, text TEXT);
                CREATE TABLE sources (row INTEGER PRIMARY KEY, vector BLOB NOT NULL, features TEXT NOT NULL, collections TEXT NOT NULL);
                CREATE TABLE removed (id TEXT PRIMARY KEY) WITHOUT ROWID;
                CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
                CREATE VIRTUAL TABLE items_search USING fts5(id, title, text, tokenize = "unicode61 remove_diacritics 2");
                """)
    }

    // MARK: Changes

    /// Puts items in, in place of those of the same names. They are on the disk when this returns, all or none.
    ///
    /// - Parameter model: what the vectors were made by; see ``items(model:)``.
    /// - Returns: the row of each item.
    /// - Throws: `DataError` for an attribute that the catalog does not have.
    public func insert(_ items: [(item: LiveItem, vector: [Float])], model: String) throws -> [Int] {
        try CatalogSchema.translatingErrors(of: path) {
            try database.write { db in
                try db.execute(sql: "INSERT OR REPLACE INTO state VALUES ('model', ?)", arguments: [model])
                let names = CatalogSchema.fixedColumns.dropFirst() + attributeNames
                let marks = names.map { _ in "?" }.joined(separator: ",")
                let insertion = try db.cachedStatement(
                    sql: "INSERT INTO items (\(names.map(CatalogSchema.quoted).joined(separator: ","))) VALUES (\(marks))")
                return try items.map { item, vector in
                    try Self.delete(item.identifier, db)
                    for name in item.description.attributes.keys where !attributeNames.contains(name) {
                        throw DataError("expected attributes among \(attributeNames.prefix(50).joined(separator: ", ")), found \"\(name)\"")
                    }
                    let description = item.description
                    var values: [String?] = [item.identifier, description.title, description.url, description.text]
                    for name in attributeNames { values.append(description.attributes[name]) }
                    let isWritten = values.allSatisfy { $0?.utf8.contains(0) != true }
                    guard isWritten else { throw DataError("expected text, found a NUL character in the item \"\(item.identifier)\"") }
                    let bound: [(any DatabaseValueConvertible)?] = values.map { $0?.isEmpty == true ? nil : $0 }
                    try insertion.execute(arguments: StatementArguments(bound))
                    let row = db.lastInsertedRowID
                    try db.execute(
                        sql: "INSERT INTO items_search (rowid, id, title, text) VALUES (?, ?, ?, ?)",
                        arguments: [row, item.identifier, description.title, description.text])
                    try db.execute(
                        sql: "INSERT INTO sources VALUES (?, ?, ?, ?)",
                        arguments: [
                            row, Self.data(vector), JSONValue.object(item.features.mapValues { .array($0.map { .number(Double($0)) }) }).serialized(),
                            JSONValue.array(item.collections.map { .string($0) }).serialized(),
                        ])
                    return Int(row)
                }
            }
        }
    }

    private static func delete(_ identifier: String, _ db: Database) throws {
        guard let row = try Int64.fetchOne(db, sql: "SELECT row FROM items WHERE id = ?", arguments: [identifier]) else { return }
        for table in ["items WHERE row", "sources WHERE row", "items_search WHERE rowid"] {
            try db.execute(sql: "DELETE FROM \(table) = ?", arguments: [row])
        }
    }

    /// Takes an item out: a live one, and one of this name in the index. It is on the disk when this returns.
    public func remove(_ identifier: String) throws {
        try CatalogSchema.translatingErrors(of: path) {
            try database.write { db in
                try Self.delete(identifier, db)
                try db.execute(sql: "INSERT OR IGNORE INTO removed VALUES (?)", arguments: [identifier])
            }
        }
    }

    /// Replaces vectors after the model changed.
    public func replaceVectors(_ vectors: [(row: Int, vector: [Float])], model: String) throws {
        try CatalogSchema.translatingErrors(of: path) {
            try database.write { db in
                try db.execute(sql: "INSERT OR REPLACE INTO state VALUES ('model', ?)", arguments: [model])
                for (row, vector) in vectors {
                    try db.execute(sql: "UPDATE sources SET vector = ? WHERE row = ?", arguments: [Self.data(vector), row])
                }
            }
        }
    }

    // MARK: Reading

    /// Everything that was put in and not taken out, in the order of its rows.
    ///
    /// - Parameter model: the model that serves. Vectors are `nil` where another one made them: they must be made anew.
    public func items(model: String) throws -> [(row: Int, item: LiveItem, vector: [Float]?)] {
        try CatalogSchema.translatingErrors(of: path) {
            try database.read { db in
                let isCurrent = try String.fetchOne(db, sql: "SELECT value FROM state WHERE key = 'model'") == model
                let names = attributeNames.map { ", items." + CatalogSchema.quoted($0) }.joined()
                let rows = try Row.fetchCursor(
                    db,
                    sql:
                        "SELECT items.row, id, title, url, items.text, vector, features, collections\(names) FROM items JOIN sources USING (row) ORDER BY 1"
                )
                var items: [(row: Int, item: LiveItem, vector: [Float]?)] = []
                while let row = try rows.next() {
                    func text(_ index: Int) -> String? { String.fromDatabaseValue(row[index] as DatabaseValue) }
                    var attributes: [String: String] = [:]
                    for (index, name) in attributeNames.enumerated() { attributes[name] = text(8 + index) }
                    let features = try JSONValue(parsing: Array((text(6) ?? "{}").utf8), file: path).object ?? [:]
                    let collections = try JSONValue(parsing: Array((text(7) ?? "[]").utf8), file: path).array ?? []
                    guard let number = Int.fromDatabaseValue(row[0] as DatabaseValue), let identifier = text(1),
                        let bytes = Data.fromDatabaseValue(row[5] as DatabaseValue)
                    else { throw DataError("the file of live items is damaged", file: path) }
                    let item = LiveItem(
                        identifier: identifier, description: ItemDescription(title: text(2), url: text(3), text: text(4), attributes: attributes),
                        features: features.mapValues { $0.array?.compactMap { $0.double.map { Float($0) } } ?? [] },
                        collections: collections.compactMap(\.string))
                    items.append((number, item, isCurrent ? Self.vector(bytes) : nil))
                }
                return items
            }
        }
    }

    /// Names of the index's items that were taken out.
    public func removed() throws -> [String] {
        try CatalogSchema.translatingErrors(of: path) { try database.read { try String.fetchAll($0, sql: "SELECT id FROM removed") } }
    }

    /// Rows of items that satisfy a filter. See ``SQLiteCatalog/items(matching:)``.
    public func rows(matching filter: CatalogFilter) throws -> [Int] {
        try CatalogSchema.translatingErrors(of: path) { try database.read { try filter.rows(attributes: attributeNames, in: $0) } }
    }

    /// Rows of items that have the words of a text, best first. See ``SQLiteCatalog/search(_:limit:)``.
    public func search(_ text: String, limit: Int) throws -> [Int] {
        try CatalogSchema.translatingErrors(of: path) {
            try database.read { db in try TextSearch(text).rows(limit: limit, in: db).map { Int($0) } }
        }
    }

    /// Moves the log into the file, so that it is complete on its own. A crash before this loses nothing.
    public func close() throws {
        try CatalogSchema.translatingErrors(of: path) {
            database.writeWithoutTransaction { db in _ = try? db.checkpoint(.truncate) }
            try database.close()
        }
    }

    private static func data(_ vector: [Float]) -> Data {
        var data = Data(capacity: vector.count * 4)
        for value in vector { for shift in [0, 8, 16, 24] { data.append(UInt8(truncatingIfNeeded: value.bitPattern >> UInt32(shift))) } }
        return data
    }

    private static func vector(_ data: Data) -> [Float] {
        let bytes = [UInt8](data)
        return (0..<bytes.count / 4).map { index in
            Float(bitPattern: (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[index * 4 + $1]) << UInt32(8 * $1) })
        }
    }
}
