import Foundation
import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite struct FactorTests {
    private let lists = RandomLists(items: 30, collections: 40, seed: 2)

    private func dot(_ a: [Float], _ b: [Float]) -> Double { zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) } }

    // MARK: iALS

    private func alsConfiguration() -> ImplicitALS.Configuration {
        var configuration = ImplicitALS.Configuration()
        (configuration.factors, configuration.epochs, configuration.unobserved, configuration.regularization) = (5, 6, 0.2, 0.05)
        configuration.deviation = 1
        return configuration
    }

    /// The objective as it is written in the documentation, over every pair.
    private func alsObjective(_ factors: LatentFactors, _ configuration: ImplicitALS.Configuration) -> Double {
        let a = Double(configuration.unobserved), exponent = Double(configuration.exponent)
        var sum = 0.0
        for collection in 0..<40 {
            for item in 0..<30 {
                let x = dot(factors.collections.row(collection), factors.items.row(item))
                if lists.lists[collection].contains(item) { sum += (1 - x) * (1 - x) }
                sum += a * x * x
            }
        }
        var penalty = 0.0
        for collection in 0..<40 {
            let vector = factors.collections.row(collection)
            penalty += pow(Double(lists.lists[collection].count) + a * 30, exponent) * dot(vector, vector)
        }
        for item in 0..<30 {
            let vector = factors.items.row(item)
            penalty += pow(lists.degree(item) + a * 40, exponent) * dot(vector, vector)
        }
        return sum + Double(configuration.regularization) * penalty
    }

    @Test(arguments: [Float(1), 0.5])
    func alsReachesTheMinimumOfItsLastHalfStep(exponent: Float) throws {
        var configuration = alsConfiguration()
        configuration.exponent = exponent
        let factors = try ImplicitALS.train(lists.graph, configuration: configuration, threads: 2)
        let least = alsObjective(factors, configuration)
        // Items were solved last: moving any of their numbers either way raises the objective, and by the same amount (the gradient is 0).
        for item in stride(from: 0, to: 30, by: 5) where lists.degree(item) > 0 {
            for column in 0..<5 {
                var up = factors, down = factors
                up.items[item, column] += 0.05
                down.items[item, column] -= 0.05
                let above = alsObjective(up, configuration) - least, below = alsObjective(down, configuration) - least
                #expect(above > 0 && below > 0, "item \(item), column \(column)")
                #expect(abs(above - below) < 2e-3 * (above + below) + 1e-5, "item \(item), column \(column): \(above) and \(below)")
            }
        }
        #expect(factors.items.row(29) == [Float](repeating: 0, count: factors.items.columns))
    }

    @Test func alsNeverGoesUp() throws {
        var configuration = alsConfiguration()
        var last = Double.infinity
        for epochs in 1...8 {
            configuration.epochs = epochs
            let value = alsObjective(try ImplicitALS.train(lists.graph, configuration: configuration, threads: 1), configuration)
            #expect(value <= last + 1e-5)
            last = value
        }
    }

    @Test(arguments: [8, 16, 64])
    func linearSystem(width: Int) {
        var random = SplitMix(seed: UInt64(width))
        let rows = (0..<width + 3).map { _ in (0..<width).map { _ in random.signedUnit() } }
        var system = LinearSystem(width: width)
        system.begin([Float](repeating: 0, count: width * width))
        for row in rows { unsafe row.withUnsafeBufferPointer { unsafe system.add($0) } }
        system.addToDiagonal(2)
        let isSolved = system.solve()
        #expect(isSolved)
        let x = system.solution.map(Double.init)
        for row in 0..<width {
            var sum = 2 * x[row]
            for sample in rows { sum += Double(sample[row]) * (zip(sample, x).reduce(0) { $0 + Double($1.0) * $1.1 } - 1) }
            #expect(abs(sum) < 1e-4, "row \(row)")
        }
        var indefinite = LinearSystem(width: width)
        indefinite.begin([Float](repeating: 0, count: width * width))
        let isRefused = !indefinite.solve()
        #expect(isRefused)
    }

    // MARK: BPR

    @Test func triplesAreMembersAndOthers() {
        let sampler = TripleSampler(graph: lists.graph, seed: 4)
        var seen: Set<[Int]> = []
        for draw in 0..<5000 {
            guard let triple = sampler.triple(epoch: 3, draw: draw) else {
                Issue.record("no collection holds every item")
                continue
            }
            #expect(lists.lists[triple.collection].contains(triple.member) && !lists.lists[triple.collection].contains(triple.other))
            seen.insert([triple.collection, triple.member])
        }
        // Every one of some 150 memberships is missed by 5000 uniform draws with a chance below 1e-12.
        #expect(seen.count == lists.lists.reduce(0) { $0 + $1.count })
        let whole = TinyGraphs.graph(items: 3, collections: 1, edges: [(0, 0), (1, 0), (2, 0)])
        #expect(TripleSampler(graph: whole, seed: 1).triple(epoch: 0, draw: 0) == nil)
        #expect(TripleSampler(graph: TinyGraphs.graph(items: 3, collections: 1, edges: []), seed: 1).triple(epoch: 0, draw: 0) == nil)
    }

    /// LearnBPR in Double, as the paper writes it, over the same draws.
    @Test func bprIsTheNaiveLoop() throws {
        var configuration = BPRFactors.Configuration()
        (configuration.factors, configuration.epochs, configuration.regularization) = (5, 3, 0.02)
        let factors = try BPRFactors.train(lists.graph, configuration: configuration)
        configuration.epochs = 0
        let start = try BPRFactors.train(lists.graph, configuration: configuration)
        var p = (0..<40).map { start.collections.row($0).map(Double.init) }
        var q = (0..<30).map { start.items.row($0).map(Double.init) }
        var b = [Double](repeating: 0, count: 30)
        let sampler = TripleSampler(graph: lists.graph, seed: configuration.seed)
        let rate = Double(configuration.learningRate), decay = Double(configuration.regularization)
        for epoch in 0..<3 {
            for draw in 0..<lists.graph.edgeCount {
                guard let triple = sampler.triple(epoch: epoch, draw: draw) else { continue }
                let (c, i, j) = (triple.collection, triple.member, triple.other)
                var x = b[i] - b[j]
                for k in 0..<5 { x += p[c][k] * (q[i][k] - q[j][k]) }
                let slope = 1 / (1 + exp(x))
                for k in 0..<5 {
                    let (u, a, o) = (p[c][k], q[i][k], q[j][k])
                    p[c][k] += rate * (slope * (a - o) - decay * u)
                    q[i][k] += rate * (slope * u - decay * a)
                    q[j][k] += rate * (-slope * u - decay * o)
                }
                b[i] += rate * (slope - decay * b[i])
                b[j] += rate * (-slope - decay * b[j])
            }
        }
        for item in 0..<30 {
            for column in 0..<5 { #expect(abs(Double(factors.items[item, column]) - q[item][column]) < 1e-4) }
            #expect(abs(Double(factors.itemBiases?[item] ?? .nan) - b[item]) < 1e-4)
        }
        for collection in 0..<40 {
            for column in 0..<5 { #expect(abs(Double(factors.collections[collection, column]) - p[collection][column]) < 1e-4) }
        }
    }

    // MARK: LightGCN

    private func lightGCN() throws -> LightGCN {
        var configuration = LightGCN.Configuration()
        (configuration.factors, configuration.layers, configuration.regularization) = (4, 3, 0.1)
        configuration.deviation = 1
        return try LightGCN(graph: lists.graph, configuration: configuration, kernels: try Kernels(threads: 2))
    }

    @Test func smoothingIsTheMeanOfPowers() throws {
        let model = try lightGCN()
        let x = model.start
        let found = try model.smoothed(x)
        var entries = [[Double]](repeating: [Double](repeating: 0, count: 70), count: 70)
        for collection in 0..<40 {
            for item in lists.lists[collection] {
                let value = 1 / (lists.degree(item) * Double(lists.lists[collection].count)).squareRoot()
                entries[item][30 + collection] = value
                entries[30 + collection][item] = value
            }
        }
        for column in 0..<4 {
            var power = (0..<30).map { Double(x.items[$0, column]) } + (0..<40).map { Double(x.collections[$0, column]) }
            var sum = power
            for _ in 0..<3 {
                power = entries.map { row in zip(row, power).reduce(0) { $0 + $1.0 * $1.1 } }
                for index in sum.indices { sum[index] += power[index] }
            }
            for row in 0..<70 {
                let value = row < 30 ? found.items[row, column] : found.collections[row - 30, column]
                #expect(abs(Double(value) - sum[row] / 4) < 1e-5, "row \(row)")
            }
        }
    }

    @Test func lightGCNsGradientIsThatOfItsLoss() throws {
        let model = try lightGCN()
        let sampler = TripleSampler(graph: lists.graph, seed: 1)
        let triples = (0..<20).compactMap { sampler.triple(epoch: 0, draw: $0) }
        let start = model.start
        let gradient = try model.loss(start, triples: triples).gradient
        let step: Float = 0.02
        for row in [0, 3, 8, 17] {
            for column in 0..<4 {
                for isItem in [true, false] {
                    var up = start, down = start
                    if isItem {
                        up.items[row, column] += step
                        down.items[row, column] -= step
                    } else {
                        up.collections[row, column] += step
                        down.collections[row, column] -= step
                    }
                    let slope = try (model.loss(up, triples: triples).loss - model.loss(down, triples: triples).loss) / Double(2 * step)
                    let found = Double(isItem ? gradient.items[row, column] : gradient.collections[row, column])
                    #expect(abs(slope - found) < 2e-4 + 0.01 * abs(slope), "\(isItem ? "item" : "collection") \(row), \(column): \(slope), \(found)")
                }
            }
        }
    }

    // MARK: All of them

    private static let kinds: [Baseline] = [
        // Least squares fits the noise too when it may: as many factors as there are themes.
        Baseline(.bpr, others: ["factors": 8, "epochs": 60]), Baseline(.ials, others: ["factors": 2]),
        Baseline(.lightgcn, others: ["factors": 8, "epochs": 60, "rate": 0.02]),
    ]

    private func runner(_ graph: Graph, threads: Int) throws -> BaselineRunner {
        let dataset = Dataset(
            graph: graph, items: Identifiers((0..<graph.itemCount).map { "i\($0)" }),
            collections: Identifiers((0..<graph.collectionCount).map { "c\($0)" }))
        return BaselineRunner(dataset: dataset, kernels: try Kernels(threads: threads)) { Matrix(rows: 0, columns: 0) }
    }

    /// Two themes of ten items; every collection holds seven items of one. What it lacks of its theme must come before the other theme, and so
    /// must an item's own theme.
    @Test(arguments: kinds)
    func themesAreFound(baseline: Baseline) throws {
        var random = SplitMix(seed: 5)
        let members = (0..<60).map { collection in Array((0..<10).shuffled(using: &random).prefix(7)).map { $0 + 10 * (collection % 2) } }
        let graph = TinyGraphs.graph(items: 20, collections: 60, edges: members.enumerated().flatMap { row, items in items.map { ($0, row) } })
        let scorer = try runner(graph, threads: 2).scorer(of: baseline)
        let byCollection = (0..<2).map {
            EvaluationQuery(items: members[$0].map { ItemID($0) }, collection: CollectionID($0), positives: [ItemID(0)], excluded: [])
        }
        let byItem = [3, 13].map { EvaluationQuery(items: [ItemID($0)], positives: [ItemID(0)], excluded: []) }
        let nothing = EvaluationQuery(items: [], positives: [ItemID(0)], excluded: [])
        var scores = Matrix(rows: 5, columns: 20)
        try scorer.score((byCollection + byItem + [nothing])[...], into: &scores)
        for row in 0..<4 {
            let theme = row % 2
            let own = (0..<10).map { scores[row, theme * 10 + $0] }, other = (0..<10).map { scores[row, (1 - theme) * 10 + $0] }
            #expect((own.min() ?? 0) > (other.max() ?? 0), "\(baseline), row \(row)")
        }
        #expect(scores.row(4) == [Float](repeating: 0, count: 20))
        // Blocks of one kind of question take another way.
        var alone = Matrix(rows: 2, columns: 20)
        try scorer.score(byItem[...], into: &alone)
        for index in 0..<40 { #expect(abs(alone.values[index] - scores.values[40 + index]) < 1e-5) }
    }

    @Test(arguments: kinds)
    func threadsChangeNothing(baseline: Baseline) throws {
        let graph = TinyGraphs.random(items: 300, collections: 150, edgesPerItem: 5, seed: 1)
        func scores(threads: Int) throws -> [Float] {
            let quick = Baseline(baseline.kind, others: ["factors": 10, "epochs": 3])
            let queries = (0..<3).map { EvaluationQuery(items: [], collection: CollectionID($0), positives: [ItemID(0)], excluded: []) }
            var scores = Matrix(rows: 3, columns: 300)
            try runner(graph, threads: threads).scorer(of: quick).score(queries[...], into: &scores)
            return scores.values
        }
        let one = try scores(threads: 1), seven = try scores(threads: 7)
        // The vectors are equal bit for bit; the product with them is BLAS's.
        for (a, b) in zip(one, seven) { #expect(abs(a - b) <= 1e-6 * max(1, abs(a))) }
        #expect(one.contains { $0 != 0 })
    }

    @Test func vectorsAreTheSameOnAnyThreadCount() throws {
        let graph = TinyGraphs.random(items: 3000, collections: 1500, edgesPerItem: 5, seed: 1)
        var als = ImplicitALS.Configuration()
        (als.factors, als.epochs) = (12, 2)
        let one = try ImplicitALS.train(graph, configuration: als, threads: 1), many = try ImplicitALS.train(graph, configuration: als, threads: 5)
        #expect(one.items == many.items && one.collections == many.collections)
        var light = LightGCN.Configuration()
        (light.factors, light.epochs, light.mostStepsPerEpoch) = (12, 1, 4)
        let first = try LightGCN.train(graph, configuration: light, kernels: try Kernels(threads: 1))
        let second = try LightGCN.train(graph, configuration: light, kernels: try Kernels(threads: 5))
        #expect(first.items == second.items && first.collections == second.collections)
    }

    @Test func tooLargeTablesAreRefused() throws {
        var configuration = BPRFactors.Configuration()
        configuration.factors = 1 << 28
        #expect(throws: DataError.self) { try BPRFactors.train(lists.graph, configuration: configuration) }
    }

    @Test func optionsByName() throws {
        let parsed = try Baseline(parsing: "ials=unobserved=0.02:factors=32")
        #expect(parsed == Baseline(.ials, parameter: 0.02, others: ["factors": 32]))
        #expect(parsed.description == "ials=0.02:factors=32")
        #expect(try Baseline(parsing: parsed.description) == parsed)
        #expect(try Baseline(parsing: "lightgcn=layers=2").parameter == nil)
        #expect(try Baseline(parsing: "bpr=0.01:rate=0.1").effectiveParameter == 0.01)
        for text in ["bpr=factors=1.5", "bpr=factor=3", "bpr=0.1:0.2", "bpr=", "ials=epochs=0", "lightgcn=layers=2:", "popularity=x=1"] {
            #expect(throws: DataError.self, "\(text)") { try Baseline(parsing: text) }
        }
        for kind in Baseline.Kind.allCases {
            for option in kind.options { #expect(option.range.contains(option.standard), "\(kind) \(option.name)") }
        }
        #expect(Baseline.Kind.bpr.standardParameter == 0.0025)
    }
}
