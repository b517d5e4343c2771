internal import ArgumentParser
internal import PinSageCatalog
internal import PinSageKit

struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Make a dataset of edges, items and features.",
        discussion: """
            Edges: a table with the columns item and collection, and optionally time (seconds since 1970 or ISO 8601) and weight; \
            an empty time is unknown, an empty weight is 1. Repeated edges become one: weights add up, the earliest time is kept. \
            The format adjacency has no header and one collection with its items on each line: "collection item item ...".
            Items: a table with the column item, and optionally title, url and text; any other column is an attribute.
            Collections: a table with the columns collection and type, where they are of several kinds: walks may then give each type a share \
            (neighbors and train --collection-types).
            The format apt makes a dataset of a Debian archive: packages in lists of dependencies, debtags facets and sections; it reads the \
            machine's own package lists, or a saved one given as --edges.
            Files that end in .gz, and standard input that is gzip, are unpacked.
            """)

    @OptionGroup var input: InputOptions

    @Option(help: ArgumentHelp("The items, in the order of the rows of features.", valueName: "file"))
    var items: String?

    @Option(help: ArgumentHelp("The type of each collection.", valueName: "file"))
    var collections: String?

    @Option(help: "tsv, csv, jsonl, adjacency or apt; by default what the file's name says, otherwise tsv.")
    var format: ImportFormat?

    @Option(help: ArgumentHelp("The dataset to write. An older dataset there is replaced.", valueName: "dataset"))
    var output: String

    @Flag(
        help:
            "Let edges name items that --items and collections that --collections does not have, and let features miss items (their rows become 0) or have others."
    )
    var allowMissing = false

    @Option(help: ArgumentHelp("The most threads that run at once.", valueName: "count"))
    var threads: Int?

    @Option(help: ArgumentHelp("About how much memory edges may take before they are sorted on disk: 4G, 512M.", valueName: "bytes"))
    var memory: ByteCount = ByteCount(4 << 30)

    @OptionGroup var writing: WritingOptions
    @OptionGroup var outputOptions: OutputOptions

    func validate() throws {
        if input.edges.isEmpty, format != .apt { throw ValidationError("Missing expected argument '--edges <file>'") }
        if format == .apt, input.edges.count > 1 || items != nil || collections != nil || !input.features.isEmpty {
            throw ValidationError("--format apt takes one package list at most, and neither --items, --collections nor --features")
        }
        if let threads, threads < 1 { throw ValidationError("--threads must be at least 1") }
        if memory.bytes < 16 << 20 { throw ValidationError("--memory must be at least 16M") }
    }

    func run() throws {
        if writing.dryRun {
            let dry = try DryRun(of: output, kind: Dataset.kind)
            let report = try DryRun.beside(output) { try imported(to: $0) }
            dry.show(
                [
                    "items": report.items, "collections": report.collections, "edges": report.edges, "edges_read": report.edgesRead,
                    "duplicates_merged": report.duplicates, "items_without_edges": report.itemsWithoutEdges,
                ], json: outputOptions.json)
            return
        }
        Self.show(try imported(to: output), output: output, json: outputOptions.json)
    }

    private func imported(to output: String) throws -> ImportReport {
        if format == .apt {
            let archive = try input.edges.first.map { try AptArchive(contentsOf: $0) } ?? AptArchive.thisMachine()
            for note in archive.notes { outputOptions.note("note: \(note)") }
            return try archive.writeDataset(to: output)
        }
        var configuration = input.configuration(
            format: format.flatMap { EdgeFormat(rawValue: $0.rawValue) }, allowsMissingItems: allowMissing, threads: threads)
        configuration.memory = memory.bytes
        let sources = try input.featureSources()
        let progress = outputOptions.progress("reading", unit: "rows")
        defer { progress.finish() }
        return try DatasetImporter(configuration: configuration).run(
            edges: input.edges, items: items, collections: collections, features: sources, output: output,
            catalog: items == nil ? nil : { try SQLiteCatalogWriter(directory: $0) },
            metadata: ["source": .string(input.edges.joined(separator: " "))],
            progress: { progress.update(count: $0.count, fraction: $0.fraction) })
    }

    /// What every kind of import reports.
    static func show(_ report: ImportReport, output: String, json: Bool) {
        if json {
            Terminal.result([
                "output": .string(output), "items": JSONValue(report.items), "collections": JSONValue(report.collections),
                "edges": JSONValue(report.edges), "edges_read": JSONValue(report.edgesRead), "duplicates_merged": JSONValue(report.duplicates),
                "items_without_edges": JSONValue(report.itemsWithoutEdges), "items_described": JSONValue(report.itemsDescribed),
                "has_times": JSONValue(report.hasTimes), "has_weights": JSONValue(report.hasWeights), "seconds": JSONValue(report.seconds),
            ])
            return
        }
        var rows = [
            ("dataset", output), ("items", Terminal.count(report.items)), ("collections", Terminal.count(report.collections)),
            ("edges", Terminal.count(report.edges)),
        ]
        if report.duplicates > 0 { rows.append(("duplicates merged", Terminal.count(report.duplicates))) }
        if report.itemsWithoutEdges > 0 { rows.append(("items without edges", Terminal.count(report.itemsWithoutEdges))) }
        rows.append(("times", report.hasTimes ? "yes" : "no"))
        if report.seconds > 0 {
            rows.append(
                ("took", "\((report.seconds * 100).rounded() / 100) s, \(Terminal.count(Int(Double(report.edgesRead) / report.seconds))) edges/s"))
        }
        Terminal.result(Terminal.table(rows))
    }
}

/// What --format takes.
enum ImportFormat: String, CaseIterable, ExpressibleByArgument {
    case tsv, csv, jsonl, adjacency, apt
}
