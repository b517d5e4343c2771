/// The edges of one chunk of text: the identifiers as pieces of `bytes`, with their hashes, so that looking them up is all that is left.
struct ParsedEdges: Sendable {
    var bytes: [UInt8] = []
    var items = TextPieces()
    var collections = TextPieces()
    /// Empty when the file has no such column.
    var weights: [Float] = []
    var times: [Int64] = []
    /// The line of each edge, for messages.
    var lines: [UInt32] = []
    var firstLine = 1

    var count: Int { items.count }

    func item(_ edge: Int) -> String { String(decoding: bytes[items.range(edge)], as: UTF8.self) }

    func collection(_ edge: Int) -> String { String(decoding: bytes[collections.range(edge)], as: UTF8.self) }

    fileprivate mutating func append(item: Range<Int>, collection: Range<Int>, line: Int) {
        items.append(item)
        collections.append(collection)
        lines.append(UInt32(truncatingIfNeeded: line))
    }

    /// Gives up the text, whose memory may then be used for another.
    mutating func takeBytes() -> [UInt8] {
        defer { bytes = [] }
        return bytes
    }

    /// Leaves no edges, and memory for about as many as a chunk has.
    fileprivate mutating func removeAll(_ count: Int) {
        bytes = []
        items.removeAll(keepingCapacity: count)
        collections.removeAll(keepingCapacity: count)
        weights.removeAll(keepingCapacity: true)
        times.removeAll(keepingCapacity: true)
        lines.removeAll(keepingCapacity: true)
    }
}

/// Turns chunks of text into edges. Immutable, so that any number of threads may share one.
struct EdgeChunkParser: Sendable {
    private let name: String
    private let format: EdgeFormat
    private let configuration: ImportConfiguration
    private let header: TableHeader?
    private let itemField: Int
    private let collectionField: Int
    private let timeField: Int?
    private let weightField: Int?

    /// - Parameters:
    ///   - first: the first chunk, for its header line.
    ///   - name: of the file, for messages.
    init(first: TextChunk, name: String, format: EdgeFormat, configuration: ImportConfiguration) throws {
        self.name = name
        self.format = format
        self.configuration = configuration
        guard format == .tsv || format == .csv else {
            header = nil
            itemField = 0
            collectionField = 0
            timeField = nil
            weightField = nil
            return
        }
        var parser = RecordParser(first, name: name, isQuoted: format == .csv)
        guard try parser.next() else { throw DataError("expected a header line, found only empty lines", file: name, line: first.firstLine) }
        let header = try TableHeader(parser, file: name)
        itemField = try header.index(of: configuration.itemColumn)
        collectionField = try header.index(of: configuration.collectionColumn)
        let defaults = ImportConfiguration()
        timeField =
            try configuration.timeColumn == defaults.timeColumn
            ? header.names.firstIndex(of: defaults.timeColumn) : header.index(of: configuration.timeColumn)
        weightField =
            try configuration.weightColumn == defaults.weightColumn
            ? header.names.firstIndex(of: defaults.weightColumn) : header.index(of: configuration.weightColumn)
        self.header = header
    }

    /// - Parameters:
    ///   - chunk: its memory goes to `edges`.
    ///   - edges: what it held is replaced; its memory is used.
    /// - Throws: ``DataError`` for the first bad record, with line and column.
    func parse(_ chunk: consuming TextChunk, isFirst: Bool, into edges: inout ParsedEdges) throws {
        try ChunkReader.check(chunk, name: name)
        edges.removeAll(chunk.lineCount)
        edges.firstLine = chunk.firstLine
        switch format {
        case .tsv, .csv: try delimited(chunk, isFirst: isFirst, into: &edges)
        case .adjacency: try adjacency(chunk, into: &edges)
        case .jsonl: try objects(chunk, into: &edges)
        }
        edges.items.hash(of: edges.bytes)
        edges.collections.hash(of: edges.bytes)
    }

    private func delimited(_ chunk: consuming TextChunk, isFirst: Bool, into edges: inout ParsedEdges) throws {
        let firstLine = chunk.firstLine
        var parser = RecordParser(chunk, name: name, isQuoted: format == .csv)
        if isFirst { _ = try parser.next() }
        while try parser.next() {
            try header?.checkWidth(parser)
            let item = parser.fields[itemField], collection = parser.fields[collectionField]
            if item.isEmpty || collection.isEmpty {
                let isItem = item.isEmpty
                throw DataError(
                    "expected an identifier in the column \"\(isItem ? configuration.itemColumn : configuration.collectionColumn)\", found an empty field",
                    file: name, line: parser.line, column: parser.column(of: isItem ? itemField : collectionField))
            }
            edges.append(item: item, collection: collection, line: parser.line - firstLine)
            if let timeField { edges.times.append(try time(parser, timeField)) }
            if let weightField { edges.weights.append(try weight(parser, weightField)) }
        }
        edges.bytes = parser.bytes
    }

