internal import ArgumentParser
internal import PinSageCatalog
internal import PinSageKit

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write embeddings in a format that other programs read.",
        discussion: """
            npy is an array of float32 with the items' ids in FILE.ids.txt; tsv, word2vec and jsonl are text; sqlite is a table \
            embeddings(row, item, vector) with vectors as little-endian float32.

            \(EmbeddingsHelp.origins)

            Example: pinsage-cli export --embeddings lists.embeddings --format word2vec --output lists.vec
            """)

    @Option(help: ArgumentHelp("The embeddings to write: a folder, or an .npy file.", valueName: "embeddings"))
    var embeddings: String

    @Option(help: ArgumentHelp("\(ExportFormat.allCases.map(\.rawValue).joined(separator: ", ")).", valueName: "format"))
    var format: ExportFormat

    @Option(help: ArgumentHelp("The file to write.", valueName: "file"))
    var output: String

    @Option(help: ArgumentHelp("The most threads that run at once (default: all cores).", valueName: "n"))
    var threads: Int?

    @OptionGroup var writing: WritingOptions
    @OptionGroup var outputOptions: OutputOptions

    func validate() throws {
        if let threads, threads < 1 { throw ValidationError("--threads must be at least 1, found \(threads)") }
    }

    func run() throws {
        let embeddings = try Embeddings.open(embeddings)
        if writing.dryRun {
            DryRun(ofFile: output).show(["items": embeddings.count, "dimension": embeddings.dimension], json: outputOptions.json)
            return
        }
        let progress = outputOptions.progress("writing", unit: "items")
        defer { progress.finish() }
        let report = { (done: Int) in progress.update(count: done, fraction: Double(done) / Double(max(1, embeddings.count))) }
        if format == .sqlite {
            try embeddings.exportSQLite(to: output, progress: report)
        } else {
            try embeddings.export(as: format, to: output, threads: threads ?? Kernels.availableProcessors, progress: report)
        }
        progress.finish()
        if outputOptions.json {
            Terminal.result([
                "output": .string(output), "format": .string(format.rawValue), "items": JSONValue(embeddings.count),
                "dimension": JSONValue(embeddings.dimension),
            ])
        } else {
            Terminal.result(
                Terminal.table([("output", output), ("items", "\(Terminal.count(embeddings.count)) x \(embeddings.dimension) as \(format.rawValue)")])
            )
        }
    }
}
