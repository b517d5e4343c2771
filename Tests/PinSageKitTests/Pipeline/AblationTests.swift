import Foundation
import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite struct AblationTests {
    private let folder: TemporaryFolder
    private let dataset: Dataset
    private let base: TrainingOptions
    private let plan: AblationPlan

    /// 96 items in twelve themes; a collection holds six items of one theme; two blocks of features hint at the theme.
    init() throws {
        folder = try TemporaryFolder()
        var random = SplitMix(seed: 9)
        var edges: [(item: Int, collection: Int)] = []
        for collection in 0..<48 { for item in (0..<8).shuffled(using: &random).prefix(6) { edges.append((collection % 12 * 8 + item, collection)) } }
        func features(_ noise: Float) -> Matrix {
            let themes = TinyGraphs.matrix(rows: 12, columns: 6, seed: 3)
            return Matrix(
                rows: 96, columns: 6,
                values: (0..<96).flatMap { item in (0..<6).map { themes[item / 8, $0] + noise * random.signedUnit() } })
        }
        dataset = Dataset(
            graph: TinyGraphs.graph(items: 96, collections: 48, edges: edges), items: Identifiers((0..<96).map { "i\($0)" }),
            collections: Identifiers((0..<48).map { "c\($0)" }),
            features: [FeatureTable(name: "clear", matrix: features(0.3)), FeatureTable(name: "vague", matrix: features(2))])
        var base = TrainingOptions()
        (base.epochs, base.hiddenWidth, base.layerWidth, base.dimension, base.walks, base.neighbors) = (2, 16, 16, 8, 20, [6])
        (base.training.batchSize, base.training.negatives) = (32, 20)
        self.base = base
        var plan = AblationPlan()
        (plan.learningRates, plan.seeds, plan.hardNegatives) = ([1e-3, 1e-2], [1, 2], 2)
        (plan.neighbors, plan.batchSizes, plan.cutoffs) = ([3, 6], [32, 64], [1, 10])
        self.plan = plan
    }

    private func run(_ output: String, plan: AblationPlan? = nil, hooks: AblationRun.Hooks = .init()) throws -> AblationResult? {
        try AblationRun(
            plan: plan ?? self.plan, base: base, dataset: dataset, catalog: nil, kernels: try Kernels(threads: 2), output: folder[output]
        ).run(hooks: hooks)
    }

    /// Everything but times.
    private func figures(_ result: AblationResult) -> [[Double]] {
        (result.rows + result.neighborRows + result.batchRows).map { row in
            row.runs.flatMap { $0.ranks ?? [] } + row.figures.map(\.mean) + row.differences.map(\.low) + row.trials.map { $0.validation ?? -1 }
        }
    }

    @Test func everyRowIsTrainedOnceWithTheSameBudget() throws {
        var names: [String] = [], totals: Set<Int> = []
        var started = 0
        var hooks = AblationRun.Hooks()
        hooks.onRun = { name, _, total in
            names.append(name)
            totals.insert(total)
        }
        hooks.training.onEvent = { if case .started = $0 { started += 1 } }
        let result = try #require(try run("a", hooks: hooks))
        #expect(
            result.rows.map(\.name) == [
                "clear", "vague", "dense", "max-pooling", "mean-pooling", "mean-pooling-xent", "mean-pooling-hard", "pinsage",
            ])
        // Six rows of two rates and a second seed, one more T, one more batch size.
        #expect(names.count == 6 * 3 + 2 && totals == [20] && started == 20 && Set(names).count == 20)
        for row in result.rows.dropFirst(2) {
            #expect(row.trials.count == 2 && row.runs.count == 2)
            let best = row.trials.max { ($0.validation ?? 0) < ($1.validation ?? 0) }
            #expect(row.runs.allSatisfy { $0.learningRate == best?.learningRate })
            #expect(row.differences.isEmpty == (row.name == "pinsage"))
        }
        #expect(result.neighborRows.map(\.name) == ["T = 3", "T = 6"] && result.batchRows.map(\.name) == ["32 pairs", "64 pairs"])
        #expect(result.neighborRows[1].runs[0].ranks == result.rows[7].runs[0].ranks)
        #expect(result.rows[0].figures[1].mean > result.rows[1].figures[1].mean)
        let steps = result.batchRows.map { $0.runs[0].steps ?? 0 }
        #expect(steps[0] > steps[1] && steps[1] > 0)

        try result.write(to: folder["a"])
        let json = try JSONValue(contentsOf: folder["a/ablation.json"])
        let own = try #require(json["rows"]?.array?.last)
        for key in ["hit_rate@1", "hit_rate@10", "mrr", "scaled_mrr"] { #expect(own[key + "_low"]?.double != nil, "\(key)") }
        #expect(own["seeds"]?.array?.first?["similarity_excess_kurtosis"]?.double != nil)
        #expect(json["rows"]?.array?.first?["pinsage_minus_this"]?["mrr_high"]?.double != nil)
        #expect(json["settings"]?["neighbors"] != nil && json["plan"]?["seeds"]?.array?.count == 2)
        let page = String(decoding: try folder.read("a/ablation.html"), as: UTF8.self)
        #expect(page.contains("mean-pooling-xent") && page.contains("Table 4") && !page.contains("http"))
        let markdown = String(decoding: try folder.read("a/ablation.md"), as: UTF8.self)
        #expect(markdown.contains("| pinsage: importance pooling") && markdown.contains("Table 3"))

        // Again: nothing is trained, and the result is the same, times too.
        started = 0
        let again = try #require(try run("a", hooks: hooks))
        #expect(started == 0)
        #expect(try again.json() == result.json())
        // Another setting shares nothing.
        var other = plan
        (other.rows, other.splitSeed, other.seeds, other.learningRates) = ([.meanPooling], 5, [1], [1e-3])
        #expect(try run("a", plan: other, hooks: hooks) != nil && started == 1)
    }

    @Test func interruptedRunsGoOn() throws {
        var plan = plan
        (plan.rows, plan.neighbors, plan.batchSizes) = ([.meanPooling, .pinsage], [], [])
        let whole = try #require(try run("whole", plan: plan))
        var hooks = AblationRun.Hooks()
        var interruptions = 0
        for _ in 0..<100 {
            var steps = 0
            hooks.training.isInterrupted = {
                steps += 1
                return steps == 10
            }
            guard let result = try run("parts", plan: plan, hooks: hooks) else {
                interruptions += 1
                continue
            }
            #expect(figures(result) == figures(whole))
            break
        }
        #expect(interruptions > 3 && interruptions < 100)
    }

    @Test func withoutFeaturesOrCollections() throws {
        let bare = Dataset(
            graph: TinyGraphs.graph(items: 4, collections: 2, edges: [(0, 0), (1, 0), (2, 1), (3, 1)]),
            items: Identifiers(["a", "b", "c", "d"]), collections: Identifiers(["x", "y"]))
        #expect(throws: DataError.self) {
            _ = try AblationRun(plan: plan, base: base, dataset: bare, catalog: nil, kernels: Kernels(threads: 1), output: folder["b"])
        }
        var broken = plan
        broken.learningRates = [1e-3, 1e-3]
        #expect(throws: ConfigurationError.self) { try broken.validate() }
        broken = plan
        broken.batchSizes = [0]
        #expect(throws: ConfigurationError.self) { try broken.validate() }
    }

    @Test func kurtosis() {
        #expect(SimilaritySpread(of: [1, -1, 1, -1]).excessKurtosis == -2)
        #expect(SimilaritySpread(of: [2, 2, 2]).excessKurtosis == 0)
        #expect(SimilaritySpread(of: []).mean == 0)
        // Laplace: 3. Normal: 0. Standard errors of a sample of 200,000 are about 0.07 and 0.01.
        var random = GaussianSource(seed: 3)
        let normal = (0..<200_000).map { _ in random.next() }
        #expect(abs(SimilaritySpread(of: normal).excessKurtosis) < 0.05)
        let laplace = (0..<200_000).map { _ in
            let (a, b, c, d) = (random.next(), random.next(), random.next(), random.next())
            return a * b - c * d
        }
        #expect(abs(SimilaritySpread(of: laplace).excessKurtosis - 3) < 0.35)
        // Two opposite directions: similarities of 1 and -1, about half each.
        let poles = Matrix(rows: 400, columns: 2, values: (0..<400).flatMap { [Float]([$0 % 2 == 0 ? 3 : -2, 0]) })
        let spread = SimilaritySpread(vectors: poles, pairs: 20_000)
        #expect(abs(spread.excessKurtosis + 2) < 0.01 && abs(spread.mean) < 0.03 && abs(spread.deviation - 1) < 0.01)
        #expect(SimilaritySpread(vectors: Matrix(rows: 1, columns: 2)).deviation == 0)
    }

    @Test func stepTimesLeaveOutWhatComesBetween() {
        func step(_ seconds: Double) -> TrainingState.MetricsRow {
            .step(
                .init(
                    step: 0, epoch: 0, loss: 0, learningRate: 0, pairs: 1, hardNegatives: 0, seconds: seconds, waited: 0.125, produced: 0.25,
                    inputItems: 1))
        }
        let validation = TrainingState.MetricsRow.validation(.init(step: 0, epoch: 0, metrics: [:], value: 0, isBest: true))
        // 0.5 and 0.5, then a validation of long, 0.75, then a resumed run whose clock starts anew, 0.25.
        let time = StepTime([step(1), step(1.5), step(2), validation, step(9), step(9.75), step(0.5), step(0.75)])
        #expect(time.mean == 0.5 && time.producedShare == 0.5 && time.waitedShare == 0.25)
        #expect(StepTime([step(1)]).mean == nil)
    }
}
