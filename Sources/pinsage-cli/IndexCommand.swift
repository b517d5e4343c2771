internal import ArgumentParser
internal import PinSageKit

struct IndexCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "index",
        abstract: "Build a nearest-neighbor index of embeddings.",
        discussion: """
            exact compares every query with every item. hnsw follows the links of a graph: far faster on many items, and most but not all of the \
            true neighbors. The same embeddings and options give the same graph on any number of threads.

            Examples:
              pinsage-cli index --embeddings lists.embeddings --output lists.index --kind exact
              pinsage-cli index --embeddings lists.embeddings --output lists.index --kind hnsw --storage int8 --ef 64
            """)

    /// What --kind takes.
    enum Kind: String, CaseIterable, ExpressibleByArgument { case exact, hnsw }

    @Option(help: ArgumentHelp("The embeddings to index.", valueName: "embeddings"))
    var embeddings: String

    @Option(help: ArgumentHelp("The index directory to write.", valueName: "index"))
    var output: String

    @Option(help: ArgumentHelp("The kind of index: exact or hnsw.", valueName: "kind"))
    var kind = Kind.exact

    @Option(help: ArgumentHelp("What is compared first: f32, bf16 or int8 (default: f32 for exact, int8 for hnsw).", valueName: "storage"))
    var storage: IndexStorage?

    @Option(help: ArgumentHelp("hnsw: inner-product or cosine (default: inner-product).", valueName: "metric"))
    var metric: HNSWConfiguration.Metric?

    @Option(help: ArgumentHelp("hnsw: links of an item in a layer, twice as many in the lowest (default: 16).", valueName: "n"))
    var links: Int?

    @Option(help: ArgumentHelp("hnsw: candidates that links are chosen from (default: 100).", valueName: "n"))
    var efConstruction: Int?

    @Option(help: ArgumentHelp("hnsw: candidates that a search keeps unless it says otherwise (default: 64).", valueName: "n"))
    var ef: Int?

    @Option(help: ArgumentHelp("hnsw: decides the levels of items (default: 7).", valueName: "seed"))
    var seed: UInt64?

    @OptionGroup var machine: MachineOptions
    @OptionGroup var writing: WritingOptions
    @OptionGroup var outputOptions: OutputOptions

    func validate() throws {
        if kind == .exact {
            let given = [("--metric", metric != nil), ("--links", links != nil), ("--ef-construction", efConstruction != nil), ("--ef", ef != nil)]
            if let (name, _) = (given + [("--seed", seed != nil)]).first(where: { $0.1 }) {
                throw ValidationError("\(name) is for --kind hnsw")
            }
            if let storage, storage != .f32 { throw ValidationError("--kind exact stores f32, not \(storage.rawValue)") }
        }
        do { try hnsw.validate() } catch { throw ValidationError("\(error)") }
    }

    private var hnsw: HNSWConfiguration {
        var configuration = HNSWConfiguration()
        if let metric { configuration.metric = metric }
        if let links { configuration.links = links }
        if let efConstruction { configuration.efConstruction = efConstruction }
        if let ef { configuration.ef = ef }
        if let storage { configuration.storage = storage }
        if let seed { configuration.seed = seed }
        return configuration
    }

    func run() throws {
        let embeddings = try Embeddings.open(embeddings), kernels = try machine.kernels()
        try embeddings.requireFinite(file: self.embeddings)
        if writing.dryRun {
            try DryRun(of: output, kind: StoredIndex.kind).show(
                ["items": embeddings.count, "dimension": embeddings.dimension], json: outputOptions.json)
            return
        }
        let index: any NearestNeighborIndex
        var stored = IndexStorage.f32
        switch kind {
        case .exact: index = ExactIndex(embeddings: embeddings, kernels: kernels)
        case .hnsw:
            let progress = outputOptions.progress("indexing", unit: "items")
            defer { progress.finish() }
            let configuration = hnsw, count = max(embeddings.count, 1)
            stored = configuration.storage
            index = try HNSWIndex.build(embeddings, configuration: configuration, kernels: kernels) {
                progress.update(count: $0, fraction: Double($0) / Double(count))
            }
        }
        try index.write(to: output)
        if outputOptions.json {
            Terminal.result([
                "index": .string(output), "kind": .string(kind.rawValue), "storage": .string(stored.rawValue), "items": JSONValue(index.count),
                "dimension": JSONValue(index.dimension),
            ])
        } else {
            Terminal.result(
                Terminal.table([
                    ("index", output), ("kind", kind.rawValue), ("storage", stored.rawValue),
                    ("items", "\(Terminal.count(index.count)) x \(index.dimension)"),
                ]))
        }
    }
}
