/// A method without training (or with a closed form) that a trained model is judged against, as `--baseline` names it.
///
/// A name may carry its one parameter: `rp3beta=0.7`, `ease=100`, `pooled=2`.
public struct Baseline: Sendable, Hashable, CustomStringConvertible {
    /// The methods there are.
    public enum Kind: String, CaseIterable, Sendable {
        case popularity, content, pixie, pagerank, pooled
        case pooledQuery = "pooled-query"
        case itemcf, rp3beta, ease
    }

    public let kind: Kind
    /// The parameter where it was given; ``Kind/standardParameter`` otherwise.
    public let parameter: Double?

    public init(_ kind: Kind, parameter: Double? = nil) {
        self.kind = kind
        self.parameter = parameter
    }

    /// - Throws: ``DataError`` that lists the names there are, or for a parameter that is out of range.
    public init(parsing text: String) throws {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard let name = parts.first, let kind = Kind(rawValue: String(name)) else {
            throw DataError("no baseline \"\(text)\"; there are \(Kind.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        guard parts.count == 2 else {
            self.init(kind)
            return
        }
        guard let range = kind.parameterRange else { throw DataError("the baseline \(kind.rawValue) has no parameter, found \"\(text)\"") }
        guard let value = Double(parts[1]), range.contains(value) else {
            throw DataError(
                "the parameter of \(kind.rawValue) is \(kind.parameterMeaning): expected \(range.lowerBound) to \(range.upperBound), found \"\(parts[1])\""
            )
        }
        self.init(kind, parameter: value)
    }

    /// The value that counts.
    public var effectiveParameter: Double? { parameter ?? kind.standardParameter }

    /// As it is written: `ease=100`, or the name alone.
    public var description: String { parameter.map { "\(kind.rawValue)=\(NumberText.tick($0))" } ?? kind.rawValue }
}

extension Baseline.Kind {
    /// The parameter's value unless one is given; `nil` for methods without any.
    public var standardParameter: Double? {
        switch self {
        case .popularity, .content, .itemcf: nil
        case .pixie: 100_000
        case .pagerank: 0.5
        case .pooled, .pooledQuery: 1
        case .rp3beta: 0.5
        case .ease: 300
        }
    }

    /// What the parameter is, in words.
    public var parameterMeaning: String {
        switch self {
        case .popularity, .content, .itemcf: "none"
        case .pixie: "the steps of a query's walks"
        case .pagerank: "the factor from one hop to the next, over 3 hops"
        case .pooled, .pooledQuery: "the weight of the pooled neighbors beside the item itself"
        case .rp3beta: "the power of popularity that is divided by"
        case .ease: "the L2 penalty lambda"
        }
    }

    var parameterRange: ClosedRange<Double>? {
        switch self {
        case .popularity, .content, .itemcf: nil
        case .pixie: 1...1_000_000_000
        case .pagerank: 0...1
        case .pooled, .pooledQuery: 0...1000
        case .rp3beta: 0...2
        case .ease: 1e-3...1e7
        }
    }

    /// The values that `tuned` tries.
    public var grid: [Double] {
        switch self {
        case .popularity, .content, .itemcf, .pixie: []
        case .pagerank: [0.25, 0.5, 0.75]
        case .pooled, .pooledQuery: [0.25, 0.5, 1, 2, 4]
        case .rp3beta: [0, 0.25, 0.5, 0.75, 1]
        case .ease: [30, 100, 300, 1000]
        }
    }

    /// Whether it looks at the items' features.
    public var needsFeatures: Bool { self == .content || self == .pooled || self == .pooledQuery }

    /// One line for help and reports.
    public var summary: String {
        switch self {
        case .popularity: "number of collections, whatever is asked"
        case .content: "cosine of the items' features"
        case .pixie: "visit shares of random walks with restart"
        case .pagerank: "exact Personalized PageRank over 3 hops"
        case .pooled: "own plus importance-pooled neighbor features, untrained, on both sides"
        case .pooledQuery: "the same for the query against the candidates' own features (new items have no neighbors)"
        case .itemcf: "cosine of co-occurrence"
        case .rp3beta: "two-step walk, divided by popularity^beta"
        case .ease: "closed-form linear item model, for up to \(EASEScorer.mostItems) items"
        }
    }
}

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
            let ranks = try evaluator.ranks(of: try scorer(of: Baseline(baseline.kind, parameter: parameter), in: reader))
            let values = ranks.values(of: metric)
            trials.append(Trial(parameter: parameter, value: values.reduce(0, +) / Double(max(values.count, 1))))
        }
        var best = trials[0]
        for trial in trials where trial.value > best.value { best = trial }
        return (Baseline(baseline.kind, parameter: best.parameter), trials)
    }
}
