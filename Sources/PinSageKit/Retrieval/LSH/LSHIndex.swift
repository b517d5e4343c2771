/// Approximate nearest neighbors by locality sensitive hashing and Weak AND retrieval.
///
/// Source: Ying et al. 2018, section 4.2 ("an efficient approximate KNN search via locality sensitive hashing ... two-level retrieval process based on the
/// Weak AND operator"); signed random projections: Charikar 2002; WAND: Broder et al. 2003; probing of near buckets: Lv et al. 2007.
///
/// An item is a document with one term for each table: the bucket that its signs of random projections name. A query has many terms in each table, its
/// own bucket and those that differ in bits near the hyperplane, weighted by how much likelier a neighbor is there than any other item. The first level
/// finds the documents with the largest sums of weights, the second scores them exactly; so scores are those of ``ExactIndex``, bit for bit.
///
/// What the paper leaves open and is chosen here: projections are Gaussian, with thresholds at their means, so that buckets are even where embeddings
/// have a common direction; inner products are turned into distances by one more coordinate (Neyshabur and Srebro 2015) which makes all items equally
/// long. Any number of threads may search at once.
public struct LSHIndex: NearestNeighborIndex {
    /// What the manifest and `--kind` call it.
    public static let name = "lsh"

    public let embeddings: Embeddings
    public let parameters: LSHParameters
    let planes: HashPlanes
    /// (tables, 2^bits + 1): the list of a bucket is buckets[t, b] ..< buckets[t, b + 1] of the table's postings.
    let buckets: StoredArray<UInt32>
    /// (tables, N): rows, ascending in each list.
    let postings: StoredArray<UInt32>
    let kernels: Kernels
    private let workspaces: Workspaces

    init(
        embeddings: Embeddings, parameters: LSHParameters, planes: HashPlanes, buckets: StoredArray<UInt32>, postings: StoredArray<UInt32>,
        kernels: Kernels, workspaces: Workspaces = Workspaces()
    ) {
        self.embeddings = embeddings
        self.parameters = parameters
        self.planes = planes
        self.buckets = buckets
        self.postings = postings
        self.kernels = kernels
        self.workspaces = workspaces
    }

    public func neighbors(of queries: Matrix, k: Int, among filter: ItemFilter?, excluding: Set<ItemID>, ef: Int?) throws -> [[Neighbor]] {
        try neighbors(of: queries, k: k, among: filter, excluding: excluding, visits: nil)
    }

    /// The nearest items of each row of `queries` (Q, dimension), at most `k` each, among those that `filter` lets through and without those
    /// in `excluding`.
    ///
    /// - Parameters:
    ///   - visits: about how many postings a query reads; `nil` is the index's. Grows by the inverse of the share that the filter lets through.
    ///   - candidates: how many items are compared exactly; `nil` is the index's. For more than ten answers both grow in proportion.
    /// - Complexity: about O(Q * (bits * tables * dimension + visits + candidates * dimension + N / 32)); O(Q * N * dimension) where more than a sixteenth
    ///   of all items are asked for, or where a filter leaves less than a quarter or no more than `candidates`.
    public func neighbors(
        of queries: Matrix, k: Int, among filter: ItemFilter? = nil, excluding: Set<ItemID> = [], visits: Int?, candidates: Int? = nil
    ) throws -> [[Neighbor]] {
        try check(queries, k: k, filter: filter)
        if let visits, visits < 1 { throw ConfigurationError("visits is \(visits), expected 1 or more") }
        if let candidates, candidates < 1 { throw ConfigurationError("candidates is \(candidates), expected 1 or more") }
        let left = filter?.count ?? count
        let found = min(min(k, count) + excluding.count, left)
        guard found > 0 else { return Array(repeating: [], count: queries.rows) }
        let exact = ExactIndex(embeddings: embeddings, kernels: kernels)
        let share = Double(left) / Double(count), more = max(1, Double(found) / 10)
        let compared = Int(min(Double(candidates ?? parameters.candidates) * more, Double(left)))
        if found > max(left / 16, 64) || compared >= left || share < Self.leastShare {
            return try exact.neighbors(of: queries, k: k, among: filter, excluding: excluding)
        }
        let read = Int(min(Double(visits ?? parameters.visits) * more / share, Double(postings.count)))
        let answers = try search(queries, found: found, filter: filter, visits: read, candidates: max(compared, found), tables: parameters.tables)
            .answers
        return try (0..<queries.rows).map { row in
            // A query that hashes to nothing, or that ranks nothing, is answered exactly: counts are never short.
            guard answers.counts[row] == found, queries.ranks(row) else {
                return try exact.neighbors(of: queries.rows(row..<row + 1), k: k, among: filter, excluding: excluding)[0]
            }
            return (row * found..<(row + 1) * found).lazy
                .map { Neighbor(item: ItemID(Int(answers.ids[$0])), score: answers.scores[$0]) }
                .filter { !excluding.contains($0.item) }
                .prefix(k).map { $0 }
        }
    }

    /// Filters that let a smaller share of the items through are answered by comparing these. Measured on 121,490 x 128: comparing a tenth took .24 ms and
    /// hashing 1.65 ms, comparing half 1.14 ms and hashing .54 ms (`bench --measure filters`).
    static let leastShare = 0.25

    /// Both levels, in the first `tables` tables.
    func search(
        _ queries: Matrix, found: Int, filter: ItemFilter?, visits: Int, candidates: Int, tables: Int
    ) throws -> (answers: GraphAnswers, visited: [Int64], terms: Int) {
        let hasher = QueryHasher(index: self, tables: tables)
        let products = try (0..<queries.rows).map { row in
            queries.ranks(row) ? try kernels.products(of: queries.row(row), rows: planes.planes) : []
        }
        let lists = try parallelMap(queries.rows, threads: kernels.threads, grain: 8) { rows in
            rows.map { row in products[row].isEmpty ? [] : hasher.terms(of: queries.row(row), products: products[row], visits: visits) }
        }
        var offsets: [Int64] = [0], terms: [HashTerm] = []
        terms.reserveCapacity(lists.reduce(0) { $0 + $1.count })
        for list in lists {
            terms += list
            offsets.append(Int64(terms.count))
        }
        let bytes = try kernels.hashWorkspaceBytes(count: count, mostTerms: lists.map(\.count).max() ?? 0, candidates: candidates)
        let workspace = workspaces.take(bytes: bytes, threads: kernels.threads)
        defer { workspaces.give(workspace) }
        let (answers, visited) = try kernels.weakAnd(
            postings, terms: terms, offsets: offsets, rows: embeddings.vectors, queries: queries, allowed: filter?.words, k: found,
            candidates: candidates, workspace: workspace)
        return (answers, visited, terms.count)
    }

    /// The same index with other settings of searches.
    func replacing(_ parameters: LSHParameters) -> LSHIndex {
        let cells = 1 << parameters.bits
        let tables = parameters.tables, planes = tables * parameters.bits
        guard tables < self.parameters.tables else {
            return LSHIndex(
                embeddings: embeddings, parameters: parameters, planes: self.planes, buckets: buckets, postings: postings, kernels: kernels,
                workspaces: workspaces)
        }
        return LSHIndex(
            embeddings: embeddings, parameters: parameters,
            planes: HashPlanes(
                planes: StoredArray(self.planes.planes.prefix(planes * dimension)), lifts: StoredArray(self.planes.lifts.prefix(planes)),
                thresholds: StoredArray(self.planes.thresholds.prefix(planes))),
            buckets: StoredArray(buckets.prefix(tables * (cells + 1))), postings: StoredArray(postings.prefix(tables * count)), kernels: kernels)
    }
}
