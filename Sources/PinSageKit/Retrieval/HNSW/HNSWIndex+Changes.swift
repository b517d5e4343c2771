/// Changes make new values; whoever searches an older one goes on undisturbed. A change of many items at once costs little more than one of few,
/// as every change but ``removing(_:)`` copies the links; ``LiveIndex`` collects changes that come one by one.
extension HNSWIndex {
    /// The items that are not removed; `nil` is all.
    public var present: ItemFilter? { alive }

    /// The number of items that can be answers.
    public var presentCount: Int { alive?.count ?? count }

    /// The index without some items: they keep their rows and, until the next other change, their links, but are never answers.
    ///
    /// Rows that are not in the index are ignored. Memory is freed by ``compacted()``.
    ///
    /// - Complexity: O(items / 64 + removed)
    public func removing(_ items: some Sequence<ItemID>) -> HNSWIndex {
        var left = alive ?? ItemFilter(all: count)
        left.remove(items)
        return left.count == presentCount ? self : replacing(alive: left, linkedRemovals: linkedRemovals + presentCount - left.count)
    }

    /// The index with more items, and with other vectors for those of `items` that it has already, removed ones included: these keep their rows,
    /// new items follow the last row in their order.
    ///
    /// Links of removed items, and of those with other vectors, are repaired first: whoever was linked to them is linked to what they led to. New vectors
    /// then search the graph for their links as in a build. The same index and items give the same result on any number of threads.
    ///
    /// - Parameter progress: called with the number of items inserted so far.
    /// - Throws: ``DataError`` for vectors of another dimension or another model, not finite or beyond 1e15, for an item that comes twice, and for damaged links.
    /// - Complexity: O(N (links + dimension)) for copies, and for each item as much as in a build.
    public func inserting(_ items: Embeddings, progress: ((Int) -> Void)? = nil) throws -> HNSWIndex {
        guard items.dimension == dimension else {
            throw DataError("the index has vectors of \(dimension) numbers, found \(items.dimension)")
        }
        let model = try embeddings.commonModel(with: items)
        let held = try Self.held(items, metric: configuration.metric, kernels: kernels)
        var names: [String] = [], seen: Set<String> = []
        var target = [Int](repeating: 0, count: held.count)
        for row in 0..<held.count {
            let name = held.identifiers[row]
            guard seen.insert(name).inserted else { throw DataError("item \"\(name)\" is to be inserted twice") }
            if let known = embeddings.identifiers.row(of: name) {
                target[row] = known
            } else {
                target[row] = count + names.count
                names.append(name)
            }
        }
        let identifiers = names.isEmpty ? embeddings.identifiers : Identifiers((0..<count).map { embeddings.identifiers[$0] } + names)
        let total = count + names.count, width = dimension
        let vectors = unsafe StoredArray<Float>(count: total * width) { out in
            unsafe embeddings.vectors.withUnsafeBufferPointer { old in
                for place in 0..<old.count { unsafe out[place] = unsafe old[place] }
            }
            unsafe held.vectors.withUnsafeBufferPointer { new in
                for row in 0..<held.count { for column in 0..<width { unsafe out[target[row] * width + column] = unsafe new[row * width + column] } }
            }
        }
        var sources = (0..<total).map { $0 < count && alive?.contains(ItemID($0)) ?? true ? UInt32($0) : LayeredGraph.none }
        for row in target { sources[row] = LayeredGraph.none }
        var left = alive?.extended(to: total, allowing: [])
        left?.insert(target.lazy.map { ItemID($0) })
        var grown = try Embeddings(
            identifiers: identifiers, vectors: vectors, dimension: width, isNormalized: embeddings.isNormalized && held.isNormalized)
        grown.modelFingerprint = model
        return try changed(to: grown, sources: sources, alive: left, progress: progress)
    }

    /// The index without the rows of removed items, and what became of each row: `nil` for a removed one. The other items keep their order.
    ///
    /// - Complexity: O(N (links + dimension))
    public func compacted() throws -> (index: HNSWIndex, rows: [ItemID?]) {
        guard let alive, alive.count < count else { return (self, (0..<count).map { ItemID($0) }) }
        let kept = alive.rows.map { Int($0) }, width = dimension
        let vectors = unsafe StoredArray<Float>(count: kept.count * width) { out in
            unsafe embeddings.vectors.withUnsafeBufferPointer { old in
                for (row, source) in kept.enumerated() {
                    for column in 0..<width { unsafe out[row * width + column] = unsafe old[source * width + column] }
                }
            }
        }
        var held = try Embeddings(
            identifiers: Identifiers(kept.map { self.embeddings.identifiers[$0] }), vectors: vectors, dimension: width,
            isNormalized: self.embeddings.isNormalized)
        held.modelFingerprint = embeddings.modelFingerprint
        var rows = [ItemID?](repeating: nil, count: count)
        for (row, source) in kept.enumerated() { rows[source] = ItemID(row) }
        return (try changed(to: held, sources: kept.map { UInt32($0) }, alive: nil, progress: nil), rows)
    }

