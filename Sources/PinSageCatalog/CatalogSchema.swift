internal import GRDB
internal import PinSageKit

/// The tables of catalog.sqlite.
///
///     items(row INTEGER PRIMARY KEY, id TEXT UNIQUE, title TEXT, url TEXT, text TEXT, then one TEXT column for each attribute)
///     items_search  an FTS5 index over id, title and text of items, which keeps no second copy of them
///
/// `row` is the item's row in every array of the dataset. Attributes are columns, not (row, name, value) rows: a filter is then one scan
/// or one index on one table, an item is one lookup, and people can write plain SQL on the file. Their values are kept as written
/// ("1.10" stays so); compare numbers with CAST. Empty and missing values are NULL.
enum CatalogSchema {
    static let fileName = "catalog.sqlite"
    /// "PSKC" in the file header: tells a catalog from any other SQLite file.
    static let applicationID: Int32 = 0x5053_4B43
    /// Written as user_version. A reader refuses what is newer than it knows.
    static let version: Int32 = 1
    /// Columns of items that are not attributes.
    static let fixedColumns = ["row", "id", "title", "url", "text"]
    /// SQLite's own limit is 2000 columns and 32766 bound values.
    static let mostAttributes = 1900

    static func quoted(_ name: String) -> String { "\"" + name.replacing("\"", with: "\"\"") + "\"" }

    /// Runs `body`; what SQLite says of a damaged, locked or full file becomes a `DataError` that names the file.
    static func translatingErrors<R>(of path: String, _ body: () throws -> R) throws -> R {
        do {
            return try body()
        } catch let error as DatabaseError {
            let what =
                switch error.resultCode {
                case .SQLITE_NOTADB: "expected an item catalog (SQLite), found another kind of file"
                case .SQLITE_CORRUPT: "the item catalog is damaged"
                case .SQLITE_FULL: "the disk is full"
                case .SQLITE_CANTOPEN: "the item catalog cannot be opened"
                default: "the item catalog cannot be used"
                }
            throw DataError("\(what) (\(error.message ?? "SQLite code \(error.resultCode.rawValue)"))", file: path)
        }
    }
}
