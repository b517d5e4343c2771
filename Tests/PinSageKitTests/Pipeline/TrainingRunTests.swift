import Foundation
import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite struct TrainingRunTests {
    private static func dataset(items: Int = 120, extra: Int = 0) -> Dataset {
        var random = SplitMix(seed: 4)
        var edges: [(item: Int, collection: Int)] = []
        for collection in 0..<40 {
            for item in (0..<12).shuffled(using: &random).prefix(7) { edges.append((collection % 10 * 12 + item, collection)) }
        }
        for item in 0..<extra { edges.append((items + item, item % 40)) }
        return Dataset(
            graph: TinyGraphs.graph(items: items + extra, collections: 40, edges: edges),
            items: Identifiers((0..<items + extra).map { "i\($0)" }), collections: Identifiers((0..<40).map { "c\($0)" }))
    }

    private static func options(epochs: Int = 2) -> TrainingOptions {
        var options = TrainingOptions()
        (options.epochs, options.hiddenWidth, options.layerWidth, options.dimension, options.idWidth) = (epochs, 16, 16, 8, 8)
        (options.walks, options.neighbors) = (20, [6])
        (options.training.batchSize, options.training.negatives, options.training.initialNeighborShare) = (64, 20, 1)
        return options
    }

    private func run(_ dataset: Dataset, _ options: TrainingOptions, initial: PinSageModel? = nil) throws -> (
        model: PinSageModel, state: TrainingState
    ) {
        try TrainingRun(dataset: dataset, catalog: nil, options: options, kernels: try Kernels(threads: 2)).run(output: nil, initialModel: initial)
    }

    /// A model goes on with newer data: same items and some more, weights and id vectors where they were, widths without saying them again.
    @Test func warmStartOnNewerData() throws {
        let (old, _) = try run(Self.dataset(), Self.options())
        var open = TrainingOptions()
        (open.epochs, open.walks, open.neighbors) = (0, 20, [6])
        let (started, _) = try run(Self.dataset(extra: 30), open, initial: old)
        #expect(started.parameters == old.parameters && started.configuration == old.configuration)
        let vectors = try #require(started.idVectors), known = try #require(old.idVectors)
        #expect(vectors.rows == 150 && vectors.rows(0..<120) == known)
        #expect(vectors.rows(120..<150).values.allSatisfy { $0 == 0 })
        open.epochs = 1
        let (further, state) = try run(Self.dataset(extra: 30), open, initial: old)
        #expect(state.step > 0 && further.parameters != old.parameters)

        var other = open
        other.dimension = 16
        #expect(throws: ConfigurationError.self) { try run(Self.dataset(), other, initial: old) }
        // A model that does not know its items has rows only, and more of them than this dataset.
        var nameless = further
        nameless.idItems = nil
        #expect(throws: DataError.self) { try run(Self.dataset(items: 120, extra: 0), open, initial: nameless) }
    }

    /// The same items imported again in another order, without the first and with a new one: everyone's vector is found by name, for a warm
    /// start and for embedding.
    @Test func idVectorsAreFoundByName() throws {
        let (old, _) = try run(Self.dataset(), Self.options())
        let known = try #require(old.idVectors)
        let other = Self.dataset()
        let names = (1..<120).reversed().map { "i\($0)" } + ["new"]
        let newer = Dataset(graph: other.graph, items: Identifiers(names), collections: other.collections)
        var open = TrainingOptions()
        (open.epochs, open.walks, open.neighbors) = (0, 20, [6])
        let (started, _) = try run(newer, open, initial: old)
        let vectors = try #require(started.idVectors)
        for (row, name) in names.enumerated() {
            let expected = Int(name.dropFirst()).map { known.row($0) } ?? [Float](repeating: 0, count: 8)
            #expect(vectors.row(row) == expected, "\(name)")
        }
        #expect(started.idItems?[0] == "i119")

        let kernels = try Kernels(threads: 1)
        let ids = try IDRows(old, itemCount: 120, items: newer.items)
        var rows = Matrix(rows: 120, columns: old.configuration.inputWidth)
        try ids.fill(Array(0..<120), into: &rows, kernels: kernels)
        for row in 0..<120 { #expect(Array(rows.row(row).suffix(8)) == vectors.row(row)) }
        rows = Matrix(rows: 3, columns: old.configuration.inputWidth)
        try ids.fill([3, 7, 2], into: &rows, kernels: kernels)
        #expect(Array(rows.row(1).suffix(8)) == known.row(112))
    }

    /// Collections that ask: id vectors beside whatever there is, and what is held out is asked for by the rest of its collection, which finds
    /// it among the ten items of its own community far more often than the one in ten of chance.
    @Test func trainsForQuestionsOfCollections() throws {
        var options = TrainingOptions.forCollections
        #expect(options.training.queryMembers > 1 && options.training.loss == .softmax)
        (options.epochs, options.hiddenWidth, options.layerWidth, options.dimension) = (8, 16, 16, 8)
        (options.walks, options.neighbors) = (20, [6])
        (options.training.batchSize, options.training.negatives) = (64, 60)
        var validations: [TrainingEvent.Validation] = []
        var hooks = TrainingRun.Hooks()
        hooks.onEvent = { if case .validated(let validation) = $0 { validations.append(validation) } }
        let dataset = Self.dataset()
        let (model, _) = try TrainingRun(dataset: dataset, catalog: nil, options: options, kernels: try Kernels(threads: 2)).run(
            output: nil, hooks: hooks)
        #expect(model.configuration.idWidth == 128)
        #expect(validations.count == 8)
        // 6 of a community's 12 items are known: 6 candidates that chance cannot tell apart, so 10 answers hold them all.
        #expect(try #require(validations.last?.metrics["hit_rate@10"]) > 0.9)
        // The query's members are excluded with it: without them among the answers recall@20 is no worse.
        #expect(validations.allSatisfy { ($0.metrics["recall@20"] ?? 0) >= ($0.metrics["hit_rate@10"] ?? 1) })
    }

    @Test func defaultsFollowWhoAsks() {
        let graph = Self.dataset().graph
        func defaults(_ hasContent: Bool, _ members: Bool) -> TrainingDefaults {
            TrainingDefaults(graph: graph, hasContent: hasContent, pairsPerEpoch: 600_000, asksWithMembers: members)
        }
        #expect(defaults(true, false).idWidth == 0 && defaults(true, true).idWidth == 128 && defaults(false, false).idWidth == 128)
        #expect(defaults(true, false).epochs == 2 && defaults(true, true).epochs == 10)
    }

    /// Neighborhoods from a file are those that are drawn when every epoch has the same, so the weights are the same bits; a file of other
    /// walks, of edges that are held out and with damage is refused.
    @Test func takesPrecomputedNeighborhoods() throws {
        let folder = try TemporaryFolder()
        let dataset = Self.dataset()
        var options = Self.options()
        (options.layers, options.holdsOutValidation, options.training.redrawsNeighborhoods) = (2, false, false)
        let drawn = try run(dataset, options)
        func write(_ walks: WalkConfiguration, to name: String) throws -> String {
            let sampler = try NeighborhoodSampler(graph: dataset.graph, configuration: walks, seed: options.training.seed)
            try NeighborhoodFile.write(sampler, items: 0..<120, to: folder.path + name, threads: 2)
            return folder.path + name
        }
        let path = try write(drawn.model.walks, to: "/n")
        options.neighborhoods = path
        options.training.redrawsNeighborhoods = true  // the file wins
        let read = try run(dataset, options)
        #expect(read.model.parameters == drawn.model.parameters && read.model.idVectors == drawn.model.idVectors && read.state.step > 0)

        var other = drawn.model.walks
        other.walks += 1
        options.neighborhoods = try write(other, to: "/other")
        #expect(throws: DataError.self) { try run(dataset, options) }
        (options.neighborhoods, options.holdsOutValidation) = (path, true)
        #expect(throws: ConfigurationError.self) { try run(dataset, options) }

        options.holdsOutValidation = false
        let array = path + "/neighbors.npy"
        var bytes = try #require(FileManager.default.contents(atPath: array))
        for item in 0..<120 { bytes[bytes.count - 4 * 6 * item - 3] = 1 }  // row 256 and more instead of one below 120
        try bytes.write(to: URL(fileURLWithPath: array))
        #expect(throws: DataError.self) { try run(dataset, options) }
    }

    /// Training on a share of the collections sees fewer pairs; the model still embeds every item of the whole graph.
    @Test func trainsOnAShareOfTheCollections() throws {
        let dataset = Self.dataset()
        func pairs(_ share: Double) throws -> Int {
            var options = Self.options(epochs: 1)
            options.collectionShare = share
            var pairs = 0
            var hooks = TrainingRun.Hooks()
            hooks.onEvent = { if case .started(let start) = $0 { pairs = start.pairs } }
            let (model, _) = try TrainingRun(dataset: dataset, catalog: nil, options: options, kernels: try Kernels(threads: 2)).run(
                output: nil, hooks: hooks)
            #expect(try model.embeddings(of: dataset, catalog: nil, kernels: Kernels(threads: 2)).count == 120)
            return pairs
        }
        let whole = try pairs(1), half = try pairs(0.5)
        #expect(half > whole / 4 && half < whole * 3 / 4)
        #expect(throws: ConfigurationError.self) { try pairs(0) }
        let part = dataset.graph.keeping { $0 % 2 == 0 }
        for collection in 0..<40 {
            let members = part.items(of: CollectionID(collection))
            #expect(members == (collection % 2 == 0 ? dataset.graph.items(of: CollectionID(collection)) : []))
            #expect(members.allSatisfy { part.contains($0, in: CollectionID(collection)) })
        }
        #expect(part.items.targets.count == part.collections.targets.count)
    }
}