    /// The index of other embeddings, made from this one: items of the same name and the same vector, bit for bit, keep their links.
    ///
    /// What `index --base` does after an `append`: rows are those of `embeddings`; items that it lacks are removed, and others inserted.
    ///
    /// - Returns: the index, and how many items it inserted.
    /// - Throws: as ``inserting(_:progress:)``.
    public func updated(to embeddings: Embeddings, progress: ((Int) -> Void)? = nil) throws -> (index: HNSWIndex, inserted: Int) {
        guard embeddings.dimension == dimension else {
            throw DataError("the index has vectors of \(dimension) numbers, the embeddings have \(embeddings.dimension)")
        }
        let held = try Self.held(embeddings, metric: configuration.metric, kernels: kernels), width = dimension
        let sources = (0..<held.count).map { row -> UInt32 in
            let name = held.identifiers[row]
            // Mostly rows did not move; looking a name up costs more.
            let known = row < count && self.embeddings.identifiers[row] == name ? row : self.embeddings.identifiers.row(of: name)
            guard let known, alive?.contains(ItemID(known)) ?? true else { return LayeredGraph.none }
            let isSame = (0..<width).allSatisfy {
                held.vectors[row * width + $0].bitPattern == self.embeddings.vectors[known * width + $0].bitPattern
            }
            return isSame ? UInt32(known) : LayeredGraph.none
        }
        let index = try changed(to: held, sources: sources, alive: nil, progress: progress)
        return (index, sources.count { $0 == LayeredGraph.none })
    }

    /// The index of `held`, of which row `r` keeps the links of row `sources[r]` here; rows without a source are inserted if they are `alive`.
    private func changed(
        to held: Embeddings, sources: [UInt32], alive: ItemFilter?, progress: ((Int) -> Void)?
    ) throws -> HNSWIndex {
        guard held.count <= Int(Int32.max) else { throw ConfigurationError("\(held.count) items, expected at most \(Int32.max)") }
        let known = try knownLevels()
        var removed = ItemFilter(all: count)
        removed.remove(sources.lazy.filter { $0 != LayeredGraph.none }.map { ItemID(Int($0)) })
        var places = [UInt32](repeating: LayeredGraph.none, count: count)
        for (row, source) in sources.enumerated() where source != LayeredGraph.none { places[Int(source)] = UInt32(row) }
        let owners = StoredArray(known.enumerated().flatMap { row, level in repeatElement(UInt32(row), count: Int(level)) })
        let lists =
            removed.count > 0 ? try kernels.repaired(graph, without: removed.words, owners: owners) : (graph.links, graph.upperLinks)

        let (order, drawn) = Self.insertionOrder(count: held.count, configuration: configuration)
        let isNew = sources.indices.map { sources[$0] == LayeredGraph.none && alive?.contains(ItemID($0)) ?? true }
        let levels = sources.indices.map { row in
            sources[row] != LayeredGraph.none ? known[Int(sources[row])] : isNew[row] ? drawn[row] : 0
        }
        let rows = try Self.traversalRows(held.vectors, width: dimension, storage: configuration.storage, kernels: kernels)
        let growing = GrowingGraph(configuration, rows: rows, count: held.count, width: dimension, levels: levels)
        growing.adopt(lists, of: graph, sources: sources, places: places)
        if graph.entry >= 0, places[graph.entry] != LayeredGraph.none {
            growing.entry = Int(places[graph.entry])
            // Its own level: what a damaged manifest says of the top would lead to lists that it does not have.
            growing.top = Int(levels[growing.entry])
        } else if let highest = levels.indices.filter({ sources[$0] != LayeredGraph.none }).max(by: { (levels[$0], $1) < (levels[$1], $0) }) {
            growing.entry = highest
            growing.top = Int(levels[highest])
        }
        try Self.insert(
            order.filter { isNew[Int($0)] }, levels: levels, into: growing, batch: configuration.batch, kernels: kernels, progress: progress)
        return HNSWIndex(
            embeddings: held, graph: try growing.packed(kernels: kernels), configuration: configuration, kernels: kernels, alive: alive)
    }

    /// The level of each row. - Throws: ``DataError`` where the table of upper lists is damaged.
    private func knownLevels() throws -> [UInt8] {
        let lists = graph.upperWidth > 0 ? graph.upperLinks.count / graph.upperWidth : 0
        return try (0..<count).map { row in
            let first = Int(graph.upperFirst[row]), next = row + 1 < count ? Int(graph.upperFirst[row + 1]) : lists
            guard row > 0 || first == 0, 0...LayeredGraph.mostLevels ~= next - first, next <= lists else {
                throw DataError("expected lists of upper layers in the order of items, found \(first) and \(next) of \(lists) for item \(row)")
            }
            return UInt8(next - first)
        }
    }
}
