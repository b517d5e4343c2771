internal import Foundation

/// Trains and tests the rows of an ablation, keeps what is finished in a folder, and goes on there when it is repeated.
///
/// The folder holds `models/KEY` (each trained model, with its checkpoint while it is trained) and `runs/KEY.json` (what came out of it). A key
/// ends in a checksum of the data and of every setting that the run depends on, so what was made with others is never taken for it.
public struct AblationRun {
    private let plan: AblationPlan
    private let base: TrainingOptions
    private let dataset: Dataset
    private let catalog: (any ItemCatalog)?
    private let kernels: Kernels
    private let output: String
    private let validation: EvaluationTask
    private let test: EvaluationTask
    private let dataFingerprint: String

    /// Cuts the dataset: from each collection of five or more members one goes to the test and one to validation, the latest where there are times.
    ///
    /// - Parameters:
    ///   - base: what every row shares: features, sizes, epochs.
    ///   - test: questions of the user's own; only validation is cut out then.
    /// - Throws: ``ConfigurationError``, and ``DataError`` when nothing can be held out.
    public init(
        plan: AblationPlan, base: TrainingOptions, dataset: Dataset, catalog: (any ItemCatalog)?, test: EvaluationTask? = nil, kernels: Kernels,
        output: String
    ) throws {
        try plan.validate()
        try dataset.checkTargets()
        let rule: DatasetSplit.Rule = dataset.hasTimes ? .leaveLast(1) : .leaveRandom(1)
        let split = try DatasetSplit(
            dataset.graph,
            configuration: .init(rule: rule, validation: test == nil ? 1 : 0, minimumMembers: 5, seed: plan.splitSeed))
        let (held, asked) = test == nil ? (split.validation.pairs, split.test.pairs) : (split.test.pairs, [])
        guard !held.isEmpty, test != nil || !asked.isEmpty else {
            throw DataError("expected collections of 5 or more members to hold answers out of, found none", file: dataset.path)
        }
        var train = dataset.graph
        if let test {
            self.test = test.sample(of: plan.mostTestQueries)
        } else {
            let questions = try HeldOutQuestions(asked, of: train, most: plan.mostTestQueries)
            (train, self.test) = (questions.graph, questions.task())
        }
        let questions = try HeldOutQuestions(held, of: train, most: plan.mostValidationQueries)
        (train, validation) = (questions.graph, questions.task())
        self.plan = plan
        self.base = base
        self.catalog = catalog
        self.kernels = kernels
        self.output = output
        self.dataset = Dataset(graph: train, items: dataset.items, collections: dataset.collections, features: dataset.features)
        dataFingerprint = "\(dataset.graph.fingerprint) \(train.fingerprint)"
    }

    /// What a run reports and what may stop it.
    public struct Hooks {
        /// A run begins: its name, its number and how many are known of.
        public var onRun: (_ name: String, _ number: Int, _ total: Int) -> Void = { _, _, _ in }
        /// Of the training that goes on.
        public var training = TrainingRun.Hooks()

        public init() {}
    }

    /// One training run or one untrained row, as `runs/KEY.json` holds it.
    struct Record: Codable, Sendable {
        var name: String
        var row: AblationPlan.Row
        var seed: UInt64
        var learningRate: Float?
        /// What was measured on validation: hit-rate@10 plus MRR, of the best epoch.
        var validation: Double?
        var steps: Int?
        var pairs: Int?
        var secondsPerStep: Double?
        /// Of the time between steps, the share that producing minibatches took and that the consumer waited.
        var producedShare: Double?
        var waitedShare: Double?
        /// One for each test question; absent in runs that only tune.
        var ranks: [Double]?
        var spread: SimilaritySpread?

        var seconds: Double? { secondsPerStep.flatMap { each in steps.map { each * Double($0) } } }
    }

    /// One training run: a row, a rate, a seed, and what is changed for Tables 3 and 4.
    private struct Job {
        var row: AblationPlan.Row
        var learningRate: Float
        var seed: UInt64
        var neighbors: Int?
        var batchSize: Int?

        var name: String {
            var name = "\(row.rawValue)-rate\(learningRate)-seed\(seed)"
            if let neighbors { name += "-T\(neighbors)" }
            if let batchSize { name += "-batch\(batchSize)" }
            return name
        }
    }

    private func options(of job: Job) -> TrainingOptions {
        var options = base
        job.row.apply(to: &options, hardNegatives: plan.hardNegatives)
        options.training.learningRate = job.learningRate
        options.training.seed = job.seed
        if let neighbors = job.neighbors { options.neighbors = [neighbors] }
        if let batchSize = job.batchSize { options.training.batchSize = batchSize }
        return options
    }

