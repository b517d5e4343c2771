extension NeighborhoodSampler {
    /// The neighborhood of an item that the graph does not have yet, from the collections that it was put into; one row.
    ///
    /// Walks start as if the item had an edge to each of these collections, each equally likely; everything else is as in
    /// ``neighborhoods(of:hiding:round:threads:)``. Once the item is in the graph its collections have one member more, so walks then differ.
    ///
    /// - Parameter collections: rows of the graph; those without members (in the time window) lead nowhere and are left out.
    /// - Throws: ``SamplingError`` for a collection that is not in the graph.
    /// - Complexity: O(walks * walkLength)
    public func neighborhood(ofNewItemIn collections: [CollectionID]) throws -> RaggedNeighborhoods {
        for collection in collections where Int(collection.row) >= graph.collectionCount {
            throw SamplingError.argumentMismatch("collection \(collection.row) of \(graph.collectionCount)")
        }
        let empty = RaggedNeighborhoods(offsets: [0, 0])
        let most = min(configuration.neighbors, configuration.visitsPerSeed)
        let newItem = ItemID(graph.itemCount)
        return unsafe WalkGraph.with(walks.walked) { graph in
            // An edge of any member of a collection leads to that collection.
            let positions = Set(collections).sorted { $0.row < $1.row }.compactMap { collection -> UInt64? in
                let (start, degree) = unsafe graph.collections.row(collection.row)
                guard degree > 0 else { return nil }
                return unsafe graph.items.position(of: collection.row, inRow: graph.collections.target(start))
            }
            guard !positions.isEmpty else { return empty }
            let engine = WalkEngine(configuration: configuration, random: CounterRandom(seed: seed, round: 0))
            if let tables = walks.tables {
                unsafe tables.items.records.withUnsafeBufferPointer { items in
                    unsafe tables.collections.records.withUnsafeBufferPointer { collections in
                        guard let itemBase = items.baseAddress, let collectionBase = collections.baseAddress else { return }
                        let weighted = unsafe WeightedRule(items: itemBase, collections: collectionBase)
                        unsafe run(newItem, positions: positions, others: weighted, engine: engine, on: graph)
                    }
                }
            } else {
                unsafe run(newItem, positions: positions, others: UniformRule(), engine: engine, on: graph)
            }
            let counter = VisitCounter(capacity: configuration.visitsPerSeed)
            var counts = [UInt32](repeating: 0, count: most)
            var total = 0
            let items = unsafe [UInt32](unsafeUninitializedCapacity: most) { items, filled in
                unsafe counts.withUnsafeMutableBufferPointer { counts in
                    guard let items = items.baseAddress, let counts = counts.baseAddress else { return }
                    (filled, total) = unsafe counter.top(
                        most, of: engine.visits, count: configuration.visitsPerSeed, seed: newItem.row, items: items, counts: counts)
                }
            }
            let scale = 1 / Float(max(total, 1))
            return RaggedNeighborhoods(offsets: [0, Int64(items.count)], items: items, weights: counts.prefix(items.count).map { Float($0) * scale })
        } ?? empty
    }

    /// Runs the walks of an item that has edges at these positions.
    private func run(_ item: ItemID, positions: [UInt64], others: some StepRule, engine: WalkEngine, on graph: WalkGraph) {
        guard let preferring = walks.preferring else {
            unsafe engine.run([item], on: graph, rule: NewItemRule(item: item.row, positions: positions, others: others))
            return
        }
        unsafe preferring.items.records.withUnsafeBufferPointer { records in
            guard let records = records.baseAddress else { return }
            let rule = unsafe PreferringRule(items: records, others: others)
            // Every collection counts once: the weights at these positions belong to other items.
            let choice = walks.edgeChoice(among: positions, isWeighted: false)
            unsafe engine.run([item], on: graph, rule: ChosenRule(item: item.row, choice: choice, others: rule))
        }
    }
}

/// Edges of an item that the graph does not have, by the positions of others' edges to the same collections.
private struct NewItemRule<Others: StepRule>: StepRule {
    let item: UInt32
    let positions: [UInt64]
    let others: Others

    @inline(__always) func edge(from item: UInt32, in graph: borrowing WalkGraph, word: UInt64) -> (position: UInt64, rest: UInt64) {
        guard item == self.item else { return unsafe others.edge(from: item, in: graph, word: word) }
        let (choice, rest) = CounterRandom.draw(below: UInt64(positions.count), from: word)
        return (positions[Int(choice)], rest)
    }

    @inline(__always) func edge(
        fromCollection collection: UInt32, in graph: borrowing WalkGraph, word: UInt64
    ) -> (position: UInt64, rest: UInt64) {
        unsafe others.edge(fromCollection: collection, in: graph, word: word)
    }
}
