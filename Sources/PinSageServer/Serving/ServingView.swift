internal import PinSageCatalog
internal import PinSageKit

/// What one request sees from its beginning to its end, whatever is inserted or swapped meanwhile.
struct ServingView: Sendable {
    let artifacts: Artifacts
    var index: OverlayIndex
    /// `nil` until the first change.
    var live: LiveItems?

    init(artifacts: Artifacts) {
        self.artifacts = artifacts
        index = OverlayIndex(base: artifacts.index, kernels: artifacts.kernels)
    }

    /// The item that a client named.
    ///
    /// - Throws: ``Problem`` 404.
    func item(named name: String) throws(Problem) -> ItemID {
        if let item = find(name) { return item }
        throw Problem(404, "there is no item \"\(name.prefix(200))\"")
    }

    /// The item of this name that is in the index now.
    func find(_ name: String) -> ItemID? {
        if let place = live?.place(of: name), place < index.addedCount {
            let item = ItemID(artifacts.index.count + place)
            if index.contains(item) { return item }
        }
        guard let row = artifacts.index.embeddings.identifiers.row(of: name), index.contains(ItemID(row)) else { return nil }
        return ItemID(row)
    }

    /// The place of an item beside the index; `nil` for one of the index.
    func place(of item: ItemID) -> Int? { Int(item.row) < artifacts.index.count ? nil : Int(item.row) - artifacts.index.count }

    /// What the item is called outside.
    func name(of item: ItemID) -> String {
        if let place = place(of: item), let entry = live?[place].item { return entry.identifier }
        return artifacts.index.embeddings.identifiers[Int(item.row)]
    }

    /// Titles, cut where they are long; ids where there are none.
    func titles(of items: [ItemID]) throws -> [String] {
        var base = try artifacts.titles(of: items.filter { place(of: $0) == nil }).makeIterator()
        return items.map { item in
            guard let place = place(of: item) else { return base.next() ?? "" }
            return live.map { Artifacts.shortened($0[place].item.description.title ?? $0[place].item.identifier) } ?? ""
        }
    }

    /// What lists show of these items.
    func cards(of items: [ItemID]) throws -> [ArraySlice<UInt8>] {
        guard let live, items.contains(where: { place(of: $0) != nil }) else { return try artifacts.cards.members(of: items) }
        var base = try artifacts.cards.members(of: items.filter { place(of: $0) == nil }).makeIterator()
        return items.map { item in place(of: item).map { live[$0].card[...] } ?? base.next() ?? [] }
    }

    /// The items that a client's filter lets through.
    ///
    /// - Throws: `DataError` that says what is wrong in the filter and where.
    func filter(_ text: String) throws -> ItemFilter {
        guard text.count <= RequestLimits.textLength else {
            throw Problem.badRequest("expected a filter of at most \(RequestLimits.textLength) characters, found \(text.count)")
        }
        let filter = try CatalogFilter(parsing: text)
        let base = try artifacts.filter(filter)
        guard let live else { return base }
        let places = live.places(ofRows: try live.catalog.rows(matching: filter))
        return base.extended(to: index.rowCount, allowing: places.map { ItemID(artifacts.index.count + $0) })
    }

    /// Items whose id, title or text have the words, best first; of the index and beside it by turns.
    func search(_ text: String, limit: Int, among filter: ItemFilter?) throws -> [ItemID] {
        // What the filter or a removal takes away is replaced by further matches, as far as these go.
        let isNarrowed = filter != nil || index.count < index.rowCount
        let wanted = isNarrowed ? max(limit * 10, 1000) : limit
        func isAllowed(_ item: ItemID) -> Bool { index.contains(item) && (filter?.contains(item) ?? true) }
        let base = try artifacts.catalog?.search(text, limit: wanted).filter(isAllowed).prefix(limit) ?? []
        guard let live else { return Array(base) }
        let added = live.places(ofRows: try live.catalog.search(text, limit: wanted)).map { ItemID(artifacts.index.count + $0) }.filter(isAllowed)
        var merged: [ItemID] = []
        for place in 0..<max(base.count, added.count) {
            if place < added.count { merged.append(added[place]) }
            if place < base.count { merged.append(base[place]) }
        }
        return Array(merged.prefix(limit))
    }

    /// Whether the model knows a word of a text.
    func knowsWords(of text: String) throws -> Bool { try artifacts.model?.features.knowsWords(of: text) ?? false }

    /// The embedding of a text as that of a new item with this title, (1, dimension).
    func embedding(of text: String) throws -> Matrix {
        guard let model = artifacts.model else { throw Problem.badRequest("free text needs a model") }
        let features = try model.features.vector(for: ItemDescription(title: text))
        return try EmbeddingPass(model: model, kernels: artifacts.kernels)
            .embeddings(ofNewItems: Matrix(rows: 1, columns: features.count, values: features))
    }
}
