import Foundation
import PinSageTestSupport
import Testing

@testable import PinSageKit

/// A seeded bipartite graph as membership lists.
struct RandomLists {
    let itemCount: Int
    let lists: [[Int]]

    init(items: Int, collections: Int, seed: UInt64) {
        var random = SplitMix64(state: seed)
        itemCount = items
        // The last item stays without edges.
        lists = (0..<collections).map { _ in Set((0..<1 + random.next(below: 8)).map { _ in random.next(below: items - 1) }).sorted() }
    }

    var graph: Graph {
        func adjacency(_ rows: [[Int]]) -> Graph.Adjacency {
            var offsets: [Int64] = [0]
            for row in rows { offsets.append(offsets[offsets.count - 1] + Int64(row.count)) }
            return Graph.Adjacency(offsets: StoredArray(offsets), targets: StoredArray(rows.flatMap { $0.map { UInt32($0) } }))
        }
        let items = (0..<itemCount).map { item in lists.indices.filter { lists[$0].contains(item) } }
        return Graph(items: adjacency(items), collections: adjacency(lists))
    }

    func degree(_ item: Int) -> Double { Double(lists.count { $0.contains(item) }) }
    func shared(_ a: Int, _ b: Int) -> Double { Double(lists.count { $0.contains(a) && $0.contains(b) }) }
}

@Suite struct BaselineTests {
    private let lists = RandomLists(items: 30, collections: 40, seed: 2)
    private let query = EvaluationQuery(items: [ItemID(3), ItemID(8), ItemID(29)], positives: [ItemID(0)], excluded: [])

    private func scores(_ scorer: some CandidateScorer) throws -> [Float] {
        var scores = Matrix(rows: 2, columns: 30)
        let nothing = EvaluationQuery(items: [], positives: [ItemID(0)], excluded: [])
        try scorer.score([nothing, query][...], into: &scores)
        return scores.row(1)
    }

    private func expectClose(_ found: [Float], _ expected: [Double], tolerance: Double = 1e-5, comment: Comment? = nil) {
        for (item, (found, expected)) in zip(found, expected).enumerated() {
            #expect(abs(Double(found) - expected) <= tolerance * (1 + abs(expected)), comment ?? "item \(item)")
        }
    }

    @Test func popularity() throws {
        expectClose(try scores(PopularityScorer(graph: lists.graph)), (0..<30).map(lists.degree))
    }

    @Test(arguments: [1, 3])
    func itemCosine(threads: Int) throws {
        let expected = (0..<30).map { item -> Double in
            [3, 8, 29].reduce(0.0) { sum, asked in
                let norm = (lists.degree(asked) * lists.degree(item)).squareRoot()
                return norm > 0 ? sum + lists.shared(asked, item) / norm : sum
            }
        }
        expectClose(try scores(SpreadScorer.itemCosine(graph: lists.graph, threads: threads)), expected)
    }

    /// One hop of a walk: from an item to each of its collections alike, from there to each member alike.
    private func hop(_ from: [Double]) -> [Double] {
        var to = [Double](repeating: 0, count: 30)
        for list in lists.lists {
            let amount = list.reduce(0.0) { $0 + from[$1] / lists.degree($1) } / Double(list.count)
            for item in list { to[item] += amount }
        }
        return to
    }

    @Test(arguments: [0, 0.5, 1])
    func rp3(beta: Double) throws {
        var start = [Double](repeating: 0, count: 30)
        start[3] = 1
        start[8] = 1
        let expected = hop(start).enumerated().map { lists.degree($0) > 0 ? $1 / pow(lists.degree($0), beta) : 0 }
        expectClose(try scores(SpreadScorer.rp3(beta: beta, graph: lists.graph, threads: 2)), expected)
    }

    @Test func pageRank() throws {
        var start = [Double](repeating: 0, count: 30)
        start[3] = 1
        start[8] = 1
        let one = hop(start), two = hop(one), three = hop(two)
        let expected = (0..<30).map { one[$0] + 0.5 * two[$0] + 0.25 * three[$0] }
        expectClose(try scores(SpreadScorer.pageRank(hops: 3, damping: 0.5, graph: lists.graph, threads: 1)), expected)
    }

