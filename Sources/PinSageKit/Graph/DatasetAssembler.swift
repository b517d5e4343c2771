/// Makes a dataset of items and edges that are handed over one by one, in memory: the way in for sources that have a reader of their own.
///
///     var assembler = try DatasetAssembler(output: "packages", catalog: makeCatalog)
///     try assembler.addItem(identifier: "vim", description: ItemDescription(title: "vim"))
///     try assembler.addEdge(item: "vim", collection: "section:editors")
///     let report = try assembler.finish()
///
/// Items get rows in the order of their first mention. Nothing is at the output's path before `finish` returns.
public struct DatasetAssembler {
    private var items = IdentifierInterner()
    private var collections = IdentifierInterner()
    private var edgeItems: [UInt32] = []
    private var edgeCollections: [UInt32] = []
    private var edgeWeights: [Float]?
    private var edgeTimes: [Int64]?
    private var collectionTypes: [Int: String] = [:]
    private var isDescribed: [Bool] = []
    private var features: [FeatureTable] = []
    private var writer: ArtifactWriter?
    private let catalog: (any ItemCatalogWriter)?

    /// - Parameters:
    ///   - output: the path of the dataset.
    ///   - catalog: makes the catalog's writer, given the directory in which ``Dataset/catalogFile`` is to be made; `nil` keeps no descriptions.
    public init(output: String, catalog: ((_ directory: String) throws -> any ItemCatalogWriter)? = nil) throws {
        let writer = try ArtifactWriter(kind: Dataset.kind, at: output)
        self.catalog = try catalog?(writer.directory)
        self.writer = writer
    }

    /// For a dataset that stays in memory: see ``dataset()``.
    public init() { catalog = nil }

    /// The number of items so far.
    public var itemCount: Int { items.count }
    /// The number of edges so far, duplicates included.
    public var edgeCount: Int { edgeItems.count }
    /// Whether an item of this name was mentioned.
    public func contains(item identifier: String) -> Bool { items.row(of: identifier) != nil }

    /// Adds an item, which need not have edges, or describes one that an edge has mentioned.
    ///
    /// - Throws: ``DataError`` for an empty identifier and for one that was described before.
    @discardableResult
    public mutating func addItem(identifier: String, description: ItemDescription = ItemDescription()) throws -> ItemID {
        guard !identifier.isEmpty else { throw DataError("expected an item identifier, found an empty one") }
        let (row, isNew) = items.add(identifier)
        if isNew {
            isDescribed.append(true)
        } else {
            guard !isDescribed[row] else { throw DataError("expected each item once, found \"\(identifier)\" again") }
            isDescribed[row] = true
        }
        try catalog?.append(ItemID(row), identifier: identifier, description)
        return ItemID(row)
    }

    /// Adds an edge; what it names is added where it is new.
    ///
    /// - Parameters:
    ///   - time: in seconds since 1970; `nil` when unknown.
    ///   - weight: positive and finite.
    public mutating func addEdge(item: String, collection: String, time: Int64? = nil, weight: Float = 1) throws {
        guard !item.isEmpty, !collection.isEmpty else { throw DataError("expected an item and a collection, found an empty identifier") }
        guard weight > 0, weight.isFinite else { throw DataError("expected a positive finite weight, found \(weight)") }
        let (row, isNew) = items.add(item)
        if isNew { isDescribed.append(false) }
        edgeItems.append(UInt32(row))
        edgeCollections.append(UInt32(collections.add(collection).row))
        if weight != 1 && edgeWeights == nil { edgeWeights = Array(repeating: 1, count: edgeItems.count - 1) }
        edgeWeights?.append(weight)
        if time != nil && edgeTimes == nil { edgeTimes = Array(repeating: Graph.unknownTime, count: edgeItems.count - 1) }
        edgeTimes?.append(time ?? Graph.unknownTime)
    }

    /// Says of which type a collection is, one of a few names; it is added where it is new. The others have none.
    public mutating func setType(ofCollection collection: String, to type: String) throws {
        guard !collection.isEmpty, !type.isEmpty else { throw DataError("expected a collection and its type, found an empty name") }
        collectionTypes[collections.add(collection).row] = type
    }

    /// Adds dense features; row r belongs to the r-th item. Checked in `finish`.
    public mutating func addFeatures(_ table: FeatureTable) { features.append(table) }

    /// The dataset in memory.
    public func dataset() throws -> Dataset {
        try check(features)
        let graph = try GraphBuilder.graph(
            itemCount: items.count, collectionCount: collections.count, items: edgeItems, collections: edgeCollections,
            weights: edgeWeights, times: edgeTimes)
        let types = collectionTypes.isEmpty ? nil : try CollectionTypes((0..<collections.count).map { collectionTypes[$0] })
        return Dataset(graph: graph.typed(types), items: items.identifiers(), collections: collections.identifiers(), features: features)
    }

    private func check(_ features: [FeatureTable]) throws {
        for table in features {
            guard table.rows == items.count else {
                throw DataError("expected \(items.count) rows of the features \"\(table.name)\", one for each item, found \(table.rows)")
            }
        }
    }

    /// Writes the dataset and puts it in place.
    ///
    /// - Parameter metadata: goes into the manifest, such as where the data came from.
    public mutating func finish(metadata: [String: JSONValue] = [:]) throws -> ImportReport {
        guard var writer else { preconditionFailure("a dataset in memory has no output, or finish was called before") }
        let dataset = try dataset()
        if let catalog {
            for row in isDescribed.indices where !isDescribed[row] {
                try catalog.append(ItemID(row), identifier: dataset.items[row], ItemDescription())
            }
            try catalog.finish()
            try writer.addFile(named: Dataset.catalogFile)
        }
        let own = try dataset.write(into: &writer)
        try writer.commit(metadata: own.merging(metadata) { own, _ in own })
        self.writer = nil
        return ImportReport(graph: dataset.graph, edgesRead: edgeItems.count, itemsDescribed: isDescribed.count { $0 })
    }
}
