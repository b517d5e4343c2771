internal import ArgumentParser
internal import PinSageKit

struct NeighborsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "neighbors",
        abstract: "The items that random walks from an item visit most.",
        discussion: """
            With --item: the importance neighborhood of each item, or with --together one list for all of them by Pixie's walk from \
            several items: steps are allotted by degree and --item-weights, items that several reach are boosted. With --all: the neighborhoods of every item in OUTPUT, as neighbors.npy (items, T) with item rows, padded with \
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

    @Option(
        help: ArgumentHelp(
            "With --all: neighborhoods made before the latest append; only those that it may have changed are drawn again.", valueName: "file"))
    var refresh: String?

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

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("With --together: the weight of each --item, in their order. [default: 1 each]", valueName: "weight"))
    var itemWeights: [Float] = []

    @Option(help: ArgumentHelp("With --together: stop an item's walks when more than N items have --stop-visits visits.", valueName: "n"))
    var stopItems: Int?

    @Option(help: ArgumentHelp("With --stop-items: how many visits are enough.", valueName: "n"))
    var stopVisits = 4

    @Flag(help: "With --together: add visits up instead of boosting items that several items reach.")
    var plainSum = false

    @Option(help: ArgumentHelp("With --together: prefer these items, one id on each line, while walking.", valueName: "ids.txt"))
    var prefer: String?

    @Flag(help: "Follow edges in proportion to their weights.")
    var weighted = false

    @Option(help: ArgumentHelp("Follow only edges at this time or later: seconds since 1970 or ISO 8601.", valueName: "time"))
    var since: String?

    @Option(help: ArgumentHelp("Follow only edges before this time.", valueName: "time"))
    var before: String?

    @Option(
        help: ArgumentHelp(
            "The share of each type of collections in the steps from an item, for a dataset with types; others are not entered. [default: all collections alike]",
            valueName: "type=x,..."))
    var collectionTypes: TypeShareList?

    @Option(
        help: ArgumentHelp(
            "Enter a collection of n members in proportion to n^-x; 0 treats large and small ones alike.", valueName: "x"))
    var sizeExponent = 0.0

    @Option(help: ArgumentHelp("The seed of the walks.", valueName: "s"))
    var seed: UInt64 = 1

    @Flag(help: "Copy the graph into memory first, in huge pages: worth it for many walks on a large graph.")
    var resident = false

    @OptionGroup var machine: MachineOptions
    @OptionGroup var writing: WritingOptions
    @OptionGroup var outputOptions: OutputOptions

    func validate() throws {
        guard all != !item.isEmpty else { throw ValidationError("Give either --item or --all") }
        guard all == (output != nil) else { throw ValidationError(all ? "--all needs --output" : "--output needs --all") }
        if writing.dryRun && !all { throw ValidationError("--dry-run needs --all") }
        if refresh != nil && !all { throw ValidationError("--refresh needs --all") }
        if shard != nil && !all { throw ValidationError("--shard needs --all") }
        if together && all { throw ValidationError("--together needs --item") }
        if !together && (!itemWeights.isEmpty || stopItems != nil || plainSum || prefer != nil) {
            throw ValidationError("--item-weights, --stop-items, --plain-sum and --prefer need --together")
        }
        if !itemWeights.isEmpty && itemWeights.count != item.count {
            throw ValidationError("--item-weights expects \(item.count) numbers, one for each --item, not \(itemWeights.count)")
        }
        if let weight = itemWeights.first(where: { !($0 > 0 && $0.isFinite) }) {
            throw ValidationError("--item-weights expects positive numbers, not \(weight)")
        }
        if together && (weighted || since != nil || before != nil || collectionTypes != nil || sizeExponent != 0) {
            throw ValidationError(
                "--together walks on all edges alike: it takes neither --weighted nor --since, --before, --collection-types or --size-exponent")
        }
        if shard != nil && range(of: 1) == nil { throw ValidationError("--shard expects i/n with 1 <= i <= n, found '\(shard ?? "")'") }
        for (name, value) in [("since", since), ("before", before)] {
            if let value, Graph.time(parsing: value) == nil {
                throw ValidationError("--\(name) expects seconds since 1970 or an ISO 8601 time, found '\(value)'")
            }
        }
        do {
            try configuration.validate()
            try pixieConfiguration.validate()
        } catch {
            throw ValidationError("\(error)")
        }
    }

    private var configuration: WalkConfiguration {
        WalkConfiguration(
            walks: walks, walkLength: walkLength, restart: restart, neighbors: neighbors, weighted: weighted,
            notBefore: since.flatMap { Graph.time(parsing: $0) }, before: before.flatMap { Graph.time(parsing: $0) },
            collectionTypes: collectionTypes?.shares, sizeExponent: sizeExponent)
    }

    private var pixieConfiguration: PixieConfiguration {
        PixieConfiguration(
            steps: steps, restart: restart, boostsMultipleHits: !plainSum,
            earlyStop: stopItems.map { PixieConfiguration.EarlyStop(items: $0, visits: stopVisits) })
    }

    /// One list for all queries, by Pixie's walk.
    private func recommended(from queries: [ItemID], in dataset: Dataset) throws -> [(item: ItemID, score: Float)] {
        var prefers: (@Sendable (ItemID) -> Bool)?
        if let prefer {
            let named = try IdentifierFile.read(prefer).map { try dataset.item(named: $0) }
            let preferred = ItemFilter(items: dataset.items.count, allowed: named)
            prefers = { preferred.contains($0) }
        }
        let pixie = try PixieRecommender(graph: dataset.graph, configuration: pixieConfiguration, seed: seed, prefers: prefers)
        let weights: [Float] = itemWeights.isEmpty ? queries.map { _ in 1 } : itemWeights
        return try pixie.recommend(queries: zip(queries, weights).map { (item: $0, weight: $1) }, count: neighbors)
    }

    /// The item rows to compute; `nil` when --shard is not understood.
    private func range(of itemCount: Int) -> Range<Int>? { NeighborhoodFile.shard(shard, itemCount: itemCount) }

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
            lists = [(item, try recommended(from: queries, in: dataset))]
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
            if list.neighbors.isEmpty { outputOptions.note("\(list.query.joined(separator: ", ")): no walk reaches another item") }
            for neighbor in list.neighbors { Terminal.result("\(Terminal.line(dataset.items[Int(neighbor.item.row)]))\t\(neighbor.score)") }
        }
    }

    private func writeAll(of dataset: Dataset, to output: String, threads: Int) throws {
        guard let range = range(of: dataset.graph.itemCount) else { return }
        let sampler = try NeighborhoodSampler(graph: dataset.graph, configuration: configuration, seed: seed)
        if writing.dryRun {
            try DryRun(of: output, kind: NeighborhoodFile.kind).show(
                ["first_item": range.lowerBound, "items": range.count], json: outputOptions.json)
            return
        }
        let clock = ContinuousClock()
        let start = clock.now
        let progress = outputOptions.progress("walking", unit: "items")
        defer { progress.finish() }
        let reuse = try refresh.map { try NeighborhoodFile.Reuse(try NeighborhoodFile.open($0), of: dataset, sampler: sampler) }
        let resumed = try NeighborhoodFile.write(
            sampler, items: range, to: output, origin: dataset, reuse: reuse, threads: threads
        ) { done in
            progress.update(count: done, fraction: Double(done) / Double(max(range.count, 1)))
        }
        progress.finish()
        let seconds = (clock.now - start) / .seconds(1)
        if outputOptions.json {
            Terminal.result([
                "output": .string(output), "first_item": JSONValue(range.lowerBound), "items": JSONValue(range.count),
                "resumed_items": JSONValue(resumed), "changed_items": JSONValue(reuse?.changedItems ?? range.count),
                "neighbors": JSONValue(neighbors), "seconds": JSONValue(seconds),
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

extension NeighborhoodFile {
    /// The item rows of `--shard i/n`, i from 1; all without it, and `nil` when it is not understood.
    static func shard(_ text: String?, itemCount: Int) -> Range<Int>? {
        guard let text else { return 0..<itemCount }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let index = Int(parts[0]), let count = Int(parts[1]), index >= 1, index <= count else { return nil }
        return shard(index - 1, of: count, itemCount: itemCount)
    }
}
