extension LSHIndex {
    /// Builds the index. The same embeddings and configuration give the same index, bit for bit, on any number of threads.
    ///
    /// What the configuration leaves open is chosen by asking for the neighbors of up to 128 of the items: of the settings that reach the
    /// recall, the cheapest by a count of readings and products, which does not depend on the clock.
    ///
    /// - Throws: ``ConfigurationError`` for bad parameters, ``DataError`` for values that are not finite or beyond 1e15.
    public static func build(
        _ embeddings: Embeddings, configuration: LSHConfiguration = LSHConfiguration(), kernels: Kernels
    ) throws -> LSHIndex {
        try configuration.validate()
        let count = embeddings.count, width = embeddings.dimension
        guard count <= Int(Int32.max) else { throw ConfigurationError("\(count) items, expected at most \(Int32.max)") }
        try embeddings.requireFinite(upTo: 1e15)
        let bits = configuration.bits ?? min(max(Int.bitWidth - count.leadingZeroBitCount - 7, 4), 16)
        let tables = configuration.tables ?? mostTables
        let (length, lifts) = lifted(embeddings)
        let planes = try hyperplanes(embeddings, count: tables * bits, lifts: lifts, seed: configuration.seed, kernels: kernels)
        let codes = try kernels.hashCodes(rows: embeddings.vectors, width: width, lifts: lifts, planes: planes, tables: tables, bits: bits)
        let (buckets, postings) = inverted(codes, count: count, tables: tables, bits: bits)
        var parameters = LSHParameters(
            bits: bits, tables: tables, visits: configuration.visits ?? max(count / 16, 1),
            candidates: configuration.candidates ?? min(1024, max(count, 1)),
            seed: configuration.seed, measuredRecall: nil, length: length, distance: length)
        let index = LSHIndex(
            embeddings: embeddings, parameters: parameters, planes: planes, buckets: buckets, postings: postings, kernels: kernels)
        guard count >= 256 else { return index }
        let sample = try Sample(index: index)
        parameters.distance = sample.distance
        return index.replacing(try sample.tuned(index.replacing(parameters), configuration))
    }

    /// Tables that a search may have where the configuration does not say how many.
    static let mostTables = 32
    /// Items that settings are measured with.
    static let sampled = 128

    /// The length of the longest vector, and what each lacks to it: the coordinate that makes all equally long. `nil` where none lacks anything.
    private static func lifted(_ embeddings: Embeddings) -> (length: Float, lifts: [Float]?) {
        if embeddings.isNormalized { return (1, nil) }
        let width = embeddings.dimension
        let squares = (0..<embeddings.count).map { row in
            (row * width..<(row + 1) * width).reduce(0.0) { $0 + Double(embeddings.vectors[$1]) * Double(embeddings.vectors[$1]) }
        }
        let longest = squares.max() ?? 0
        guard longest > 0 else { return (1, nil) }
        return (Float(longest.squareRoot()), squares.map { Float(max(longest - $0, 0).squareRoot()) })
    }

    /// Gaussian directions, and thresholds at the means of the items' projections.
    private static func hyperplanes(
        _ embeddings: Embeddings, count planes: Int, lifts: [Float]?, seed: UInt64, kernels: Kernels
    ) throws -> HashPlanes {
        let random = CounterRandom(seed: seed), width = embeddings.dimension, count = embeddings.count
        /// The sum of twelve uniform numbers (Irwin-Hall): nearly normal, and the same on every machine, which logarithm and cosine are not.
        func gaussian(_ plane: Int, _ column: Int) -> Float {
            let stream = random.stream(of: UInt64(plane))
            var sum: Int32 = 0
            for step in 0..<3 {
                var word = stream[walk: column, step: step]
                for _ in 0..<4 {
                    sum += Int32(word & 0xffff)
                    word >>= 16
                }
            }
            return (Float(sum) - 12 * 32767.5) / 65536
        }
        let directions = StoredArray((0..<planes * width).map { gaussian($0 / width, $0 % width) })
        let planeLifts = StoredArray((0..<planes).map { gaussian($0, width) })
        // A mean of many is as good as that of all.
        let used = min(count, 20_000)
        var mean = [Double](repeating: 0, count: width), lift = 0.0
        for place in 0..<used {
            let row = place * count / used
            for column in 0..<width { mean[column] += Double(embeddings.vectors[row * width + column]) / Double(used) }
            lift += Double(lifts?[row] ?? 0) / Double(used)
        }
        let products = try kernels.products(of: mean.map { Float($0) }, rows: directions)
        let thresholds = products.indices.map { products[$0] + Float(lift) * planeLifts[$0] }
        return HashPlanes(planes: directions, lifts: planeLifts, thresholds: StoredArray(thresholds))
    }

    /// The rows of each bucket of each table, by counting.
    private static func inverted(
        _ codes: StoredArray<UInt16>, count: Int, tables: Int, bits: Int
    ) -> (buckets: StoredArray<UInt32>, postings: StoredArray<UInt32>) {
        let cells = 1 << bits
        var buckets = [UInt32](repeating: 0, count: tables * (cells + 1))
        let postings = unsafe StoredArray<UInt32>(count: tables * count) { postings in
            unsafe codes.withUnsafeBufferPointer { codes in
                for table in 0..<tables {
                    let first = table * (cells + 1)
                    for row in 0..<count { buckets[first + 1 + Int(unsafe codes[row * tables + table])] += 1 }
                    for cell in 0..<cells { buckets[first + cell + 1] += buckets[first + cell] }
                    var next = Array(buckets[first..<first + cells])
                    for row in 0..<count {
                        let cell = Int(unsafe codes[row * tables + table])
                        unsafe postings[table * count + Int(next[cell])] = UInt32(row)
                        next[cell] += 1
                    }
                }
            }
        }
        return (StoredArray(buckets), postings)
    }

