/// Adds edges and items to a dataset on disk without rewriting its graph.
///
/// New edges go to a small overlay (`GraphOverlay`) that every reader sees from the next opening on; identifiers, features and the catalog get the new
/// items at their end, so that rows that are known keep their numbers. Files that do not change are taken over as hard links. The dataset is
/// replaced in one step: a killed append leaves the old one.
public struct DatasetAppender: Sendable {
    public let configuration: ImportConfiguration

    public init(configuration: ImportConfiguration = ImportConfiguration()) { self.configuration = configuration }

    /// How descriptions are read from the dataset that is and written to the one that will be.
    public struct Catalogs {
        public var open: (_ directory: String) throws -> any ItemCatalog
        public var make: (_ directory: String) throws -> any ItemCatalogWriter

        public init(
            open: @escaping (_ directory: String) throws -> any ItemCatalog, make: @escaping (_ directory: String) throws -> any ItemCatalogWriter
        ) {
            self.open = open
            self.make = make
        }
    }

    /// What an append read and made.
    public struct Report: Sendable, Hashable {
        public var items = 0
        public var collections = 0
        /// Distinct edges of the dataset, the appended ones included.
        public var edges = 0
        public var newItems = 0
        public var newCollections = 0
        public var edgesRead = 0
        /// Edges of what was read that the dataset did not have; the others added to weights.
        public var newEdges = 0
        /// Edges of the overlay, of earlier appends too. ``Dataset/compact(_:threads:)`` folds them in.
        public var overlayEdges = 0
        public var itemsDescribed = 0
        /// Wall time.
        public var seconds = 0.0
    }

    /// - Parameters:
    ///   - path: the dataset, which is replaced.
    ///   - edges: paths of edge files, as of an import.
    ///   - items: a table of new items and of known ones whose description changes.
    ///   - collections: a table with the types of new collections, for a dataset that has types. New ones that are in no table have none, and walks that
    ///     give types a share do not enter them.
    ///   - features: rows for new items of features that the dataset has, in the order of `items` or of their own identifiers. New items without
    ///     a row have zeros; rows of known items are replaced.
    ///   - catalogs: needed for datasets with a catalog and where `items` is given.
    /// - Throws: ``DataError`` with file, line and column.
    /// - Complexity: O(new edges), and O(items) or O(collections) sequential copying where there are new ones.
    public func run(
        _ path: String, edges: [String], items: String? = nil, collections: String? = nil, features: [FeatureSource] = [], catalogs: Catalogs? = nil,
        progress: ((ImportProgress) -> Void)? = nil
    ) throws -> Report {
        let clock = ContinuousClock(), start = clock.now
        try configuration.validate()
        let artifact = try Artifact.open(path, kind: Dataset.kind)
        let parts = try Dataset.parts(of: artifact, resident: false)
        var writer = try ArtifactWriter(kind: Dataset.kind, at: path)
        var rows = AppendedRows(items: NewIdentifiers(known: parts.items), collections: NewIdentifiers(known: parts.collections))
        var report = Report()

        let described = try items.map { try readItems($0, into: &rows, isCataloged: catalogs != nil) } ?? []
        report.itemsDescribed = described.count
        var overlay = GraphOverlay.exists(in: artifact) ? try GraphOverlay(artifact) : GraphOverlay()
        let overlaidBefore = overlay.items.count
        for file in edges {
            try read(file, itemsPath: items, into: &rows, progress: progress) { rowItems, rowCollections, weights, times in
                overlay.append(items: rowItems, collections: rowCollections, weights: weights, times: times)
            }
        }
        report.edgesRead = overlay.items.count - overlaidBefore
        report.newItems = rows.items.new.count
        report.newCollections = rows.collections.new.count
        report.items = rows.items.count
        report.collections = rows.collections.count

        let added = try overlay.graph(itemCount: report.items, collectionCount: report.collections)
        let fresh = Self.count(of: added, notIn: parts.base)
        report.edges = parts.base.edgeCount + fresh
        report.newEdges = fresh - (parts.added.map { Self.count(of: $0, notIn: parts.base) } ?? 0)
        report.overlayEdges = added.edgeCount
        try GraphOverlay(added).write(into: &writer)

        for (prefix, identifiers) in [("item_ids", rows.items), ("collection_ids", rows.collections)] where identifiers.new.count > 0 {
            try identifiers.known.write(with: identifiers.new.identifiers(), prefix: prefix, into: &writer)
        }
        let types = try collections.map {
            try Self.types(parts.base.collectionTypes, rows.collections, CollectionTable($0, configuration: configuration))
        }
        let typeMetadata = try types?.write(into: &writer) ?? [:]
        try FeatureAppend(artifact: artifact, features: features, items: rows.items, described: described.map(\.row)).write(into: &writer)
        try writeCatalog(artifact, described: described, rows: rows, catalogs: catalogs, into: &writer)
        for name in artifact.manifest.files.keys.sorted() where !name.hasPrefix(GraphOverlay.folder) && !writer.contains(name) {
            try writer.addFile(named: name, from: artifact)
        }
        // Another append in the meantime would be lost; this leaves a moment in which it is not noticed.
        guard try Artifact.open(path, kind: Dataset.kind).manifest == artifact.manifest else {
            throw DataError("the dataset was changed by somebody else in the meantime; append again", file: path)
        }
        let sizes = Dataset.sizes(items: report.items, collections: report.collections, edges: report.edges)
        try writer.commit(
            metadata: sizes.merging(typeMetadata) { $1 }.merging(artifact.manifest.metadata) { own, _ in own }
                .merging(["overlay": ["edges": JSONValue(added.edgeCount)]]) { $1 })
        report.seconds = start.duration(to: clock.now) / .seconds(1)
        return report
    }

