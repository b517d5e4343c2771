internal import Foundation

/// Trains PinSage on a graph: a producer makes minibatches ahead, this consumer computes and descends.
///
/// Source: Ying et al. 2018, section 3.3 and Algorithm 2. One run at a time; it blocks the calling thread.
public final class Trainer {
    private let graph: Graph
    private let features: FeatureMatrix
    private let model: PinSageConfiguration
    private let walks: WalkConfiguration
    private let neighborsPerLayer: [Int]
    let configuration: TrainingConfiguration
    private let kernels: Kernels
    private let group: MeteredGroup
    private let initialIDVectors: Matrix?
    private let precomputed: NeighborhoodFile?

    /// - Parameters:
    ///   - graph: the training graph; held-out edges are not in it.
    ///   - features: input vectors of all its items (N, featureWidth).
    ///   - neighborsPerLayer: T of each layer, the one nearest the input first.
    ///   - idVectors: where learned id vectors start, (N, idWidth); needed exactly when the model has them.
    ///   - precomputed: the neighborhoods of all items, as walks with the configuration's seed draw them; needs
    ///     ``TrainingConfiguration/redrawsNeighborhoods`` off.
    ///   - group: the processes that share each minibatch; every one makes a trainer of the same data and settings.
    /// - Throws: ``ConfigurationError``.
    public init(
        graph: Graph, features: FeatureMatrix, model: PinSageConfiguration, walks: WalkConfiguration, neighborsPerLayer: [Int],
        configuration: TrainingConfiguration, idVectors: Matrix? = nil, precomputed: NeighborhoodFile? = nil, kernels: Kernels,
        group: any TrainingGroup = SoleProcess()
    ) throws {
        try model.validate()
        try configuration.validate()
        try ConfigurationError.require(
            features.values.rows == graph.itemCount && features.values.columns == model.featureWidth,
            "features are \(features.values.shape), expected \(graph.itemCount) x \(model.featureWidth)")
        try ConfigurationError.require(
            neighborsPerLayer.count == model.layers && neighborsPerLayer.allSatisfy { (1...walks.neighbors).contains($0) },
            "neighbors are \(neighborsPerLayer), expected \(model.layers) numbers from 1 to \(walks.neighbors)")
        try ConfigurationError.require(
            (idVectors?.columns ?? 0) == model.idWidth && (idVectors == nil || idVectors?.rows == graph.itemCount),
            "id vectors are \(idVectors?.shape ?? "missing"), expected \(graph.itemCount) x \(model.idWidth)")
        self.graph = graph
        self.features = features
        self.model = model
        self.walks = walks
        self.neighborsPerLayer = neighborsPerLayer
        self.configuration = configuration
        self.kernels = kernels
        self.group = MeteredGroup(group)
        initialIDVectors = idVectors
        self.precomputed = precomputed
        try ConfigurationError.require(
            precomputed == nil || !configuration.redrawsNeighborhoods,
            "precomputed neighborhoods cannot be drawn anew: set redrawsNeighborhoods to false")
    }

    /// The state before the first step.
    public func initialState(parameters: Parameters? = nil) -> TrainingState {
        TrainingState(
            parameters: parameters ?? .initial(model, configuration), optimizer: Optimizer(configuration: configuration, model: model),
            idVectors: initialIDVectors.map { IDVectors(table: $0) }, step: 0, best: nil, validationsSinceBest: 0, metrics: [])
    }

    /// What a run calls back; every closure runs on the training thread, between steps. `validate` and `checkpoint` are called on rank 0 alone.
    public struct Hooks {
        /// Measures the current weights; the result's `value` chooses the best and stops early.
        public var validate: ((Parameters, _ idVectors: Matrix?) throws -> (metrics: [String: Double], value: Double))?
        /// Stores the state; called at the end of every epoch, every ``TrainingConfiguration/checkpointSeconds`` and on interruption.
        public var checkpoint: ((TrainingState) throws -> Void)?
        /// Asked after every step, on every rank; one `true` stores a checkpoint and ends the run on all.
        public var isInterrupted: () -> Bool = { false }
        public var onEvent: (TrainingEvent) -> Void = { _ in }