    /// About how long a search takes, in nanoseconds on the machine that the factors were measured on.
    static func cost(visited: Double, terms: Double, candidates: Int, planes: Int, count: Int, dimension: Int) -> Double {
        let row = Double(dimension)
        return visited * 1.5 + terms * 200 + Double(candidates) * (30 + 0.2 * row) + Double(planes) * (15 + 0.1 * row) + Double(count) * 0.1
    }

    /// Items as queries, and their true neighbors.
    private struct Sample {
        let queries: Matrix
        let items: [ItemID]
        let truth: [Set<ItemID>]
        /// The root of the mean squared distance to the neighbors, items lifted and queries scaled to the same length.
        let distance: Float

        init(index: LSHIndex) throws {
            let count = index.count, width = index.dimension, length = Double(index.parameters.length)
            let items = (0..<LSHIndex.sampled).map { ItemID($0 * count / LSHIndex.sampled) }.filter { item in
                Matrix(rows: 1, columns: width, values: index.embeddings[item]).ranks(0)
            }
            let queries = Matrix(rows: items.count, columns: width, values: items.flatMap { index.embeddings[$0] })
            let found = try ExactIndex(embeddings: index.embeddings, kernels: index.kernels).neighbors(of: queries, k: 11, excluding: [])
            var sum = 0.0, terms = 0
            var truth: [Set<ItemID>] = []
            for (row, answers) in found.enumerated() {
                let others = answers.filter { $0.item != items[row] }.prefix(10)
                truth.append(Set(others.map(\.item)))
                let norm = queries.row(row).reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
                for neighbor in others {
                    // |q - x|^2 of two vectors of that length.
                    sum += max(2 * length * (length - Double(neighbor.score) / norm), 0)
                    terms += 1
                }
            }
            self.items = items
            self.queries = queries
            self.truth = truth
            distance = Float((sum / Double(max(terms, 1))).squareRoot())
        }

        /// Recall@10, and the mean work of a query.
        func measure(_ index: LSHIndex, tables: Int, visits: Int, candidates: Int) throws -> (recall: Double, cost: Double) {
            let (answers, visited, terms) = try index.search(
                queries, found: 11, filter: nil, visits: visits, candidates: max(candidates, 11), tables: tables)
            var hits = 0, all = 0
            for row in 0..<queries.rows {
                let found = (row * 11..<row * 11 + Int(answers.counts[row])).map { ItemID(Int(answers.ids[$0])) }.filter { $0 != items[row] }
                hits += found.prefix(10).count { truth[row].contains($0) }
                all += truth[row].count
            }
            let asked = Double(max(queries.rows, 1))
            return (
                Double(hits) / Double(max(all, 1)),
                LSHIndex.cost(
                    visited: Double(visited.reduce(0, +)) / asked, terms: Double(terms) / asked, candidates: candidates,
                    planes: tables * index.parameters.bits, count: index.count, dimension: index.dimension)
            )
        }

        /// The cheapest settings that reach the recall with something to spare, or those that come nearest to it.
        func tuned(_ index: LSHIndex, _ configuration: LSHConfiguration) throws -> LSHParameters {
            guard !items.isEmpty else { return index.parameters }
            let count = index.count, wanted = configuration.recall + 0.1 * (1 - configuration.recall)
            let tableCounts = configuration.tables.map { [$0] } ?? [4, 8, 16, LSHIndex.mostTables]
            let candidateCounts = configuration.candidates.map { [$0] } ?? [128, 512, 2048, 8192].filter { $0 == 128 || $0 < count / 4 }
            var best: (parameters: LSHParameters, recall: Double, cost: Double)?
            for tables in tableCounts {
                // Rising by a half each, up to all postings.
                var visitCounts = [max(count / 512, 64)]
                while let last = visitCounts.last, last < tables * count / 2 { visitCounts.append(last * 3 / 2) }
                if let visits = configuration.visits { visitCounts = [visits] }
                for candidates in candidateCounts {
                    var low = 0, high = visitCounts.count - 1
                    while low <= high {
                        let middle = configuration.visits == nil ? (low + high) / 2 : low
                        let (recall, cost) = try measure(index, tables: tables, visits: visitCounts[middle], candidates: candidates)
                        let isEnough = recall >= wanted
                        let isBetter =
                            best.map { best in isEnough ? best.recall < wanted || cost < best.cost : best.recall < wanted && recall > best.recall }
                            ?? true
                        if isBetter {
                            var parameters = index.parameters
                            (parameters.tables, parameters.visits, parameters.candidates) = (tables, visitCounts[middle], candidates)
                            parameters.measuredRecall = recall
                            best = (parameters, recall, cost)
                        }
                        // More postings never cost less: what is dearer than the best already need not be looked at.
                        if isEnough || (best.map { $0.recall >= wanted && cost >= $0.cost } ?? false) { high = middle - 1 } else { low = middle + 1 }
                    }
                }
            }
            return best?.parameters ?? index.parameters
        }
    }
}
