internal import Synchronization

/// Makes a dataset of text files and dense features.
///
/// Edges are parsed by all threads and looked up by two (items and collections), in the order of the file: rows are given in the order of
/// first mention, on any number of threads. Nothing is at the output's path before everything was read, checked and written.
public struct DatasetImporter: Sendable {
    public let configuration: ImportConfiguration

    public init(configuration: ImportConfiguration = ImportConfiguration()) { self.configuration = configuration }

    /// - Parameters:
    ///   - edges: paths of edge files, `-` for standard input; `.gz` is unpacked.
    ///   - items: a table with a column named as the edges' item column, and optionally `title`, `url`, `text`; its other columns are attributes.
    ///   - features: dense features.
    ///   - output: the path of the dataset; an older dataset there is replaced.
    ///   - catalog: makes the catalog's writer, given the directory in which ``Dataset/catalogFile`` is to be made; `nil` keeps no descriptions.
    ///   - metadata: goes into the manifest.
    ///   - progress: called between chunks, from the calling thread.
    /// - Throws: ``DataError`` with file, line and column for whatever is wrong with the input.
    public func run(
        edges: [String], items: String? = nil, features: [FeatureSource] = [], output: String,
        catalog: ((_ directory: String) throws -> any ItemCatalogWriter)? = nil, metadata: [String: JSONValue] = [:],
        progress: ((ImportProgress) -> Void)? = nil
    ) throws -> ImportReport {
        let clock = ContinuousClock()
        let start = clock.now
        try configuration.validate()
        guard Set(features.map(\.name)).count == features.count else { throw DataError("expected different names for the features") }
        // What can be refused at once is refused before hours of reading.
        let featureImports = try features.map { try FeatureImport($0) }
        var writer = try ArtifactWriter(kind: Dataset.kind, at: output)
        let catalogWriter = try catalog?(writer.directory)

        let names = Names()
        if let items { try readItems(items, into: &names.items, catalog: catalogWriter, progress: progress) }
        let describedItems = items == nil ? nil : names.items.count
        // Half for the edges as they were read, half for what the sort makes of them.
        var log = EdgeLog(scratchDirectory: writer.directory, budget: configuration.memory / 2)
        for path in edges { try read(path, itemsPath: items, names: names, into: &log, progress: progress) }
        try log.seal()
        let edgesRead = log.count
        guard edgesRead > 0 else { throw DataError("expected at least one edge, found none", file: edges.first) }
        if let catalogWriter {
            for row in (describedItems ?? 0)..<names.items.count {
                try catalogWriter.append(ItemID(row), identifier: names.items[row], ItemDescription())
            }
            try catalogWriter.finish()
            try writer.addFile(named: Dataset.catalogFile)
        }

        let itemCount = names.items.count, collectionCount = names.collections.count
        let identifiers = try Self.write(names, into: &writer, threads: threads)
        for (index, feature) in featureImports.enumerated() {
            progress?(ImportProgress(stage: .features, count: index, fraction: Double(index) / Double(features.count)))
            try feature.write(into: &writer, items: identifiers, describedItems: describedItems, allowsMissing: configuration.allowsMissingItems)
        }
        let builder = GraphFileBuilder(
            itemCount: itemCount, collectionCount: collectionCount, threads: threads, budget: configuration.memory / 2,
            progress: { progress?(ImportProgress(stage: .graph, count: edgesRead, fraction: $0)) })
        let summary = try builder.write(
            &log, itemDegrees: names.itemDegrees, collectionDegrees: names.collectionDegrees, into: &writer)
        try writer.commit(
            metadata: Dataset.sizes(items: itemCount, collections: collectionCount, edges: summary.edges).merging(metadata) { size, _ in size })
        var report = ImportReport(
            summary, items: itemCount, collections: collectionCount, edgesRead: edgesRead, itemsDescribed: describedItems ?? 0)
        report.seconds = start.duration(to: clock.now) / .seconds(1)
        return report
    }

    private var threads: Int { configuration.threads ?? Kernels.availableProcessors }

    /// Writes the identifiers of both sides and gives up the tables that found them. - Returns: those of the items.
    private static func write(_ names: Names, into writer: inout ArtifactWriter, threads: Int) throws -> Identifiers {
        let made = Mutex<(items: Identifiers?, collections: Identifiers?)>((nil, nil))
        try parallelFor(2, threads: threads, grain: 1) { range in
            for side in range {
                if side == 0 {
                    let items = names.items.identifiers()
                    made.withLock { $0.items = items }
                } else {
                    let collections = names.collections.identifiers()
                    made.withLock { $0.collections = collections }
                }
            }
        }
        names.items = IdentifierInterner()
        names.collections = IdentifierInterner()
        guard let items = made.withLock({ $0.items }), let collections = made.withLock({ $0.collections }) else {
            preconditionFailure("both sides are made")
        }
        try items.write(into: &writer, prefix: "item_ids")
        try collections.write(into: &writer, prefix: "collection_ids")
        return items
    }

    // MARK: Items

