#if canImport(Darwin)
    internal import Darwin
#else
    internal import Glibc
#endif

/// Matrix factorization by Bayesian personalized ranking.
///
/// Source:   Rendle, Freudenthaler, Gantner, Schmidt-Thieme 2009 (BPR-Opt, algorithm LearnBPR).
/// Equation: x(c, i) = p_c . q_i + b_i; ascend ln sigmoid(x(c, i) - x(c, j)) - regularization / 2 * |parameters of the triple|^2 for triples of a
///           collection c, its member i and an item j that is none, one at a time.
/// Numerics: the updates are one sequence, as in the paper, so any thread count gives the same bits.
public struct BPRFactors: Sendable {
    /// Width of the vectors, regularization and rate near those that MyMediaLite and LightGCN's comparisons use.
    public struct Configuration: Sendable, Equatable {
        public var factors = 64
        /// Each is as many triples as there are memberships.
        public var epochs = 50
        public var learningRate: Float = 0.05
        public var regularization: Float = 0.0025
        /// Standard deviation of the start.
        public var deviation: Float = 0.1
        public var seed: UInt64 = 1

        public init() {}
    }

    /// - Returns: vectors and item biases.
    /// - Throws: ``DataError`` when the tables would not fit.
    /// - Complexity: O(epochs * edges * factors) time on one thread, (N + C) * factors * 4 bytes and 4 bytes an edge.
    public static func train(
        _ graph: Graph, configuration: Configuration, progress: LatentFactors.Progress = { _, _ in }
    ) throws -> LatentFactors {
        let lanes = 8
        let width = (configuration.factors + lanes - 1) / lanes * lanes
        try LatentFactors.checkMemory("bpr", bytes: (graph.itemCount + graph.collectionCount) * width * 4 + graph.edgeCount * 4)
        let sampler = TripleSampler(graph: graph, seed: configuration.seed)
        func start(_ rows: Int, _ stream: UInt64) -> Matrix {
            LatentFactors.gaussian(
                rows: rows, columns: configuration.factors, deviation: configuration.deviation, seed: configuration.seed &+ stream << 32)
        }
        // Columns beyond the factors start at 0 and stay there: no triple moves them, so whole SIMD vectors need no remainder.
        var items = start(graph.itemCount, 1).widened(to: width).values
        var collections = start(graph.collectionCount, 2).widened(to: width).values
        var biases = [Float](repeating: 0, count: graph.itemCount)
        let (rate, decay) = (configuration.learningRate, configuration.regularization)
        for epoch in 0..<configuration.epochs {
            unsafe items.withUnsafeMutableBytes { items in
                unsafe collections.withUnsafeMutableBytes { collections in
                    unsafe biases.withUnsafeMutableBufferPointer { biases in
                        for draw in 0..<graph.edgeCount {
                            guard let triple = sampler.triple(epoch: epoch, draw: draw) else { continue }
                            let p = triple.collection * width * 4, i = triple.member * width * 4, j = triple.other * width * 4
                            var sums = SIMD8<Float>.zero
                            for offset in stride(from: 0, to: width * 4, by: lanes * 4) {
                                let difference =
                                    unsafe items.loadUnaligned(fromByteOffset: i + offset, as: SIMD8<Float>.self)
                                    - items.loadUnaligned(fromByteOffset: j + offset, as: SIMD8<Float>.self)
                                unsafe sums += collections.loadUnaligned(fromByteOffset: p + offset, as: SIMD8<Float>.self) * difference
                            }
                            let x = unsafe sums.sum() + biases[triple.member] - biases[triple.other]
                            let slope = 1 / (1 + expf(x))
                            for offset in stride(from: 0, to: width * 4, by: lanes * 4) {
                                let vector = unsafe collections.loadUnaligned(fromByteOffset: p + offset, as: SIMD8<Float>.self)
                                let member = unsafe items.loadUnaligned(fromByteOffset: i + offset, as: SIMD8<Float>.self)
                                let other = unsafe items.loadUnaligned(fromByteOffset: j + offset, as: SIMD8<Float>.self)
                                unsafe collections.storeBytes(
                                    of: vector + rate * (slope * (member - other) - decay * vector), toByteOffset: p + offset, as: SIMD8<Float>.self)
                                unsafe items.storeBytes(
                                    of: member + rate * (slope * vector - decay * member), toByteOffset: i + offset, as: SIMD8<Float>.self)
                                unsafe items.storeBytes(
                                    of: other - rate * (slope * vector + decay * other), toByteOffset: j + offset, as: SIMD8<Float>.self)
                            }
                            unsafe biases[triple.member] += rate * (slope - decay * biases[triple.member])
                            unsafe biases[triple.other] -= rate * (slope + decay * biases[triple.other])
                        }
                    }
                }
            }
            progress(epoch + 1, configuration.epochs)
        }
        return LatentFactors(
            items: Matrix(rows: graph.itemCount, columns: width, values: items),
            collections: Matrix(rows: graph.collectionCount, columns: width, values: collections), itemBiases: biases)
    }
}
