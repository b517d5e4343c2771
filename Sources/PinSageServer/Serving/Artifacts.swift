internal import Foundation
internal import PinSageCatalog
internal import PinSageKit
internal import Synchronization

/// Where the artifacts that are served lie.
public struct ServedPaths: Sendable {
    public var index: String
    public var dataset: String
    /// Needed for free text and for new items.
    public var model: String?
    /// A map of the index by `NeighborMap`; `nil` takes the one beside the index (its path with ".map") where there is one.
    public var map: String?
    /// The file that keeps what is put in and taken out; made by the first change. `nil` takes no changes.
    public var live: String?
    /// Copies the index into memory after it was opened, see `NearestNeighborIndex.resident`.
    public var isResident = false

    public init(index: String, dataset: String, model: String? = nil, live: String? = nil) {
        self.index = index
        self.dataset = dataset
        self.model = model
        self.live = live
    }
}

/// One consistent set of what is read from disk. A reload opens another set; requests go on with the one they began with.
final class Artifacts: Sendable {
    let index: any NearestNeighborIndex
    let dataset: Dataset
    let catalog: SQLiteCatalog?
    let model: PinSageModel?
    let cards: ItemCards
    /// Places of items on a plane; `nil` without a map of this index.
    let map: NeighborMap?
    /// Draws the neighborhoods that explanations and new items are made of.
    let sampler: NeighborhoodSampler
    let kernels: Kernels
    private let embedder: NewItemEmbedder?
    /// Tells this model from another: the checksum of its manifest.
    let modelFingerprint: String
    /// The items that recent filters let through: pages ask for the same filter again and again.
    private let filters = Mutex<[(text: String, filter: ItemFilter)]>([])
    private let lastProjection = Mutex<(limit: Int, projection: PrincipalProjection)?>(nil)
    /// Items to begin with: those in the most collections, ties to the lower row.
    let examples: [ItemID]

    /// - Throws: `DataError` when one is missing or damaged, or they do not belong together.
    init(_ paths: ServedPaths, kernels: Kernels) throws {
        self.kernels = kernels
        index = try StoredIndex.open(paths.index, kernels: kernels)
        dataset = try Dataset.open(paths.dataset)
        try index.requireRows(of: dataset, file: paths.index)
        catalog = dataset.catalogPath == nil ? nil : try SQLiteCatalog(directory: paths.dataset)
        model = try paths.model.map { try PinSageModel.open($0) }
        if let model, let path = paths.model, model.configuration.dimension != index.dimension {
            throw DataError("the model makes vectors of \(model.configuration.dimension) numbers, the index has \(index.dimension)", file: path)
        }
        if let model { try index.embeddings.requireMade(by: model, file: paths.index) }
        map = try Self.map(paths, of: index)
        modelFingerprint =
            try paths.model.flatMap { path in
                try JSONValue(contentsOf: path + "/manifest.json")["crc32c_of_the_following_lines"]?.string
            } ?? ""
        cards = ItemCards(identifiers: index.embeddings.identifiers, catalog: catalog)
        embedder = try model.map { [dataset, catalog] in
            try NewItemEmbedder(model: $0, dataset: dataset, catalog: catalog, kernels: kernels)
        }
        examples = Self.mostConnected(dataset.graph, count: 12)
        sampler = try NeighborhoodSampler(
            graph: dataset.graph, configuration: model?.walks ?? WalkConfiguration(), seed: model?.seed ?? 1)
    }

    /// The map that was asked for, or one that lies beside the index and was made of it.
    private static func map(_ paths: ServedPaths, of index: any NearestNeighborIndex) throws -> NeighborMap? {
        let path = paths.map ?? String(paths.index.reversed().drop { $0 == "/" }.reversed()) + ".map"
        guard paths.map != nil || FileManager.default.fileExists(atPath: path) else { return nil }
        do {
            let map = try NeighborMap.open(path)
            guard map.count == index.count, map.vectorsChecksum == index.embeddings.vectorsChecksum else {
                throw DataError("the map was made of other vectors than the index has: run project2d again", file: path)
            }
            return map
        } catch {
            // One that nobody asked for, left by an older index, keeps nobody from answering.
            if paths.map != nil { throw error }
            return nil
        }
    }

    private static func mostConnected(_ graph: Graph, count: Int) -> [ItemID] {
        var best: [(degree: Int, item: ItemID)] = []
        for row in 0..<graph.itemCount {
            let degree = graph.degree(of: ItemID(row))
            if best.count == count, let last = best.last, degree <= last.degree { continue }
            best.insert((degree, ItemID(row)), at: best.firstIndex { $0.degree < degree } ?? best.count)
            if best.count > count { best.removeLast() }
        }
        return best.map(\.item)
    }

    /// The embedding of a new item, from its features and the collections that the dataset has.
    ///
    /// - Throws: ``Problem`` without a model, `DataError` for features or attributes that do not fit.
    func vector(of item: LiveItem) throws -> [Float] {
        guard let embedder else { throw Problem(403, "new items need a model to embed them, and this server has none") }
        let collections = item.collections.compactMap { dataset.collections.row(of: $0) }
        return try embedder.embedding(
            of: item.description, features: item.features, collections: Set(collections).sorted().map { CollectionID($0) })
    }

    /// The embeddings on their first three principal axes; made when they are first asked for.
    func projection(limit: Int) -> PrincipalProjection {
        if let known = lastProjection.withLock({ $0 }), known.limit == limit { return known.projection }
        let made = PrincipalProjection(of: index.embeddings, limit: limit, axes: min(3, index.dimension))
        lastProjection.withLock { $0 = (limit, made) }
        return made
    }

    /// Titles of items of the base, ids where there are none.
    func titles(of items: [ItemID]) throws -> [String] {
        let identifiers = index.embeddings.identifiers
        guard let catalog else { return items.map { identifiers[Int($0.row)] } }
        return try zip(items, catalog.descriptions(of: items)).map { Self.shortened($1.title ?? identifiers[Int($0.row)]) }
    }

    /// As much of a title as fits beside a point of the map.
    static func shortened(_ title: String) -> String { String(title.prefix(80)) }

    /// The base's items that satisfy a filter. - Complexity: O(items), O(1) for one of the last 32 filters
    func filter(_ filter: CatalogFilter) throws -> ItemFilter {
        if let known = filters.withLock({ $0.first { $0.text == filter.text }?.filter }) { return known }
        guard let catalog else { throw Problem.badRequest("the dataset has no metadata of items to filter by") }
        let found = ItemFilter(items: index.count, allowed: try catalog.items(matching: filter))
        filters.withLock { filters in
            filters.removeAll { $0.text == filter.text }
            filters.append((filter.text, found))
            if filters.count > 32 { filters.removeFirst() }
        }
        return found
    }
}
