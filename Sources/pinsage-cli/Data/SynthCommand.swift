internal import ArgumentParser
internal import PinSageKit

struct SynthCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "synth",
        abstract: "Make a dataset with power-law degrees, planted communities and matching features.",
        discussion: """
            For tests and measurements. The same settings give the same data on any number of threads. With --model also a model of these \
            features whose weights nobody trained, to measure the embedding pass with.
            """)

    @Option(help: "How many items.")
    var items = 10_000

    @Option(help: "How many collections.")
    var collections = 5_000

    @Option(help: "How many edges are drawn; repeated ones become one.")
    var edges = 100_000

    @Option(help: "How many communities.")
    var communities = 32

    @Option(help: "The probability that an edge stays within a community.")
    var affinity = 0.8

    @Option(help: "The width of the features; 0 for none.")
    var dimension = 32

    @Option(help: "The length of the noise in the features, relative to the centres of communities.")
    var noise = 1.0

    @Option(help: "Type of the features: float32 or float16.")
    var featureType = ElementType.float32

    @Flag(help: "Give edges times.")
    var times = false

    @Option(help: "The seed of everything that is drawn.")
    var seed: UInt64 = 1

    @Option(help: ArgumentHelp("The most threads that run at once.", valueName: "count"))
    var threads: Int?

    @Option(help: ArgumentHelp("About how much memory edges may take before they are sorted on disk: 4G, 512M.", valueName: "bytes"))
    var memory: ByteCount = ByteCount(4 << 30)

    @Option(help: ArgumentHelp("The dataset to write.", valueName: "dataset"))
    var output: String?

    @Option(help: ArgumentHelp("Write the edges as tab-separated text instead.", valueName: "file"))
    var text: String?

    @Option(help: ArgumentHelp("Also make an untrained model for the dataset.", valueName: "model"))
    var model: String?

    @Option(help: "With --model: convolve layers, K.")
    var layers = 2

    @Option(help: "With --model: rows of each layer's Q (default: twice the input, at most 512).")
    var hidden: Int?

    @Option(help: "With --model: the width of each layer's output (default: twice the input, at most 512).")
    var layerWidth: Int?

    @Option(help: "With --model: the width of embeddings.")
    var embedding = 128

    @Option(help: "With --model: neighbors of an item, T.")
    var neighbors = 50

    @Option(help: "With --model: walks of an item.")
    var walks = 200

    @OptionGroup var writing: WritingOptions
    @OptionGroup var outputOptions: OutputOptions

    func validate() throws {
        guard (output == nil) != (text == nil) else { throw ValidationError("Give either --output or --text") }
        if model != nil && text != nil { throw ValidationError("--model needs --output") }
        if model != nil && dimension < 1 { throw ValidationError("--model needs features: --dimension 1 or more") }
    }

    func run() throws {
        var configuration = DatasetSynthesizer.Configuration()
        configuration.items = items
        configuration.collections = collections
        configuration.edges = edges
        configuration.communities = communities
        configuration.affinity = affinity
        configuration.dimension = dimension
        configuration.noise = noise
        configuration.featureType = featureType
        configuration.hasTimes = times
        configuration.seed = seed
        configuration.threads = threads
        configuration.memory = memory.bytes
        let synthesizer = try DatasetSynthesizer(configuration: configuration)
        if writing.dryRun {
            let dry = try output.map { try DryRun(of: $0, kind: Dataset.kind) } ?? DryRun(ofFile: text ?? "")
            dry.show(["items": items, "collections": collections, "edges": edges], json: outputOptions.json)
            return
        }
        let progress = outputOptions.progress("making", unit: "edges")
        defer { progress.finish() }
        if let text {
            try synthesizer.writeEdges(to: text) { progress.update(count: $0.count, fraction: $0.fraction) }
        } else if let output {
            let report = try synthesizer.write(to: output) { progress.update(count: $0.count, fraction: $0.fraction) }
            progress.finish()
            if let model {
                let walk = WalkConfiguration(walks: walks, walkLength: 2, restart: 0.5, neighbors: neighbors)
                let made = try PinSageModel.untrained(
                    for: Dataset.open(output), layers: layers, hiddenWidth: hidden, layerWidth: layerWidth, dimension: embedding, walks: walk,
                    seed: seed, kernels: Kernels(threads: threads))
                try made.write(to: model)
            }
            ImportCommand.show(report, output: output, json: outputOptions.json)
        }
    }
}
