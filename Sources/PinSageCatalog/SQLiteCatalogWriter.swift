internal import GRDB
public import PinSageKit

/// Writes catalog.sqlite: the metadata of a dataset's items, in one pass, then the full-text index.
///
/// Nothing is synced and the journal is in memory: the file belongs to an artifact that is renamed into place when it is complete, so a killed import
/// leaves nothing to recover. 122,490 items with titles and descriptions take about two seconds, most of it for the index.
public final class SQLiteCatalogWriter: ItemCatalogWriter {
    private let path: String
    private let database: DatabaseQueue
    private var attributes: [String] = []
    private var columns: [String: Int] = [:]
    private var lowercased: Set<String>
    private var pending: [(item: ItemID, identifier: String, description: ItemDescription)] = []
    private var isFinished = false

    /// Creates `directory`/catalog.sqlite.
    ///
    /// - Throws: `DataError` when the file exists or cannot be made.
    public init(directory: String) throws {
        let path = directory.hasSuffix("/") ? directory + CatalogSchema.fileName : directory + "/" + CatalogSchema.fileName
        self.path = path
        lowercased = Set(CatalogSchema.fixedColumns)
        var configuration = Configuration()
        // One transaction spans many calls: nobody sees the file before it is complete.
        configuration.allowsUnsafeTransactions = true
        configuration.prepareDatabase { db in
            try db.execute(sql: "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536")
        }
        database = try CatalogSchema.translatingErrors(of: path) {
            let database = try DatabaseQueue(path: path, configuration: configuration)
            try database.writeWithoutTransaction { db in
                guard try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_schema") == 0 else {
                    throw DataError("expected no catalog here yet, found one", file: path)
                }
                try db.execute(
                    sql: """
                        PRAGMA application_id = \(CatalogSchema.applicationID);
                        PRAGMA user_version = \(CatalogSchema.version);
                        CREATE TABLE items (row INTEGER PRIMARY KEY, id TEXT NOT NULL, title TEXT, url TEXT, text TEXT)
                        """)
            }
            return database
        }
    }

    /// Adds one item. Rows may come in any order, each once.
    ///
    /// - Throws: `DataError` for an attribute name that SQL cannot tell from another column, and for text with a NUL in it.
    public func append(_ item: ItemID, identifier: String, _ description: ItemDescription) throws {
        for name in description.attributes.keys where columns[name] == nil { try addAttribute(name) }
        pending.append((item, identifier, description))
        if pending.count >= 4096 { try flush() }
    }

    private func addAttribute(_ name: String) throws {
        guard !name.isEmpty, !name.utf8.contains(0) else { throw DataError("expected a name for every attribute, found an empty one", file: path) }
        guard lowercased.insert(name.lowercased()).inserted else {
            throw DataError("the attribute '\(name)' has the name of another column (case does not count)", file: path)
        }
        guard attributes.count < CatalogSchema.mostAttributes else {
            throw DataError("expected at most \(CatalogSchema.mostAttributes) attributes, found '\(name)' beyond them", file: path)
        }
        // What is pending has no value for it, so it is as well written after the column exists.
        try CatalogSchema.translatingErrors(of: path) {
            try database.writeWithoutTransaction { db in
                try db.execute(sql: "ALTER TABLE items ADD COLUMN \(CatalogSchema.quoted(name)) TEXT")
            }
        }
        columns[name] = attributes.count
        attributes.append(name)
    }

    private func flush() throws {
        guard !pending.isEmpty else { return }
        try CatalogSchema.translatingErrors(of: path) {
            try database.write { db in
                let names = CatalogSchema.fixedColumns + attributes
                let marks = Array(repeating: "?", count: names.count).joined(separator: ",")
                let statement = try db.cachedStatement(
                    sql: "INSERT INTO items (\(names.map(CatalogSchema.quoted).joined(separator: ","))) VALUES (\(marks))")
                for (item, identifier, description) in pending {
                    var values: [DatabaseValue] = [
                        Int64(item.row).databaseValue, try value(identifier, item), try value(description.title, item),
                        try value(description.url, item), try value(description.text, item),
                    ]
                    for name in attributes { values.append(try value(description.attributes[name], item)) }
                    try statement.execute(arguments: StatementArguments(values))
                }
            }
        }
        pending.removeAll(keepingCapacity: true)
    }

    private func value(_ text: String?, _ item: ItemID) throws -> DatabaseValue {
        guard let text, !text.isEmpty else { return .null }
        // SQLite's C interface would silently cut the text there.
        guard !text.utf8.contains(0) else { throw DataError("expected text, found a NUL byte in the metadata of item row \(item.row)", file: path) }
        return text.databaseValue
    }

    /// Writes what is pending and the indexes, and closes the file.
    ///
    /// - Throws: `DataError` when two items have the same id.
    public func finish() throws {
        guard !isFinished else { return }
        isFinished = true
        try flush()
        try CatalogSchema.translatingErrors(of: path) {
            try database.write { db in
                do {
                    try db.execute(sql: "CREATE UNIQUE INDEX items_id ON items (id)")
                } catch let error as DatabaseError where error.resultCode == .SQLITE_CONSTRAINT {
                    throw DataError("expected distinct item ids, found one twice", file: path)
                }
                try db.execute(
                    sql: """
                        CREATE VIRTUAL TABLE items_search USING fts5(
                            id, title, text, content = 'items', content_rowid = 'row', tokenize = "unicode61 remove_diacritics 2");
                        INSERT INTO items_search(items_search) VALUES ('rebuild')
                        """)
            }
            try database.close()
        }
    }
}
