/// A graph, the names of its items and collections, and dense features of the items: what models are trained on.
///
/// On disk it is an artifact of kind "dataset" (docs/formats.md), mapped and not copied; the descriptions of the items are beside it in
/// `catalog.sqlite`, which PinSageCatalog reads.
public struct Dataset: Sendable {
    /// Where it was opened; `nil` for one in memory.
    public let path: String?
    public let graph: Graph
    public let items: Identifiers
    public let collections: Identifiers
    /// In ascending order of their names.
    public let features: [FeatureTable]
    /// The artifact's metadata; empty for a dataset in memory.
    public let metadata: [String: JSONValue]
    /// The edges that were appended since the graph's files were written; they are in ``graph`` too. `nil` where there are none.
    public let appended: Graph?
    /// The checksum of the graph's files, appended edges aside: equal ones mean equal graphs. `nil` for a dataset in memory.
    public let graphChecksum: String?

    public static let kind = "dataset"
    /// The name of the catalog's file inside a dataset.
    public static let catalogFile = "catalog.sqlite"

    /// A dataset in memory.
    public init(graph: Graph, items: Identifiers, collections: Identifiers, features: [FeatureTable] = []) {
        self.init(
            path: nil, graph: graph, items: items, collections: collections, features: features, metadata: [:], appended: nil, graphChecksum: nil)
    }

    private init(
        path: String?, graph: Graph, items: Identifiers, collections: Identifiers, features: [FeatureTable], metadata: [String: JSONValue],
        appended: Graph?, graphChecksum: String?
    ) {
        precondition(graph.itemCount == items.count, "\(graph.itemCount) items in the graph, \(items.count) identifiers")
        precondition(
            graph.collectionCount == collections.count, "\(graph.collectionCount) collections in the graph, \(collections.count) identifiers")
        precondition(features.allSatisfy { $0.rows == items.count }, "feature tables with other than \(items.count) rows")
        self.path = path
        self.graph = graph
        self.items = items
        self.collections = collections
        self.features = features.sorted { $0.name < $1.name }
        self.metadata = metadata
        self.appended = appended
        self.graphChecksum = graphChecksum
    }

    /// Whether any edge has a time.
    public var hasTimes: Bool { graph.collections.times != nil }

    /// The features of this name.
    public func features(named name: String) -> FeatureTable? { features.first { $0.name == name } }

    /// The path of the catalog, when the dataset has one.
    public var catalogPath: String? {
        guard let path, FileSystem.kind(of: path + "/" + Dataset.catalogFile)?.kind == .file else { return nil }
        return path + "/" + Dataset.catalogFile
    }

    /// The row of an item that somebody named.
    ///
    /// - Throws: ``DataError`` with the identifiers that are most like it.
    public func item(named identifier: String) throws -> ItemID {
        if let row = items.row(of: identifier) { return ItemID(row) }
        let closest = items.closest(to: identifier).map { "\"\($0)\"" }.joined(separator: ", ")
        throw DataError("there is no item \"\(identifier)\"" + (closest.isEmpty ? "" : "; the closest are \(closest)"), file: path)
    }

    /// Opens a dataset on disk.
    ///
    /// - Parameter resident: copies the graph into memory once (huge pages where there are any) instead of reading it from the file's pages.
    /// - Throws: ``DataError`` when it is missing, truncated or of another kind, or its parts do not fit together.
    /// - Complexity: O(1), unless resident or there are appended edges, which are merged in memory: O(edges) until ``compact(_:threads:)``
    public static func open(_ path: String, resident: Bool = false) throws -> Dataset {
        try read(Artifact.open(path, kind: kind), resident: resident)
    }

    static func read(_ artifact: Artifact, resident: Bool = false) throws -> Dataset {
        let parts = try parts(of: artifact, resident: resident)
        let items = parts.items, collections = parts.collections
        let graph = try parts.added.map { try parts.base.merged(with: $0, threads: Kernels.availableProcessors) } ?? parts.base
        let names = artifact.manifest.files.keys.filter { $0.hasPrefix("features/") && $0.hasSuffix(".npy") }
            .map { String($0.dropFirst("features/".count).dropLast(".npy".count)) }
        let features = try names.map { try FeatureTable.open(artifact, name: $0, rows: items.count) }
        var metadata = artifact.manifest.metadata
        metadata["overlay"] = nil
        let checksums = ["offsets", "targets", "weights", "times"].map { artifact.manifest.files["graph/items.\($0).npy"]?.crc32c ?? 0 }
        return Dataset(
            path: artifact.path, graph: graph, items: items, collections: collections, features: features, metadata: metadata,
            appended: parts.added,
            graphChecksum: checksums.map { hexadecimal($0) }.joined())
    }

    /// Looks at every edge, so that what reads the whole graph need not check each target in use: damage since import is found here.
    ///
    /// - Throws: ``DataError`` naming the file.
    /// - Complexity: O(edges), at the speed of memory
    public func checkTargets() throws {
        for (name, adjacency, limit) in [("items", graph.items, graph.collectionCount), ("collections", graph.collections, graph.itemCount)] {
            if let position = adjacency.firstTarget(notBelow: limit) {
                throw DataError(
                    "damaged: expected rows below \(limit), found \(adjacency.targets[position]) at position \(position); import the data again",
                    file: path.map { "\($0)/graph/\(name).targets.npy" })
            }
        }
    }