        public init() {}
    }

    /// Trains from `state` (see ``initialState(parameters:)``) to the last epoch.
    ///
    /// The same state, data, seed, machine and thread count give the same weights bit for bit, however often the run was stopped and resumed.
    /// More ranks give the same minibatches and weights that differ by the rounding of sums in another order; rank 0's state is where all start.
    /// - Throws: ``TrainingError``, or what a hook threw.
    public func run(from state: TrainingState, hooks: Hooks = Hooks()) throws -> TrainingState {
        var state = state
        let source = try makeSource()
        try agreement.check(with: group)
        try state.synchronize(with: group)
        let stepsPerEpoch = source.stepsPerEpoch
        let steps = configuration.epochs * stepsPerEpoch
        hooks.onEvent(
            .started(
                .init(
                    pairs: source.pairsPerEpoch, stepsPerEpoch: stepsPerEpoch, epochs: configuration.epochs,
                    parameterCount: state.parameters.count + (state.idVectors?.table.values.count ?? 0), firstStep: state.step,
                    notes: notes(of: source))))
        let clock = ContinuousClock()
        let start = clock.now
        var waited = 0.0, produced = 0.0, productFLOPs = 0.0
        var lastCheckpoint = (step: state.step > 0 ? state.step : nil as Int?, time: clock.now)
        var interrupted = false

        let schedule = LearningRateSchedule(configuration: configuration, stepsPerEpoch: stepsPerEpoch)
        let network = Network(configuration: model, kernels: kernels)
        var loss = PairLoss(configuration: configuration, kernels: kernels, group: group)
        var gradients = Parameters(zeros: model)
        var dz = Matrix(rows: 0, columns: 0)
        let turns = ThreadTurns()
        let producer = MinibatchProducer(source: source, steps: min(state.step, steps)..<steps, turns: turns)
        defer { producer.stop() }

        /// A ReLU hides a weight that is no number from loss and gradient: such weights must not be measured or stored either.
        func checkFinite() throws {
            let parameters = state.parameters
            for position in parameters.names.indices {
                guard try turns.take({ try kernels.sumOfSquares(parameters.values(at: position)) }).isFinite else {
                    throw TrainingError.diverged(
                        step: state.step - 1, learningRate: schedule.rate(at: state.step - 1), lastGoodCheckpoint: lastCheckpoint.step)
                }
            }
        }
        func checkpoint() throws {
            try checkFinite()
            guard group.rank == 0, let store = hooks.checkpoint else { return }
            try store(state)
            lastCheckpoint = (state.step, clock.now)
            hooks.onEvent(.checkpoint(step: state.step))
        }

        while state.step < steps {
            let asked = clock.now
            guard var minibatch = try producer.next() else { break }
            let wait = (clock.now - asked).seconds
            let exchangedBefore = group.seconds
            let step = try turns.take {
                try self.step(
                    &minibatch, state: &state, network: network, loss: &loss, gradients: &gradients, dz: &dz,
                    learningRate: schedule.rate(at: state.step), lastGoodCheckpoint: lastCheckpoint.step)
            }
            waited += wait
            productFLOPs += step.productFLOPs
            produced += minibatch.seconds
            let inputItems = minibatch.input.graph.inputItems.count
            source.recycle(&minibatch.input)
            let event = TrainingEvent.Step(
                step: minibatch.step, epoch: minibatch.epoch, loss: step.loss, learningRate: step.learningRate, pairs: minibatch.pairCount,
                hardNegatives: minibatch.hardNegativesPerPair, seconds: (clock.now - start).seconds, waited: wait, produced: minibatch.seconds,
                inputItems: inputItems,
                exchanged: group.size > 1 ? group.seconds - exchangedBefore : nil, productFLOPs: step.productFLOPs)
            state.metrics.append(.step(event))
            hooks.onEvent(.step(event))

            let epochEnds = state.step % stepsPerEpoch == 0
            if epochEnds {
                try checkFinite()
                let goesOn = try turns.take { try validate(&state, epoch: minibatch.epoch, hooks: hooks) }
                try checkpoint()
                if !goesOn { break }
            }
            if try group.anyRank(hooks.isInterrupted()) {
                interrupted = true
                if !epochEnds { try checkpoint() }
                break
            }
            if !epochEnds, group.rank == 0, (clock.now - lastCheckpoint.time).seconds >= configuration.checkpointSeconds { try checkpoint() }
        }
        hooks.onEvent(
            .finished(
                .init(
                    steps: state.step, seconds: (clock.now - start).seconds, interrupted: interrupted, bestValidation: state.bestValidation,
                    waited: waited, produced: produced, exchanged: group.size > 1 ? group.seconds : nil,
                    productFLOPs: productFLOPs)))
        return state
    }

