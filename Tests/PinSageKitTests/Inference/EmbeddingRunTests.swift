import PinSageTestSupport
import Testing

@testable import PinSageKit

/// Whether both have the same bits; `==` of thousands of numbers would print them all.
private func same(_ left: [Float], _ right: [Float]) -> Bool { left.map(\.bitPattern) == right.map(\.bitPattern) }

@Suite struct EmbeddingRunTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func write(_ dataset: Dataset, _ name: String) throws -> Dataset {
        try dataset.write(to: folder[name])
        return try Dataset.open(folder[name])
    }

    private func embeddings(
        _ model: PinSageModel, _ dataset: Dataset, _ name: String, threads: Int = 2, catalog: (any ItemCatalog)? = nil,
        _ change: (inout EmbeddingRun.Options) -> Void = { _ in }
    ) throws -> (Embeddings, EmbeddingRun.Report) {
        var options = EmbeddingRun.Options()
        change(&options)
        let run = EmbeddingRun(model: model, dataset: dataset, catalog: catalog, options: options, kernels: try Kernels(threads: threads))
        let report = try run.run(output: folder[name])
        #expect(!folder.names.contains(name + ".parts"))
        try Artifact.open(folder[name]).verify()
        return (try Embeddings.open(folder[name]), report)
    }

    @Test(arguments: [0, 1, 2]) func filesHoldWhatThePassInMemoryGives(_ layers: Int) throws {
        let dataset = try write(EmbeddingCases.dataset(), "d")
        let model = try EmbeddingCases.model(dataset, layers: layers, idWidth: 3)
        for latents in LatentType.allCases {
            let whole = try EmbeddingPass(model: model, kernels: Kernels(threads: 1), latents: latents)
                .embeddings(graph: dataset.graph, features: EmbeddingCases.features(model, dataset))
            for threads in [1, 2] {
                let pass = try LayerPass(model: model, kernels: Kernels(threads: threads), latents: latents, memory: 0)
                let least = pass.memoryNeeded(rows: dataset.items.count, columns: 16)
                let (found, report) = try embeddings(model, dataset, "e", threads: threads) {
                    $0.latents = latents
                    if layers > 0 { $0.memory = least }
                }
                #expect(same(Array(found.vectors), whole.values))
                #expect(found.identifiers[5] == "item 5" && found.isNormalized && report.embedded == dataset.items.count)
                #expect(report.slabs == (layers == 0 ? 1 : 3))
            }
        }
    }

    @Test func textsAreReadInBlocks() throws {
        let catalog = InMemoryItemCatalog((0..<EmbeddingCases.items).map { ItemDescription(title: "word\($0 % 7) term\($0 % 11)") })
        let dataset = try write(EmbeddingCases.dataset(), "d")
        let kernels = try Kernels(threads: 2)
        var configuration = FeatureConfiguration()
        configuration.text = true
        configuration.textDimension = 8
        let (features, matrix) = try FeatureTransform.fit(
            dataset: dataset, catalog: catalog, configuration: configuration, kernels: kernels, seed: 1)
        for blockRows in [1, 64, 230, 1000] {
            var blocks = Matrix(rows: matrix.rows, columns: matrix.columns)
            try features.forEachBlock(of: dataset, catalog: catalog, rows: blockRows) { blocks.replaceRows(from: $0.lowerBound, with: $1) }
            #expect(same(blocks.values, matrix.values))
        }
        let some = try features.rows(of: [5, 0, 229, 5], in: dataset, catalog: catalog)
        for (row, item) in [5, 0, 229, 5].enumerated() { #expect(some.row(row) == matrix.row(item)) }
        var model = try EmbeddingCases.model(dataset, layers: 1)
        model.features = features
        model.configuration = PinSageConfiguration(inputWidth: features.width, layers: 1, hiddenWidth: 24, layerWidth: 24, dimension: 8)
        model.parameters = .initial(model.configuration, seed: 2)
        let whole = try EmbeddingPass(model: model, kernels: kernels)
            .embeddings(graph: dataset.graph, features: FeatureMatrix(values: matrix, degree: features.degreeColumn))
        #expect(same(Array(try embeddings(model, dataset, "e", catalog: catalog).0.vectors), whole.values))
    }

    /// What `pinsage-cli inputs` hands to passes that run elsewhere: for a model with tables, degree and ids, and one of texts.
    @Test(arguments: [false, true]) func writesWhatTheFirstLayerReads(_ isText: Bool) throws {
        let catalog = InMemoryItemCatalog((0..<EmbeddingCases.items).map { ItemDescription(title: "word\($0 % 7) term\($0 % 11)") })
        let dataset = try write(EmbeddingCases.dataset(), "d")
        let kernels = try Kernels(threads: 1)
        var model = try EmbeddingCases.model(dataset, idWidth: isText ? 0 : 3)
        if isText {
            var configuration = FeatureConfiguration()
            configuration.text = true
            configuration.textDimension = 8
            model.features = try FeatureTransform.fit(dataset: dataset, catalog: catalog, configuration: configuration, kernels: kernels, seed: 1).0
            model.configuration = PinSageConfiguration(inputWidth: model.features.width, layers: 1, hiddenWidth: 24, layerWidth: 24, dimension: 8)
        }
        let expected = DatasetInput(
            transform: model.features, dataset: dataset, catalog: catalog, ids: try IDRows(model, itemCount: dataset.items.count, items: nil))
        var rows = Matrix(rows: 0, columns: 0)
        for items in [0..<100, 100..<dataset.items.count, 7..<7] {
            try InputFile.write(model, dataset: dataset, catalog: catalog, items: items, to: folder["h"], kernels: kernels)
            let artifact = try Artifact.open(folder["h"])
            try artifact.verify()
            #expect(artifact.manifest.kind == "inputs" && artifact.manifest.metadata["first_item"]?.int == items.lowerBound)
            let (found, shape) = try artifact.array("inputs", as: Float.self)
            try expected.read(Array(items), into: &rows, kernels: kernels)
            #expect(shape == [items.count, model.configuration.inputWidth] && same(Array(found), rows.values))
        }
        if isText {
            #expect(throws: DataError.self) {
                try InputFile.write(model, dataset: dataset, catalog: nil, items: 0..<5, to: folder["i"], kernels: kernels)
            }
        }
    }

    @Test func takesNeighborhoodsThatWereDrawnBefore() throws {
        let dataset = try write(EmbeddingCases.dataset(), "d")
        let model = try EmbeddingCases.model(dataset)
        let sampler = try NeighborhoodSampler(graph: dataset.graph, configuration: model.walks, seed: model.seed)
        try NeighborhoodFile.write(sampler, items: 0..<dataset.items.count, to: folder["n"], origin: dataset, threads: 1)
        let drawn = try embeddings(model, dataset, "e").0
        let given = try embeddings(model, dataset, "g") { $0.neighborhoods = folder["n"] }.0
        #expect(same(Array(drawn.vectors), Array(given.vectors)))
        let others = try NeighborhoodSampler(graph: dataset.graph, configuration: model.walks, seed: model.seed + 1)
        try NeighborhoodFile.write(others, items: 0..<dataset.items.count, to: folder["other"], origin: dataset, threads: 1)
        #expect(throws: DataError.self) { _ = try embeddings(model, dataset, "x") { $0.neighborhoods = folder["other"] } }
        // The right settings, but nobody knows of which graph.
        try NeighborhoodFile.write(sampler, items: 0..<dataset.items.count, to: folder["unknown"], threads: 1)
        #expect(throws: DataError.self) { _ = try embeddings(model, dataset, "x") { $0.neighborhoods = folder["unknown"] } }
    }

    @Test func onlyWhatChangedIsEmbedded() throws {
        let before = try write(EmbeddingCases.dataset(), "before")
        // A changed feature, edges of an old item, and two new items, one of them without edges.
        let after = try write(
            EmbeddingCases.dataset(items: EmbeddingCases.items + 2, changingFeaturesOf: 20, extraEdges: [(231, 2), (231, 3), (100, 39)]), "after")
        let model = try EmbeddingCases.model(before, idWidth: 3)
        let base = try embeddings(model, before, "base").0
        let whole = try embeddings(model, after, "whole").0
        let (some, report) = try embeddings(model, after, "some") { $0.base = folder["base"] }
        var stale = 0
        for row in 0..<after.items.count {
            let isWhole = some[ItemID(row)] == whole[ItemID(row)]
            #expect(isWhole || (row < base.count && some[ItemID(row)] == base[ItemID(row)]))
            if !isWhole { stale += 1 }
        }
        // What changed itself has the vector of a whole pass; what only depends on it has the old one.
        for row in [20, 100, 230, 231] { #expect(some[ItemID(row)] == whole[ItemID(row)]) }
        #expect(stale > 0 && report.embedded >= 4 && report.embedded < after.items.count)
        let (all, more) = try embeddings(model, after, "all") {
            $0.base = folder["base"]
            $0.includesNeighbors = true
        }
        #expect(same(Array(all.vectors), Array(whole.vectors)))
        #expect(more.embedded > report.embedded && more.embedded < after.items.count)
        #expect(try embeddings(model, before, "again") { $0.base = folder["base"] }.1.embedded == 0)
        var other = model
        other.parameters.g2[0, 0] += 1
        #expect(throws: DataError.self) { _ = try embeddings(other, after, "x") { $0.base = folder["base"] } }
    }

    @Test func goesOnWhereItStopped() throws {
        let dataset = try write(EmbeddingCases.dataset(items: 4000), "d")
        let model = try EmbeddingCases.model(dataset)
        let whole = try embeddings(model, dataset, "whole").0
        struct Stop: Error {}
        let pass = try LayerPass(model: model, kernels: Kernels(threads: 1), latents: .f32, memory: 0)
        let memory = pass.memoryNeeded(rows: dataset.items.count, columns: 16)
        var options = EmbeddingRun.Options(memory: memory)
        options.checkpointSeconds = 0
        let run = EmbeddingRun(model: model, dataset: dataset, catalog: nil, options: options, kernels: try Kernels(threads: 1))
        var stages: Set<String> = []
        // Stopped again and again, each time one report of progress later than the last time.
        for reports in 1..<100 {
            var seen = 0
            do {
                let report = try run.run(output: folder["e"]) { progress in
                    stages.insert(progress.stage)
                    seen += 1
                    if seen == reports { throw Stop() }
                }
                #expect(report.wasResumed && report.slabs == 3)
                break
            } catch is Stop {
                #expect(folder.names.contains("e.parts") && !folder.names.contains("e"))
            }
        }
        #expect(stages == ["walking", "reading features", "layer 1 of 2", "layer 2 of 2"])
        #expect(same(Array(try Embeddings.open(folder["e"]).vectors), Array(whole.vectors)))
        #expect(!folder.names.contains("e.parts"))
    }
}
