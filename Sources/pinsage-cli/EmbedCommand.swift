internal import ArgumentParser
internal import PinSageKit

struct EmbedCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "embed",
        abstract: "Embed every item of a dataset with a trained model.",
        discussion: """
            Layer by layer, so that each latent vector is computed once. The dataset may have items that training never saw.

            Example: pinsage-cli embed --model lists.model --dataset lists.dataset --output lists.embeddings
            """)

    @Option(help: ArgumentHelp("The model to embed with.", valueName: "model"))
    var model: String

    @Option(help: ArgumentHelp("The dataset whose items are embedded.", valueName: "dataset"))
    var dataset: String

    @Option(help: ArgumentHelp("The embeddings directory to write.", valueName: "embeddings"))
    var output: String

    @OptionGroup var machine: MachineOptions
    @OptionGroup var outputOptions: OutputOptions

    func run() throws {
        let clock = ContinuousClock()
        let start = clock.now
        let kernels = try machine.kernels()
        let model = try PinSageModel.open(model)
        let dataset = try Dataset.open(dataset)
        let progress = ProgressBar("embedding", unit: "items")
        defer { progress.finish() }
        let embeddings = try model.embeddings(of: dataset, catalog: try dataset.catalog(), kernels: kernels) { share in
            progress.update(count: Int(share * Double(dataset.items.count)), fraction: share)
        }
        try embeddings.write(to: output, madeBy: ["model": .string(self.model), "dataset": .string(self.dataset)])
        progress.finish()
        let seconds = (clock.now - start) / .seconds(1)
        if outputOptions.json {
            Terminal.result([
                "embeddings": .string(output), "items": JSONValue(embeddings.count), "dimension": JSONValue(embeddings.dimension),
                "seconds": JSONValue(seconds),
            ])
        } else {
            Terminal.result(
                Terminal.table([
                    ("embeddings", output), ("items", "\(Terminal.count(embeddings.count)) x \(embeddings.dimension)"),
                    ("took", "\(Terminal.duration(seconds)), \(Terminal.count(Int(Double(embeddings.count) / max(seconds, 1e-9)))) items/s"),
                ]))
        }
    }
}
