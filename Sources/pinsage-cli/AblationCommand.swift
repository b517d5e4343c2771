internal import ArgumentParser
internal import PinSageKit

struct AblationCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ablation",
        abstract: "Train and test the rows of the paper's Tables 1, 3 and 4 on a dataset.",
        discussion: """
            Of each collection of five or more members one is held out for the test and one for validation, the latest where there are \
            times; --test-pairs names questions of your own instead. Every trained row has the same budget: one run for each learning rate, \
            of which validation chooses one, and a run for each further seed. Finished runs are kept in the output folder, and the same \
            command goes on after an interruption. ablation.json, ablation.md and ablation.html have the result.

            Rows: \(AblationPlan.Row.allCases.map { "\($0.rawValue): \($0.summary)" }.joined(separator: "; ")).

            Example: pinsage-cli ablation lists.dataset --output lists.ablation
            """)

    @Argument(help: ArgumentHelp("The dataset.", valueName: "dataset"))
    var dataset: String

    @Option(help: ArgumentHelp("The folder of the result and of finished runs.", valueName: "dir"))
    var output: String

    @Option(help: ArgumentHelp("Settings that every row shares, as JSON as for train.", valueName: "file"))
    var config: String?

    @Option(help: ArgumentHelp("Only these rows, with commas.", valueName: "row,..."))
    var rows: String?

    @Option(help: ArgumentHelp("Test questions, a pairs file whose edges the dataset does not have.", valueName: "file"))
    var testPairs: String?

    @Option(help: ArgumentHelp("With --test-pairs: only these items are candidates.", valueName: "ids.txt"))
    var among: String?

    @Option(help: ArgumentHelp("Passes over the positive pairs.", valueName: "n"))
    var epochs: Int?

    @Option(help: ArgumentHelp("The peak learning rates that every row tries, with commas.", valueName: "x,..."))
    var rates = "0.0003,0.001,0.003"

    @Option(help: ArgumentHelp("Seeds of training, with commas; the first one tunes.", valueName: "s,..."))
    var seeds = "1"

    @Option(help: ArgumentHelp("Hard negatives that the curriculum rises to.", valueName: "n"))
    var hardNegatives = 6

    @Option(help: ArgumentHelp("The T of Table 4, with commas; none for no table.", valueName: "t,..."))
    var neighbors = "10,20,50"

    @Option(help: ArgumentHelp("The minibatch sizes of Table 3, with commas; none for no table.", valueName: "n,..."))
    var batchSizes = "512,1024,2048,4096"

    @Option(name: [.customLong("k"), .customShort("k")], help: ArgumentHelp("Cutoffs of the hit-rate, with commas.", valueName: "k,..."))
    var cutoffs = "10,500"

    @Option(help: ArgumentHelp("The seed of the split and of the bootstrap.", valueName: "s"))
    var splitSeed: UInt64 = 1

    @OptionGroup var machine: MachineOptions
    @OptionGroup var outputOptions: OutputOptions

    func validate() throws {
        if among != nil, testPairs == nil { throw ValidationError("--among needs --test-pairs") }
        do { try plan().validate() } catch let error as ConfigurationError { throw ValidationError(error.message) }
    }

    private func numbers<Number: LosslessStringConvertible>(_ text: String, _ name: String) throws -> [Number] {
        if text == "none" { return [] }
        return try text.split(separator: ",", omittingEmptySubsequences: false).map { part in
            guard let number = Number(String(part)) else { throw ValidationError("\(name) expects numbers with commas between, found '\(text)'") }
            return number
        }
    }

    private func plan() throws -> AblationPlan {
        var plan = AblationPlan()
        if let rows {
            plan.rows = try rows.split(separator: ",").map { name in
                guard let row = AblationPlan.Row(rawValue: String(name)) else {
                    throw ValidationError(
                        "--rows: there is no row '\(name)'; there are \(AblationPlan.Row.allCases.map(\.rawValue).joined(separator: ", "))")
                }
                return row
            }
        }
        plan.learningRates = try numbers(rates, "--rates")
        plan.seeds = try numbers(seeds, "--seeds")
        plan.hardNegatives = hardNegatives
        plan.neighbors = try numbers(neighbors, "--neighbors")
        plan.batchSizes = try numbers(batchSizes, "--batch-sizes")
        plan.cutoffs = try numbers(cutoffs, "-k")
        plan.splitSeed = splitSeed
        return plan
    }

    func run() throws {
        let kernels = try machine.kernels()
        let opened = try Dataset.open(dataset)
        var base = try config.map { try TrainingOptions.read(from: $0) } ?? TrainingOptions()
        base.epochs = epochs ?? base.epochs
        let test = try testPairs.map { try EvaluationTaskReader(items: opened.items, dataset: opened, among: among).pairs($0) }
        let run = try AblationRun(
            plan: plan(), base: base, dataset: opened, catalog: try opened.catalog(), test: test, kernels: kernels, output: output)
        let interruption = Interruption()
        let progress = AblationProgress(isShown: !outputOptions.quiet)
        var hooks = AblationRun.Hooks()
        hooks.onRun = progress.begin
        hooks.training.onPreparation = { progress.training.prepare($0, $1, $2) }
        hooks.training.onEvent = { progress.training.report($0) }
        hooks.training.isInterrupted = { interruption.isRequested }
        defer { progress.training.end() }
        guard let result = try run.run(hooks: hooks) else {
            Terminal.error("stopped; the same command goes on")
            throw ExitCode(130)
        }
        try result.write(to: output)
        if outputOptions.json {
            Terminal.result(try result.json())
        } else {
            Terminal.result(result.markdown)
            Terminal.result("\nReport: \(output)/ablation.html")
        }
    }
}

/// A progress display for each run.
private final class AblationProgress {
    var training: TrainingProgress
    private let isShown: Bool

    init(isShown: Bool) {
        self.isShown = isShown
        training = TrainingProgress(isShown: isShown)
    }

    func begin(_ name: String, _ number: Int, _ total: Int) {
        training.end()
        training = TrainingProgress(isShown: isShown)
        if isShown { Terminal.error("[\(number)/\(total)] \(name)") }
    }
}
