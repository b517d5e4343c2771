#if canImport(Darwin)
    internal import Darwin
#else
    internal import Glibc
#endif

/// Graph convolution without weights: learned ids, smoothed over the bipartite graph, trained by pairwise ranking.
///
/// Source:   He, Deng, Wang, Li, Zhang, Wang 2020 (LightGCN).
/// Equation: E(k+1) = A E(k), A[c, i] = A[i, c] = 1 / sqrt(n_c n_i) for memberships; the vectors are S E(0) = 1 / (K + 1) * sum over k = 0..K of
///           A^k E(0). Loss: mean over triples of softplus(x(c, j) - x(c, i)) + regularization / 2 * mean of |E(0) of the triple|^2, by Adam.
///           S is symmetric, so the gradient by E(0) is S times the gradient by the vectors: two smoothings a step and nothing else that is large.
/// Ours:     the paper steps every 1024 triples. A step smooths the whole graph, so we take larger ones (at most `mostStepsPerEpoch`) and scale
///           the rate with the square root of the batch, as is usual for Adam.
/// Numerics: fp32 in a fixed order: any thread count gives the same bits.
public struct LightGCN {
    /// The paper's values but for the batch and the number of epochs (it trains up to 1000).
    public struct Configuration: Sendable, Equatable {
        public var factors = 64
        public var layers = 3
        public var epochs = 40
        /// The rate of batches of 1024 triples.
        public var learningRate: Float = 1e-3
        public var regularization: Float = 1e-4
        public var smallestBatch = 1024
        public var mostStepsPerEpoch = 32
        /// Standard deviation of the start.
        public var deviation: Float = 0.1
        public var seed: UInt64 = 1

        public init() {}
    }

    private let graph: Graph
    private let configuration: Configuration
    private let kernels: Kernels
    /// Rows of collections over items, and of items over collections, with the entries of A.
    private let itemsOfCollections: RaggedLists
    private let collectionsOfItems: RaggedLists

    init(graph: Graph, configuration: Configuration, kernels: Kernels) throws {
        let values = (graph.itemCount + graph.collectionCount) * configuration.factors
        // Parameters, two moments, gradient, penalty and five tables on the way; both lists and the sampler's owners.
        try LatentFactors.checkMemory("lightgcn", bytes: values * 4 * 10 + graph.edgeCount * 20)
        self.graph = graph
        self.configuration = configuration
        self.kernels = kernels
        func lists(_ from: Graph.Adjacency, _ to: Graph.Adjacency) -> RaggedLists {
            var lists = RaggedLists()
            for row in 0..<from.rowCount {
                let range = from.range(of: row)
                let own = Float(range.count)
                lists.append(
                    range.lazy.filter { Int(from.targets[$0]) < to.rowCount }.map { position in
                        let target = from.targets[position]
                        return (Int32(bitPattern: target), 1 / (own * Float(max(1, to.degree(of: Int(target))))).squareRoot())
                    })
            }
            return lists
        }
        itemsOfCollections = lists(graph.collections, graph.items)
        collectionsOfItems = lists(graph.items, graph.collections)
    }

    /// Trains on a graph.
    ///
    /// - Throws: ``DataError`` when the tables would not fit, ``KernelError``.
    /// - Complexity: O(epochs * steps * layers * edges * factors) time; (N + C) * factors * 40 bytes and 20 an edge.
    public static func train(
        _ graph: Graph, configuration: Configuration, kernels: Kernels, progress: LatentFactors.Progress = { _, _ in }
    ) throws -> LatentFactors {
        try LightGCN(graph: graph, configuration: configuration, kernels: kernels).train(progress: progress)
    }

    /// Both sides' rows of one table.
    struct Tables: Equatable {
        var items: Matrix
        var collections: Matrix
    }

    /// S x.
    func smoothed(_ x: Tables) throws(KernelError) -> Tables {
        var sum = x
        // Horner's rule: x + A (x + A (x + ...)).
        for _ in 0..<configuration.layers {
            let next = Tables(
                items: try kernels.pooled(sum.collections, lists: collectionsOfItems),
                collections: try kernels.pooled(sum.items, lists: itemsOfCollections))
            sum = next
            Self.add(x.items, to: &sum.items)
            Self.add(x.collections, to: &sum.collections)
        }
        let share = 1 / Float(configuration.layers + 1)
        try kernels.scale(&sum.items.values, by: share)
        try kernels.scale(&sum.collections.values, by: share)
        return sum
    }

    private static func add(_ x: Matrix, to sum: inout Matrix) {
        unsafe sum.values.withUnsafeMutableBufferPointer { sum in
            unsafe x.values.withUnsafeBufferPointer { x in for index in sum.indices { unsafe sum[index] += x[index] } }
        }
    }

