internal import Synchronization

/// Makes the minibatch of any step: a pure function of the data, the seed and the step, on any thread count.
///
/// `@unchecked Sendable`: it keeps re-indexing tables, but after `init` only the producer's thread calls it, one step after the other.
final class MinibatchSource: @unchecked Sendable {
    private let graph: Graph
    private let features: FeatureMatrix
    private let configuration: TrainingConfiguration
    private let pairSource: PositivePairSource
    private let sharedNegatives: NegativeSampler
    private let hardNegatives: HardNegativeMiner?
    private let curriculum: Curriculum
    private let builder: ComputationGraphBuilder
    /// Columns that the consumer fills with learned id vectors: they change with every step, so they cannot be gathered ahead.
    private let idWidth: Int
    private let kernels: Kernels
    /// The ranks that each minibatch is shared among.
    private let group: any TrainingGroup
    private let random: CounterRandom
    /// Collections that produce pairs: an item that shares one of them with a query is a positive of it.
    private let producesPairs: [Bool]
    /// For each collection the first of its entries while exclusions are made, else -1.
    private var firstEntry: [Int32]
    /// Input matrices of minibatches that were used: fresh ones of tens of megabytes cost page faults and zeroing in every step.
    private let used = Mutex<[Matrix]>([])
    private var epochPairs: (epoch: Int, all: [PositivePair], known: [PositivePair])?

    /// Minibatches per epoch; the last one of an epoch may be smaller.
    let stepsPerEpoch: Int
    var pairsPerEpoch: Int { pairSource.count }

    init(
        graph: Graph, features: FeatureMatrix, sampler: NeighborhoodSampler, neighborsPerLayer: [Int], pairSource: PositivePairSource,
        hardNegatives: HardNegativeMiner?, idWidth: Int, configuration: TrainingConfiguration, kernels: Kernels,
        precomputed: NeighborhoodFile? = nil, group: any TrainingGroup = SoleProcess()
    ) {
        self.graph = graph
        self.features = features
        self.configuration = configuration
        self.pairSource = pairSource
        sharedNegatives = NegativeSampler(graph: graph, popularity: configuration.negativePopularity)
        self.hardNegatives = hardNegatives
        self.idWidth = idWidth
        self.kernels = kernels
        self.group = group
        curriculum = Curriculum(most: hardNegatives == nil ? 0 : configuration.hardNegatives)
        random = CounterRandom(seed: configuration.seed, round: 0x6D69_6E69)
        builder = ComputationGraphBuilder(
            sampler: sampler, itemCount: graph.itemCount, neighborsPerLayer: neighborsPerLayer, threads: kernels.threads,
            precomputed: precomputed)
        stepsPerEpoch = (pairSource.count + configuration.batchSize - 1) / configuration.batchSize
        firstEntry = Array(repeating: -1, count: graph.collectionCount)
        producesPairs = (0..<graph.collectionCount).map { pairSource.producesPairs(CollectionID($0)) }
    }

    /// What a random number is for; each purpose draws from a stream of its own.
    private enum Purpose: Int { case negative, negativeEdge, negativeMember, queryMember }

    /// 64 random bits for draw `index` of a step.
    private func word(_ purpose: Purpose, step: Int, index: Int) -> UInt64 {
        random.word(item: UInt64(step), walk: purpose.rawValue, step: index)
    }

