internal import ArgumentParser
internal import PinSageKit

struct NeighborsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "neighbors",
        abstract: "The items that random walks from an item visit most.",
        discussion: """
            With --item: the importance neighborhood of each item, or with --together one list for all of them by Pixie's walk from \
            several items. With --all: the neighborhoods of every item in OUTPUT, as neighbors.npy (items, T) with item rows, padded with \
            4294967295, and weights.npy (items, T). A run that was killed goes on where it stopped when it is repeated; --shard computes one of \
            several ranges of items, so that machines can share the work. The same seed gives the same bits on any number of threads.

            Example: pinsage-cli neighbors lists.dataset --item vim --neighbors 10
            """)

    @Argument(help: ArgumentHelp("The dataset to walk on.", valueName: "dataset"))
    var dataset: String

    @Option(help: ArgumentHelp("An item to list the neighbors of; may be repeated.", valueName: "id"))
    var item: [String] = []

    @Flag(help: "One list for all items: walks are allotted by degree and items reached from several are boosted.")
    var together = false

    @Flag(help: "Write the neighborhoods of all items.")
    var all = false

    @Option(help: ArgumentHelp("With --all: only range I of N, I from 1.", valueName: "i/n"))
    var shard: String?

    @Option(help: ArgumentHelp("With --all: the neighborhoods directory to write.", valueName: "file"))
    var output: String?

    @Option(help: ArgumentHelp("The most neighbors of an item.", valueName: "t"))
    var neighbors = 50

    @Option(help: ArgumentHelp("Walks per item.", valueName: "n"))
    var walks = 100

    @Option(help: ArgumentHelp("Item hops per walk.", valueName: "n"))
    var walkLength = 2

    @Option(help: ArgumentHelp("Probability of returning to the item after each hop.", valueName: "p"))
    var restart = 0.5

    @Option(help: ArgumentHelp("With --together: hops of all walks.", valueName: "n"))
    var steps = 100_000

    @Flag(help: "Follow edges in proportion to their weights.")
    var weighted = false

    @Option(help: ArgumentHelp("Follow only edges at this time or later: seconds since 1970 or ISO 8601.", valueName: "time"))
    var since: String?

    @Option(help: ArgumentHelp("Follow only edges before this time.", valueName: "time"))
    var before: String?

    @Option(help: ArgumentHelp("The seed of the walks.", valueName: "s"))
    var seed: UInt64 = 1

    @Flag(help: "Copy the graph into memory first, in huge pages: worth it for many walks on a large graph.")
    var resident = false

    @OptionGroup var machine: MachineOptions
    @OptionGroup var outputOptions: OutputOptions

    func validate() throws {
        guard all != !item.isEmpty else { throw ValidationError("Give either --item or --all") }
        guard all == (output != nil) else { throw ValidationError(all ? "--all needs --output" : "--output needs --all") }
        if shard != nil && !all { throw ValidationError("--shard needs --all") }
        if together && all { throw ValidationError("--together needs --item") }
        if together && (weighted || since != nil || before != nil) {
            throw ValidationError("--together walks on all edges alike: it takes neither --weighted nor --since or --before")
        }
        if shard != nil && range(of: 1) == nil { throw ValidationError("--shard expects i/n with 1 <= i <= n, found '\(shard ?? "")'") }
        for (name, value) in [("since", since), ("before", before)] {
            if let value, Graph.time(parsing: value) == nil {
                throw ValidationError("--\(name) expects seconds since 1970 or an ISO 8601 time, found '\(value)'")
            }
        }
        do {
            try configuration.validate()
            try PixieConfiguration(steps: steps, restart: restart).validate()
        } catch {
            throw ValidationError("\(error)")
        }
    }

    private var configuration: WalkConfiguration {
        WalkConfiguration(
            walks: walks, walkLength: walkLength, restart: restart, neighbors: neighbors, weighted: weighted,
            notBefore: since.flatMap { Graph.time(parsing: $0) }, before: before.flatMap { Graph.time(parsing: $0) })
    }

    /// The item rows to compute; `nil` when --shard is not understood.
    private func range(of itemCount: Int) -> Range<Int>? {
        guard let shard else { return 0..<itemCount }
        let parts = shard.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let index = Int(parts[0]), let count = Int(parts[1]), index >= 1, index <= count else { return nil }
        return NeighborhoodFile.shard(index - 1, of: count, itemCount: itemCount)
    }

    func run() throws {
        let threads = machine.threads ?? Kernels.availableProcessors
        let dataset = try Dataset.open(self.dataset, resident: resident)
        if let output {
            try writeAll(of: dataset, to: output, threads: threads)
            return
        }
        let queries = try item.map { try dataset.item(named: $0) }
        let lists: [(query: [String], neighbors: [(item: ItemID, score: Float)])]
        if together {
            let pixie = try PixieRecommender(
                graph: dataset.graph, configuration: PixieConfiguration(steps: steps, restart: restart), seed: seed)
            lists = [(item, try pixie.recommend(queries: queries.map { ($0, 1) }, count: neighbors))]
        } else {
            let sampler = try NeighborhoodSampler(graph: dataset.graph, configuration: configuration, seed: seed)
            let drawn = try sampler.neighborhoods(of: queries, threads: threads)
            lists = item.enumerated().map { ([$1], drawn[$0].map { ($0.item, $0.weight) }) }
        }
        if outputOptions.json {
            Terminal.result(
                .array(
                    lists.map { list in
                        [
                            "items": .array(list.query.map { .string($0) }),
                            "neighbors": .array(
                                list.neighbors.map { ["item": .string(dataset.items[Int($0.item.row)]), "weight": JSONValue(Double($0.score))] }),
                        ]
                    }))
            return
        }
        for list in lists {
            if lists.count > 1 { Terminal.result("# \(list.query.joined(separator: " "))") }
            if list.neighbors.isEmpty { Terminal.error("\(list.query.joined(separator: ", ")): no walk reaches another item") }
            for neighbor in list.neighbors { Terminal.result("\(Terminal.line(dataset.items[Int(neighbor.item.row)]))\t\(neighbor.score)") }
        }
    }

    private func writeAll(of dataset: Dataset, to output: String, threads: Int) throws {
        guard let range = range(of: dataset.graph.itemCount) else { return }
        let sampler = try NeighborhoodSampler(graph: dataset.graph, configuration: configuration, seed: seed)
        let clock = ContinuousClock()
        let start = clock.now
        let progress = ProgressBar("walking", unit: "items")
        defer { progress.finish() }
        let resumed = try NeighborhoodFile.write(sampler, items: range, to: output, threads: threads) { done in
            progress.update(count: done, fraction: Double(done) / Double(max(range.count, 1)))
        }
        progress.finish()
        let seconds = (clock.now - start) / .seconds(1)
        if outputOptions.json {
            Terminal.result([
                "output": .string(output), "first_item": JSONValue(range.lowerBound), "items": JSONValue(range.count),
                "resumed_items": JSONValue(resumed), "neighbors": JSONValue(neighbors), "seconds": JSONValue(seconds),
            ])
            return
        }
        let rate = Terminal.count(Int(Double(range.count - resumed) / max(seconds, 1e-9)))
        Terminal.result(
            Terminal.table([
                ("neighborhoods", output), ("items", "\(Terminal.count(range.count)) from row \(Terminal.count(range.lowerBound))"),
                ("resumed", "\(Terminal.count(resumed)) items of an earlier run"), ("took", "\(Terminal.duration(seconds)), \(rate) items/s"),
            ]))
    }
}