    var start: Tables {
        func table(_ rows: Int, _ stream: UInt64) -> Matrix {
            LatentFactors.gaussian(
                rows: rows, columns: configuration.factors, deviation: configuration.deviation, seed: configuration.seed &+ stream << 32)
        }
        return Tables(items: table(graph.itemCount, 1), collections: table(graph.collectionCount, 2))
    }

    /// The loss of some triples and its gradient by E(0).
    func loss(_ parameters: Tables, triples: [TripleSampler.Triple]) throws -> (loss: Double, gradient: Tables) {
        let vectors = try smoothed(parameters)
        var gradient = Tables(
            items: Matrix(rows: graph.itemCount, columns: configuration.factors),
            collections: Matrix(rows: graph.collectionCount, columns: configuration.factors))
        var penalty = gradient
        let width = configuration.factors
        let (share, decay) = (1 / Float(max(triples.count, 1)), configuration.regularization / Float(max(triples.count, 1)))
        var total = 0.0
        unsafe vectors.items.values.withUnsafeBufferPointer { items in
            unsafe vectors.collections.values.withUnsafeBufferPointer { collections in
                unsafe gradient.items.values.withUnsafeMutableBufferPointer { ditems in
                    unsafe gradient.collections.values.withUnsafeMutableBufferPointer { dcollections in
                        for triple in triples {
                            let p = triple.collection * width, i = triple.member * width, j = triple.other * width
                            var x: Float = 0
                            for column in 0..<width { unsafe x += collections[p + column] * (items[i + column] - items[j + column]) }
                            total += Double(x > 0 ? log1pf(expf(-x)) : log1pf(expf(x)) - x)
                            let slope = share / (1 + expf(x))
                            for column in 0..<width {
                                unsafe dcollections[p + column] -= slope * (items[i + column] - items[j + column])
                                unsafe ditems[i + column] -= slope * collections[p + column]
                                unsafe ditems[j + column] += slope * collections[p + column]
                            }
                        }
                    }
                }
            }
        }
        gradient = try smoothed(gradient)
        var squares = 0.0
        func penalise(_ table: Matrix, _ row: Int, _ out: inout Matrix) {
            unsafe table.values.withUnsafeBufferPointer { values in
                unsafe out.values.withUnsafeMutableBufferPointer { out in
                    for index in row * width..<(row + 1) * width {
                        squares += unsafe Double(values[index] * values[index])
                        unsafe out[index] += decay * values[index]
                    }
                }
            }
        }
        for triple in triples {
            penalise(parameters.collections, triple.collection, &penalty.collections)
            penalise(parameters.items, triple.member, &penalty.items)
            penalise(parameters.items, triple.other, &penalty.items)
        }
        Self.add(penalty.items, to: &gradient.items)
        Self.add(penalty.collections, to: &gradient.collections)
        return (total * Double(share) + squares * Double(decay) / 2, gradient)
    }

    private func train(progress: LatentFactors.Progress) throws -> LatentFactors {
        let sampler = TripleSampler(graph: graph, seed: configuration.seed)
        var parameters = start
        var first = Tables(items: parameters.items, collections: parameters.collections)
        first.items.fill(0)
        first.collections.fill(0)
        var second = first
        let batch = max(configuration.smallestBatch, (graph.edgeCount + configuration.mostStepsPerEpoch - 1) / configuration.mostStepsPerEpoch)
        let stepsPerEpoch = (graph.edgeCount + batch - 1) / batch
        let rate = configuration.learningRate * (Float(batch) / 1024).squareRoot()
        var step = 0
        for epoch in 0..<configuration.epochs {
            for index in 0..<stepsPerEpoch {
                let triples = (index * batch..<min((index + 1) * batch, graph.edgeCount)).compactMap { sampler.triple(epoch: epoch, draw: $0) }
                let gradient = try loss(parameters, triples: triples).gradient
                step += 1
                try update(&parameters.items, gradient.items, &first.items, &second.items, step: step, rate: rate)
                try update(&parameters.collections, gradient.collections, &first.collections, &second.collections, step: step, rate: rate)
                progress(step, configuration.epochs * stepsPerEpoch)
            }
        }
        let vectors = try smoothed(parameters)
        return LatentFactors(items: vectors.items, collections: vectors.collections)
    }

    private func update(
        _ table: inout Matrix, _ gradient: Matrix, _ first: inout Matrix, _ second: inout Matrix, step: Int, rate: Float
    ) throws(KernelError) {
        try kernels.adamStep(
            &table.values, gradient: gradient.values, m: &first.values, v: &second.values, step: step, learningRate: rate, beta1: 0.9,
            beta2: 0.999, epsilon: 1e-8, weightDecay: 0)
    }
}