    /// This rank's share of the minibatch of a step, counted from 0 over all epochs.
    func minibatch(step: Int) throws -> Minibatch {
        let clock = ContinuousClock()
        let start = clock.now
        let epoch = step / stepsPerEpoch
        // A minibatch is about new items or about known ones, its negatives too: were only positives new, or did only they miss edges, that alone would
        // tell them from negatives.
        let batch = step % stepsPerEpoch
        let newItems = newItemBatches(before: batch + 1) > newItemBatches(before: batch)
        let allPairs = self.pairs(ofStep: step, newItems: newItems)
        // Draws go by the place in the whole minibatch, so that they are the same on any number of ranks.
        let share = group.share(of: allPairs.count)
        let pairs = Array(allPairs[share])
        var layout = PairLoss.Layout()
        var roots: [Root] = []
        var rows: [Root: Int64] = [:]
        func row(of root: Root) -> Int64 {
            if let known = rows[root] { return known }
            let row = Int64(roots.count)
            rows[root] = row
            roots.append(root)
            return row
        }
        for (index, pair) in zip(share, pairs) {
            let hiding = hiding(of: pair)
            let members = queryMembers(of: pair, index: index, step: step)
            // Drawn once for all pairs that ask with it, a member of many has no edge of one pair's positive to hide.
            let asks = members.isEmpty ? [Root(item: pair.query, hiding: hiding)] : members.map { Root(item: $0) }
            layout.queries.append(asks.lazy.map { (Int32(row(of: $0)), 1 / Float(asks.count)) })
            layout.positives.append(row(of: Root(item: pair.positive, hiding: newItems ? .everything : hiding)))
        }
        let negatives = (0..<configuration.negatives).map { index in
            sharedNegatives.item(of: word(.negative, step: step, index: index))
        }
        layout.logExpectedCounts = sharedNegatives.logExpectedCounts(of: negatives)
        // Every pair of every rank meets all negatives, each of which one rank embeds.
        layout.ownNegatives = group.share(of: negatives.count)
        layout.negatives = layout.ownNegatives.map { row(of: root(ofNegative: negatives[$0], index: $0, step: step, newItems: newItems)) }
        let hardPerPair = curriculum.hardNegatives(inEpoch: epoch)
        if let hardNegatives, hardPerPair > 0 {
            let drawn = try hardNegatives.hardNegatives(
                of: pairs, count: hardPerPair, step: step, firstPair: share.lowerBound, threads: kernels.threads)
            for (index, (pair, items)) in zip(share, zip(pairs, drawn)) {
                for (draw, item) in items.enumerated() where !isPositive(item, of: pair) {
                    let index = configuration.negatives + index * hardPerPair + draw
                    layout.hard.append(Int32(row(of: root(ofNegative: item, index: index, step: step, newItems: newItems))))
                }
                layout.hardOffsets.append(Int64(layout.hard.count))
            }
        } else {
            layout.hardOffsets = Array(repeating: 0, count: pairs.count + 1)
        }
        layout.excluded = exclusions(pairs: pairs, negatives: negatives)

        let graph = try builder.graph(of: roots, round: configuration.redrawsNeighborhoods ? UInt64(epoch) : 0)
        let inputWidth = features.values.columns + idWidth
        var neighbors = buffer(rows: graph.layers.isEmpty ? 0 : graph.inputItems.count, columns: inputWidth)
        if !graph.layers.isEmpty {
            try kernels.gather(features.values, rows: graph.inputItems.map { Int64($0) }, into: &neighbors, atColumn: 0)
        }
        var own = buffer(rows: graph.selfInputRows.count, columns: inputWidth)
        try kernels.gather(features.values, rows: graph.selfInputRows.map { Int64(graph.inputItems[Int($0)]) }, into: &own, atColumn: 0)
        var rowsWithoutID: [Int] = []
        for (index, root) in roots.enumerated() {
            let degree: Int
            switch root.hiding {
            case .nothing: continue
            case .edges(let item, let collections):
                guard item == root.item else { continue }
                degree = self.graph.degree(of: root.item) - collections.count
            case .everything:
                degree = 0
                rowsWithoutID.append(index)
            }
            features.setDegree(degree, ofRow: index, in: &own)
        }
        let seconds = (clock.now - start).seconds
        return Minibatch(
            step: step, epoch: epoch, pairs: pairs, pairCount: allPairs.count,
            input: NetworkInput(graph: graph, neighbors: neighbors, own: own, rowsWithoutID: rowsWithoutID),
            layout: layout,
            hardNegativesPerPair: hardPerPair, seconds: seconds)
    }

    /// Takes the matrices of a minibatch that is done with.
    func recycle(_ input: inout NetworkInput) {
        let matrices = [input.neighbors, input.own]
        (input.neighbors, input.own) = (Matrix(rows: 0, columns: 0), Matrix(rows: 0, columns: 0))
        used.withLock { $0 += matrices }
    }

    /// A matrix whose elements are unspecified; gathering overwrites the features, ``IDVectors/fill(_:atColumn:kernels:)`` the rest.
    private func buffer(rows: Int, columns: Int) -> Matrix {
        // The one that fits best: neighbors and own vectors differ in size by far.
        var matrix = used.withLock { used -> Matrix in
            let wanted = rows * columns
            guard let best = used.indices.min(by: { abs(used[$0].values.count - wanted) < abs(used[$1].values.count - wanted) }) else {
                return Matrix(rows: 0, columns: 0)
            }
            return used.remove(at: best)
        }
        matrix.reshape(rows: rows, columns: columns)
        return matrix
    }

    /// The pairs of a step: of all pairs where their positives are new items, else of those whose positives keep an edge when the label's are
    /// hidden. Each kind goes round its pairs, from where the epoch's last minibatch of that kind ended.
    private func pairs(ofStep step: Int, newItems: Bool) -> [PositivePair] {
        let epoch = step / stepsPerEpoch, batch = step % stepsPerEpoch
        if epochPairs?.epoch != epoch {
            let all = pairSource.pairs(epoch: epoch, seed: configuration.seed)
            let known = configuration.newItemShare > 0 ? all.filter(keepsAnEdge) : all
            epochPairs = (epoch, all, known.isEmpty ? all : known)
        }
        guard let epochPairs else { return [] }
        let pairs = newItems ? epochPairs.all : epochPairs.known
        let ofNewItems = newItemBatches(before: batch)
        let start = (newItems ? ofNewItems : batch - ofNewItems) * configuration.batchSize
        let count = min(configuration.batchSize, pairSource.count - batch * configuration.batchSize, pairs.count)
        return (start..<start + count).map { pairs[$0 % pairs.count] }
    }