    /// The types of all collections, those of the table for the ones that had none.
    private static func types(_ known: CollectionTypes?, _ collections: NewIdentifiers, _ table: CollectionTable) throws -> CollectionTypes {
        try CollectionTypes((0..<collections.count).map { known?.name(of: CollectionID($0)) ?? table.type(of: collections[$0]) })
    }

    private static func count(of added: Graph, notIn base: Graph) -> Int {
        var count = 0
        for item in 0..<added.itemCount {
            let range = added.items.range(of: item)
            if range.isEmpty { continue }
            guard item < base.itemCount else {
                count += range.count
                continue
            }
            for position in range where !base.contains(ItemID(item), in: CollectionID(row: added.items.targets[position])) { count += 1 }
        }
        return count
    }

    // MARK: Reading

    private func readItems(
        _ path: String, into rows: inout AppendedRows, isCataloged: Bool
    ) throws -> [(row: Int, description: ItemDescription)] {
        let format = TableFormat(fileName: path) ?? configuration.format.flatMap { TableFormat(rawValue: $0.rawValue) }
        let column = configuration.itemColumn
        var described: [(row: Int, description: ItemDescription)] = []
        var seen: Set<Int> = []
        try TextTable(path, format: format).forEachRow(required: [column]) { row in
            guard let identifier = row[column], !identifier.isEmpty else {
                throw DataError("expected an identifier in the column \"\(column)\", found an empty field", file: path, line: row.line)
            }
            let item = rows.items.row(of: identifier)
            guard seen.insert(item).inserted else {
                throw DataError("expected each item once, found \"\(identifier)\" again", file: path, line: row.line)
            }
            described.append((item, isCataloged ? DatasetImporter.description(row, except: column) : ItemDescription()))
        }
        return described
    }

    private func read(
        _ path: String, itemsPath: String?, into rows: inout AppendedRows, progress: ((ImportProgress) -> Void)?,
        _ body: ([UInt32], [UInt32], [Float], [Int64]) -> Void
    ) throws {
        let reader = try EdgeReader(path, configuration: configuration)
        // With a table of items, other new ones are mistakes, unless they are allowed.
        let mayAdd = itemsPath == nil || configuration.allowsMissingItems
        var count = 0
        try reader.forEachBatch { batch, fraction in
            for edges in batch.pieces.map(\.edges) {
                var items: [UInt32] = [], collections: [UInt32] = []
                items.reserveCapacity(edges.count)
                collections.reserveCapacity(edges.count)
                for edge in 0..<edges.count {
                    let item = edges.item(edge)
                    guard mayAdd || rows.items.contains(item) else {
                        throw DataError(
                            "expected items of the dataset or of \(itemsPath ?? ""), found \"\(item)\", which is in neither (--allow-missing adds it)",
                            file: reader.name, line: edges.firstLine + Int(edges.lines[edge]))
                    }
                    items.append(UInt32(rows.items.row(of: item)))
                    collections.append(UInt32(rows.collections.row(of: edges.collection(edge))))
                }
                count += items.count
                body(items, collections, edges.weights, edges.times)
            }
            progress?(ImportProgress(stage: .edges, count: count, fraction: fraction))
        }
    }

    private func writeCatalog(
        _ artifact: Artifact, described: [(row: Int, description: ItemDescription)], rows: AppendedRows, catalogs: Catalogs?,
        into writer: inout ArtifactWriter
    ) throws {
        let exists = artifact.contains(Dataset.catalogFile)
        guard !described.isEmpty || (exists && rows.items.new.count > 0) else { return }
        guard let catalogs else {
            if exists {
                throw DataError("this dataset has a catalog, which must get the new items: give a way to read and write it", file: artifact.path)
            }
            return
        }
        let catalog = try catalogs.make(writer.directory)
        let changed = Dictionary(described.map { ($0.row, $0.description) }) { $1 }
        var next = 0
        func append(_ description: ItemDescription) throws {
            try catalog.append(ItemID(next), identifier: rows.items[next], changed[next] ?? description)
            next += 1
        }
        if exists {
            try catalogs.open(artifact.path).forEachItem { item, description in
                while next < Int(item.row), next < rows.items.known.count { try append(ItemDescription()) }
                if Int(item.row) == next { try append(description) }
            }
        }
        while next < rows.items.count { try append(ItemDescription()) }
        try catalog.finish()
        try writer.addFile(named: Dataset.catalogFile)
    }
}

/// Rows of both sides while new ones come in.
private struct AppendedRows {
    var items: NewIdentifiers
    var collections: NewIdentifiers
}
