internal import GRDB
public import PinSageKit

/// The metadata of a dataset's items in SQLite: titles, addresses, texts and attributes by row, and full-text search.
///
/// Opened read-only; any number of threads may use one value. ``CatalogSchema`` describes the file, which every SQLite tool reads.
public final class SQLiteCatalog: ItemCatalog, Sendable {
    /// The path of catalog.sqlite.
    public let path: String
    /// The attributes of items, in the order in which the import met them.
    public let attributeNames: [String]
    public let count: Int
    private let database: DatabasePool

    /// Opens the catalog of a dataset directory.
    ///
    /// - Throws: `DataError` when there is none, or when the file is damaged or is no catalog.
    public init(directory: String) throws {
        let path = directory.hasSuffix("/") ? directory + CatalogSchema.fileName : directory + "/" + CatalogSchema.fileName
        self.path = path
        var configuration = Configuration()
        configuration.readonly = true
        (database, attributeNames, count) = try CatalogSchema.translatingErrors(of: path) {
            let database = try DatabasePool(path: path, configuration: configuration)
            let (attributes, count) = try database.read { db in
                guard try Int32.fetchOne(db, sql: "PRAGMA application_id") == CatalogSchema.applicationID else {
                    throw DataError("expected an item catalog, found a SQLite file of another kind", file: path)
                }
                let version = try Int32.fetchOne(db, sql: "PRAGMA user_version") ?? 0
                guard version == CatalogSchema.version else {
                    throw DataError("expected an item catalog of version \(CatalogSchema.version), found version \(version)", file: path)
                }
                let columns = try String.fetchAll(db, sql: "SELECT name FROM pragma_table_info('items') ORDER BY cid")
                guard Array(columns.prefix(CatalogSchema.fixedColumns.count)) == CatalogSchema.fixedColumns else {
                    throw DataError("expected the columns \(CatalogSchema.fixedColumns) in table items, found \(columns)", file: path)
                }
                let count = try Int.fetchOne(db, sql: "SELECT count(*) FROM items") ?? 0
                return (Array(columns.dropFirst(CatalogSchema.fixedColumns.count)), count)
            }
            return (database, attributes, count)
        }
    }

    private var selection: String {
        "SELECT row, title, url, text" + attributeNames.map { ", " + CatalogSchema.quoted($0) }.joined() + " FROM items"
    }

    private func description(_ row: Row) -> ItemDescription {
        var attributes: [String: String] = [:]
        for (index, name) in attributeNames.enumerated() {
            if let value = text(row, index + 4) { attributes[name] = value }
        }
        return ItemDescription(title: text(row, 1), url: text(row, 2), text: text(row, 3), attributes: attributes)
    }

    /// A column's text; `nil` also where a damaged or altered file holds something else (GRDB's typed subscript would end the process).
    private func text(_ row: Row, _ index: Int) -> String? {
        let value: DatabaseValue = row[index]
        return String.fromDatabaseValue(value)
    }

    /// Calls `body` with every item of the catalog, in row order.
    public func forEachItem(_ body: (ItemID, ItemDescription) throws -> Void) throws {
        try CatalogSchema.translatingErrors(of: path) {
            try database.read { db in
                let rows = try Row.fetchCursor(db, sql: selection + " ORDER BY row")
                while let row = try rows.next() { try body(try itemID(row[0]), description(row)) }
            }
        }
    }

    /// Calls `body` with title, url and one attribute of every item, in row order: what a list of items shows, without the texts.
    ///
    /// - Parameter attribute: a name among ``attributeNames``; `nil` gives no third value.
    public func forEachSummary(
        attribute: String?, _ body: (_ item: ItemID, _ title: String?, _ url: String?, _ value: String?) throws -> Void
    ) throws {
        let third = attribute.map(CatalogSchema.quoted) ?? "NULL"
        try CatalogSchema.translatingErrors(of: path) {
            try database.read { db in
                let rows = try Row.fetchCursor(db, sql: "SELECT row, title, url, \(third) FROM items ORDER BY row")
                while let row = try rows.next() { try body(try itemID(row[0]), text(row, 1), text(row, 2), text(row, 3)) }
            }
        }
    }

    private func itemID(_ row: Int64) throws -> ItemID {
        guard let row = UInt32(exactly: row) else { throw DataError("expected an item row, found \(row)", file: path) }
        return ItemID(row: row)
    }

    /// What is known of one item.
    ///
    /// - Throws: `DataError` when the catalog has no such row.
    /// - Complexity: O(log items)
    public func description(of item: ItemID) throws -> ItemDescription {
        guard let found = try descriptions(of: [item]).first else {
            throw DataError("expected an item in row \(item.row), found none: the catalog has \(count) items", file: path)
        }
        return found
    }

    /// What is known of several items, in the order given.
    ///
    /// - Throws: `DataError` when the catalog lacks one of the rows.
    public func descriptions(of items: [ItemID]) throws -> [ItemDescription] {
        try CatalogSchema.translatingErrors(of: path) {
            try database.read { db in
                let statement = try db.cachedStatement(sql: selection + " WHERE row = ?")
                return try items.map { item in
                    guard let row = try Row.fetchOne(statement, arguments: [Int64(item.row)]) else {
                        throw DataError("expected an item in row \(item.row), found none: the catalog has \(count) items", file: path)
                    }
                    return description(row)
                }
            }
        }
    }

    /// Items whose id, title or text match what a person typed, best first.
    ///
    /// An item whose id is exactly `text` comes first. Then items that have all the words, the last of which may be unfinished; only where
    /// there are none, items that have any of them. Within each group by BM25, words of the id and title counting ten times those of the
    /// text; ties by row. Operators of the search engine mean nothing here: any input is words.
    public func search(_ text: String, limit: Int = 20) throws -> [ItemID] {
        guard limit > 0 else { return [] }
        return try CatalogSchema.translatingErrors(of: path) {
            try database.read { db in try TextSearch(text).rows(limit: limit, in: db).map(itemID) }
        }
    }

    /// The items that satisfy a filter, in row order.
    ///
    /// - Throws: `DataError` for a name that the catalog does not have.
    /// - Complexity: O(items); the statement is prepared once for each shape of filter.
    public func items(matching filter: CatalogFilter) throws -> [ItemID] {
        try CatalogSchema.translatingErrors(of: path) {
            try database.read { db in try filter.rows(attributes: attributeNames, in: db).map { try itemID(Int64($0)) } }
        }
    }

    /// Reads the whole file and checks that it is consistent.
    ///
    /// - Throws: `DataError` with what SQLite found.
    public func verify() throws {
        try CatalogSchema.translatingErrors(of: path) {
            let problem = try database.read { db in try String.fetchOne(db, sql: "PRAGMA integrity_check(1)") }
            if let problem, problem != "ok" { throw DataError("the item catalog is damaged (\(problem))", file: path) }
        }
    }
}
