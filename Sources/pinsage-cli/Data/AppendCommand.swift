internal import ArgumentParser
internal import PinSageCatalog
internal import PinSageKit

struct AppendCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "append",
        abstract: "Add edges and items to a dataset.",
        discussion: """
            New edges are kept beside the graph in a small overlay, which every command sees at once; compact folds them in. Rows of known items \
            do not change, so models, embeddings and indexes stay valid for them. An edge that is there already adds to its weight. \
            Features of new items are zeros where --features has no row for them.

            Example: pinsage-cli append lists.dataset --edges today.tsv --items new.tsv
            """)

    @Argument(help: ArgumentHelp("The dataset, which is replaced in one step.", valueName: "dataset"))
    var dataset: String

    @Option(help: ArgumentHelp("The edges; - is standard input. May be repeated.", valueName: "file"))
    var edges: [String] = []

    @Option(help: ArgumentHelp("New items, and known ones whose description changes.", valueName: "file"))
    var items: String?

    @Option(
        help: ArgumentHelp(
            "Rows of features that the dataset has, in the order of --items or of IDS.txt. May be repeated.", valueName: "name=file.npy[:ids.txt]"))
    var features: [String] = []

    @Option(help: "tsv, csv, jsonl or adjacency; by default what the file's name says, otherwise tsv.")
    var format: AppendFormat?

    @Option(help: ArgumentHelp("The name of the item column.", valueName: "name"))
    var itemColumn = "item"

    @Option(help: ArgumentHelp("The name of the collection column.", valueName: "name"))
    var collectionColumn = "collection"

    @Option(help: ArgumentHelp("The name of the time column.", valueName: "name"))
    var timeColumn = "time"

    @Option(help: ArgumentHelp("The name of the weight column.", valueName: "name"))
    var weightColumn = "weight"

    @Flag(help: "With --items: let edges name items that neither the dataset nor --items has.")
    var allowMissing = false

    @OptionGroup var machine: MachineOptions
    @OptionGroup var outputOptions: OutputOptions

    func validate() throws {
        if edges.isEmpty && items == nil { throw ValidationError("Give --edges or --items") }
        if edges.count(where: { $0 == "-" }) > 1 { throw ValidationError("--edges - can be given once only: there is one standard input") }
    }

    func run() throws {
        var configuration = ImportConfiguration()
        configuration.format = format.flatMap { EdgeFormat(rawValue: $0.rawValue) }
        configuration.itemColumn = itemColumn
        configuration.collectionColumn = collectionColumn
        configuration.timeColumn = timeColumn
        configuration.weightColumn = weightColumn
        configuration.allowsMissingItems = allowMissing
        configuration.threads = machine.threads
        let progress = ProgressBar("reading", unit: "edges")
        defer { progress.finish() }
        let report = try DatasetAppender(configuration: configuration).run(
            dataset, edges: edges, items: items, features: features.map { try FeatureSource(argument: $0) },
            catalogs: .init(open: { try SQLiteCatalog(directory: $0) }, make: { try SQLiteCatalogWriter(directory: $0) }),
            progress: { progress.update(count: $0.count, fraction: $0.fraction) })
        progress.finish()
        if outputOptions.json {
            Terminal.result([
                "dataset": .string(dataset), "items": JSONValue(report.items), "collections": JSONValue(report.collections),
                "edges": JSONValue(report.edges), "new_items": JSONValue(report.newItems), "new_collections": JSONValue(report.newCollections),
                "edges_read": JSONValue(report.edgesRead), "new_edges": JSONValue(report.newEdges), "overlay_edges": JSONValue(report.overlayEdges),
                "items_described": JSONValue(report.itemsDescribed), "seconds": JSONValue(report.seconds),
            ])
            return
        }
        Terminal.result(
            Terminal.table([
                ("dataset", dataset), ("items", "\(Terminal.count(report.items)), \(Terminal.count(report.newItems)) of them new"),
                ("collections", "\(Terminal.count(report.collections)), \(Terminal.count(report.newCollections)) of them new"),
                ("edges", "\(Terminal.count(report.edges)), \(Terminal.count(report.newEdges)) of them new"),
                ("overlay", "\(Terminal.count(report.overlayEdges)) edges until compact"), ("took", Terminal.duration(report.seconds)),
            ]))
    }
}

/// What --format takes.
enum AppendFormat: String, CaseIterable, ExpressibleByArgument {
    case tsv, csv, jsonl, adjacency
}