    /// Interrupted: what is finished is kept, and the same command goes on.
    private struct Interrupted: Error {}

    /// Runs what is not finished yet.
    ///
    /// - Returns: `nil` when it was interrupted.
    /// - Throws: what training throws; what was finished before is kept.
    public func run(hooks: Hooks = Hooks()) throws -> AblationResult? {
        try FileSystem.makeDirectories(output + "/runs")
        try FileSystem.makeDirectories(output + "/models")
        do { return try result(hooks) } catch is Interrupted { return nil }
    }

    private func result(_ hooks: Hooks) throws -> AblationResult {
        let trained = AblationPlan.Row.allCases.filter { $0 != .features && plan.rows.contains($0) }
        let hasTables = plan.rows.contains(.pinsage)
        let total =
            trained.count * (plan.learningRates.count + plan.seeds.count - 1)
            + (hasTables ? plan.neighbors.filter { $0 != baseNeighbors }.count + plan.batchSizes.filter { $0 != base.training.batchSize }.count : 0)
        var number = 0
        func train(_ job: Job) throws -> Record {
            number += 1
            hooks.onRun(job.name, number, total)
            return try self.train(job, hooks: hooks.training)
        }
        var rows: [AblationResult.Row] = []
        if plan.rows.contains(.features) {
            for record in try featureRows() {
                rows.append(.init(name: record.name, summary: AblationPlan.Row.features.summary, runs: [record], trials: []))
            }
        }
        var bestRate: Float?
        for row in trained {
            var trials: [Record] = []
            for rate in plan.learningRates { trials.append(try train(Job(row: row, learningRate: rate, seed: plan.seeds[0]))) }
            var best = trials[0]
            for trial in trials where (trial.validation ?? -1) > (best.validation ?? -1) { best = trial }
            let rate = best.learningRate ?? plan.learningRates[0]
            if row == .pinsage { bestRate = rate }
            var runs: [Record] = []
            for seed in plan.seeds {
                let job = Job(row: row, learningRate: rate, seed: seed)
                let record = seed == plan.seeds[0] ? best : try train(job)
                runs.append(try tested(record, of: job))
            }
            rows.append(.init(name: row.rawValue, summary: row.summary, runs: runs, trials: trials))
        }
        var neighborRows: [AblationResult.Row] = [], batchRows: [AblationResult.Row] = []
        if let bestRate, let own = rows.last?.runs.first {
            func variant(_ job: Job, isOwn: Bool, name: String) throws -> AblationResult.Row {
                let record = isOwn ? own : try tested(train(job), of: job)
                return .init(name: name, summary: "", runs: [record], trials: [])
            }
            let job = Job(row: .pinsage, learningRate: bestRate, seed: plan.seeds[0])
            for count in plan.neighbors {
                var changed = job
                changed.neighbors = count
                neighborRows.append(try variant(changed, isOwn: count == baseNeighbors, name: "T = \(count)"))
            }
            for size in plan.batchSizes {
                var changed = job
                changed.batchSize = size
                batchRows.append(try variant(changed, isOwn: size == base.training.batchSize, name: "\(size) pairs"))
            }
        }
        return try AblationResult(
            plan: plan, base: base, test: test, validationQueries: validation.queries.count, rows: rows, neighborRows: neighborRows,
            batchRows: batchRows, threads: kernels.threads)
    }

    /// The T that the rows of Table 1 have, where it is one for all layers.
    private var baseNeighbors: Int? { base.neighbors.count == 1 ? base.neighbors[0] : nil }

    // MARK: Runs

    private func key(_ name: String, _ settings: String) -> String {
        let checksum = CRC32C.checksum(Array("\(dataFingerprint)\n\(plan.splitSeed) \(validation.queries.count)\n\(settings)".utf8))
        return name + "-" + hexadecimal(checksum)
    }

    private func key(of job: Job) throws -> String { key(job.name, try JSONFile.text(of: options(of: job))) }

    private func recordPath(_ key: String) -> String { output + "/runs/" + key + ".json" }

    private func stored(_ key: String) throws -> Record? {
        guard FileSystem.kind(of: recordPath(key))?.kind == .file else { return nil }
        return try JSONFile.read(Record.self, from: recordPath(key))
    }

    private func store(_ record: Record, _ key: String) throws {
        try TextFile.write(to: recordPath(key)) { file in try file.write(try JSONFile.text(of: record)) }
    }