    /// What of the settings is larger than the data.
    private func notes(of source: MinibatchSource) -> [String] {
        var notes: [String] = []
        if configuration.batchSize > source.pairsPerEpoch {
            notes.append("a batch of \(configuration.batchSize) pairs is more than the \(source.pairsPerEpoch) there are: each epoch is one step")
        }
        if let most = neighborsPerLayer.max(), most >= graph.itemCount {
            notes.append("\(most) neighbors are more than the \(graph.itemCount - 1) other items: neighborhoods are smaller")
        }
        if configuration.hardNegatives > 0 {
            if configuration.epochs < 2 { notes.append("no hard negatives: the curriculum has none in the first epoch, and there is no other") }
            if let ranks = configuration.hardNegativeRanks, ranks.upperBound >= graph.itemCount {
                notes.append("hard negatives come from the ranks \(ranks.lowerBound) to \(graph.itemCount - 1): there are no more items")
            }
        }
        if configuration.negatives > graph.itemCount {
            notes.append("\(configuration.negatives) negatives are drawn from \(graph.itemCount) items: many come more than once")
        }
        return notes
    }

    func makeSource() throws -> MinibatchSource {
        let pairSource = try PositivePairSource(graph: graph, configuration: configuration.pairs)
        guard pairSource.count > 0 else {
            throw TrainingError.tooFewPairs(
                found: 0, reason: "A positive pair is two items of one collection; no collection has two items within the configured size limits.")
        }
        if configuration.hardNegatives > 0, let ranks = configuration.hardNegativeRanks, ranks.lowerBound >= graph.itemCount {
            throw ConfigurationError(
                "hardNegativeRanks begin at \(ranks.lowerBound), expected a rank below the number of items, \(graph.itemCount)")
        }
        let ranks =
            configuration.hardNegativeRanks.map { $0.lowerBound..<$0.upperBound + 1 } ?? HardNegativeMiner.defaultRanks(itemCount: graph.itemCount)
        let miner =
            configuration.hardNegatives > 0 && configuration.epochs > 1
            ? HardNegativeMiner(ranker: PersonalizedPageRankRanker(graph: graph, seed: configuration.seed), ranks: ranks, seed: configuration.seed)
            : nil
        return MinibatchSource(
            graph: graph, features: features, sampler: try NeighborhoodSampler(graph: graph, configuration: walks, seed: configuration.seed),
            neighborsPerLayer: neighborsPerLayer, pairSource: pairSource, hardNegatives: miner, idWidth: model.idWidth,
            configuration: configuration, kernels: kernels, precomputed: precomputed, group: group)
    }

    private var agreement: GroupAgreement {
        GroupAgreement(
            graph: group.size > 1 ? graph.fingerprint : 0, features: features.values.shape, model: model, walks: walks,
            neighborsPerLayer: neighborsPerLayer, configuration: configuration)
    }

