internal import ArgumentParser
internal import Foundation
internal import PinSageKit

struct IndexCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "index",
        abstract: "Build a nearest-neighbor index of embeddings.",
        discussion: """
            exact compares every query with every item. hnsw follows the links of a graph: far faster on many items, and most but not all of the \
            true neighbors. lsh hashes by random projections and ranks by matching buckets before it compares, as the paper does. The same embeddings \
            and options give the same index on any number of threads. --base takes the links of an hnsw index that was made before: only items that \
            are new or have other vectors are inserted. --tune measures all kinds on these embeddings and writes the one with the fastest queries \
            that reaches --recall and --latency.

            \(EmbeddingsHelp.origins)

            Examples:
              pinsage-cli index --embeddings lists.embeddings --output lists.index --kind exact
              pinsage-cli index --embeddings lists.embeddings --output lists.index --kind hnsw --storage int8 --ef 64
              pinsage-cli index --embeddings more.embeddings --output more.index --base lists.index
              pinsage-cli index --embeddings lists.embeddings --output lists.index --kind lsh --recall 0.95
              pinsage-cli index --embeddings lists.embeddings --output lists.index --tune --recall 0.98 --latency 1 --plot tune.html
              pinsage-cli index --embeddings vectors.npy --output vectors.index
            """)

    /// What --kind takes.
    enum Kind: String, CaseIterable, ExpressibleByArgument { case exact, hnsw, lsh }

    @Option(help: ArgumentHelp("The embeddings to index: a folder, or an .npy file.", valueName: "embeddings"))
    var embeddings: String

    @Option(help: ArgumentHelp("The index directory to write.", valueName: "index"))
    var output: String

    @Option(help: ArgumentHelp("The kind of index: exact, hnsw or lsh (default: exact; with --base hnsw).", valueName: "kind"))
    var kind: Kind?

    @Option(help: ArgumentHelp("An hnsw index of earlier embeddings whose links and settings are taken over.", valueName: "index"))
    var base: String?

    @Flag(help: "Measure all kinds and settings on these embeddings, and write the one that suits best.")
    var tune = false

    @Option(help: ArgumentHelp("lsh, --tune: the share of the ten nearest that is found (default: 0.95).", valueName: "share"))
    var recall: Double?

    @Option(help: ArgumentHelp("--tune: the most milliseconds of a query, for 99 of 100 (default: as fast as it gets).", valueName: "ms"))
    var latency: Double?

    @Option(help: ArgumentHelp("--tune: a page with the curves of recall and queries per second to write.", valueName: "file.html"))
    var plot: String?

    @Option(help: ArgumentHelp("What is compared first: f32, bf16 or int8 (default: f32 for exact and lsh, int8 for hnsw).", valueName: "storage"))
    var storage: IndexStorage?

    @Option(help: ArgumentHelp("hnsw: inner-product or cosine (default: inner-product).", valueName: "metric"))
    var metric: HNSWConfiguration.Metric?

    @Option(help: ArgumentHelp("hnsw: links of an item in a layer, twice as many in the lowest (default: 16).", valueName: "n"))
    var links: Int?

    @Option(help: ArgumentHelp("hnsw: candidates that links are chosen from (default: 100).", valueName: "n"))
    var efConstruction: Int?

    @Option(help: ArgumentHelp("hnsw: candidates that a search keeps unless it says otherwise (default: 64).", valueName: "n"))
    var ef: Int?

    @Option(help: ArgumentHelp("lsh: hyperplanes of a table (default: by the number of items).", valueName: "n"))
    var bits: Int?

    @Option(help: ArgumentHelp("lsh: tables (default: 4 to 32, measured).", valueName: "n"))
    var tables: Int?

    @Option(help: ArgumentHelp("lsh: postings that a query reads (default: measured).", valueName: "n"))
    var visits: Int?

    @Option(help: ArgumentHelp("lsh: items that are compared exactly (default: measured).", valueName: "n"))
    var candidates: Int?

    @Option(help: ArgumentHelp("hnsw: decides the levels of items; lsh: the hyperplanes (default: 7).", valueName: "seed"))
    var seed: UInt64?

    @OptionGroup var machine: MachineOptions
    @OptionGroup var writing: WritingOptions
    @OptionGroup var outputOptions: OutputOptions

    func validate() throws {
        let graph = [("--metric", metric != nil), ("--links", links != nil), ("--ef-construction", efConstruction != nil), ("--ef", ef != nil)]
        let hash = [("--bits", bits != nil), ("--tables", tables != nil), ("--visits", visits != nil), ("--candidates", candidates != nil)]
        func refuse(_ options: [(String, Bool)], _ why: String) throws {
            if let (name, _) = options.first(where: { $0.1 }) { throw ValidationError("\(name) \(why)") }
        }
        let seeded = [("--seed", seed != nil)], recalled = [("--recall", recall != nil)], stored = [("--storage", storage != nil)]
        let tuned = [("--latency", latency != nil), ("--plot", plot != nil)]
        if tune {
            try refuse(
                [("--kind", kind != nil), ("--base", base != nil)] + graph + hash + seeded + stored, "has no place beside --tune, which chooses")
            do { try goal.validate() } catch { throw ValidationError("\(error)") }
            return
        }
        try refuse(tuned, "is for --tune")
        if base != nil {
            if let kind, kind != .hnsw { throw ValidationError("--base is for --kind hnsw, not \(kind.rawValue)") }
            try refuse(graph.dropLast() + hash + seeded + recalled + stored, "has no place beside --base, whose settings are taken over")
            if let ef, ef < 1 { throw ValidationError("ef is \(ef), expected 1 or more") }
            return
        }
        switch kind ?? .exact {
        case .exact:
            try refuse(graph, "is for --kind hnsw")
            try refuse(hash + recalled, "is for --kind lsh")
            try refuse(seeded, "is for --kind hnsw and lsh")
        case .hnsw: try refuse(hash + recalled, "is for --kind lsh")
        case .lsh: try refuse(graph, "is for --kind hnsw")
        }
        if kind == .lsh, let storage, storage != .f32 { throw ValidationError("--kind lsh stores f32, not \(storage.rawValue)") }
        if kind ?? .exact == .exact, storage == .bf16 {
            throw ValidationError("--kind exact stores f32 or int8, whose answers are the same; not bf16")
        }
        do {
            try hnsw.validate()
            try lsh.validate()
        } catch { throw ValidationError("\(error)") }
    }

    private var goal: IndexTuning.Goal { IndexTuning.Goal(recall: recall ?? 0.95, milliseconds: latency) }

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

    private var lsh: LSHConfiguration {
        LSHConfiguration(recall: recall ?? 0.95, bits: bits, tables: tables, visits: visits, candidates: candidates, seed: seed ?? 7)
    }

    func run() throws {
        let embeddings = try Embeddings.open(embeddings), kernels = try machine.kernels()
        try embeddings.requireFinite(file: self.embeddings)
        if writing.dryRun {
            try DryRun(of: output, kind: StoredIndex.kind).show(
                ["items": embeddings.count, "dimension": embeddings.dimension], json: outputOptions.json)
            return
        }
        let (index, facts) = tune ? try tuned(embeddings, kernels: kernels) : try built(embeddings, kernels: kernels)
        try index.write(to: output)
        let kind: Kind = index is HNSWIndex ? .hnsw : index is LSHIndex ? .lsh : .exact
        let storage = (index as? HNSWIndex)?.configuration.storage ?? (index as? ExactIndex)?.storage ?? .f32
        if outputOptions.json {
            var result: [String: JSONValue] = [
                "index": .string(output), "kind": .string(kind.rawValue), "storage": .string(storage.rawValue), "items": JSONValue(index.count),
                "dimension": JSONValue(index.dimension),
            ]
            for (name, value) in facts { result[name.replacingOccurrences(of: " ", with: "_")] = value }
            Terminal.result(.object(result))
        } else {
            let rows = [
                ("index", output), ("kind", kind.rawValue), ("storage", storage.rawValue),
                ("items", "\(Terminal.count(index.count)) x \(index.dimension)"),
            ]
            Terminal.result(Terminal.table(rows + facts.filter { $0.value.array == nil }.map { ($0.name, $0.value.string ?? $0.value.serialized()) }))
        }
    }

    private typealias Facts = [(name: String, value: JSONValue)]

    private func built(_ embeddings: Embeddings, kernels: Kernels) throws -> (any NearestNeighborIndex, Facts) {
        let count = max(embeddings.count, 1)
        if let base {
            guard let old = try StoredIndex.open(base, kernels: kernels) as? HNSWIndex else {
                throw DataError("--base expects an index of kind \(HNSWIndex.name)", file: base)
            }
            let progress = outputOptions.progress("inserting", unit: "items")
            defer { progress.finish() }
            let (index, inserted) = try old.updated(to: embeddings) { progress.update(count: $0, fraction: Double($0) / Double(count)) }
            return (ef.map { index.replacing(ef: $0) } ?? index, [("inserted", JSONValue(inserted))])
        }
        switch kind ?? .exact {
        case .exact: return (try ExactIndex.build(embeddings, storage: storage ?? .f32, kernels: kernels), [])
        case .hnsw:
            let progress = outputOptions.progress("indexing", unit: "items")
            defer { progress.finish() }
            let index = try HNSWIndex.build(embeddings, configuration: hnsw, kernels: kernels) {
                progress.update(count: $0, fraction: Double($0) / Double(count))
            }
            return (index, [])
        case .lsh:
            let index = try LSHIndex.build(embeddings, configuration: lsh, kernels: kernels), chosen = index.parameters
            var facts: Facts = [
                ("bits", JSONValue(chosen.bits)), ("tables", JSONValue(chosen.tables)), ("visits", JSONValue(chosen.visits)),
                ("candidates", JSONValue(chosen.candidates)),
            ]
            if let measured = chosen.measuredRecall {
                facts.append(("measured recall", JSONValue(measured)))
                if measured < lsh.recall {
                    Terminal.error("recall \(measured) is below \(lsh.recall): more --tables, --visits or --candidates would raise it")
                }
            }
            return (index, facts)
        }
    }

    private func tuned(_ embeddings: Embeddings, kernels: Kernels) throws -> (any NearestNeighborIndex, Facts) {
        var tuning = try IndexTuning(goal: goal)
        try tuning.run(embeddings, kernels: kernels) { outputOptions.note("measuring \($0)") }
        guard let choice = tuning.choice else { return (ExactIndex(embeddings: embeddings, kernels: kernels), []) }
        if let plot { try tuning.page(of: self.embeddings).write(to: plot) }
        if !tuning.isMet, let latency {
            Terminal.error("no index with recall \(tuning.goal.recall) answers 99 of 100 queries within \(latency) ms; the fastest was taken")
        }
        let curve = tuning.measurements.map { measured -> JSONValue in
            [
                "kind": .string(measured.kind), "settings": .string(measured.settings), "recall": JSONValue(measured.recall),
                "queries_per_second": JSONValue(measured.queriesPerSecond), "median_ms": JSONValue(measured.medianMilliseconds),
                "p99_ms": JSONValue(measured.p99Milliseconds), "build_seconds": JSONValue(measured.buildSeconds),
            ]
        }
        if !outputOptions.json {
            Terminal.result("recall@10  queries/s   one query: median ms   p99 ms   index")
            for measured in tuning.measurements {
                Terminal.result(
                    String(
                        format: "   %.4f  %9.0f                %8.3f %8.3f   ", measured.recall, measured.queriesPerSecond,
                        measured.medianMilliseconds, measured.p99Milliseconds) + "\(measured.kind) \(measured.settings)")
            }
        }
        return (
            choice.index,
            [
                ("settings", .string(choice.settings)), ("recall", JSONValue(choice.recall)), ("p99 ms", JSONValue(choice.p99Milliseconds)),
                ("curve", .array(curve)),
            ]
        )
    }
}
