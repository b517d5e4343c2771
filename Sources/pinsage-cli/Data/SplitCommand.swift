internal import ArgumentParser
internal import PinSageKit

struct SplitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "split",
        abstract: "Hold edges of a dataset out for testing and validation.",
        discussion: """
            Writes OUTPUT/train, a dataset with the same items but without the held-out edges, and OUTPUT/test.pairs.tsv and \
            OUTPUT/test.collections.tsv; with --validation also OUTPUT/validation.pairs.tsv and OUTPUT/validation.collections.tsv. \
            The query of a pair is the member of the same collection that was saved last before the held-out one, of those that stay in train; \
            without times it is a staying member drawn by seed.
            """)

    @Argument(help: ArgumentHelp("The dataset to cut.", valueName: "dataset"))
    var dataset: String

    @Option(help: ArgumentHelp("Hold out the N latest members of each collection.", valueName: "n"))
    var leaveLast: Int?

    @Option(help: ArgumentHelp("Hold out N members of each collection, drawn by seed.", valueName: "n"))
    var leaveRandom: Int?

    @Option(help: ArgumentHelp("Hold out this share of the edges, drawn by seed; a collection keeps at least one.", valueName: "x"))
    var leaveShare: Double?

    @Option(help: ArgumentHelp("Hold out every edge at this time or later: seconds since 1970 or ISO 8601.", valueName: "time"))
    var before: String?

    @Option(help: ArgumentHelp("Hold out these edges: a table with the columns item and collection.", valueName: "file"))
    var testEdges: String?

    @Option(help: ArgumentHelp("Hold out N more members of each collection for validation, from what the test leaves.", valueName: "n"))
    var validation = 0

    @Option(help: ArgumentHelp("Leave collections with fewer members whole.", valueName: "n"))
    var minimumMembers = 2

    @Option(help: ArgumentHelp("The seed of everything that is drawn.", valueName: "s"))
    var seed: UInt64 = 1

    @Option(help: ArgumentHelp("The folder to write to.", valueName: "dir"))
    var output: String

    @OptionGroup var writing: WritingOptions
    @OptionGroup var outputOptions: OutputOptions

    func validate() throws {
        let rules = [leaveLast != nil, leaveRandom != nil, leaveShare != nil, before != nil, testEdges != nil].count { $0 }
        guard rules == 1 else { throw ValidationError("Give one of --leave-last, --leave-random, --leave-share, --before and --test-edges") }
        if let count = leaveLast ?? leaveRandom, count < 1 { throw ValidationError("--leave-last and --leave-random must be at least 1") }
        if let leaveShare, !(leaveShare > 0 && leaveShare < 1) { throw ValidationError("--leave-share must be above 0 and below 1") }
        if validation < 0 { throw ValidationError("--validation must be at least 0") }
        if minimumMembers < 1 { throw ValidationError("--minimum-members must be at least 1") }
        if let before, Graph.time(parsing: before) == nil {
            throw ValidationError("--before expects seconds since 1970 or an ISO 8601 time, found '\(before)'")
        }
    }

    func run() throws {
        var configuration = DatasetSplit.Configuration(rule: try rule())
        configuration.validation = validation
        configuration.minimumMembers = minimumMembers
        configuration.seed = seed
        if writing.dryRun {
            let opened = try Dataset.open(dataset)
            try opened.checkTargets()
            let split = try DatasetSplit(opened.graph, configuration: configuration)
            DryRun(ofFile: output, kind: "split").show(
                ["train_edges": split.train.edgeCount, "test_edges": split.test.edges.count, "validation_edges": split.validation.edges.count],
                json: outputOptions.json)
            return
        }
        let report = try DatasetSplit.write(dataset, configuration: configuration, to: output)
        if report.testEdges == 0 { outputOptions.note("note: no collection has enough members: nothing was held out") }
        if outputOptions.json {
            Terminal.result([
                "output": .string(output), "train_edges": JSONValue(report.trainEdges), "test_edges": JSONValue(report.testEdges),
                "test_pairs": JSONValue(report.testPairs), "validation_edges": JSONValue(report.validationEdges),
                "validation_pairs": JSONValue(report.validationPairs),
            ])
            return
        }
        var rows = [
            ("train", "\(output)/train, \(Terminal.count(report.trainEdges)) edges"),
            ("test", "\(Terminal.count(report.testEdges)) edges, \(Terminal.count(report.testPairs)) pairs"),
        ]
        if validation > 0 {
            rows.append(("validation", "\(Terminal.count(report.validationEdges)) edges, \(Terminal.count(report.validationPairs)) pairs"))
        }
        Terminal.result(Terminal.table(rows))
    }

    private func rule() throws -> DatasetSplit.Rule {
        if let leaveLast { return .leaveLast(leaveLast) }
        if let leaveRandom { return .leaveRandom(leaveRandom) }
        if let leaveShare { return .share(leaveShare) }
        if let before, let time = Graph.time(parsing: before) { return .before(time) }
        return .edges(try DatasetSplit.edges(from: testEdges ?? "", in: Dataset.open(dataset)))
    }
}