    /// How many of an epoch's first minibatches have new items for positives: the share of them, evenly spread.
    private func newItemBatches(before batch: Int) -> Int { Int(Double(batch) * Double(configuration.newItemShare)) }

    private func keepsAnEdge(_ pair: PositivePair) -> Bool {
        guard configuration.hidesPositiveEdges else { return true }
        let degree = graph.degree(of: pair.positive)
        // What both share is not more than what one has.
        return degree > 1 && (degree > graph.degree(of: pair.query) || degree > graph.labelCollections(of: pair).count)
    }

    /// The members of the pair's collection that ask together, the positive never among them; empty where the query asks alone.
    private func queryMembers(of pair: PositivePair, index: Int, step: Int) -> [ItemID] {
        let most = configuration.queryMembers
        guard most > 1 else { return [] }
        var members = graph.items(of: pair.collection).filter { $0 != pair.positive && $0 != pair.query }
        guard members.count >= most else { return [pair.query] + members }
        for chosen in 0..<most - 1 {
            let word = word(.queryMember, step: step, index: index * most + chosen)
            members.swapAt(chosen, chosen + Int(CounterRandom.draw(below: UInt64(members.count - chosen), from: word).value))
        }
        return [pair.query] + members[..<(most - 1)]
    }

    /// What the embeddings of a pair's query and positive must not know.
    private func hiding(of pair: PositivePair) -> Root.Hiding {
        configuration.hidesPositiveEdges ? .edges(item: pair.positive, collections: graph.labelCollections(of: pair)) : .nothing
    }

    /// A negative as it is embedded: as a new item, with all of its edges, or as if it were the positive of a pair drawn for it.
    private func root(ofNegative item: ItemID, index: Int, step: Int, newItems: Bool) -> Root {
        if newItems { return Root(item: item, hiding: .everything) }
        guard configuration.hidesNegativeEdges ?? (idWidth > 0) else { return Root(item: item) }
        let collections = graph.collections(of: item).filter { producesPairs[Int($0.row)] }
        guard !collections.isEmpty else { return Root(item: item) }
        func drawn(_ purpose: Purpose, from count: Int) -> Int {
            Int(CounterRandom.draw(below: UInt64(count), from: word(purpose, step: step, index: index)).value)
        }
        let collection = collections[drawn(.negativeEdge, from: collections.count)]
        let members = graph.items(of: collection)
        let query = members[drawn(.negativeMember, from: members.count)]
        return Root(item: item, hiding: hiding(of: PositivePair(query: query, positive: item, collection: collection)))
    }

    private func isPositive(_ item: ItemID, of pair: PositivePair) -> Bool {
        item == pair.query || item == pair.positive || graph.shareCollection(pair.query, item) { self.producesPairs[Int($0.row)] }
    }

    /// Shared negatives that do not count for a pair (``NegativeExclusion``), pair by pair, each once.
    private func exclusions(pairs: [PositivePair], negatives: [ItemID]) -> [(pair: Int32, negative: Int32)] {
        // Turned around, a few look-ups per pair instead of one per pair and negative: which negatives each collection holds, as linked lists
        // in a table of all collections, of which only touched entries are reset.
        var entries: [(column: Int32, next: Int32)] = []
        for (column, item) in negatives.enumerated() {
            for collection in graph.collections(of: item) where producesPairs[Int(collection.row)] {
                entries.append((Int32(column), firstEntry[Int(collection.row)]))
                firstEntry[Int(collection.row)] = Int32(entries.count - 1)
            }
        }
        var columnsOfItem: [ItemID: [Int32]] = [:]
        for (column, item) in negatives.enumerated() { columnsOfItem[item, default: []].append(Int32(column)) }
        var excluded: [(pair: Int32, negative: Int32)] = []
        var lastPair = [Int32](repeating: -1, count: negatives.count)
        for (index, pair) in pairs.enumerated() {
            func exclude(_ column: Int32) {
                guard lastPair[Int(column)] != Int32(index) else { return }
                lastPair[Int(column)] = Int32(index)
                excluded.append((Int32(index), column))
            }
            func exclude(membersOf collection: CollectionID) {
                var entry = firstEntry[Int(collection.row)]
                while entry >= 0 {
                    exclude(entries[Int(entry)].column)
                    entry = entries[Int(entry)].next
                }
            }
            switch configuration.negativeExclusion {
            case .coMembers: for collection in graph.collections(of: pair.query) { exclude(membersOf: collection) }
            case .collection: exclude(membersOf: pair.collection)
            }
            for item in [pair.query, pair.positive] {
                for column in columnsOfItem[item] ?? [] { exclude(column) }
            }
        }
        for item in negatives {
            for collection in graph.collections(of: item) { firstEntry[Int(collection.row)] = -1 }
        }
        return excluded
    }
}

extension Duration {
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
