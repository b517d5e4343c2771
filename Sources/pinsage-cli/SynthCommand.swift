internal import ArgumentParser
internal import PinSageKit

struct SynthCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "synth",
        abstract: "Make a dataset with power-law degrees, planted communities and matching features.",
        discussion: "For tests and measurements. The same settings give the same data on any number of threads.")

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

    @OptionGroup var outputOptions: OutputOptions

    func validate() throws {
        guard (output == nil) != (text == nil) else { throw ValidationError("Give either --output or --text") }
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
        configuration.hasTimes = times
        configuration.seed = seed
        configuration.threads = threads
        configuration.memory = memory.bytes
        let synthesizer = try DatasetSynthesizer(configuration: configuration)
        let progress = ProgressBar("making", unit: "edges")
        defer { progress.finish() }
        if let text {
            try synthesizer.writeEdges(to: text) { progress.update(count: $0.count, fraction: $0.fraction) }
        } else if let output {
            let report = try synthesizer.write(to: output) { progress.update(count: $0.count, fraction: $0.fraction) }
            progress.finish()
            ImportCommand.show(report, output: output, json: outputOptions.json)
        }
    }
}
