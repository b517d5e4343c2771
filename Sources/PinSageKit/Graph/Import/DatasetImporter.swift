internal import Synchronization

/// Makes a dataset of text files and dense features.
///
/// Edges are parsed by all threads while two of them look up items and collections in the order of the file (`EdgeReader`): rows are given in the order of
/// first mention, on any number of threads. Nothing is at the output's path before everything was read, checked and written.
public struct DatasetImporter: Sendable {
    public let configuration: ImportConfiguration

    public init(configuration: ImportConfiguration = ImportConfiguration()) { self.configuration = configuration }

    /// - Parameters:
    ///   - edges: paths of edge files, `-` for standard input; `.gz` is unpacked.
    ///   - items: a table with a column named as the edges' item column, and optionally `title`, `url`, `text`; its other columns are attributes.
    ///   - collections: a table with a column named as the edges' collection column and `type`: every collection's type.
    ///   - features: dense features.
    ///   - output: the path of the dataset; an older dataset there is replaced.
    ///   - catalog: makes the catalog's writer, given the directory in which ``Dataset/catalogFile`` is to be made; `nil` keeps no descriptions.
    ///   - metadata: goes into the manifest.
    ///   - progress: called between chunks, from the calling thread.
    /// - Throws: ``DataError`` with file, line and column for whatever is wrong with the input.
    public func run(
        edges: [String], items: String? = nil, collections: String? = nil, features: [FeatureSource] = [], output: String,
        catalog: ((_ directory: String) throws -> any ItemCatalogWriter)? = nil, metadata: [String: JSONValue] = [:],
        progress: ((ImportProgress) -> Void)? = nil
    ) throws -> ImportReport {
        let clock = ContinuousClock()
        let start = clock.now
        try configuration.validate()
        guard Set(features.map(\.name)).count == features.count else { throw DataError("expected different names for the features") }
        // What can be refused at once is refused before hours of reading.
        let featureImports = try features.map { try FeatureImport($0) }
        let collectionTable = try collections.map { try CollectionTable($0, configuration: configuration) }
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

        let types = try collectionTable.map { table in
            try CollectionTypes(
                try (0..<names.collections.count).map {
                    try table.type(of: names.collections[$0], allowsMissing: configuration.allowsMissingItems)
                })
        }
        let typeMetadata = try types?.write(into: &writer) ?? [:]
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
            log, itemCounts: names.itemCounts, collectionCounts: names.collectionCounts, into: &writer)
        try writer.commit(
            metadata: Dataset.sizes(items: itemCount, collections: collectionCount, edges: summary.edges).merging(typeMetadata) { $1 }
                .merging(metadata) { own, _ in own })
        var report = ImportReport(
            summary, items: itemCount, collections: collectionCount, edgesRead: edgesRead, itemsDescribed: describedItems ?? 0)
        report.seconds = start.duration(to: clock.now) / .seconds(1)
        return report
    }

    private var threads: Int { configuration.threads ?? Kernels.availableProcessors }

    /// Writes the identifiers of both sides and gives up the tables that found them. - Returns: those of the items.
    private static func write(_ names: Names, into writer: inout ArtifactWriter, threads: Int) throws -> Identifiers {
        let directory = writer.directory
        let made = Mutex<[(identifiers: Identifiers, files: [(name: String, entry: Manifest.File)])?]>([nil, nil])
        try parallelFor(2, threads: threads, grain: 1) { range in
            for side in range {
                let identifiers = side == 0 ? names.items.identifiers() : names.collections.identifiers()
                let files = try identifiers.write(to: directory, prefix: side == 0 ? "item_ids" : "collection_ids")
                made.withLock { $0[side] = (identifiers, files) }
            }
        }
        names.items = IdentifierInterner()
        names.collections = IdentifierInterner()
        let sides = made.withLock { $0 }
        for (name, entry) in sides.flatMap({ $0?.files ?? [] }) { writer.addFile(named: name, entry) }
        guard let items = sides[0]?.identifiers else { preconditionFailure("both sides are made") }
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
        /// How many edges there are, duplicates included.
        var itemCounts = RowGroupCounts()
        var collectionCounts = RowGroupCounts()
    }

    private func read(
        _ path: String, itemsPath: String?, names: Names, into log: inout EdgeLog, progress: ((ImportProgress) -> Void)?
    ) throws {
        let reader = try EdgeReader(path, configuration: configuration)
        let file = reader.name
        let knownItems = itemsPath == nil || configuration.allowsMissingItems ? Int.max : names.items.count
        let lookUpItems: @Sendable (EdgeBatch) throws -> Void = { batch in
            for piece in batch.pieces {
                names.items.add(piece.edges.items, of: piece.edges.bytes, rows: &piece.items)
                names.itemCounts.add(piece.items)
                if names.items.count > knownItems, let edge = piece.items.firstIndex(where: { $0 >= knownItems }) {
                    throw DataError(
                        "expected items of \(itemsPath ?? ""), found \"\(piece.edges.item(edge))\", which is not there (--allow-missing adds it)",
                        file: file, line: piece.edges.firstLine + Int(piece.edges.lines[edge]))
                }
            }
        }
        let lookUpCollections: @Sendable (EdgeBatch) throws -> Void = { batch in
            for piece in batch.pieces {
                names.collections.add(piece.edges.collections, of: piece.edges.bytes, rows: &piece.collections)
                names.collectionCounts.add(piece.collections)
            }
        }
        try reader.forEachBatch(lookUp: [lookUpItems, lookUpCollections]) { batch, fraction in
            for piece in batch.pieces {
                try log.append(items: piece.items, collections: piece.collections, weights: piece.edges.weights, times: piece.edges.times)
            }
            progress?(ImportProgress(stage: .edges, count: log.count, fraction: fraction))
        }
    }
}