    /// Forward, backward and update for one minibatch.
    private func step(
        _ minibatch: inout Minibatch, state: inout TrainingState, network: Network, loss: inout PairLoss, gradients: inout Parameters,
        dz: inout Matrix,
        learningRate: Float, lastGoodCheckpoint: Int?
    ) throws -> (loss: Double, learningRate: Float, productFLOPs: Double) {
        defer { network.release() }
        try state.idVectors?.fill(&minibatch.input, atColumn: model.featureWidth, kernels: kernels)
        let z = try network.forward(minibatch.input, parameters: state.parameters)
        let part = try loss.loss(z: z, layout: minibatch.layout, pairCount: minibatch.pairCount, dz: &dz)
        var sums = [
            part,
            model.productFLOPs(
                of: minibatch.input.graph, pairs: minibatch.pairs.count, negatives: configuration.negatives, learnsIDs: state.idVectors != nil),
        ]
        try group.sum(&sums)
        let value = sums[0]
        let diverged = TrainingError.diverged(step: minibatch.step, learningRate: learningRate, lastGoodCheckpoint: lastGoodCheckpoint)
        guard value.isFinite else { throw diverged }
        let dinput = try network.backward(
            dz: &dz, parameters: state.parameters, gradients: &gradients, wantsInputGradients: state.idVectors != nil)
        if group.size > 1 { try gradients.updateTensors { _, values in try group.sum(&values) } }
        // Before the update, so that weights, and every checkpoint of them, stay finite. A hinge may hide from the loss what is no number.
        guard try clip(&gradients) else { throw diverged }
        try state.optimizer.update(&state.parameters, gradients: gradients, learningRate: learningRate, kernels: kernels)
        if let dinput, let vectors = state.idVectors {
            var (items, gradient, column) = (minibatch.input.graph.inputItems, dinput, model.featureWidth)
            if group.size > 1 {
                (items, gradient) = try vectors.summed(items: items, gradient: gradient, atColumn: column, over: group, kernels: kernels)
                column = 0
            }
            try state.idVectors?.update(
                items: items, gradient: gradient, atColumn: column, step: state.optimizer.step,
                learningRate: learningRate, weightDecay: configuration.weightDecay, kernels: kernels)
        }
        state.step += 1
        return (value, learningRate, sums[1])
    }

    /// Scales a gradient that is too long down. - Returns: `false` when it is not finite.
    private func clip(_ gradients: inout Parameters) throws -> Bool {
        var sum = 0.0
        for position in gradients.names.indices { sum += try kernels.sumOfSquares(gradients.values(at: position)) }
        guard sum.isFinite else { return false }
        let norm = Float(sum.squareRoot())
        guard configuration.clipNorm > 0, norm > configuration.clipNorm else { return true }
        let factor = configuration.clipNorm / norm
        try gradients.updateTensors { _, values in try kernels.scale(&values, by: factor) }
        return true
    }

    private struct Measured: Codable {
        var metrics: [String: Double]
        var value: Double
    }

    /// Measures the weights, keeps the best. - Returns: whether training goes on.
    private func validate(_ state: inout TrainingState, epoch: Int, hooks: Hooks) throws -> Bool {
        // Rank 0 measures; the others take its word, so that all keep the same weights and stop together.
        var measured: Measured?
        if group.rank == 0, let measure = hooks.validate {
            let (metrics, value) = try measure(state.parameters, state.idVectors?.table)
            measured = Measured(metrics: metrics, value: value)
        }
        if group.size > 1 {
            measured = try JSONDecoder().decode(Measured?.self, from: Data(try group.broadcast(Array(try JSONEncoder().encode(measured)))))
        }
        guard let measured else { return true }
        let (metrics, value) = (measured.metrics, measured.value)
        let isBest = value > (state.best?.value ?? -.infinity)
        if isBest {
            state.best = .init(parameters: state.parameters, idVectors: state.idVectors?.table, value: value, step: state.step)
            state.validationsSinceBest = 0
        } else {
            state.validationsSinceBest += 1
        }
        let event = TrainingEvent.Validation(step: state.step, epoch: epoch, metrics: metrics, value: value, isBest: isBest)
        state.metrics.append(.validation(event))
        hooks.onEvent(.validated(event))
        return configuration.patience == 0 || state.validationsSinceBest < configuration.patience
    }
}
