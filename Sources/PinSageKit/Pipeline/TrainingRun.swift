/// Training from a dataset to a model: features, positive pairs, validation, checkpoints.
///
/// It composes what the layers below offer; ``Trainer`` is the training loop itself.
public struct TrainingRun: Sendable {
    public let dataset: Dataset
    public let options: TrainingOptions
    private let catalog: (any ItemCatalog)?
    private let kernels: Kernels
    private let group: any TrainingGroup

    /// - Parameters:
    ///   - catalog: titles, texts and attributes, where the features ask for them.
    ///   - group: the processes that train together. Each makes the same run; rank 0 alone measures and writes.
    public init(
        dataset: Dataset, catalog: (any ItemCatalog)?, options: TrainingOptions, kernels: Kernels, group: any TrainingGroup = SoleProcess()
    ) {
        self.dataset = dataset
        self.catalog = catalog
        self.options = options
        self.kernels = kernels
        self.group = group
    }

    /// Where a run reports to and what may stop it.
    public struct Hooks {
        public var onEvent: (TrainingEvent) -> Void = { _ in }
        /// What happens before the first step: a stage and how far it is (0 of 0 where that is not known).
        public var onPreparation: (_ stage: String, _ done: Int, _ total: Int) -> Void = { _, _, _ in }
        public var isInterrupted: () -> Bool = { false }

        public init() {}
    }

    /// Trains, or goes on with the checkpoint at `output` when `resumes` is set, and leaves the model with the best validation there.
    ///
    /// - Parameters:
    ///   - output: a model directory; written at every checkpoint. `nil` keeps everything in memory.
    ///   - resumes: goes on where a checkpoint ended; without one it starts anew.
    ///   - validation: what chooses the best weights; `nil` holds a part of the dataset's edges out, as the options say.
    ///   - initialModel: a model to start from instead of fresh weights, made on this dataset or an older state of it. Its features are taken over,
    ///     and its shape where the options leave it open. Id vectors go by row; items beyond its own start without one.
    /// - Throws: ``ConfigurationError``, ``DataError``, ``TrainingError``.
    public func run(
        output: String?, resumes: Bool = false, validation: EvaluationTask? = nil, initialModel: PinSageModel? = nil, hooks: Hooks = Hooks()
    ) throws -> (model: PinSageModel, state: TrainingState) {
        // The other ranks may have no such path; where to go on is rank 0's to say.
        let output = group.rank == 0 ? output : nil
        // Before hours of work, not after.
        if let output { try ArtifactWriter.check(output, kind: PinSageModel.kind) }
        try dataset.checkTargets()
        var (graph, validation) = (dataset.graph, validation)
        if validation == nil, options.holdsOutValidation { (graph, validation) = try holdOut() }
        let resumed = resumes ? try output.flatMap { Checkpoint.exists(at: $0) ? try Checkpoint.open($0) : nil } : nil

        let (transform, matrix) = try features(of: graph, fitted: resumed?.model.features ?? initialModel?.features, hooks: hooks)
        var configuration = options.training
        let (trained, inputs) = try trainingPart(of: graph, transform: transform, features: matrix)
        let pairSource = try PositivePairSource(graph: trained, configuration: configuration.pairs)
        let defaults = TrainingDefaults(
            graph: trained, hasContent: transform.hasContent, pairsPerEpoch: pairSource.count, asksWithMembers: configuration.queryMembers > 1)
        configuration.epochs = options.epochs ?? defaults.epochs
        if options.neighborhoods != nil { configuration.redrawsNeighborhoods = false }
        // Of a new item without content nothing is known: all of them would be one vector.
        if !transform.hasContent { configuration.newItemShare = 0 }
        let model = try self.model(transform, defaults: defaults, start: resumed?.model ?? initialModel)
        let fingerprint = output == nil ? 0 : trained.fingerprint
        if let resumed,
            resumed.configuration != configuration || resumed.model.configuration != model.configuration || resumed.model.walks != model.walks
                || resumed.model.neighborsPerLayer != model.neighborsPerLayer
        {
            throw ConfigurationError(
                "--resume needs the settings that the checkpoint was made with; they are in \(output ?? "")/training/cursor.json")
        }
        if let resumed, resumed.graph != fingerprint {
            throw DataError("the checkpoint was made on another dataset (or other validation edges) than the one to go on with", file: output)
        }
        let idVectors =
            model.configuration.idWidth > 0 ? try startingIDVectors(trained, width: model.configuration.idWidth, from: initialModel) : nil
        let trainer = try Trainer(
            graph: trained, features: inputs, model: model.configuration, walks: model.walks, neighborsPerLayer: model.neighborsPerLayer,
            configuration: configuration, idVectors: idVectors,
            precomputed: try options.neighborhoods.map { try precomputed($0, trained, walks: model.walks) }, kernels: kernels, group: group)

        var trainerHooks = Trainer.Hooks()
        trainerHooks.onEvent = hooks.onEvent
        trainerHooks.isInterrupted = hooks.isInterrupted
        if let validation {
            trainerHooks.validate = { parameters, idVectors in
                var current = model
                current.parameters = parameters
                current.idVectors = idVectors
                return try self.measure(current, graph: graph, features: matrix, task: validation)
            }
        }
        if let output {
            trainerHooks.checkpoint = { state in
                try Checkpoint(model: model, configuration: configuration, state: state, graph: fingerprint).write(to: output)
            }
        }
        let start = resumed?.state ?? trainer.initialState(parameters: initialModel?.parameters)
        let state = try trainer.run(from: start, hooks: trainerHooks)
        var result = model
        result.parameters = state.bestParameters
        result.idVectors = state.bestIDVectors
        return (result, state)
    }

