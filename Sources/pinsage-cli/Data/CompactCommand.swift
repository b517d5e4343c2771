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
    @OptionGroup var outputOptions: OutputOptions

    func run() throws {
        let report = try Dataset.compact(dataset, threads: machine.threads ?? Kernels.availableProcessors)
        if outputOptions.json {
            Terminal.result(["dataset": .string(dataset), "edges": JSONValue(report.edges), "folded": JSONValue(report.folded)])
            return
        }
        Terminal.result(
            Terminal.table([("dataset", dataset), ("edges", Terminal.count(report.edges)), ("folded in", "\(Terminal.count(report.folded)) edges")]))
    }
}
