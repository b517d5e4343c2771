internal import ArgumentParser
internal import PinSageCatalog
internal import PinSageKit

struct EvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract: "Measure embeddings and baselines on held-out answers.",
        discussion: """
            PAIRS      header query, positive, [collection]. Candidates are all items but the query and, where the collection is given \
            and --dataset too, its members in the dataset.
            COLLECTIONS  header collection, item. The query is the collection's members in the dataset, which are no candidates; \
            repeated answers and members are dropped and counted; an answer that is no item counts as not found.
            CANDIDATES   header query or collection, positive, negatives (separated by spaces or commas): the candidates of that line.
            Embeddings are compared by the dot product of the vectors as they are stored: the cosine for normalised ones. \(EmbeddingsHelp.origins)

            \(EvaluationMetric.formulas)

            Baselines (need --dataset; NAME, NAME=VALUE for the first option, or NAME=OPTION=VALUE:OPTION=VALUE):
            \(Baseline.Kind.allCases.map(Self.help(of:)).joined(separator: "\n"))
            """)

    private static func help(of kind: Baseline.Kind) -> String {
        let name = kind.rawValue + String(repeating: " ", count: max(0, 14 - kind.rawValue.count))
        let options = kind.options.map { "\($0.name) \(Int(exactly: $0.standard).map { "\($0)" } ?? "\(Float($0.standard))")" }
        return name + kind.summary + (options.isEmpty ? "" : " (\(options.joined(separator: ", ")))")
    }

    @Option(
        help: ArgumentHelp(
            "The embeddings in question, a folder or an .npy file; may be left out when only baselines are asked for.", valueName: "embeddings"))
    var embeddings: String?

    @Option(help: ArgumentHelp("Questions and answers: a pairs file.", valueName: "file"))
    var pairs: String?

    @Option(help: ArgumentHelp("Questions and answers: a collections file.", valueName: "file"))
    var collections: String?

    @Option(help: ArgumentHelp("Questions and answers with given candidates.", valueName: "file"))
    var candidates: String?

    @Option(
        help: ArgumentHelp("The training dataset: its collections' members are no candidates, and baselines see nothing else.", valueName: "train"))
    var dataset: String?

    @Option(help: ArgumentHelp("Only these items are candidates: a file with one id on each line.", valueName: "ids.txt"))
    var among: String?

    @Option(name: [.customLong("k"), .customShort("k")], help: ArgumentHelp("Cutoffs, separated by commas.", valueName: "k,..."))
    var cutoffs = "10,50,500"

    @Option(help: ArgumentHelp("How several query items become one question: mean, last, max or ward.", valueName: "p"))
    var queryPooling = QueryPooling.mean.rawValue

    @Option(help: ArgumentHelp("Baselines under the same protocol, separated by commas.", valueName: "name,..."))
    var baseline: String?

    @Option(help: ArgumentHelp("Choose the baselines' parameters on this pairs file instead of taking the standard ones.", valueName: "file"))
    var validationPairs: String?

    @Option(help: ArgumentHelp("The same with a collections file.", valueName: "file"))
    var validationCollections: String?

    @Option(help: ArgumentHelp("Write a self-contained report; with --dataset its neighbor lists have titles.", valueName: "report.html"))
    var html: String?

    @Option(help: ArgumentHelp("The model that made the embeddings: its loss curve goes into the report.", valueName: "model"))
    var model: String?

    @Option(help: ArgumentHelp("Walks from each item that the pooled baselines draw neighborhoods with.", valueName: "n"))
    var walks = BaselineRunner.standardWalks.walks

    @Option(help: ArgumentHelp("Neighbors of each item that they pool.", valueName: "t"))
    var neighbors = BaselineRunner.standardWalks.neighbors

    @Option(help: ArgumentHelp("The seed of the bootstrap and of the baselines' walks.", valueName: "s"))
    var seed: UInt64 = 1

    @Option(help: ArgumentHelp("The most threads used; all cores by default.", valueName: "n"))
    var threads: Int?

    @OptionGroup var outputOptions: OutputOptions

    func validate() throws {
        guard [pairs, collections, candidates].count(where: { $0 != nil }) == 1 else {
            throw ValidationError("Give one of --pairs, --collections and --candidates")
        }
        if embeddings == nil, baseline == nil { throw ValidationError("Give --embeddings, --baseline or both") }
        if dataset == nil {
            if baseline != nil { throw ValidationError("--baseline needs --dataset, the training dataset") }
            if collections != nil { throw ValidationError("--collections needs --dataset: a query is a collection's members there") }
        }
        if validationPairs != nil, validationCollections != nil {
            throw ValidationError("Give one of --validation-pairs and --validation-collections")
        }
        if model != nil, html == nil { throw ValidationError("--model is for the report: give --html too") }
        if walks < 1 || neighbors < 1 { throw ValidationError("--walks and --neighbors must be at least 1") }
        if let threads, threads < 1 { throw ValidationError("--threads must be at least 1") }
        guard QueryPooling(rawValue: queryPooling) != nil else {
            throw ValidationError(
                "--query-pooling is one of \(QueryPooling.allCases.map(\.rawValue).joined(separator: ", ")), found '\(queryPooling)'")
        }
        _ = try parsedCutoffs()
        do { _ = try parsedBaselines() } catch let error as DataError { throw ValidationError(error.message) }
    }

    private func parsedCutoffs() throws -> [Int] {
        let numbers = cutoffs.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
        guard !numbers.isEmpty, numbers.allSatisfy({ $0 > 0 }), Set(numbers).count == numbers.count else {
            throw ValidationError("-k expects distinct whole numbers above 0 separated by commas, found '\(cutoffs)'")
        }
        return numbers.sorted()
    }

    private func parsedBaselines() throws -> [Baseline] {
        var found: [Baseline] = []
        for name in baseline?.split(separator: ",") ?? [] {
            let parsed = try Baseline(parsing: String(name))
            guard !found.contains(parsed) else { throw DataError("the baseline \(parsed) is given twice") }
            found.append(parsed)
        }
        if baseline != nil, found.isEmpty { throw DataError("--baseline expects names separated by commas, found none") }
        return found
    }

    func run() throws {
        let kernels = try Kernels(threads: threads)
        let opened = try embeddings.map { try Embeddings.open($0) }
        try opened?.requireFinite(file: embeddings)
        let train = try dataset.map { try Dataset.open($0) }
        try train?.checkTargets()
        guard let items = opened?.identifiers ?? train?.items else { throw ValidationError("Give --embeddings or --dataset") }
        let reader = try EvaluationTaskReader(items: items, dataset: train, among: among)
        let task = try readTask(reader)
        report(task.dropped)
        let pooling = QueryPooling(rawValue: queryPooling) ?? .mean
        if pooling == .last, !task.queriesAreOrdered {
            throw DataError("--query-pooling last needs times: the dataset's edges have none", file: dataset)
        }

        let evaluator = Evaluator(task: task, threads: kernels.threads)
        var methods: [EvaluationResult.Method] = []
        if let opened {
            let scorer = try VectorScorer(
                name: "embeddings", candidates: opened.vectors, dimension: opened.dimension, pooling: pooling, kernels: kernels)
            let note = opened.isNormalized ? "cosine, \(opened.dimension) dimensions" : "dot product, \(opened.dimension) dimensions"
            methods.append(.init(name: "embeddings", note: note, ranks: try ranks(of: scorer, by: evaluator)))
        }
        let baselines = try parsedBaselines()
        if let train, !baselines.isEmpty {
            var walking = BaselineRunner.standardWalks
            (walking.walks, walking.neighbors) = (walks, neighbors)
            let runner = BaselineRunner(dataset: train, kernels: kernels, seed: seed, walks: walking, pooling: pooling) {
                try Self.contentFeatures(of: train, kernels: kernels, seed: seed)
            }
            var bar: ProgressBar?
            runner.onTraining = { name, done, total in
                if done <= 1 { bar = outputOptions.progress("training \(name)", unit: "steps") }
                bar?.update(count: done, fraction: Double(done) / Double(max(total, 1)))
                if done == total { bar?.finish() }
            }
            let validation = try readValidation(reader)
            for asked in baselines {
                var chosen = asked
                if let validation { chosen = try tuned(asked, runner: runner, reader: reader, validation: validation) }
                let scorer = try runner.scorer(of: chosen, in: reader)
                methods.append(
                    .init(
                        name: asked.description, note: asked.kind.summary, parameter: chosen.effectiveParameter,
                        ranks: try ranks(of: scorer, by: evaluator, name: asked.description)))
            }
        }
        let result = try EvaluationResult(
            task: task, methods: methods, cutoffs: try parsedCutoffs(), bootstrap: Bootstrap(seed: seed), threads: kernels.threads)
        let lists = try html == nil ? [] : opened.map { try neighborLists($0, task: task, dataset: train, kernels: kernels) } ?? []
        try write(result, lists: lists)
    }

    /// The nearest items of a few questions, spread over the file.
    private func neighborLists(
        _ embeddings: Embeddings, task: EvaluationTask, dataset: Dataset?, kernels: Kernels
    ) throws -> [ReportPage.NeighborList] {
        let wanted = 6
        var shown: [ItemID] = []
        for position in 0..<wanted {
            let items = task.queries[position * task.queries.count / wanted].items
            if items.count == 1, !shown.contains(items[0]) { shown.append(items[0]) }
        }
        let names = EvaluateNames(embeddings: embeddings, dataset: dataset)
        let index = ExactIndex(embeddings: embeddings, kernels: kernels)
        return try shown.map { item in
            let query = Matrix(rows: 1, columns: embeddings.dimension, values: embeddings[item])
            let found = try index.neighbors(of: query, k: 10, excluding: [item]).first ?? []
            let name = try names.name(of: item)
            return ReportPage.NeighborList(
                title: name.title, detail: name.detail,
                neighbors: try found.map { neighbor in
                    let name = try names.name(of: neighbor.item)
                    return .init(title: name.title, detail: name.detail, score: Double(neighbor.score))
                })
        }
    }

    private func readTask(_ reader: EvaluationTaskReader) throws -> EvaluationTask {
        if let pairs { return try reader.pairs(pairs) }
        if let collections { return try reader.collections(collections) }
        return try reader.candidates(candidates ?? "")
    }

    private func readValidation(_ reader: EvaluationTaskReader) throws -> EvaluationTask? {
        if let validationPairs { return try reader.pairs(validationPairs) }
        return try validationCollections.map { try reader.collections($0) }
    }

    private func tuned(
        _ baseline: Baseline, runner: BaselineRunner, reader: EvaluationTaskReader, validation: EvaluationTask
    ) throws -> Baseline {
        let metric: EvaluationMetric = validation.kind == .collections ? .recall(20) : .reciprocalRank
        let found = try runner.tuned(baseline, on: reader, task: validation, metric: metric)
        if !found.trials.isEmpty {
            let trials = found.trials.map { "\($0.parameter): \(($0.value * 10_000).rounded() / 10_000)" }.joined(separator: ", ")
            outputOptions.note("\(baseline): \(found.baseline.effectiveParameter ?? 0) chosen by validation \(metric.title) (\(trials))")
        }
        return found.baseline
    }

    private func ranks(of scorer: any CandidateScorer, by evaluator: Evaluator, name: String? = nil) throws -> QueryRanks {
        let bar = outputOptions.progress(name ?? scorer.name, unit: "queries")
        defer { bar.finish() }
        let total = Double(evaluator.task.queries.count)
        return try evaluator.ranks(of: scorer) { done in bar.update(count: done, fraction: Double(done) / total) }
    }

    /// Dense features, or text features where the dataset has a catalog and no dense ones.
    static func contentFeatures(of dataset: Dataset, kernels: Kernels, seed: UInt64) throws -> Matrix {
        var catalog: SQLiteCatalog?
        if dataset.features.isEmpty, dataset.catalogPath != nil, let path = dataset.path { catalog = try SQLiteCatalog(directory: path) }
        return try BaselineRunner.contentFeatures(of: dataset, catalog: catalog, kernels: kernels, seed: seed)
    }

    private func report(_ dropped: EvaluationTask.Dropped) {
        if dropped.unknownAnswers > 0 { outputOptions.note("\(Terminal.count(dropped.unknownAnswers)) answers are no items and count as not found") }
        if dropped.unknownCollections > 0 {
            outputOptions.note(
                "\(Terminal.count(dropped.unknownCollections)) collections are not in the dataset: nothing is known to ask with, and all candidates tie"
            )
        }
        guard dropped.answers > 0 else { return }
        var parts: [String] = []
        if dropped.members > 0 { parts.append("\(Terminal.count(dropped.members)) are part of their question") }
        if dropped.duplicates > 0 { parts.append("\(Terminal.count(dropped.duplicates)) are repeated") }
        if dropped.outside > 0 { parts.append("\(Terminal.count(dropped.outside)) are no candidates") }
        outputOptions.note(
            "answers left out: \(parts.joined(separator: ", ")); questions without any answer left: \(Terminal.count(dropped.queries))")
    }

    private func write(_ result: EvaluationResult, lists: [ReportPage.NeighborList]) throws {
        let hasModel = embeddings != nil
        if let html {
            var facts: [(name: String, value: String)] = []
            if let embeddings { facts.append(("Embeddings", embeddings)) }
            if let dataset { facts.append(("Training dataset", dataset)) }
            facts.append(("Answers from", pairs ?? collections ?? candidates ?? ""))
            if embeddings != nil || result.task.kind != .pairs { facts.append(("Query pooling", queryPooling)) }
            facts.append(("Seed", "\(seed)"))
            let report = EvaluationReport(
                title: "Evaluation", subtitle: "\(Terminal.count(result.task.queries.count)) queries, \(result.methods.count) methods",
                result: result, hasModel: hasModel, facts: facts, sections: try sections(lists))
            try report.page.write(to: html)
        }
        if outputOptions.json {
            Terminal.result(result.json(hasModel: hasModel))
        } else {
            let candidates = Terminal.count(Int(result.task.meanCandidateCount.rounded()))
            Terminal.result(
                "\(Terminal.count(result.task.queries.count)) queries, \(candidates) candidates each on average; 95 % intervals below each figure\n")
            Terminal.result(result.table(hasModel: hasModel))
        }
    }

    private func sections(_ lists: [ReportPage.NeighborList]) throws -> [ReportPage.Section] {
        var sections: [ReportPage.Section] = []
        if let model {
            let losses = try TrainingState.MetricsRow.read(from: model + "/metrics.jsonl").compactMap { row -> (step: Int, loss: Double)? in
                guard case .step(let step) = row else { return nil }
                return (step.step, step.loss)
            }
            sections.append(.init("Training", [.chart(EvaluationReport.lossChart(losses))]))
        }
        if !lists.isEmpty { sections.append(.init("Nearest items of some questions", [.neighbors(lists)])) }
        return sections
    }
}

/// What the items of embeddings are called: their titles where a dataset has a catalog, else their identifiers.
private struct EvaluateNames {
    let embeddings: Embeddings
    let dataset: Dataset?
    private let catalog: SQLiteCatalog?

    init(embeddings: Embeddings, dataset: Dataset?) {
        self.embeddings = embeddings
        self.dataset = dataset
        // Titles are an ornament of the report: without a catalog it has identifiers.
        catalog = dataset?.path.flatMap { try? SQLiteCatalog(directory: $0) }
    }

    func name(of item: ItemID) throws -> (title: String, detail: String?) {
        let identifier = embeddings.identifiers[Int(item.row)]
        guard let catalog, let row = dataset?.items.row(of: identifier) else { return (identifier, nil) }
        let description = try catalog.description(of: ItemID(row))
        let detail = description.text.map { $0.count > 140 ? $0.prefix(139) + "…" : $0 }
        return (description.title ?? identifier, detail)
    }
}