    private func time(_ parser: RecordParser, _ field: Int) throws -> Int64 {
        let range = parser.fields[field]
        if range.isEmpty { return Graph.unknownTime }
        if let time = unsafe parser.bytes.withUnsafeBufferPointer({ unsafe FieldParsing.time(UnsafeBufferPointer(rebasing: $0[range])) }) {
            return time
        }
        throw DataError(
            "expected seconds since 1970 or an ISO 8601 time in the column \"\(configuration.timeColumn)\", found \"\(parser.text(field))\"",
            file: name, line: parser.line, column: parser.column(of: field))
    }

    private func weight(_ parser: RecordParser, _ field: Int) throws -> Float {
        let range = parser.fields[field]
        if range.isEmpty { return 1 }
        if let weight = unsafe parser.bytes.withUnsafeBufferPointer({ unsafe FieldParsing.weight(UnsafeBufferPointer(rebasing: $0[range])) }) {
            return weight
        }
        throw DataError(
            "expected a positive finite number in the column \"\(configuration.weightColumn)\", found \"\(parser.text(field))\"",
            file: name, line: parser.line, column: parser.column(of: field))
    }

    private func adjacency(_ chunk: TextChunk, into edges: inout ParsedEdges) throws {
        edges.bytes = chunk.bytes
        try unsafe chunk.bytes.withUnsafeBufferPointer { bytes in
            var position = 0
            var line = 0
            var collection: Range<Int>?
            var lineStart = 0
            var members = 0
            while position < bytes.count {
                switch unsafe bytes[position] {
                case 0x0a:
                    if collection != nil && members == 0 {
                        throw DataError(
                            "expected a collection and at least one item, found one word", file: name, line: chunk.firstLine + line,
                            column: position - lineStart + 1)
                    }
                    collection = nil
                    members = 0
                    line += 1
                    position += 1
                    lineStart = position
                case 0x20, 0x09, 0x0d: position += 1
                default:
                    let start = position
                    while unsafe bytes[position] > 0x20
                        || (bytes[position] != 0x0a && bytes[position] != 0x20 && bytes[position] != 0x09 && bytes[position] != 0x0d)
                    {
                        position += 1
                    }
                    guard let collection else {
                        collection = start..<position
                        continue
                    }
                    members += 1
                    edges.append(item: start..<position, collection: collection, line: line)
                }
            }
        }
    }

    private func objects(_ chunk: TextChunk, into edges: inout ParsedEdges) throws {
        func piece(_ text: String, _ column: String, _ line: Int, _ bytes: inout [UInt8]) throws -> Range<Int> {
            guard !text.isEmpty else { throw DataError("expected an identifier in \"\(column)\", found an empty string", file: name, line: line) }
            let start = bytes.count
            bytes.append(contentsOf: text.utf8)
            return start..<bytes.count
        }
        var hasTimes = false, hasWeights = false
        let required = [configuration.itemColumn, configuration.collectionColumn]
        try TextTable.forEachObject(in: chunk, name: name, required: required) { row in
            let item = try piece(row[configuration.itemColumn] ?? "", configuration.itemColumn, row.line, &edges.bytes)
            let collection = try piece(row[configuration.collectionColumn] ?? "", configuration.collectionColumn, row.line, &edges.bytes)
            edges.append(item: item, collection: collection, line: row.line - chunk.firstLine)
            var time = Graph.unknownTime
            if var text = row[configuration.timeColumn], !text.isEmpty {
                guard let parsed = text.withUTF8({ unsafe FieldParsing.time($0) }) else {
                    throw DataError(
                        "expected seconds since 1970 or an ISO 8601 time in \"\(configuration.timeColumn)\", found \"\(text)\"", file: name,
                        line: row.line)
                }
                time = parsed
                hasTimes = true
            }
            edges.times.append(time)
            var weight: Float = 1
            if var text = row[configuration.weightColumn], !text.isEmpty {
                guard let parsed = text.withUTF8({ unsafe FieldParsing.weight($0) }) else {
                    throw DataError(
                        "expected a positive finite number in \"\(configuration.weightColumn)\", found \"\(text)\"", file: name, line: row.line)
                }
                weight = parsed
                hasWeights = true
            }
            edges.weights.append(weight)
        }
        if !hasTimes { edges.times = [] }
        if !hasWeights { edges.weights = [] }
    }
}
