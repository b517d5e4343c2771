/// A question with a known answer: `positive` should be among the items most related to `query`.
public struct EvaluationPair: Sendable, Hashable {
    public var query: String
    public var positive: String
    /// The collection that both are from; its other members are no candidates.
    public var collection: String?

    public init(query: String, positive: String, collection: String? = nil) {
        self.query = query
        self.positive = positive
        self.collection = collection
    }
}

/// Pairs files: tab-separated with the header `query`, `positive` and optionally `collection` (or .csv, .jsonl, .gz by their names).
public enum PairsFile {
    /// - Throws: ``DataError`` with line and column.
    public static func read(_ path: String) throws -> [EvaluationPair] {
        var pairs: [EvaluationPair] = []
        try TextTable(path).forEachRow(required: ["query", "positive"]) { row in
            guard let query = row["query"], let positive = row["positive"], !query.isEmpty, !positive.isEmpty else {
                throw DataError("expected a query and a positive, found an empty field", file: path, line: row.line)
            }
            let collection = row["collection"].flatMap { $0.isEmpty ? nil : $0 }
            pairs.append(EvaluationPair(query: query, positive: positive, collection: collection))
        }
        return pairs
    }

    /// Writes all pairs; the file appears under its name when it is complete.
    public static func write(_ pairs: some Sequence<EvaluationPair>, to path: String) throws {
        try TextFile.write(to: path) { file in
            try file.write("query\tpositive\tcollection\n")
            for pair in pairs { try TextFile.write([pair.query, pair.positive, pair.collection ?? ""], to: file, path) }
        }
    }
}

/// Collections files: tab-separated with the header `collection` and `item`, one held-out member on each line.
public enum CollectionsFile {
    /// - Throws: ``DataError`` with line and column.
    public static func read(_ path: String) throws -> [(collection: String, item: String)] {
        var members: [(collection: String, item: String)] = []
        try TextTable(path).forEachRow(required: ["collection", "item"]) { row in
            guard let collection = row["collection"], let item = row["item"], !collection.isEmpty, !item.isEmpty else {
                throw DataError("expected a collection and an item, found an empty field", file: path, line: row.line)
            }
            members.append((collection, item))
        }
        return members
    }

    /// Writes all members; the file appears under its name when it is complete.
    public static func write(_ members: some Sequence<(collection: String, item: String)>, to path: String) throws {
        try TextFile.write(to: path) { file in
            try file.write("collection\titem\n")
            for member in members { try TextFile.write([member.collection, member.item], to: file, path) }
        }
    }
}

/// Lists of identifiers, one on each line, as `--among` and the order of feature rows take.
public enum IdentifierFile {
    /// - Throws: ``DataError`` for a file that is empty or not UTF-8. A header line is not expected; empty lines are skipped.
    public static func read(_ path: String) throws -> [String] {
        let source = try TextSource(path)
        var chunks = ChunkReader(source, isQuoted: false)
        var identifiers: [String] = []
        while let chunk = try chunks.next() {
            try ChunkReader.check(chunk, name: source.name)
            for line in chunk.bytes.split(separator: 0x0a) {
                let text = line.last == 0x0d ? line.dropLast() : line
                if !text.isEmpty { identifiers.append(String(decoding: text, as: UTF8.self)) }
            }
        }
        guard !identifiers.isEmpty else { throw DataError("expected identifiers, one on each line, found an empty file", file: source.name) }
        return identifiers
    }
}

extension TextFile {
    /// One line of tab-separated fields.
    ///
    /// - Throws: ``DataError`` for a field with a tab or line break, which this format cannot say.
    static func write(_ fields: [String], to file: OutputFile, _ path: String) throws {
        for field in fields where field.utf8.contains(where: { $0 == 0x09 || $0 == 0x0a || $0 == 0x0d }) {
            throw DataError("expected identifiers without tabs and line breaks, found \(JSONValue.string(field).serialized())", file: path)
        }
        try file.write(fields.joined(separator: "\t") + "\n")
    }

    /// Writes a text file into a temporary sibling and renames it.
    static func write(to path: String, _ body: (OutputFile) throws -> Void) throws {
        try FileSystem.replaceFile(path) { temporary in
            let file = try OutputFile(temporary)
            try body(file)
            try file.close()
        }
    }
}
