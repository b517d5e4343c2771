/// The `pooled` baseline: an item's own features plus its importance-pooled neighbors' features, nothing trained.
///
/// Surprisingly strong: it is what one convolve layer computes with identity weights. A model that does not beat it has learned
/// nothing.
///
/// Equation: z[u] = x[u] / |x[u]| + weight * n[u] / |n[u]| with n[u] = sum over v in N(u) of alpha[u, v] * x[v] / |x[v]|; z is normalised.
///           An item without edges keeps its own features.
/// Source:   Ying et al. 2018, Algorithm 1 and section 3.1, untrained.
public struct PooledFeatures: Sendable {
    /// (N, D) the items' own features, rows of length 1 or 0.
    public let own: Matrix
    /// (N, D) the normalised pools, rows of length 1 or, without neighbors, 0.
    public let pools: Matrix

    /// - Parameters:
    ///   - features: (N, D).
    ///   - walks: how neighborhoods are drawn.
    /// - Complexity: O(N (walks * length + T D))
    public init(features: Matrix, graph: Graph, walks: WalkConfiguration, seed: UInt64, kernels: Kernels) throws {
        guard features.rows == graph.itemCount else {
            throw KernelError.shapeMismatch("pooled: features \(features.rows) x \(features.columns) for \(graph.itemCount) items")
        }
        let own = try kernels.normalizedRows(features)
        let sampler = try NeighborhoodSampler(graph: graph, configuration: walks, seed: seed)
        let neighborhoods = try sampler.neighborhoods(of: (0..<graph.itemCount).map { ItemID($0) }, threads: kernels.threads)
        let lists = RaggedLists(
            offsets: neighborhoods.offsets, targets: neighborhoods.items.map { Int32(bitPattern: $0) }, weights: neighborhoods.weights)
        var pools = try kernels.pooled(own, lists: lists)
        try kernels.normalizeRows(&pools)
        self.own = own
        self.pools = pools
    }

    /// z of every item. - Parameter weight: how much the pool counts beside the item itself.
    public func vectors(weight: Float, kernels: Kernels) throws(KernelError) -> Matrix {
        var sum = own
        unsafe sum.values.withUnsafeMutableBufferPointer { sum in
            unsafe pools.values.withUnsafeBufferPointer { pools in
                for index in sum.indices { unsafe sum[index] += weight * pools[index] }
            }
        }
        try kernels.normalizeRows(&sum)
        return sum
    }
}