    /// Trains, unless that was done before; a checkpoint that an interrupted training left is gone on with.
    private func train(_ job: Job, hooks: TrainingRun.Hooks) throws -> Record {
        let key = try key(of: job)
        if let record = try stored(key) { return record }
        var finish: TrainingEvent.Finish?
        var start: TrainingEvent.Start?
        var watched = hooks
        watched.onEvent = { event in
            if case .finished(let found) = event { finish = found }
            if case .started(let found) = event { start = found }
            hooks.onEvent(event)
        }
        let run = TrainingRun(dataset: dataset, catalog: catalog, options: options(of: job), kernels: kernels)
        let (_, state) = try run.run(output: output + "/models/" + key, resumes: true, validation: validation, hooks: watched)
        if finish?.interrupted == true { throw Interrupted() }
        let time = StepTime(state.metrics)
        let record = Record(
            name: job.name, row: job.row, seed: job.seed, learningRate: job.learningRate, validation: state.bestValidation, steps: state.step,
            pairs: start?.pairs, secondsPerStep: time.mean, producedShare: time.producedShare, waitedShare: time.waitedShare)
        try store(record, key)
        return record
    }

    /// The record with the test's ranks, which are made once a run is known to count.
    private func tested(_ record: Record, of job: Job) throws -> Record {
        let testKey = try key(of: job) + "-test-" + testFingerprint
        if let known = try stored(testKey) { return known }
        let model = try PinSageModel.open(output + "/models/" + key(of: job))
        let embeddings = try model.embeddings(of: dataset, catalog: catalog, kernels: kernels)
        var result = record
        try measure(&result, vectors: Matrix(rows: embeddings.count, columns: embeddings.dimension, values: Array(embeddings.vectors)))
        try store(result, testKey)
        return result
    }

    private var testFingerprint: String {
        var crc = CRC32C()
        for query in test.queries { crc.update(Array("\(query.items.map(\.row)) \(query.positives.map(\.row))\n".utf8)) }
        return hexadecimal(crc.value)
    }

    private func measure(_ record: inout Record, vectors: Matrix) throws {
        let scorer = try VectorScorer(name: record.name, candidates: vectors, kernels: kernels)
        let ranks = try Evaluator(task: test, threads: kernels.threads).ranks(of: scorer)
        record.ranks = (0..<ranks.queryCount).map { ranks[$0].min() ?? .greatestFiniteMagnitude }
        record.spread = SimilaritySpread(vectors: vectors, seed: plan.splitSeed)
    }

    /// Each block of features alone, by cosine.
    private func featureRows() throws -> [Record] {
        var blocks: [(name: String, configuration: FeatureConfiguration)] = []
        let dense = base.features.dense ?? dataset.features.map(\.name)
        for name in dense { blocks.append((name, FeatureConfiguration(dense: [name], text: false, logDegree: false))) }
        if base.features.text ?? dense.isEmpty, catalog != nil {
            var configuration = base.features
            (configuration.dense, configuration.text, configuration.attributes, configuration.logDegree) = ([], true, [], false)
            blocks.append(("text", configuration))
        }
        if !base.features.attributes.isEmpty {
            blocks.append(
                ("attributes", FeatureConfiguration(dense: [], text: false, attributes: base.features.attributes, logDegree: false)))
        }
        return try blocks.map { name, configuration in
            let key = key("features-" + name, try JSONFile.text(of: configuration)) + "-test-" + testFingerprint
            if let record = try stored(key) { return record }
            let fitted = try FeatureTransform.fit(
                dataset: dataset, catalog: catalog, configuration: configuration, kernels: kernels, seed: plan.seeds[0])
            var record = Record(name: name, row: .features, seed: plan.seeds[0])
            try measure(&record, vectors: try kernels.normalizedRows(fitted.matrix))
            try store(record, key)
            return record
        }
    }
}

/// How long a step takes, from the times at which steps ended: a mean over those that nothing else came between.
struct StepTime {
    private(set) var mean: Double?
    private(set) var producedShare: Double?
    private(set) var waitedShare: Double?

    init(_ metrics: [TrainingState.MetricsRow]) {
        var (sum, produced, waited, count) = (0.0, 0.0, 0.0, 0)
        var last: Double?
        for row in metrics {
            guard case .step(let step) = row else {
                last = nil  // a validation
                continue
            }
            // A resumed run counts from 0 again.
            if let last, step.seconds > last {
                sum += step.seconds - last
                produced += step.produced
                waited += step.waited
                count += 1
            }
            last = step.seconds
        }
        guard count > 0, sum > 0 else { return }
        mean = sum / Double(count)
        producedShare = produced / sum
        waitedShare = waited / sum
    }
}
