/// The text formats that tables come in.
public enum TableFormat: String, Sendable, Codable, CaseIterable {
    /// Tab-separated with a header line; no quoting.
    case tsv
    /// Comma-separated with a header line, quoted as in RFC 4180.
    case csv
    /// One JSON object on each line.
    case jsonl

    /// The format that a file's name tells, `.gz` aside; `nil` for other names.
    init?(fileName: String) {
        let name = fileName.hasSuffix(".gz") ? String(fileName.dropLast(3)) : fileName
        if name.hasSuffix(".tsv") || name.hasSuffix(".tab") {
            self = .tsv
        } else if name.hasSuffix(".csv") {
            self = .csv
        } else if name.hasSuffix(".jsonl") || name.hasSuffix(".ndjson") {
            self = .jsonl
        } else {
            return nil
        }
    }
}

/// Reads a small or middle-sized table with named columns, row by row, as strings.
struct TextTable {
    let path: String
    let format: TableFormat

    /// A row: its line and the columns that it has, in the order of the header.
    struct Row {
        var line: Int
        var names: [String]
        var values: [String]

        /// The value of a column; `nil` when there is no such column, or no value in a JSON object.
        subscript(name: String) -> String? { names.firstIndex(of: name).map { values[$0] } }
    }

    /// - Parameter format: `nil` takes what the name says, tab-separated when it says nothing.
    init(_ path: String, format: TableFormat? = nil) {
        self.path = path
        self.format = format ?? TableFormat(fileName: path) ?? .tsv
    }

    /// Calls `body` with every row.
    ///
    /// - Parameter required: columns that the header must have, and every JSON object.
    /// - Throws: ``DataError`` with line and column for whatever is wrong with the text, and what `body` throws.
    func forEachRow(required: [String], _ body: (Row) throws -> Void) throws {
        let source = try TextSource(path)
        var chunks = ChunkReader(source, isQuoted: format == .csv)
        var header: TableHeader?
        var isEmpty = true
        while let chunk = try chunks.next() {
            isEmpty = false
            try ChunkReader.check(chunk, name: source.name)
            if format == .jsonl {
                try TextTable.forEachObject(in: chunk, name: source.name, required: required, body)
                continue
            }
            var parser = RecordParser(chunk, name: source.name, isQuoted: format == .csv)
            while try parser.next() {
                guard let header else {
                    header = try TableHeader(parser, file: source.name)
                    for column in required { _ = try header?.index(of: column) }
                    continue
                }
                try header.checkWidth(parser)
                try body(Row(line: parser.line, names: header.names, values: parser.fields.indices.map { parser.text($0) }))
            }
        }
        if isEmpty || (header == nil && format != .jsonl) { throw DataError("expected a table, found an empty file", file: source.name) }
    }

    /// JSON lines; strings as they are, numbers and truth values as they are written, `null` as absent.
    static func forEachObject(in chunk: TextChunk, name: String, required: [String], _ body: (Row) throws -> Void) throws {
        var line = chunk.firstLine
        for text in chunk.bytes.dropLast().split(separator: 0x0a, omittingEmptySubsequences: false) {
            defer { line += 1 }
            if text.allSatisfy({ $0 == 0x20 || $0 == 0x0d || $0 == 0x09 }) { continue }
            guard let members = try JSONValue(parsing: text, file: name, firstLine: line).object else {
                throw DataError("expected a JSON object", file: name, line: line)
            }
            var row = Row(line: line, names: [], values: [])
            for (key, value) in members.sorted(by: { $0.key < $1.key }) {
                switch value {
                case .null: continue
                case .string(let text):
                    guard !text.utf8.contains(0) else {
                        throw DataError("expected text in \"\(key)\", found a NUL character", file: name, line: line)
                    }
                    row.values.append(text)
                case .number where required.contains(key):
                    // Its digits are lost already: two such identifiers might become one.
                    throw DataError(
                        "expected a text or a whole number of at most 64 bits in \"\(key)\", found another number; write it as a text", file: name,
                        line: line)
                default: row.values.append(value.serialized())
                }
                row.names.append(key)
            }
            for column in required where row[column] == nil {
                throw DataError(
                    "expected a member \"\(column)\", found \(row.names.isEmpty ? "none" : row.names.joined(separator: ", "))", file: name, line: line
                )
            }
            try body(row)
        }
    }
}

/// The header line of a delimited file.
struct TableHeader: Sendable {
    let names: [String]
    private let file: String
    private let line: Int
    /// SQLite's limit is 2000, and the catalog has some of its own.
    private static let mostColumns = 1900

    init(_ parser: RecordParser, file: String) throws {
        names = parser.fields.indices.map { parser.text($0) }
        self.file = file
        line = parser.line
        guard names.count <= TableHeader.mostColumns else {
            throw DataError("expected at most \(TableHeader.mostColumns) columns, found \(names.count)", file: file, line: line)
        }
        // The catalog's columns are SQLite's, to which letter case makes no difference.
        var seen: Set<String> = []
        for (index, name) in names.enumerated() {
            if name.isEmpty {
                throw DataError("expected a name for each column, found none", file: file, line: line, column: parser.column(of: index))
            }
            guard seen.insert(name.lowercased()).inserted else {
                throw DataError(
                    "expected column names that differ in more than letter case, found \"\(name)\" again", file: file, line: line,
                    column: parser.column(of: index))
            }
        }
    }

    /// - Throws: ``DataError`` that lists the columns there are.
    func index(of column: String) throws -> Int {
        if let index = names.firstIndex(of: column) { return index }
        throw DataError(
            "expected a column \"\(column)\" in the header, found \(names.map { "\"\($0)\"" }.joined(separator: ", "))", file: file, line: line)
    }

    func checkWidth(_ parser: RecordParser) throws {
        guard parser.fields.count != names.count else { return }
        throw DataError("expected \(names.count) fields as in the header, found \(parser.fields.count)", file: file, line: parser.line)
    }
}
