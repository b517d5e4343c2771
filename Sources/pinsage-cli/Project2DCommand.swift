internal import ArgumentParser
internal import PinSageKit

struct Project2DCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "project2d",
        abstract: "Lay items out on a plane so that neighbors stay together.",
        discussion: """
            Every item gets two coordinates: neighbors in the embeddings are drawn together, others pushed apart, beginning at the principal axes. \
            The same input and seed give the same map on any number of threads. The output is a folder of .npy arrays; with --index it lies \
            beside the index unless told otherwise (INDEX.map), where `serve` finds it.

            \(EmbeddingsHelp.origins)

            Examples:
              pinsage-cli project2d --index lists.index
              pinsage-cli project2d --embeddings lists.embeddings --output lists.map --neighbors 30
            """)

    @Option(help: ArgumentHelp("The embeddings to lay out: a folder, or an .npy file.", valueName: "embeddings"))
    var embeddings: String?

    @Option(help: ArgumentHelp("The index to lay out, which also finds the neighbors.", valueName: "index"))
    var index: String?

    @Option(help: ArgumentHelp("The folder to write (default: the index's path with .map).", valueName: "map"))
    var output: String?

    @Option(help: ArgumentHelp("Neighbors that draw an item; more show coarser structure (default: 15).", valueName: "n"))
    var neighbors: Int?

    @Option(help: ArgumentHelp("Steps of all items (default: 400 to 1000, fewer for many items).", valueName: "n"))
    var epochs: Int?

    @Option(help: ArgumentHelp("Decides what is drawn at random (default: 1).", valueName: "seed"))
    var seed: UInt64?

    @OptionGroup var machine: MachineOptions
    @OptionGroup var writing: WritingOptions
    @OptionGroup var outputOptions: OutputOptions

    /// Up to so many items all pairs are compared; for more an index is built in memory.
    private static let mostExact = 20_000

    private var map: NeighborMap.Configuration {
        var configuration = NeighborMap.Configuration()
        if let neighbors { configuration.neighbors = neighbors }
        configuration.epochs = epochs
        if let seed { configuration.seed = seed }
        return configuration
    }

    func validate() throws {
        guard (embeddings == nil) != (index == nil) else { throw ValidationError("Give either --embeddings or --index") }
        if index == nil && output == nil { throw ValidationError("--embeddings needs --output") }
        do { try map.validate() } catch { throw ValidationError("\(error)") }
    }

    func run() throws {
        let kernels = try machine.kernels()
        let target = output ?? Self.beside(index ?? "")
        if writing.dryRun {
            let items = try index.map { try StoredIndex.open($0, kernels: kernels).count } ?? Embeddings.open(embeddings ?? "").count
            try DryRun(of: target, kind: NeighborMap.kind).show(["items": items], json: outputOptions.json)
            return
        }
        try ArtifactWriter.check(target, kind: NeighborMap.kind)
        let searched = try searched(kernels)
        let progress = outputOptions.progress("laying out", unit: "items")
        defer { progress.finish() }
        let made = try NeighborMap(of: searched, configuration: map, threads: kernels.threads) { stage, fraction in
            // Finding neighbors takes about a third of the time.
            let done = stage == "finding neighbors" ? fraction / 3 : (1 + 2 * fraction) / 3
            progress.update(count: Int(done * Double(searched.count)), fraction: done)
        }
        progress.finish()
        let epochs = map.epochs ?? NeighborMap.epochs(items: made.count)
        try made.write(
            to: target,
            madeBy: ["neighbors": JSONValue(map.neighbors), "epochs": JSONValue(epochs), "seed": .string(String(map.seed))])
        if outputOptions.json {
            Terminal.result(["map": .string(target), "items": JSONValue(made.count), "epochs": JSONValue(epochs)])
        } else {
            Terminal.result(Terminal.table([("map", target), ("items", Terminal.count(made.count)), ("epochs", "\(epochs)")]))
        }
    }

    private func searched(_ kernels: Kernels) throws -> any NearestNeighborIndex {
        if let index { return try StoredIndex.open(index, kernels: kernels) }
        let embeddings = try Embeddings.open(embeddings ?? "")
        try embeddings.requireFinite(file: self.embeddings)
        guard embeddings.count > Self.mostExact else { return ExactIndex(embeddings: embeddings, kernels: kernels) }
        let progress = outputOptions.progress("indexing", unit: "items")
        defer { progress.finish() }
        return try HNSWIndex.build(embeddings, kernels: kernels) {
            progress.update(count: $0, fraction: Double($0) / Double(embeddings.count))
        }
    }

    /// Where the map of an index lies unless told otherwise.
    static func beside(_ index: String) -> String { String(index.reversed().drop { $0 == "/" }.reversed()) + ".map" }
}
