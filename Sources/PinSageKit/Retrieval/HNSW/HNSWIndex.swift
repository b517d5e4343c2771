/// Approximate nearest neighbors by a hierarchical navigable small world graph (Malkov and Yashunin, 2016).
///
/// The traversal compares vectors in the configuration's storage; what it found best is scored again in f32, so scores are those of
/// ``ExactIndex``, bit for bit. Where the graph cannot give as many items as there are, the query is answered exactly instead: counts are
/// never short. Any number of threads may search at once.
public struct HNSWIndex: NearestNeighborIndex {
    /// What the manifest and `--kind` call it.
    public static let name = "hnsw"

    public let embeddings: Embeddings
    public let configuration: HNSWConfiguration
    let graph: LayeredGraph
    let kernels: Kernels
    /// The items that were not removed; `nil` is all.
    let alive: ItemFilter?
    /// Removed rows that the graph still leads to.
    let linkedRemovals: Int
    private let workspaces: Workspaces

    init(
        embeddings: Embeddings, graph: LayeredGraph, configuration: HNSWConfiguration, kernels: Kernels, alive: ItemFilter? = nil,
        linkedRemovals: Int = 0
    ) {
        self.init(
            embeddings: embeddings, graph: graph, configuration: configuration, kernels: kernels, alive: alive, linkedRemovals: linkedRemovals,
            workspaces: Workspaces())
    }

    private init(
        embeddings: Embeddings, graph: LayeredGraph, configuration: HNSWConfiguration, kernels: Kernels, alive: ItemFilter?, linkedRemovals: Int,
        workspaces: Workspaces
    ) {
        self.embeddings = embeddings
        self.graph = graph
        self.configuration = configuration
        self.kernels = kernels
        self.alive = alive.flatMap { $0.count < $0.items ? $0 : nil }
        self.linkedRemovals = linkedRemovals
        self.workspaces = workspaces
    }

    /// The same graph with other items removed.
    func replacing(alive: ItemFilter, linkedRemovals: Int) -> HNSWIndex {
        HNSWIndex(
            embeddings: embeddings, graph: graph, configuration: configuration, kernels: kernels, alive: alive, linkedRemovals: linkedRemovals,
            workspaces: workspaces)
    }

    /// The same index with another `ef` for searches that do not say one.
    public func replacing(ef: Int) -> HNSWIndex {
        var configuration = configuration
        configuration.ef = ef
        return HNSWIndex(
            embeddings: embeddings, graph: graph, configuration: configuration, kernels: kernels, alive: alive, linkedRemovals: linkedRemovals,
            workspaces: workspaces)
    }

    public func resident() throws -> any NearestNeighborIndex {
        let embeddings = try embeddings.resident()
        return HNSWIndex(
            embeddings: embeddings, graph: graph.resident(vectors: embeddings.vectors), configuration: configuration, kernels: kernels, alive: alive,
            linkedRemovals: linkedRemovals, workspaces: workspaces)
    }

    public var comparesCosines: Bool { configuration.metric == .cosine }

    public func neighbors(
        of queries: Matrix, k: Int, among filter: ItemFilter? = nil, excluding: Set<ItemID> = [], ef: Int?
    ) throws -> [[Neighbor]] {
        try neighbors(of: queries, k: k, among: filter, excluding: excluding, ef: ef, rerank: nil)
    }

    /// The nearest items of each row of `queries` (Q, dimension), at most `k` each, among those that `filter` lets through and without those
    /// in `excluding`.
    ///
    /// - Parameters:
    ///   - ef: how many candidates the search keeps: more find more of the true neighbors and take longer. At least the number of items asked
    ///     for is used; `nil` is the configuration's. With a filter the pool grows by the inverse of the share that it lets through, so that as
    ///     many of its items are kept; below a twentieth of the items (`leastShare`) all of them are compared instead.
    ///   - rerank: how many of them are scored in f32; `nil` is what `rerankCount(found:ef:)` says. Not used in f32 storage.
    /// - Complexity: about O(Q * ef * links * dimension * log N); O(Q * N * dimension) when more than a sixteenth of all items are asked for.
    public func neighbors(
        of queries: Matrix, k: Int, among filter: ItemFilter? = nil, excluding: Set<ItemID> = [], ef: Int?, rerank: Int?
    ) throws -> [[Neighbor]] {
        try check(queries, k: k, filter: filter)
        if let ef, ef < 1 { throw ConfigurationError("ef is \(ef), expected 1 or more") }
        let filter: ItemFilter? =
            switch (filter, alive) {
            case (let filter?, let alive?): filter.intersection(alive)
            case (let filter, let alive): filter ?? alive
            }
        let candidates = filter?.count ?? count
        let found = min(min(k, count) + excluding.count, candidates)
        guard found > 0 else { return Array(repeating: [], count: queries.rows) }
        let exact = ExactIndex(embeddings: embeddings, kernels: kernels)
        let queries = comparesCosines ? try kernels.normalized(queries) : queries
        // Of the rows that the graph leads to.
        let share = Double(candidates) / Double(presentCount + linkedRemovals)
        // Following links for a large share of the items costs more than comparing all.
        if found > max(candidates / 16, 64) || share < Self.leastShare {
            return try exact.neighbors(of: queries, k: k, among: filter, excluding: excluding)
        }
        let pool = Int(min((Double(max(ef ?? configuration.ef, found)) / share).rounded(.up), Double(count)))
        let answers = try search(
            queries, found: found, filter: filter, ef: pool, rerank: max(rerank ?? Self.rerankCount(found: found, ef: pool), found))
        return try (0..<queries.rows).map { row in
            // What cannot be quantised, and a query that ranks nothing, have no way through the graph.
            guard answers.counts[row] == found, queries.ranks(row) else {
                return try exact.neighbors(of: queries.rows(row..<row + 1), k: k, among: filter, excluding: excluding)[0]
            }
            var neighbors: [Neighbor] = []
            neighbors.reserveCapacity(k)
            for place in row * found..<(row + 1) * found where neighbors.count < k {
                let item = ItemID(Int(answers.ids[place]))
                if !excluding.contains(item) { neighbors.append(Neighbor(item: item, score: answers.scores[place])) }
            }
            return neighbors
        }
    }

    /// Filters that let a smaller share of the items through are answered by comparing these.
    static let leastShare = 0.05

    /// How many candidates are scored in f32 for `found` answers: the codes' errors seldom move an item by more places. Whoever asks for a large `ef` wants
    /// the last of them, and a quarter of it costs little beside the search.
    static func rerankCount(found: Int, ef: Int) -> Int { max(found + max(found / 2, 10), ef / 4) }

    private func search(_ queries: Matrix, found: Int, filter: ItemFilter?, ef: Int, rerank: Int) throws -> GraphAnswers {
        let workspace = workspaces.take(bytes: try kernels.workspaceBytes(for: graph, ef: ef), threads: kernels.threads)
        defer { workspaces.give(workspace) }
        let rescored = configuration.storage == .f32 ? nil : embeddings.vectors
        return try kernels.search(
            graph, queries: queries, exact: rescored, allowed: filter?.words, k: found, ef: ef, rerank: rerank, workspace: workspace)
    }
}