    /// EASE solves, for each item, a ridge regression on all others: the gradient of its objective must vanish off the diagonal.
    @Test func ease() throws {
        let kernels = try Kernels(threads: 2)
        let lambda = 3.0
        let ease = try EASEScorer(graph: lists.graph, lambda: lambda, kernels: kernels)
        var weights = Matrix(rows: 30, columns: 30)
        let single = (0..<30).map { EvaluationQuery(items: [ItemID($0)], positives: [ItemID(0)], excluded: []) }
        try ease.score(single[...], into: &weights)
        for column in 0..<30 {
            #expect(abs(weights[column, column]) < 1e-5)
            for row in 0..<30 where row != column {
                // (X'X + lambda I) B - X'X at (row, column)
                var gradient = lambda * Double(weights[row, column]) - lists.shared(row, column)
                for other in 0..<30 {
                    gradient += (row == other ? lists.degree(row) : lists.shared(row, other)) * Double(weights[other, column])
                }
                #expect(abs(gradient) < 1e-4, "row \(row), column \(column)")
            }
        }
        // Several items ask with the sum of their rows.
        expectClose(try scores(ease), (0..<30).map { Double(weights[3, $0] + weights[8, $0] + weights[29, $0]) })
    }

    @Test(arguments: [1, 2, 63, 64, 65, 150])
    func inverse(size: Int) throws {
        var random = SplitMix64(state: UInt64(size))
        let kernels = try Kernels(threads: 2)
        let factor = Matrix(rows: size, columns: size, values: (0..<size * size).map { _ in Float(random.next(below: 2001)) / 1000 - 1 })
        var matrix = try kernels.product(factor, transposed: false, factor, transposed: true)
        for index in 0..<size { matrix[index, index] += Float(size) }
        let product = matrix
        try kernels.invertPositiveDefinite(&matrix)
        let identity = try kernels.product(product, matrix)
        for row in 0..<size {
            for column in 0..<size { #expect(abs(identity[row, column] - (row == column ? 1 : 0)) < 2e-3) }
        }
    }

    @Test func inverseRefuses() throws {
        let kernels = try Kernels(threads: 1)
        var indefinite = Matrix(rows: 2, columns: 2, values: [1, 2, 2, 1])
        #expect(throws: KernelError.self) { try kernels.invertPositiveDefinite(&indefinite) }
        var rectangle = Matrix(rows: 2, columns: 3)
        #expect(throws: KernelError.self) { try kernels.invertPositiveDefinite(&rectangle) }
        var nothing = Matrix(rows: 0, columns: 0)
        try kernels.invertPositiveDefinite(&nothing)
    }

    @Test func pixieFindsWhatWalksFind() throws {
        let recommender = try PixieRecommender(graph: lists.graph, configuration: PixieConfiguration(steps: 20_000), seed: 1)
        let found = try scores(PixieScorer(recommender: recommender, threads: 2))
        #expect(found[3] == 0 && found[29] == 0)
        #expect(abs(found.reduce(0, +) - 1) < 1e-3)
    }

    @Test func pooledByHand() throws {
        // Items 0 and 1 share a collection, item 2 is alone: each neighborhood is the other item, item 2's is empty.
        let pair = Graph.Adjacency(offsets: StoredArray([0, 1, 2, 2] as [Int64]), targets: StoredArray([0, 0] as [UInt32]))
        let collection = Graph.Adjacency(offsets: StoredArray([0, 2] as [Int64]), targets: StoredArray([0, 1] as [UInt32]))
        let kernels = try Kernels(threads: 1)
        let features = Matrix(rows: 3, columns: 2, values: [2, 0, 0, 5, 3, 4])
        let pooled = try PooledFeatures(
            features: features, graph: Graph(items: pair, collections: collection), walks: WalkConfiguration(), seed: 1, kernels: kernels)
        #expect(pooled.pools.values == [0, 1, 1, 0, 0, 0])
        let vectors = try pooled.vectors(weight: 1, kernels: kernels)
        let half = 0.5.squareRoot()
        for (found, expected) in zip(vectors.values, [half, half, half, half, 0.6, 0.8]) { #expect(abs(Double(found) - expected) < 1e-6) }
        let own = try pooled.vectors(weight: 0, kernels: kernels)
        for (found, expected) in zip(own.values, [1, 0, 0, 1, 0.6, 0.8]) { #expect(abs(Double(found) - expected) < 1e-6) }
    }

    @Test func vectorsPoolTheirQueries() throws {
        let kernels = try Kernels(threads: 1)
        let vectors = Matrix(rows: 3, columns: 2, values: [1, 0, 0, 1, -1, 0])
        let queries = [[0, 1], [], [2], [1, 0]].map { EvaluationQuery(items: $0.map { ItemID($0) }, positives: [ItemID(0)], excluded: []) }
        func scores(_ pooling: QueryPooling) throws -> [Float] {
            var scores = Matrix(rows: 4, columns: 3)
            try VectorScorer(name: "v", candidates: vectors, pooling: pooling, kernels: kernels).score(queries[...], into: &scores)
            return scores.values
        }
        #expect(try scores(.mean) == [0.5, 0.5, -0.5, 0, 0, 0, -1, 0, 1, 0.5, 0.5, -0.5])
        #expect(try scores(.last) == [0, 1, 0, 0, 0, 0, -1, 0, 1, 1, 0, -1])
        #expect(try scores(.max) == [1, 1, 0, 0, 0, 0, -1, 0, 1, 1, 1, 0])
    }

    @Test func names() throws {
        #expect(try Baseline(parsing: "ease=100") == Baseline(.ease, parameter: 100))
        #expect(try Baseline(parsing: "pooled-query") == Baseline(.pooledQuery))
        #expect(try Baseline(parsing: "ease=100").description == "ease=100")
        for text in ["", "eas", "ease=", "ease=-1", "ease=nan", "popularity=1", "rp3beta=9"] {
            #expect(throws: DataError.self, "\(text)") { try Baseline(parsing: text) }
        }
        for kind in Baseline.Kind.allCases {
            #expect(kind.standardParameter.map { kind.parameterRange?.contains($0) == true } ?? true)
            #expect(kind.grid.allSatisfy { kind.parameterRange?.contains($0) == true })
        }
    }

    @Test func featuresAreNeeded() throws {
        let dataset = Dataset(
            graph: lists.graph, items: Identifiers((0..<30).map { "i\($0)" }), collections: Identifiers((0..<40).map { "c\($0)" }))
        let kernels = try Kernels(threads: 1)
        #expect(throws: DataError.self) { try BaselineRunner.contentFeatures(of: dataset, catalog: nil, kernels: kernels, seed: 1) }
    }
}

@Suite struct QueryPoolingTests {
    @Test func wardSeparatesThemes() {
        // Three members near the x axis, two near the y axis, one apart: a medoid of each theme, largest first.
        let members = Matrix(rows: 6, columns: 3, values: [1, 0.1, 0, 0.1, 1, 0, 1, 0, 0, 0, 0, 2, 1, -0.1, 0, 0, 1, 0])
        let found = WardClusters(of: members)
        #expect(found.clusters == [[0, 2, 4], [1, 5], [3]])
        #expect(found.medoids.row(0) == [1, 0, 0])
        #expect(found.medoids.row(2) == [0, 0, 2])
        #expect(QueryPooling.ward.vectors(of: members) == found.medoids)
    }

    @Test func alikeMembersAreOneCluster() {
        let members = Matrix(rows: 500, columns: 2, values: (0..<500).flatMap { [Float](arrayLiteral: 1, Float($0) / 5000) })
        let vectors = QueryPooling.ward.vectors(of: members)
        #expect(vectors.rows == 1)
    }

    @Test(arguments: QueryPooling.allCases)
    func fewMembers(pooling: QueryPooling) {
        #expect(pooling.vectors(of: Matrix(rows: 0, columns: 3)).rows == 0)
        let one = Matrix(rows: 1, columns: 2, values: [3, 4])
        #expect(pooling.vectors(of: one) == one)
    }
}