    // MARK: Parts

    /// Holds the latest (or a drawn) member of each collection out, with its edge.
    private func holdOut() throws -> (Graph, EvaluationTask?) {
        let rule: DatasetSplit.Rule = dataset.hasTimes ? .leaveLast(1) : .leaveRandom(1)
        let split = try DatasetSplit(
            dataset.graph, configuration: .init(rule: rule, minimumMembers: 5, seed: options.training.seed))
        guard !split.test.pairs.isEmpty else { return (dataset.graph, nil) }
        // A few thousand queries tell models apart to about half a percent; the rest of the held-out edges goes back into training.
        let held = try HeldOutQuestions(split.test.pairs, of: dataset.graph, most: 3000)
        return (held.graph, held.task(asksWithMembers: options.training.queryMembers > 1))
    }

    /// What is trained on: all of the graph, or the edges of a drawn share of its collections, with features that know no other edges.
    private func trainingPart(
        of graph: Graph, transform: FeatureTransform, features: FeatureMatrix
    ) throws -> (graph: Graph, features: FeatureMatrix) {
        let share = options.collectionShare
        try ConfigurationError.require(share > 0 && share <= 1, "collection-share is \(share), expected above 0, at most 1")
        guard share < 1 else { return (graph, features) }
        let random = CounterRandom(seed: options.training.seed, round: 0x7368_6172)
        let threshold = CounterRandom.threshold(share)
        let part = graph.keeping { collection in random.word(item: UInt64(collection), walk: 0, step: 0) < threshold }
        let visible = Dataset(graph: part, items: dataset.items, collections: dataset.collections, features: dataset.features)
        return (part, try transform.featureMatrix(for: visible, catalog: catalog))
    }

    private func precomputed(_ path: String, _ graph: Graph, walks: WalkConfiguration) throws -> NeighborhoodFile {
        // Walks of the whole graph pass the edges that validation asks about.
        try ConfigurationError.require(
            graph.edgeCount == dataset.graph.edgeCount,
            "neighborhoods of the whole dataset do not fit training on a part of its edges: give validation pairs or collections of a split, "
                + "and no collection-share")
        let sampler = try NeighborhoodSampler(graph: graph, configuration: walks, seed: options.training.seed)
        try NeighborhoodFile.check(path, drawnBy: sampler, origin: dataset)
        return try NeighborhoodFile.open(path)
    }

    private func features(of graph: Graph, fitted: FeatureTransform?, hooks: Hooks) throws -> (FeatureTransform, FeatureMatrix) {
        let visible = Dataset(graph: graph, items: dataset.items, collections: dataset.collections, features: dataset.features)
        if let fitted {
            try fitted.checkCompatible(with: visible)
            return (fitted, try fitted.featureMatrix(for: visible, catalog: catalog, progress: hooks.onPreparation))
        }
        let (transform, values) = try FeatureTransform.fit(
            dataset: visible, catalog: catalog, configuration: options.features, kernels: kernels, seed: options.training.seed,
            progress: hooks.onPreparation)
        return (transform, FeatureMatrix(values: values, degree: transform.degreeColumn))
    }

