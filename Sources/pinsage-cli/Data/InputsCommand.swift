internal import ArgumentParser
internal import PinSageCatalog
internal import PinSageKit

struct InputsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inputs",
        abstract: "Write the vectors that a model's first layer reads.",
        discussion: """
            For embedding elsewhere: OUTPUT gets inputs.npy (items, width), made of tables, texts, attributes, degrees and learned ids as the model was \
            trained with them. --shard computes one of several ranges of items, so that machines can share the work.

            Example: pinsage-cli inputs --model lists.model --dataset lists.dataset --shard 2/8 --output part2
            """)

    @Option(help: ArgumentHelp("The model that will read them.", valueName: "model"))
    var model: String

    @Option(help: ArgumentHelp("The dataset of the items.", valueName: "dataset"))
    var dataset: String

    @Option(help: ArgumentHelp("Only range I of N, I from 1.", valueName: "i/n"))
    var shard: String?

    @Option(help: ArgumentHelp("The directory to write.", valueName: "inputs"))
    var output: String

    @OptionGroup var machine: MachineOptions
    @OptionGroup var writing: WritingOptions
    @OptionGroup var outputOptions: OutputOptions

    func validate() throws {
        if let shard, NeighborhoodFile.shard(shard, itemCount: 1) == nil {
            throw ValidationError("--shard expects i/n with 1 <= i <= n, found '\(shard)'")
        }
    }

    func run() throws {
        let model = try PinSageModel.open(model)
        let dataset = try Dataset.open(dataset)
        try model.features.checkCompatible(with: dataset)
        guard let range = NeighborhoodFile.shard(shard, itemCount: dataset.items.count) else { return }
        if writing.dryRun {
            try DryRun(of: output, kind: InputFile.kind).show(
                ["first_item": range.lowerBound, "items": range.count], json: outputOptions.json)
            return
        }
        let progress = outputOptions.progress("reading features", unit: "items")
        defer { progress.finish() }
        try InputFile.write(
            model, dataset: dataset, catalog: try dataset.catalog(), items: range, to: output, kernels: try machine.kernels()
        ) { progress.update(count: $0, fraction: Double($0) / Double(max(range.count, 1))) }
        progress.finish()
        let width = model.configuration.inputWidth
        if outputOptions.json {
            Terminal.result([
                "output": .string(output), "first_item": JSONValue(range.lowerBound), "items": JSONValue(range.count), "width": JSONValue(width),
            ])
            return
        }
        let rows = "\(Terminal.count(range.count)) x \(width) from row \(Terminal.count(range.lowerBound))"
        Terminal.result(Terminal.table([("inputs", output), ("items", rows)]))
    }
}
