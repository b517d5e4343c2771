internal import ArgumentParser
internal import PinSageKit

struct TrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train a model on a dataset.",
        discussion: """
            Without validation pairs or collections a part of the edges is held out to choose the best weights. Defaults follow the dataset's \
            size, features and density (docs/parameters.md). Ctrl-C writes a checkpoint and exits with 130; --resume goes on from it and ends \
            in the same weights, bit for bit. A program built with the package trait MPI trains on several processes or machines when mpirun \
            starts it: each takes its share of every minibatch, and the first one measures and writes (docs/parameters.md).

            Example: pinsage-cli train lists.dataset --output lists.model
            """)

    @Argument(help: ArgumentHelp("The dataset to train on.", valueName: "dataset"))
    var dataset: String

    @Option(help: ArgumentHelp("The model directory to write.", valueName: "model"))
    var output: String

    @Option(help: ArgumentHelp("Settings as JSON; options of the command line win over it.", valueName: "file"))
    var config: String?

    @Option(help: ArgumentHelp("Passes over the positive pairs.", valueName: "n"))
    var epochs: Int?

    @Option(help: ArgumentHelp("Positive pairs per minibatch.", valueName: "n"))
    var batchSize: Int?

    @Option(help: ArgumentHelp("Peak learning rate for 1024 pairs.", valueName: "x"))
    var learningRate: Float?

    @Option(help: ArgumentHelp("Number of convolve layers (K).", valueName: "k"))
    var layers: Int?

    @Option(help: ArgumentHelp("Rows of each layer's Q (m).", valueName: "m"))
    var hidden: Int?

    @Option(help: ArgumentHelp("Width of each layer's output.", valueName: "d"))
    var layerWidth: Int?

    @Option(help: ArgumentHelp("Width of the embeddings.", valueName: "e"))
    var dimension: Int?

    @Option(help: ArgumentHelp("Neighbors per item (T); with commas one number per layer, the one nearest the features first.", valueName: "t,..."))
    var neighbors: String?

    @Option(help: ArgumentHelp("Random walks per item.", valueName: "n"))
    var walks: Int?

    @Option(help: ArgumentHelp("Item hops per walk.", valueName: "n"))
    var walkLength: Int?

    @Option(help: ArgumentHelp("Probability of a walk to restart after a hop.", valueName: "p"))
    var restart: Double?

    @Option(
        help: ArgumentHelp(
            "Neighborhoods of the dataset from 'neighbors --all' with the same walks, T and seed, instead of walking in every step.",
            valueName: "file"))
    var neighborhoods: String?

    @Option(
        help: ArgumentHelp(
            "The share of each type of collections in the steps of walks, for a dataset with types; others are not entered. [default: all collections alike]",
            valueName: "type=x,..."))
    var collectionTypes: TypeShareList?

    @Option(
        help: ArgumentHelp(
            "Walks enter a collection of n members in proportion to n^-x; 0 treats large and small ones alike.", valueName: "x"))
    var sizeExponent: Double?

    @Option(help: ArgumentHelp("Margin of the max-margin loss.", valueName: "x"))
    var margin: Float?

    @Option(help: ArgumentHelp("Temperature of the softmax and cross-entropy losses.", valueName: "x"))
    var temperature: Float?

    @Option(help: ArgumentHelp("Negatives shared by all pairs of a minibatch.", valueName: "n"))
    var negatives: Int?

    @Option(
        help: ArgumentHelp(
            "Most members of the pair's collection that ask together; more than 1 trains for questions of whole collections.", valueName: "n"))
    var queryMembers: Int?

    @Option(help: ArgumentHelp("Most hard negatives per pair; the curriculum adds one an epoch.", valueName: "n"))
    var hardNegatives: Int?

    @Option(help: ArgumentHelp("Loss: \(LossKind.allCases.map(\.rawValue).joined(separator: ", ")).", valueName: "loss"))
    var loss: LossKind?

    @Option(help: ArgumentHelp("Pooling: \(Pooling.allCases.map(\.rawValue).joined(separator: ", ")).", valueName: "pooling"))
    var pooling: Pooling?

    @Option(help: ArgumentHelp("Width of learned id vectors; 0 for none.", valueName: "d"))
    var idFeatures: Int?

    @Option(help: ArgumentHelp("Attributes to use as features, with commas.", valueName: "a,b"))
    var attributes: String?

    @Option(help: ArgumentHelp("Decoupled weight decay a step, times the learning rate.", valueName: "x"))
    var weightDecay: Float?

    @Option(help: ArgumentHelp("Largest Euclidean norm of a step's gradient; 0 for any.", valueName: "x"))
    var clipNorm: Float?

    @Option(help: ArgumentHelp("Stop after this many epochs without a better validation; 0 never stops early.", valueName: "n"))
    var patience: Int?

    @Option(help: ArgumentHelp("Train on a drawn share of the collections and all items; embedding takes the whole graph.", valueName: "x"))
    var collectionShare: Double?

    @Option(help: ArgumentHelp("Seed of everything that is drawn.", valueName: "s"))
    var seed: UInt64?

    @Option(help: ArgumentHelp("Validation pairs: a table with the columns query, positive and perhaps collection.", valueName: "file"))
    var validationPairs: String?

    @Option(help: ArgumentHelp("Validation collections: a table with the columns collection and item.", valueName: "file"))
    var validationCollections: String?

    @Option(help: ArgumentHelp("Start from this model's weights and features.", valueName: "model"))
    var initialModel: String?

    @Option(help: ArgumentHelp("Also write TensorBoard event files to this folder.", valueName: "dir"))
    var tensorboard: String?

    @Flag(help: "Go on where the checkpoint at --output ended; without one, start anew.")
    var resume = false

    @OptionGroup var machine: MachineOptions
    @OptionGroup var writing: WritingOptions
    @OptionGroup var outputOptions: OutputOptions

    func validate() throws {
        if validationPairs != nil && validationCollections != nil {
            throw ValidationError("Give one of --validation-pairs and --validation-collections")
        }
        _ = try neighborCounts()
    }

    func run() throws {
        let ranks = try ParallelRun.join()
        try ranks.run { try train(with: ranks) }
    }

    private func train(with ranks: ParallelRun) throws {
        let kernels = try ranks.kernels(machine)
        let dataset = try Dataset.open(dataset)
        let reader = try EvaluationTaskReader(items: dataset.items, dataset: dataset)
        let validation = try validationPairs.map(reader.pairs) ?? validationCollections.map(reader.collections)
        if writing.dryRun {
            guard ranks.isFirst else { return }
            try dataset.checkTargets()
            _ = try options()
            try DryRun(of: output, kind: PinSageModel.kind).show(
                ["items": dataset.items.count, "edges": dataset.graph.edgeCount], json: outputOptions.json)
            return
        }
        let run = TrainingRun(dataset: dataset, catalog: try dataset.catalog(), options: try options(), kernels: kernels, group: ranks.group)
        let progress = TrainingProgress(isShown: !outputOptions.quiet && ranks.isFirst, ranks: ranks.group.size)
        let interruption = Interruption(isSilent: !ranks.isFirst)
        var hooks = TrainingRun.Hooks()
        hooks.onPreparation = progress.prepare
        let log = ranks.isFirst ? try tensorboard.map { try TensorBoardLog(directory: $0) } : nil
        hooks.onEvent = { event in
            progress.report(event)
            log?.record(event)
        }
        hooks.isInterrupted = { interruption.isRequested }
        let state: TrainingState
        do {
            (_, state) = try run.run(
                output: output, resumes: resume, validation: validation, initialModel: try initialModel.map { try PinSageModel.open($0) },
                hooks: hooks)
        } catch {
            progress.end()
            throw error
        }
        progress.end()
        if let failure = log?.failure { Terminal.error("warning: \(failure)") }
        if !ranks.isFirst {
            // The first rank says it all.
        } else if outputOptions.json {
            Terminal.result([
                "model": .string(output), "steps": JSONValue(state.step), "seconds": JSONValue(progress.finish?.seconds ?? 0),
                "best_validation": state.bestValidation.map { JSONValue($0) } ?? .null,
                "interrupted": JSONValue(progress.finish?.interrupted ?? false),
                "ranks": JSONValue(ranks.group.size), "pairs_per_second": JSONValue(progress.pairsPerSecond),
                "product_gflops_per_second": JSONValue((progress.finish?.productFLOPs ?? 0) * 1e-9 / max(progress.finish?.seconds ?? 0, 1e-9)),
                "waited": JSONValue(progress.finish?.waited ?? 0), "produced": JSONValue(progress.finish?.produced ?? 0),
                "exchanged": JSONValue(progress.finish?.exchanged ?? 0),
            ])
        } else {
            Terminal.result(progress.summary(model: output))
        }
        if progress.finish?.interrupted == true { throw ExitCode(130) }
    }

    private func options() throws -> TrainingOptions {
        let asksWithMembers = queryMembers.map { $0 > 1 } ?? (validationCollections != nil)
        let defaults = asksWithMembers ? .forCollections : TrainingOptions()
        var options = try config.map { try TrainingOptions.read(from: $0, over: defaults) } ?? defaults
        options.epochs = epochs ?? options.epochs
        options.layers = layers ?? options.layers
        options.hiddenWidth = hidden ?? options.hiddenWidth
        options.layerWidth = layerWidth ?? options.layerWidth
        options.dimension = dimension ?? options.dimension
        options.idWidth = idFeatures ?? options.idWidth
        options.walks = walks ?? options.walks
        options.walkLength = walkLength ?? options.walkLength
        options.restart = restart ?? options.restart
        options.neighborhoods = neighborhoods ?? options.neighborhoods
        options.collectionTypes = collectionTypes?.shares ?? options.collectionTypes
        options.sizeExponent = sizeExponent ?? options.sizeExponent
        options.pooling = pooling ?? options.pooling
        options.collectionShare = collectionShare ?? options.collectionShare
        if let counts = try neighborCounts() { options.neighbors = counts }
        if let attributes { options.features.attributes = attributes.split(separator: ",").map(String.init) }
        var training = options.training
        training.batchSize = batchSize ?? training.batchSize
        training.learningRate = learningRate ?? training.learningRate
        training.margin = margin ?? training.margin
        training.temperature = temperature ?? training.temperature
        training.negatives = negatives ?? training.negatives
        training.queryMembers = queryMembers ?? training.queryMembers
        training.hardNegatives = hardNegatives ?? training.hardNegatives
        training.loss = loss ?? training.loss
        training.weightDecay = weightDecay ?? training.weightDecay
        training.clipNorm = clipNorm ?? training.clipNorm
        training.patience = patience ?? training.patience
        training.seed = seed ?? training.seed
        options.training = training
        return options
    }

    private func neighborCounts() throws -> [Int]? {
        guard let neighbors else { return nil }
        return try neighbors.split(separator: ",", omittingEmptySubsequences: false).map { part in
            guard let count = Int(part), count > 0 else {
                throw ValidationError("--neighbors expects positive numbers with commas between, found '\(neighbors)'")
            }
            return count
        }
    }
}