    /// The graph as it is stored, and the edges that were appended to it.
    static func parts(
        of artifact: Artifact, resident: Bool
    ) throws -> (items: Identifiers, collections: Identifiers, base: Graph, added: Graph?) {
        let items = try Identifiers.open(artifact, prefix: "item_ids")
        let collections = try Identifiers.open(artifact, prefix: "collection_ids")
        let isAppended = GraphOverlay.exists(in: artifact)
        // A merged graph is in memory anyway.
        let resident = resident && !isAppended
        let base = Graph(
            items: try adjacency(artifact, "items", rows: items.count, isAppended: isAppended, resident: resident),
            collections: try adjacency(artifact, "collections", rows: collections.count, isAppended: isAppended, resident: resident),
            collectionTypes: try CollectionTypes.open(artifact, collectionCount: collections.count))
        guard base.items.targets.count == base.collections.targets.count else {
            throw DataError(
                "expected as many edges as in the other direction (\(base.items.targets.count)), found \(base.collections.targets.count)",
                file: try artifact.path(of: "graph/collections.targets"))
        }
        guard isAppended else { return (items, collections, base, nil) }
        do {
            let added = try GraphOverlay(artifact).graph(itemCount: items.count, collectionCount: collections.count)
            return (items, collections, base, added)
        } catch let error as DataError {
            throw error.file == nil ? DataError(error.message, file: artifact.path + "/" + GraphOverlay.folder) : error
        }
    }

    private static func adjacency(_ artifact: Artifact, _ name: String, rows: Int, isAppended: Bool, resident: Bool) throws -> Graph.Adjacency {
        let prefix = "graph/\(name)."
        let offsets = try artifact.vector(prefix + "offsets", as: Int64.self, count: isAppended ? nil : rows + 1)
        guard 1...rows + 1 ~= offsets.count else {
            throw DataError("expected at most \(rows + 1) offsets, found \(offsets.count)", file: try artifact.path(of: prefix + "offsets"))
        }
        let targets = try artifact.vector(prefix + "targets", as: UInt32.self)
        guard offsets.first == 0, offsets.last == Int64(targets.count) else {
            throw DataError("expected offsets from 0 to \(targets.count)", file: try artifact.path(of: prefix + "offsets"))
        }
        let weights = artifact.contains(prefix + "weights") ? try artifact.vector(prefix + "weights", as: Float.self, count: targets.count) : nil
        let times = artifact.contains(prefix + "times") ? try artifact.vector(prefix + "times", as: Int64.self, count: targets.count) : nil
        guard resident else { return Graph.Adjacency(offsets: offsets, targets: targets, weights: weights, times: times) }
        return Graph.Adjacency(
            offsets: offsets.resident(), targets: targets.resident(), weights: weights?.resident(), times: times?.resident())
    }

    /// Writes the dataset as an artifact, without a catalog.
    public func write(to path: String) throws {
        var writer = try ArtifactWriter(kind: Dataset.kind, at: path)
        let own = try write(into: &writer)
        try writer.commit(metadata: own.merging(metadata) { own, _ in own })
    }

    /// Writes a dataset with the same items, collections, features and catalog, and another graph of as many rows.
    ///
    /// Everything but the graph is taken over as hard links where the file system can.
    /// - Parameter added: added to the metadata of the manifest.
    /// - Throws: ``DataError``; also for a dataset in memory, which has no files to take over.
    public func write(to output: String, replacingGraph graph: Graph, metadata added: [String: JSONValue] = [:]) throws {
        guard let path else { throw DataError("expected a dataset on disk, found one in memory") }
        precondition(graph.itemCount == items.count && graph.collectionCount == collections.count, "a graph of other rows")
        let artifact = try Artifact.open(path, kind: Dataset.kind)
        var writer = try ArtifactWriter(kind: Dataset.kind, at: output)
        for name in artifact.manifest.files.keys.sorted() where !name.hasPrefix("graph/") && !name.hasPrefix(GraphOverlay.folder) {
            try writer.addFile(named: name, from: artifact)
        }
        try Dataset.write(graph, into: &writer)
        try writer.commit(metadata: Dataset.sizes(of: graph).merging(metadata) { size, _ in size }.merging(added) { _, new in new })
    }

    /// - Returns: what the manifest's metadata must say of it.
    func write(into writer: inout ArtifactWriter) throws -> [String: JSONValue] {
        try items.write(into: &writer, prefix: "item_ids")
        try collections.write(into: &writer, prefix: "collection_ids")
        try Dataset.write(graph, into: &writer)
        for table in features { try Dataset.write(table, into: &writer) }
        let types = try graph.collectionTypes?.write(into: &writer) ?? [:]
        return Dataset.sizes(of: graph).merging(types) { $1 }
    }

    static func write(_ graph: Graph, into writer: inout ArtifactWriter) throws {
        for (name, adjacency) in [("items", graph.items), ("collections", graph.collections)] {
            try writer.write("graph/\(name).offsets", adjacency.offsets)
            try writer.write("graph/\(name).targets", adjacency.targets)
            if let weights = adjacency.weights { try writer.write("graph/\(name).weights", weights) }
            if let times = adjacency.times { try writer.write("graph/\(name).times", times) }
        }
    }

    static func write(_ table: FeatureTable, into writer: inout ArtifactWriter) throws {
        let name = "features/\(table.name)"
        let shape = [table.rows, table.columns]
        switch table.elements {
        case .float32(let values): try writer.write(name, values, shape: shape)
        case .float16(let values): try writer.write(name, values, shape: shape, elementType: .float16)
        case .bfloat16(let values): try writer.write(name, values, shape: shape, elementType: .bfloat16)
        }
    }

    /// What every dataset's manifest says of its size.
    static func sizes(of graph: Graph) -> [String: JSONValue] {
        sizes(items: graph.itemCount, collections: graph.collectionCount, edges: graph.edgeCount)
    }

    static func sizes(items: Int, collections: Int, edges: Int) -> [String: JSONValue] {
        ["items": JSONValue(items), "collections": JSONValue(collections), "edges": JSONValue(edges)]
    }
}
