/// Makes the baselines of one dataset and keeps what several of them share.
public final class BaselineRunner {
    public let dataset: Dataset
    public let kernels: Kernels
    public var seed: UInt64
    public var walks: WalkConfiguration
    public var pooling: QueryPooling
    private let features: () throws -> Matrix
    private var madeFeatures: Matrix?
    private var pooled: PooledFeatures?
    /// Told how far a method that is trained has come.
    public var onTraining: (_ name: String, _ done: Int, _ total: Int) -> Void = { _, _, _ in }

    /// - Parameters:
    ///   - walks: how `pooled` draws neighborhoods.
    ///   - features: makes the items' features, (N, D); called once, and only when a method needs them.
    public init(
        dataset: Dataset, kernels: Kernels, seed: UInt64 = 1, walks: WalkConfiguration = BaselineRunner.standardWalks,
        pooling: QueryPooling = .mean, features: @escaping () throws -> Matrix
    ) {
        self.dataset = dataset
        self.kernels = kernels
        self.seed = seed
        self.walks = walks
        self.pooling = pooling
        self.features = features
    }

    /// Many walks, so that an untrained method is not held back by their noise.
    public static let standardWalks = WalkConfiguration(walks: 400, walkLength: 2, restart: 0.5, neighbors: 50)

    /// The features that `content` and `pooled` look at, rows of length 1: all dense tables, or text features where there are none;
    /// no log-degree, which says nothing of what an item is.
    public static func contentFeatures(
        of dataset: Dataset, catalog: (any ItemCatalog)?, kernels: Kernels, seed: UInt64, progress: FeatureTransform.Progress = { _, _, _ in }
    ) throws -> Matrix {
        let fitted = try FeatureTransform.fit(
            dataset: dataset, catalog: catalog, configuration: FeatureConfiguration(logDegree: false), kernels: kernels, seed: seed,
            progress: progress)
        guard fitted.transform.hasContent else {
            throw DataError("content and pooled need features: expected dense features or titles and texts, found neither", file: dataset.path)
        }
        return try kernels.normalizedRows(fitted.matrix)
    }

    private func contentMatrix() throws -> Matrix {
        if let madeFeatures { return madeFeatures }
        let made = try kernels.normalizedRows(try features())
        madeFeatures = made
        return made
    }

    private func pooledFeatures() throws -> PooledFeatures {
        if let pooled { return pooled }
        let made = try PooledFeatures(features: contentMatrix(), graph: dataset.graph, walks: walks, seed: seed, kernels: kernels)
        pooled = made
        return made
    }

    /// The scorer of a baseline, in the dataset's numbering.
    ///
    /// - Throws: ``DataError`` when the dataset lacks what the method needs or is too large for it.
    public func scorer(of baseline: Baseline) throws -> any CandidateScorer {
        let parameter = baseline.effectiveParameter ?? 0
        let (graph, threads) = (dataset.graph, kernels.threads)
        switch baseline.kind {
        case .popularity: return PopularityScorer(graph: graph)
        case .content: return try VectorScorer(name: "content", candidates: contentMatrix(), pooling: pooling, kernels: kernels)
        case .pixie:
            let configuration = PixieConfiguration(steps: Int(parameter))
            return PixieScorer(recommender: try PixieRecommender(graph: graph, configuration: configuration, seed: seed), threads: threads)
        case .pagerank: return SpreadScorer.pageRank(hops: 3, damping: parameter, graph: graph, threads: threads)
        case .pooled:
            let vectors = try pooledFeatures().vectors(weight: Float(parameter), kernels: kernels)
            return try VectorScorer(name: "pooled", candidates: vectors, pooling: pooling, kernels: kernels)
        case .pooledQuery:
            let vectors = try pooledFeatures().vectors(weight: Float(parameter), kernels: kernels)
            return try VectorScorer(name: "pooled-query", candidates: contentMatrix(), queries: vectors, pooling: pooling, kernels: kernels)
        case .itemcf: return SpreadScorer.itemCosine(graph: graph, threads: threads)
        case .rp3beta: return SpreadScorer.rp3(beta: parameter, graph: graph, threads: threads)
        case .ease: return try EASEScorer(graph: graph, lambda: parameter, kernels: kernels)
        case .bpr, .ials, .lightgcn: return try FactorScorer(name: baseline.kind.rawValue, factors: factors(of: baseline), kernels: kernels)
        }
    }

    /// Trains a factor method.
    private func factors(of baseline: Baseline) throws -> LatentFactors {
        let graph = dataset.graph
        let report: LatentFactors.Progress = { self.onTraining(baseline.kind.rawValue, $0, $1) }
        func whole(_ name: String) -> Int { Int(baseline.value(name)) }
        func number(_ name: String) -> Float { Float(baseline.value(name)) }
        switch baseline.kind {
        case .bpr:
            var configuration = BPRFactors.Configuration()
            (configuration.factors, configuration.epochs, configuration.seed) = (whole("factors"), whole("epochs"), seed)
            (configuration.regularization, configuration.learningRate) = (number("regularization"), number("rate"))
            return try BPRFactors.train(graph, configuration: configuration, progress: report)
        case .lightgcn:
            var configuration = LightGCN.Configuration()
            (configuration.factors, configuration.epochs, configuration.seed) = (whole("factors"), whole("epochs"), seed)
            (configuration.layers, configuration.mostStepsPerEpoch) = (whole("layers"), whole("steps"))
            (configuration.regularization, configuration.learningRate) = (number("regularization"), number("rate"))
            return try LightGCN.train(graph, configuration: configuration, kernels: kernels, progress: report)
        default:
            var configuration = ImplicitALS.Configuration()
            (configuration.factors, configuration.epochs, configuration.seed) = (whole("factors"), whole("epochs"), seed)
            (configuration.unobserved, configuration.regularization) = (number("unobserved"), number("regularization"))
            configuration.exponent = number("exponent")
            return try ImplicitALS.train(graph, configuration: configuration, threads: kernels.threads, progress: report)
        }
    }

    /// The scorer in the numbering of a task.
    public func scorer(of baseline: Baseline, in reader: EvaluationTaskReader) throws -> any CandidateScorer {
        let own = try scorer(of: baseline)
        if case .same = reader.numbering { return own }
        return RenumberedScorer(base: own, numbering: reader.numbering, itemCount: reader.items.count)
    }

    /// One value of the parameter and how well it did on the validation task.
    public struct Trial: Sendable {
        public let parameter: Double
        public let value: Double
    }

    /// The baseline with the best parameter of its grid on a validation task; a parameter that was given is kept.
    ///
    /// Ties go to the earlier value of the grid.
    public func tuned(
        _ baseline: Baseline, on reader: EvaluationTaskReader, task: EvaluationTask, metric: EvaluationMetric = .reciprocalRank
    ) throws -> (baseline: Baseline, trials: [Trial]) {
        guard baseline.parameter == nil, !baseline.kind.grid.isEmpty else { return (baseline, []) }
        let evaluator = Evaluator(task: task, threads: kernels.threads)
        var trials: [Trial] = []
        for parameter in baseline.kind.grid {
            let ranks = try evaluator.ranks(of: try scorer(of: baseline.with(parameter: parameter), in: reader))
            let values = ranks.values(of: metric)
            trials.append(Trial(parameter: parameter, value: values.reduce(0, +) / Double(max(values.count, 1))))
        }
        var best = trials[0]
        for trial in trials where trial.value > best.value { best = trial }
        return (baseline.with(parameter: best.parameter), trials)
    }
}