    private func readItems(
        _ path: String, into names: inout IdentifierInterner, catalog: (any ItemCatalogWriter)?, progress: ((ImportProgress) -> Void)?
    ) throws {
        let format = TableFormat(fileName: path) ?? configuration.format.flatMap { TableFormat(rawValue: $0.rawValue) }
        let column = configuration.itemColumn
        var lines: [UInt32] = []
        try TextTable(path, format: format).forEachRow(required: [column]) { row in
            guard let identifier = row[column], !identifier.isEmpty else {
                throw DataError("expected an identifier in the column \"\(column)\", found an empty field", file: path, line: row.line)
            }
            let (item, isNew) = names.add(identifier)
            guard isNew else {
                throw DataError("expected each item once, found \"\(identifier)\" again; it was on line \(lines[item])", file: path, line: row.line)
            }
            lines.append(UInt32(truncatingIfNeeded: row.line))
            if let catalog { try catalog.append(ItemID(item), identifier: identifier, DatasetImporter.description(row, except: column)) }
            if names.count % 100_000 == 0 { progress?(ImportProgress(stage: .items, count: names.count, fraction: nil)) }
        }
    }

    static func description(_ row: TextTable.Row, except column: String) -> ItemDescription {
        var description = ItemDescription()
        for (name, value) in zip(row.names, row.values) where name != column && !value.isEmpty {
            switch name {
            case "title": description.title = value
            case "url": description.url = value
            case "text": description.text = value
            default: description.attributes[name] = value
            }
        }
        return description
    }

    // MARK: Edges

    /// Both tables of names. `@unchecked Sendable`: of the two tasks that run at once, one uses `items` and the other `collections`.
    private final class Names: @unchecked Sendable {
        var items = IdentifierInterner()
        var collections = IdentifierInterner()
        /// How many edges each row has, duplicates included.
        var itemDegrees: [UInt32] = []
        var collectionDegrees: [UInt32] = []

        static func count(_ rows: [[UInt32]], into degrees: inout [UInt32], rowCount: Int) {
            degrees.append(contentsOf: repeatElement(0, count: rowCount - degrees.count))
            unsafe degrees.withUnsafeMutableBufferPointer { degrees in
                for list in rows { for row in list { unsafe degrees[Int(row)] += 1 } }
            }
        }
    }

    private func read(
        _ path: String, itemsPath: String?, names: Names, into log: inout EdgeLog, progress: ((ImportProgress) -> Void)?
    ) throws {
        let source = try TextSource(path)
        let format = configuration.format ?? TableFormat(fileName: path).flatMap { EdgeFormat(rawValue: $0.rawValue) } ?? .tsv
        var chunks = ChunkReader(source, isQuoted: format == .csv)
        guard let first = try chunks.next() else { throw DataError("expected edges, found an empty file", file: source.name) }
        let parser = try EdgeChunkParser(first: first, name: source.name, format: format, configuration: configuration)
        let knownItems = itemsPath == nil || configuration.allowsMissingItems ? Int.max : names.items.count
        var batch = [first]
        var hasHeader = true
        while !batch.isEmpty {
            let parsed = try Self.parse(batch, hasHeader: hasHeader, parser: parser, threads: threads)
            hasHeader = false
            let found = try Self.lookUp(parsed, names: names, threads: threads)
            for (index, edges) in parsed.enumerated() {
                if let edge = found.items[index].firstIndex(where: { $0 >= knownItems }) {
                    throw DataError(
                        "expected items of \(itemsPath ?? ""), found \"\(edges.item(edge))\", which is not there (--allow-missing adds it)",
                        file: source.name, line: edges.firstLine + Int(edges.lines[edge]))
                }
                try log.append(items: found.items[index], collections: found.collections[index], weights: edges.weights, times: edges.times)
            }
            let fraction = source.storedBytes.map { $0 == 0 ? 1 : min(1, Double(source.storedBytesRead) / Double($0)) }
            progress?(ImportProgress(stage: .edges, count: log.count, fraction: fraction))
            batch = []
            while batch.count < 2 * threads, let chunk = try chunks.next() { batch.append(chunk) }
        }
    }

    static func parse(_ batch: [TextChunk], hasHeader: Bool, parser: EdgeChunkParser, threads: Int) throws -> [ParsedEdges] {
        let parsed = Mutex([ParsedEdges](repeating: ParsedEdges(), count: batch.count))
        try parallelFor(batch.count, threads: threads, grain: 1) { range in
            for index in range {
                let edges = try parser.edges(in: batch[index], isFirst: hasHeader && index == 0)
                parsed.withLock { $0[index] = edges }
            }
        }
        return parsed.withLock { $0 }
    }

    private static func lookUp(_ parsed: [ParsedEdges], names: Names, threads: Int) throws -> (items: [[UInt32]], collections: [[UInt32]]) {
        let rows = Mutex<(items: [[UInt32]], collections: [[UInt32]])>(([], []))
        try parallelFor(2, threads: threads, grain: 1) { range in
            for side in range {
                if side == 0 {
                    let found = parsed.map { names.items.add($0.bytes, starts: $0.itemStarts, lengths: $0.itemLengths, hashes: $0.itemHashes) }
                    Names.count(found, into: &names.itemDegrees, rowCount: names.items.count)
                    rows.withLock { $0.items = found }
                } else {
                    let found = parsed.map {
                        names.collections.add($0.bytes, starts: $0.collectionStarts, lengths: $0.collectionLengths, hashes: $0.collectionHashes)
                    }
                    Names.count(found, into: &names.collectionDegrees, rowCount: names.collections.count)
                    rows.withLock { $0.collections = found }
                }
            }
        }
        return rows.withLock { $0 }
    }
}
