internal import GRDB

/// What a person typed, as a question to `items_search`; see ``SQLiteCatalog/search(_:limit:)``.
struct TextSearch {
    private let text: String
    private let words: [String]

    init(_ text: String) {
        self.text = text
        words = text.split { !($0.isLetter || $0.isNumber) }.prefix(32).map { "\"\($0)\"" }
    }

    /// Rows of table items, best first.
    func rows(limit: Int, in db: Database) throws -> [Int64] {
        guard limit > 0 else { return [] }
        // A NUL would end the text early in SQLite's C interface; no id has one.
        var found = text.utf8.contains(0) ? [] : try Int64.fetchAll(db, sql: "SELECT row FROM items WHERE id = ?", arguments: [text])
        if let last = words.last {
            let all = words.dropLast().map { $0 + " " }.joined() + last + "*"
            var matches = try matches(all, limit: limit + 1, db)
            if matches.isEmpty, words.count > 1 { matches = try self.matches(words.joined(separator: " OR ") + "*", limit: limit + 1, db) }
            let known = Set(found)
            found += matches.filter { !known.contains($0) }
        }
        return Array(found.prefix(limit))
    }

    private func matches(_ pattern: String, limit: Int, _ db: Database) throws -> [Int64] {
        try Int64.fetchAll(
            db,
            sql: "SELECT rowid FROM items_search WHERE items_search MATCH ? ORDER BY bm25(items_search, 10.0, 10.0, 1.0), rowid LIMIT ?",
            arguments: [pattern, limit])
    }
}
