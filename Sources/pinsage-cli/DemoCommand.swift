internal import ArgumentParser
internal import Foundation
internal import PinSageCatalog
internal import PinSageKit

struct DemoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Train on the Debian package archive and show related packages, beside what content and graph alone find.",
        discussion: """
            Items are packages with their short descriptions; collections are the packages that one package depends on, recommends or suggests, \
            debtags facets and sections. From each collection of five or more one member is held out for the test and one for validation; the \
            query is another member. Parameters of every method are chosen on the validation part. Everything is written below ./demo-output.
            """)

    @Flag(help: "Use this machine's own package lists instead of the snapshot that comes with the program.")
    var live = false

    @Option(help: ArgumentHelp("The folder to write to.", valueName: "dir"))
    var output = "demo-output"

    @Option(help: ArgumentHelp("Seed of the split and of training.", valueName: "s"))
    var seed: UInt64 = 1

    @OptionGroup var machine: MachineOptions
    @OptionGroup var outputOptions: OutputOptions

    /// Packages that many people know, for the lists of neighbors.
    static let familiar = ["postgresql", "vim", "nginx", "python3-numpy", "ffmpeg"]
    /// Test queries, taken at even distances: 100,000 steps of `pixie` for each of all 21,000 would take longer than training.
    static let testQueries = 6000
    /// Validation queries that choose the weights, and those that choose a baseline's parameter.
    static let validationQueries = 3000, tuningQueries = 1000
    /// What the model is compared with.
    static let baselines: [Baseline.Kind] = [.popularity, .content, .pixie, .pooled]

    func run() throws {
        let kernels = try machine.kernels()
        let steps = DemoSteps(count: 6, isShown: !outputOptions.quiet)

        steps.begin("Reading packages", live ? "this machine's package lists" : "the snapshot of a Debian archive")
        let archive = try live ? AptArchive.thisMachine() : AptArchive(contentsOf: DemoCommand.snapshotPath())
        for note in archive.notes { outputOptions.note("note: \(note)") }
        let imported = try archive.writeDataset(to: path("debian.dataset"))
        steps.end(
            "\(Terminal.count(imported.items)) packages in \(Terminal.count(imported.collections)) collections, \(Terminal.count(imported.edges)) memberships"
        )

        steps.begin("Holding out", "one member of each collection of 5 or more, twice")
        let split = try DatasetSplit.write(
            path("debian.dataset"), configuration: .init(rule: .leaveRandom(1), validation: 1, minimumMembers: 5, seed: seed), to: path("split"))
        let train = try Dataset.open(path("split/train"))
        let reader = try EvaluationTaskReader(items: train.items, dataset: train)
        let validation = try reader.pairs(path("split/validation.pairs.tsv"))
        let test = try reader.pairs(path("split/test.pairs.tsv")).sample(of: DemoCommand.testQueries)
        steps.end(
            "\(Terminal.count(split.testPairs)) test pairs, of which \(Terminal.count(test.queries.count)) are asked, and "
                + "\(Terminal.count(split.validationPairs)) validation pairs")

        steps.begin("Training", "convolutions over importance neighborhoods")
        let (model, state) = try self.train(train, validation: validation, kernels: kernels)
        steps.end("\(Terminal.count(state.step)) steps, \(Terminal.count(model.parameters.count)) weights")

        steps.begin("Embedding", "every package once, layer by layer")
        let embeddings = try model.embeddings(of: train, catalog: try train.catalog(), kernels: kernels)
        try embeddings.write(to: path("debian.embeddings"))
        let index = ExactIndex(embeddings: embeddings, kernels: kernels)
        try index.write(to: path("debian.index"))
        steps.end("\(Terminal.count(embeddings.count)) embeddings of \(embeddings.dimension) numbers, and an index")

        steps.begin("Comparing", "with " + DemoCommand.baselines.map(\.rawValue).joined(separator: ", ") + ", parameters chosen on validation")
        let result = try compare(embeddings, train: train, reader: reader, validation: validation, test: test, kernels: kernels)
        steps.end("\(Terminal.count(test.queries.count)) queries, \(Terminal.count(Int(test.meanCandidateCount))) candidates each")

        steps.begin("Looking", "at packages that many people know")
        let lists = try neighborLists(index, catalog: try train.catalog())
        let report = try writeReport(result, lists: lists, state: state, imported: imported)
        steps.end(report)

        if outputOptions.json {
            Terminal.result(.object(["report": .string(report), "evaluation": result.json(hasModel: true)]))
            return
        }
        Terminal.result("\n" + result.table(hasModel: true) + "\n")
        for list in lists { Terminal.result(DemoCommand.text(of: list)) }
        Terminal.result("Report: \(report)")
    }

    private func path(_ name: String) -> String { output + "/" + name }

    /// The snapshot lies in the program's resources, beside the executable or where it was built.
    private static func snapshotPath() throws -> String {
        let name = "PinSageKit_pinsage-cli.resources/Resources/debian-packages.gz"
        let executable = Bundle.main.executableURL?.resolvingSymlinksInPath().deletingLastPathComponent()
        let places = [executable, Bundle.main.bundleURL].compactMap { $0?.appendingPathComponent(name).path }
        guard let found = places.first(where: { FileManager.default.fileExists(atPath: $0) }) else {
            throw DataError(
                "expected the demo's snapshot beside the program, found none; 'demo --live' uses this machine's own package lists", file: places.first
            )
        }
        return found
    }

    private func train(_ dataset: Dataset, validation: EvaluationTask, kernels: Kernels) throws -> (PinSageModel, TrainingState) {
        let options = DemoCommand.trainingOptions(seed: seed)
        let progress = TrainingProgress(isShown: !outputOptions.quiet)
        defer { progress.end() }
        let interruption = Interruption()
        var hooks = TrainingRun.Hooks()
        hooks.onPreparation = progress.prepare
        hooks.onEvent = progress.report
        hooks.isInterrupted = { interruption.isRequested }
        let run = TrainingRun(dataset: dataset, catalog: try dataset.catalog(), options: options, kernels: kernels)
        let (model, state) = try run.run(output: path("debian.model"), validation: validation.sample(of: DemoCommand.validationQueries), hooks: hooks)
        if progress.finish?.interrupted == true { throw ExitCode(130) }
        return (model, state)
    }

    /// Chosen on validation pairs (docs/results.md says what each brought). Everything depends on a few libraries, so popularity is part of the
    /// answer: vectors whose length may express it, and a log-degree that weighs as much as the text.
    private static func trainingOptions(seed: UInt64) -> TrainingOptions {
        var options = TrainingOptions()
        options.features = FeatureConfiguration(textDimension: 250)
        options.dimension = 256
        options.neighbors = [20]
        options.epochs = 2
        options.training.learningRate = 3e-3
        options.training.warmUp = 0.2
        options.training.newItemShare = 0.02
        // Sections and facets have thousands of members: pairs of them say little, and as negatives they are the useful ones.
        options.training.pairs.largestCollection = 40
        options.training.seed = seed
        return options
    }

    private func compare(
        _ embeddings: Embeddings, train: Dataset, reader: EvaluationTaskReader, validation: EvaluationTask, test: EvaluationTask, kernels: Kernels
    ) throws -> EvaluationResult {
        let evaluator = Evaluator(task: test, threads: kernels.threads)
        let own = try VectorScorer(name: "pinsage", candidates: embeddings.vectors, dimension: embeddings.dimension, kernels: kernels)
        var methods = [EvaluationResult.Method(name: "pinsage", note: "this model", ranks: try evaluator.ranks(of: own))]
        let runner = BaselineRunner(dataset: train, kernels: kernels, seed: seed) {
            try EvaluateCommand.contentFeatures(of: train, kernels: kernels, seed: seed)
        }
        let sample = validation.sample(of: DemoCommand.tuningQueries)
        for kind in DemoCommand.baselines {
            let chosen = try runner.tuned(Baseline(kind), on: reader, task: sample).baseline
            let bar = outputOptions.progress(kind.rawValue, unit: "queries")
            defer { bar.finish() }
            let ranks = try evaluator.ranks(of: try runner.scorer(of: chosen, in: reader)) { done in
                bar.update(count: done, fraction: Double(done) / Double(test.queries.count))
            }
            methods.append(.init(name: kind.rawValue, note: kind.summary, parameter: chosen.effectiveParameter, ranks: ranks))
        }
        return try EvaluationResult(
            task: test, methods: methods, cutoffs: [1, 10, 50, 500], bootstrap: Bootstrap(seed: seed), threads: kernels.threads)
    }

    private func neighborLists(_ index: ExactIndex, catalog: SQLiteCatalog?) throws -> [ReportPage.NeighborList] {
        try DemoCommand.familiar.compactMap { name in
            // A live archive may not have all of them.
            guard let row = index.embeddings.identifiers.row(of: name) else { return nil }
            let item = ItemID(row)
            let query = Matrix(rows: 1, columns: index.dimension, values: index.embeddings[item])
            let found = try index.neighbors(of: query, k: 10, excluding: [item]).first ?? []
            return ReportPage.NeighborList(
                title: name, detail: try catalog?.description(of: item).text,
                neighbors: try found.map { neighbor in
                    .init(
                        title: index.embeddings.identifiers[Int(neighbor.item.row)], detail: try catalog?.description(of: neighbor.item).text,
                        score: Double(neighbor.score))
                })
        }
    }

    private func writeReport(
        _ result: EvaluationResult, lists: [ReportPage.NeighborList], state: TrainingState, imported: ImportReport
    ) throws -> String {
        let losses = state.metrics.compactMap { row -> (step: Int, loss: Double)? in
            guard case .step(let step) = row else { return nil }
            return (step.step, step.loss)
        }
        let report = EvaluationReport(
            title: "Related packages of the Debian archive",
            subtitle: "\(Terminal.count(imported.items)) packages, \(Terminal.count(imported.collections)) collections",
            result: result, hasModel: true, facts: [("Seed", "\(seed)"), ("Training steps", Terminal.count(state.step))],
            sections: [
                .init("Training", [.chart(EvaluationReport.lossChart(losses))]), .init("Nearest packages", [.neighbors(lists)]),
            ])
        let path = path("report.html")
        try report.page.write(to: path)
        return path
    }

    private static func text(of list: ReportPage.NeighborList) -> String {
        let width = list.neighbors.map(\.title.count).max() ?? 0
        let head = list.title + (list.detail.map { " (\($0))" } ?? "")
        let lines = list.neighbors.map { neighbor in
            "  " + String(format: "%.3f", neighbor.score ?? 0) + "  " + neighbor.title + String(repeating: " ", count: width - neighbor.title.count)
                + (neighbor.detail.map { "  \($0)" } ?? "")
        }
        return ([head] + lines).joined(separator: "\n") + "\n"
    }
}

/// Announces the steps of the demo and how long each took, on standard error.
private final class DemoSteps {
    private let count: Int
    private let isShown: Bool
    private var number = 0
    private let clock = ContinuousClock()
    private var start: ContinuousClock.Instant

    init(count: Int, isShown: Bool) {
        self.count = count
        self.isShown = isShown
        start = clock.now
    }

    func begin(_ title: String, _ detail: String) {
        number += 1
        start = clock.now
        if isShown { Terminal.error("[\(number)/\(count)] \(title): \(detail)") }
    }

    func end(_ result: String) {
        if isShown { Terminal.error("      \(result) (\(Terminal.duration((clock.now - start) / .seconds(1))))") }
    }
}
