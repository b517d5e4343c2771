internal import ArgumentParser
internal import PinSageKit

struct CompactCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compact",
        abstract: "Fold appended edges into a dataset's graph.",
        discussion: "The dataset is replaced in one step; opening it is then independent of its size again.")

    @Argument(help: ArgumentHelp("The dataset.", valueName: "dataset"))
    var dataset: String

    @OptionGroup var machine: MachineOptions
    @OptionGroup var writing: WritingOptions
    @OptionGroup var outputOptions: OutputOptions

    func run() throws {
        if writing.dryRun {
            let opened = try Dataset.open(dataset)
            try opened.checkTargets()
            let appended = try Artifact.open(dataset).manifest.metadata["overlay"]?.object?["edges"]?.int ?? 0
            try DryRun(of: dataset, kind: Dataset.kind).show(["edges": opened.graph.edgeCount, "folded": appended], json: outputOptions.json)
            return
        }
        let report = try Dataset.compact(dataset, threads: machine.threads ?? Kernels.availableProcessors)
        if outputOptions.json {
            Terminal.result(["dataset": .string(dataset), "edges": JSONValue(report.edges), "folded": JSONValue(report.folded)])
            return
        }
        Terminal.result(
            Terminal.table([("dataset", dataset), ("edges", Terminal.count(report.edges)), ("folded in", "\(Terminal.count(report.folded)) edges")]))
    }
}
