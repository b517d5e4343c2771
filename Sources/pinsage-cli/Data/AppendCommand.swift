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

    @OptionGroup var input: InputOptions

    @Option(help: ArgumentHelp("New items, and known ones whose description changes.", valueName: "file"))
    var items: String?

    @Option(help: ArgumentHelp("The types of new collections: a table with the columns collection and type.", valueName: "file"))
    var collections: String?

    @Option(help: "tsv, csv, jsonl or adjacency; by default what the file's name says, otherwise tsv.")
    var format: AppendFormat?

    @Flag(help: "With --items: let edges name items that neither the dataset nor --items has.")
    var allowMissing = false

    @OptionGroup var machine: MachineOptions
    @OptionGroup var writing: WritingOptions
    @OptionGroup var outputOptions: OutputOptions

    func validate() throws {
        if input.edges.isEmpty && items == nil { throw ValidationError("Give --edges or --items") }
    }

    func run() throws {
        if writing.dryRun {
            let dry = try DryRun(of: dataset, kind: Dataset.kind)
            let report = try DryRun.beside(dataset) { path in
                // Hard links where the file system has them: the copy costs next to nothing, and nothing in it is changed in place.
                let artifact = try Artifact.open(dataset, kind: Dataset.kind)
                var copy = try ArtifactWriter(kind: Dataset.kind, at: path)
                for name in artifact.manifest.files.keys.sorted() { try copy.addFile(named: name, from: artifact) }
                try copy.commit(metadata: artifact.manifest.metadata)
                return try append(to: path)
            }
            dry.show(
                [
                    "items": report.items, "new_items": report.newItems, "collections": report.collections,
                    "new_collections": report.newCollections, "edges": report.edges, "new_edges": report.newEdges,
                ], json: outputOptions.json)
            return
        }
        let report = try append(to: dataset)
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

    private func append(to path: String) throws -> DatasetAppender.Report {
        let configuration = input.configuration(
            format: format.flatMap { EdgeFormat(rawValue: $0.rawValue) }, allowsMissingItems: allowMissing, threads: machine.threads)
        let progress = outputOptions.progress("reading", unit: "edges")
        defer { progress.finish() }
        return try DatasetAppender(configuration: configuration).run(
            path, edges: input.edges, items: items, collections: collections, features: input.featureSources(),
            catalogs: .init(open: { try SQLiteCatalog(directory: $0) }, make: { try SQLiteCatalogWriter(directory: $0) }),
            progress: { progress.update(count: $0.count, fraction: $0.fraction) })
    }
}

/// What --format takes.
enum AppendFormat: String, CaseIterable, ExpressibleByArgument {
    case tsv, csv, jsonl, adjacency
}
