internal import ArgumentParser
internal import Foundation
internal import PinSageKit

struct EmbedCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "embed",
        abstract: "Embed every item of a dataset with a trained model.",
        discussion: """
            Layer by layer, so that each vector is computed once. The dataset may have items that training never saw. Features, vectors and \
            embeddings may be larger than memory. A run that was killed goes on where it stopped when it is repeated; the bytes are the same, \
            and the same for any --threads and --memory.

            With --only-new, only items that are new or changed since --base was made are embedded: those whose features, degree or neighborhood are \
            others. With --include-neighbors also those that depend on them, which gives what embedding everything gives.

            Examples:
              pinsage-cli embed --model lists.model --dataset lists.dataset --output lists.embeddings
              pinsage-cli embed --model lists.model --dataset more.dataset --only-new --base lists.embeddings --output more.embeddings
            """)

    @Option(help: ArgumentHelp("The model to embed with.", valueName: "model"))
    var model: String

    @Option(help: ArgumentHelp("The dataset whose items are embedded.", valueName: "dataset"))
    var dataset: String

    @Option(help: ArgumentHelp("The embeddings directory to write.", valueName: "embeddings"))
    var output: String

    @Flag(help: "Embed only what is new or changed since --base.")
    var onlyNew = false

    @Option(help: ArgumentHelp("With --only-new: embeddings of an earlier state of the dataset, by the same model.", valueName: "embeddings"))
    var base: String?

    @Flag(help: "With --only-new: also embed the items whose vectors depend on a changed one.")
    var includeNeighbors = false

    @Option(help: ArgumentHelp("About the most memory to use: 4G, 512M (default: half of the machine's).", valueName: "bytes"))
    var memory: ByteCount?

    @Option(help: ArgumentHelp("How vectors between layers are kept: f32, or bf16 with half the memory.", valueName: "type"))
    var latents = LatentType.f32

    @Option(help: ArgumentHelp("Neighborhoods from 'neighbors --all' with the model's own settings, instead of walking.", valueName: "file"))
    var neighborhoods: String?

    @Option(help: ArgumentHelp("Work is made durable, and a killed run goes on there, at most so often.", valueName: "seconds"))
    var checkpointSeconds = 30.0

    @Flag(help: "Also measure this machine's limits, and say which share of them the layers reached.")
    var benchmark = false

    @OptionGroup var machine: MachineOptions
    @OptionGroup var writing: WritingOptions
    @OptionGroup var outputOptions: OutputOptions

    func validate() throws {
        if onlyNew != (base != nil) { throw ValidationError("--only-new and --base need each other") }
        if includeNeighbors && !onlyNew { throw ValidationError("--include-neighbors needs --only-new") }
        if !(checkpointSeconds >= 0) { throw ValidationError("--checkpoint-seconds must be at least 0, found \(checkpointSeconds)") }
        if benchmark && onlyNew { throw ValidationError("--benchmark measures a whole pass, not --only-new") }
    }

    func run() throws {
        let clock = ContinuousClock()
        let start = clock.now
        let kernels = try machine.kernels()
        let model = try PinSageModel.open(model)
        let dataset = try Dataset.open(dataset)
        if writing.dryRun {
            try model.features.checkCompatible(with: dataset)
            try DryRun(of: output, kind: Embeddings.kind).show(["items": dataset.items.count], json: outputOptions.json)
            return
        }
        var options = EmbeddingRun.Options()
        if let memory { options.memory = memory.bytes }
        options.latents = latents
        options.neighborhoods = neighborhoods
        options.checkpointSeconds = checkpointSeconds
        options.base = base
        options.includesNeighbors = includeNeighbors
        let bar = outputOptions.progress("embedding", unit: "items")
        defer { bar.finish() }
        var peak = 0
        let run = EmbeddingRun(model: model, dataset: dataset, catalog: try dataset.catalog(), options: options, kernels: kernels)
        let report = try run.run(output: output, madeBy: ["model": .string(self.model), "dataset": .string(self.dataset)]) { progress in
            bar.update(count: Int(progress.fraction * Double(dataset.items.count)), fraction: progress.fraction)
            peak = max(peak, MemoryUse.anonymousBytes ?? 0)
        }
        bar.finish()
        let seconds = (clock.now - start) / .seconds(1)
        let limits =
            benchmark && !report.wasResumed && report.tableBytes > 0
            ? try kernels.measuredLimits(rowBytes: report.tableRowBytes, tableBytes: report.tableBytes) : nil
        show(report, seconds: seconds, peak: peak, limits: limits)
    }

    private func show(_ report: EmbeddingRun.Report, seconds: Double, peak: Int, limits: Kernels.Limits?) {
        let rate = Double(report.embedded) / max(seconds, 1e-9), layerRate = Double(report.embedded) / max(report.layerSeconds, 1e-9)
        let leastSeconds = limits.map { report.operations / $0.productsPerSecond + report.pooledBytes / $0.rowBytesPerSecond }
        if outputOptions.json {
            var result: [String: JSONValue] = [
                "embeddings": .string(output), "items": JSONValue(report.items), "embedded": JSONValue(report.embedded),
                "dimension": JSONValue(report.dimension), "seconds": JSONValue(seconds), "walking_seconds": JSONValue(report.walkingSeconds),
                "reading_seconds": JSONValue(report.readingSeconds), "layer_seconds": JSONValue(report.layerSeconds),
                "saving_seconds": JSONValue(report.savingSeconds), "items_per_second": JSONValue(rate),
                "items_per_second_of_layers": JSONValue(layerRate), "resumed": .bool(report.wasResumed), "slabs": JSONValue(report.slabs),
                "peak_anonymous_bytes": JSONValue(peak),
            ]
            if let limits, let leastSeconds {
                result["operations"] = JSONValue(report.operations)
                result["pooled_bytes"] = JSONValue(report.pooledBytes)
                result["operations_per_second"] = JSONValue(limits.productsPerSecond)
                result["row_bytes_per_second"] = JSONValue(limits.rowBytesPerSecond)
                result["limit_seconds"] = JSONValue(leastSeconds)
                result["share_of_limit"] = JSONValue(leastSeconds / max(report.layerSeconds, 1e-9))
            }
            Terminal.result(.object(result))
            return
        }
        var rows = [("embeddings", output), ("items", "\(Terminal.count(report.items)) x \(report.dimension)")]
        if onlyNew { rows.append(("embedded", "\(Terminal.count(report.embedded)), the others are those of \(base ?? "")")) }
        if report.wasResumed { rows.append(("resumed", "after an earlier run was stopped; times are those of this one")) }
        rows.append(("took", "\(Terminal.duration(seconds)), \(Terminal.count(Int(rate))) items/s"))
        rows.append(
            (
                "of which",
                String(
                    format: "walking %.1f s, reading features %.1f s, layers %.1f s, saving %.1f s", report.walkingSeconds, report.readingSeconds,
                    report.layerSeconds, report.savingSeconds)
            ))
        if let limits, let leastSeconds {
            rows.append(
                (
                    "limits",
                    String(
                        format: "%.1f GFLOP/s in products, %.1f GB/s in random rows: %.1f s for the layers", limits.productsPerSecond / 1e9,
                        limits.rowBytesPerSecond / 1e9, leastSeconds)
                ))
            rows.append(("reached", String(format: "%.2f of the limit", leastSeconds / max(report.layerSeconds, 1e-9))))
        }
        Terminal.result(Terminal.table(rows))
    }
}
