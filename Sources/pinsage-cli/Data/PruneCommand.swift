internal import ArgumentParser
internal import PinSageKit

struct PruneCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune",
        abstract: "Drop collections about everything, and edges of popular items to collections unlike them.",
        discussion: """
            Topics are clusters of the items' dense features. The collections whose members are spread over most topics are dropped, and an item \
            of a high degree keeps degree ^ exponent edges, to the collections whose mean is most like it. Items, collections, features and \
            descriptions stay as they are; the result is a dataset with a smaller graph.

            Example: pinsage-cli prune lists.dataset --output pruned.dataset
            """)

    @Argument(help: ArgumentHelp("The dataset to prune.", valueName: "dataset"))
    var dataset: String

    @Option(help: ArgumentHelp("The dataset to write.", valueName: "dataset"))
    var output: String

    @Option(help: ArgumentHelp("Dense features to compare by. [default: the only ones]", valueName: "name"))
    var features: String?

    @Option(help: ArgumentHelp("The share of the collections to drop, the most diverse ones.", valueName: "share"))
    var drop = GraphPruning.Configuration().droppedCollections

    @Option(help: ArgumentHelp("Never drop collections with fewer members.", valueName: "n"))
    var smallestCollection = GraphPruning.Configuration().smallestCollection

    @Option(help: ArgumentHelp("An item keeps degree ^ EXPONENT edges; 1 keeps all.", valueName: "exponent"))
    var degreeExponent = GraphPruning.Configuration().degreeExponent

    @Option(help: ArgumentHelp("Items with at most this many edges keep all of them.", valueName: "n"))
    var keptDegree = GraphPruning.Configuration().keptDegree

    @Option(help: "How many topics.")
    var topics = GraphPruning.Configuration().topics

    @Option(help: ArgumentHelp("The seed of the topics.", valueName: "s"))
    var seed: UInt64 = 1

    @OptionGroup var machine: MachineOptions
    @OptionGroup var writing: WritingOptions
    @OptionGroup var outputOptions: OutputOptions

    private var configuration: GraphPruning.Configuration {
        var configuration = GraphPruning.Configuration()
        configuration.droppedCollections = drop
        configuration.smallestCollection = smallestCollection
        configuration.degreeExponent = degreeExponent
        configuration.keptDegree = keptDegree
        configuration.topics = topics
        return configuration
    }

    func validate() throws {
        do {
            try configuration.validate()
        } catch {
            throw ValidationError("\(error)")
        }
    }

    func run() throws {
        let threads = machine.threads ?? Kernels.availableProcessors
        let dataset = try Dataset.open(self.dataset)
        try dataset.checkTargets()
        let names = dataset.features.map(\.name)
        guard let name = features ?? (names.count == 1 ? names.first : nil), let table = dataset.features(named: name) else {
            let found = names.isEmpty ? "none" : names.joined(separator: ", ")
            throw DataError(
                "expected dense features\(features.map { " \"\($0)\"" } ?? " (--features names them)"), found \(found)", file: self.dataset)
        }
        let (graph, report) = try GraphPruning(configuration: configuration, seed: seed).pruned(dataset.graph, features: table, threads: threads)
        guard graph.edgeCount > 0 else { throw DataError("expected edges to remain, found that all would be pruned", file: self.dataset) }
        if writing.dryRun {
            try DryRun(of: output, kind: Dataset.kind).show(
                [
                    "edges_before": report.edgesBefore, "edges": report.edges, "collections_dropped": report.collectionsDropped,
                    "items_trimmed": report.itemsTrimmed,
                ], json: outputOptions.json)
            return
        }
        let settings: JSONValue = [
            "features": .string(name), "drop": JSONValue(drop), "smallest_collection": JSONValue(smallestCollection),
            "degree_exponent": JSONValue(degreeExponent), "kept_degree": JSONValue(keptDegree), "topics": JSONValue(topics),
            "seed": JSONValue(String(seed)),
        ]
        try dataset.write(to: output, replacingGraph: graph, metadata: ["pruning": settings])
        show(report)
    }

    private func show(_ report: GraphPruning.Report) {
        if outputOptions.json {
            Terminal.result([
                "output": .string(output), "edges_before": JSONValue(report.edgesBefore), "edges": JSONValue(report.edges),
                "collections_dropped": JSONValue(report.collectionsDropped),
                "edges_of_dropped_collections": JSONValue(report.edgesOfDroppedCollections), "items_trimmed": JSONValue(report.itemsTrimmed),
                "edges_trimmed": JSONValue(report.edgesTrimmed), "items_left_alone": JSONValue(report.itemsLeftAlone),
                "lowest_dropped_entropy": report.lowestDroppedEntropy.map { JSONValue($0) } ?? .null,
            ])
            return
        }
        let share = (1000 * Double(report.edges) / Double(max(report.edgesBefore, 1))).rounded() / 10
        var rows = [
            ("dataset", output), ("edges", "\(Terminal.count(report.edges)) of \(Terminal.count(report.edgesBefore)) (\(share) %)"),
            ("collections dropped", "\(Terminal.count(report.collectionsDropped)) with \(Terminal.count(report.edgesOfDroppedCollections)) edges"),
            ("items trimmed", "\(Terminal.count(report.itemsTrimmed)) by \(Terminal.count(report.edgesTrimmed)) edges"),
            ("items left alone", Terminal.count(report.itemsLeftAlone)),
        ]
        if let entropy = report.lowestDroppedEntropy { rows.append(("dropped from", "\((entropy * 100).rounded() / 100) bits of topic entropy")) }
        Terminal.result(Terminal.table(rows))
    }
}