    private func model(_ transform: FeatureTransform, defaults: TrainingDefaults, start: PinSageModel?) throws -> PinSageModel {
        let shape = start?.configuration
        let layers = options.layers ?? shape?.layers ?? defaults.layers
        let idWidth = options.idWidth ?? shape?.idWidth ?? defaults.idWidth
        // Before anything is made in these sizes.
        try ConfigurationError.require((0...8).contains(layers), "layers is \(layers), expected 0 to 8")
        try ConfigurationError.require((0...65536).contains(idWidth), "id-features is \(idWidth), expected 0 to 65536")
        try ConfigurationError.require(
            options.idStartLength.isFinite && options.idStartLength >= 0, "idStartLength is \(options.idStartLength), expected 0 or more")
        try ConfigurationError.require(
            layers == 0 || options.neighbors.count <= layers,
            "neighbors has \(options.neighbors.count) numbers, expected at most one for each of \(layers) layers")
        var walks = defaults.walks
        walks.walks = options.walks ?? walks.walks
        walks.walkLength = options.walkLength ?? walks.walkLength
        walks.restart = options.restart ?? walks.restart
        walks.collectionTypes = options.collectionTypes
        walks.sizeExponent = options.sizeExponent ?? walks.sizeExponent
        try ConfigurationError.require(!options.neighbors.isEmpty && options.neighbors.allSatisfy { $0 > 0 }, "neighbors expects positive numbers")
        let perLayer = (0..<layers).map { options.neighbors[min($0, options.neighbors.count - 1)] }
        walks.neighbors = perLayer.max() ?? options.neighbors[0]
        let configuration = PinSageConfiguration(
            inputWidth: transform.width + idWidth, layers: layers, hiddenWidth: options.hiddenWidth ?? shape?.hiddenWidth,
            layerWidth: options.layerWidth ?? shape?.layerWidth, dimension: options.dimension ?? shape?.dimension ?? defaults.dimension,
            pooling: options.pooling, normalizesOutput: options.normalizesOutput ?? (options.training.loss == .maxMargin),
            idWidth: idWidth)
        try configuration.validate()
        if let start, start.configuration != configuration {
            throw ConfigurationError(
                "the model to start from has another shape (\(start.configuration.summary)) than these settings ask for (\(configuration.summary))")
        }
        return PinSageModel(
            configuration: configuration, parameters: start?.parameters ?? .initial(configuration, options.training), walks: walks,
            neighborsPerLayer: perLayer, seed: options.training.seed, features: transform, idVectors: start?.idVectors,
            idItems: idWidth > 0 ? dataset.items : nil)
    }

    private func startingIDVectors(_ graph: Graph, width: Int, from start: PinSageModel?) throws -> Matrix {
        guard let known = start?.idVectors else { return try initialIDVectors(graph, width: width) }
        var vectors = Matrix(rows: graph.itemCount, columns: width)
        if let items = start?.idItems {
            for item in 0..<graph.itemCount {
                guard let row = items.row(ofRow: item, in: dataset.items) else { continue }
                vectors.replaceRows(from: item, with: known.rows(row..<row + 1))
            }
            return vectors
        }
        guard known.rows <= graph.itemCount else {
            throw DataError(
                "the model to start from has id vectors of \(known.rows) items: expected a dataset with at least as many, found \(graph.itemCount)",
                file: dataset.path)
        }
        vectors.replaceRows(from: 0, with: known)
        return vectors
    }

    /// Id vectors start from a truncated singular value decomposition of the memberships, so that items of the same collections start close.
    private func initialIDVectors(_ graph: Graph, width: Int) throws -> Matrix {
        if options.idStart == .random {
            var random = GaussianSource(seed: options.training.seed)
            let scale = options.idStartLength / Float(width).squareRoot()
            return Matrix(rows: graph.itemCount, columns: width, values: (0..<graph.itemCount * width).map { _ in scale * Float(random.next()) })
        }
        let lists = RaggedLists(
            offsets: Array(graph.items.offsets), targets: graph.items.targets.map { Int32($0) },
            weights: graph.items.targets.map { 1 / Float(max(graph.collections.degree(of: Int($0)), 1)).squareRoot() })
        let rank = min(width, graph.itemCount, graph.collectionCount)
        let svd = try RandomizedSVD(of: lists, columns: graph.collectionCount, rank: rank, seed: options.training.seed, kernels: kernels)
        var vectors = try kernels.pooled(svd.rightVectors, lists: lists)
        try kernels.normalizeRows(&vectors)
        return vectors.widened(to: width)
    }

    private func measure(
        _ model: PinSageModel, graph: Graph, features: FeatureMatrix, task: EvaluationTask
    ) throws -> (metrics: [String: Double], value: Double) {
        let vectors = try EmbeddingPass(model: model, kernels: kernels).embeddings(graph: graph, features: features)
        let scorer = try VectorScorer(name: "pinsage", candidates: vectors, kernels: kernels)
        let ranks = try Evaluator(task: task, threads: kernels.threads).ranks(of: scorer)
        var metrics: [String: Double] = [:]
        for metric in [EvaluationMetric.hitRate(10), .hitRate(50), .hitRate(500), .recall(20), .ndcg(20), .reciprocalRank] {
            metrics[metric.key] = ranks.mean(of: metric)
        }
        let value = task.kind == .collections ? metrics["recall@20"] : metrics["hit_rate@10"]
        return (metrics, (value ?? 0) + (metrics["mrr"] ?? 0))
    }
}
