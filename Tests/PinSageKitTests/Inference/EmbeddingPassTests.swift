import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite struct EmbeddingPassTests {
    private let dataset = EmbeddingCases.dataset()

    /// What training computes: minibatches of roots, whose neighborhoods the same sampler draws.
    private func minibatchEmbeddings(_ model: PinSageModel, _ kernels: Kernels) throws -> Matrix {
        let count = dataset.items.count
        let sampler = try NeighborhoodSampler(graph: dataset.graph, configuration: model.walks, seed: model.seed)
        let builder = ComputationGraphBuilder(sampler: sampler, itemCount: count, neighborsPerLayer: model.neighborsPerLayer, threads: 1)
        let network = Network(configuration: model.configuration, kernels: kernels)
        let input = MatrixInput(values: try EmbeddingCases.features(model, dataset).values, ids: try IDRows(model, itemCount: count, items: nil))
        var result = Matrix(rows: count, columns: model.configuration.dimension)
        for start in stride(from: 0, to: count, by: 50) {
            let roots = (start..<min(start + 50, count)).map { Root(item: ItemID($0)) }
            let graph = try builder.graph(of: roots, round: 0)
            var neighbors = Matrix(rows: 0, columns: 0), own = neighbors
            try input.read(graph.inputItems.map { Int($0) }, into: &neighbors, kernels: kernels)
            try input.read(graph.selfInputRows.map { Int(graph.inputItems[Int($0)]) }, into: &own, kernels: kernels)
            let z = try network.forward(NetworkInput(graph: graph, neighbors: neighbors, own: own), parameters: model.parameters)
            result.replaceRows(from: start, with: z)
        }
        return result
    }

    @Test(arguments: [0, 1, 2], Pooling.allCases) func equalsMinibatches(_ layers: Int, _ pooling: Pooling) throws {
        let kernels = try Kernels(threads: 2)
        for idWidth in [0, 4] {
            let model = try EmbeddingCases.model(dataset, layers: layers, pooling: pooling, idWidth: idWidth, normalizes: idWidth == 0)
            let pass = try EmbeddingPass(model: model, kernels: kernels)
                .embeddings(graph: dataset.graph, features: EmbeddingCases.features(model, dataset))
            let expected = try minibatchEmbeddings(model, kernels)
            let largest = expected.values.map(\.magnitude).max() ?? 0
            #expect(largest > 0.01)
            let worst = zip(pass.values, expected.values).map { ($0 - $1).magnitude }.max() ?? 0
            #expect(worst <= 1e-5 * max(1, largest), "\(worst) with id vectors of \(idWidth)")
        }
    }

    @Test(arguments: LatentType.allCases) func hasTheSameBitsForAnyThreadsAndMemory(_ latents: LatentType) throws {
        let model = try EmbeddingCases.model(dataset)
        let features = try EmbeddingCases.features(model, dataset)
        let whole = try EmbeddingPass(model: model, kernels: Kernels(threads: 1), latents: latents)
            .embeddings(graph: dataset.graph, features: features)
        for threads in [1, 2, 7] {
            let kernels = try Kernels(threads: threads)
            let layers = try LayerPass(model: model, kernels: kernels, latents: latents, memory: .max / 2)
            for columns in [16, 32] {
                let memory = layers.memoryNeeded(rows: dataset.items.count, columns: columns)
                let slabs = try LayerPass(model: model, kernels: kernels, latents: latents, memory: memory).slabWidth(rows: dataset.items.count)
                #expect(slabs < model.configuration.hiddenWidth)
                let other = try EmbeddingPass(model: model, kernels: kernels, latents: latents, memory: memory)
                    .embeddings(graph: dataset.graph, features: features)
                let isSame = other == whole
                #expect(isSame, "\(threads) threads, \(columns) columns")
            }
        }
        #expect(throws: ConfigurationError.self) {
            _ = try EmbeddingPass(model: model, kernels: Kernels(threads: 1), memory: 1000).embeddings(graph: dataset.graph, features: features)
        }
    }

    @Test func bfloat16LatentsStayClose() throws {
        let model = try EmbeddingCases.model(dataset)
        let kernels = try Kernels(threads: 2), features = try EmbeddingCases.features(model, dataset)
        let exact = try EmbeddingPass(model: model, kernels: kernels).embeddings(graph: dataset.graph, features: features)
        let rounded = try EmbeddingPass(model: model, kernels: kernels, latents: .bf16).embeddings(graph: dataset.graph, features: features)
        let isRounded = exact != rounded
        #expect(isRounded)
        for row in 0..<exact.rows {
            // Both have length 1. 2^-8 is the step of bf16.
            let cosine = zip(exact.row(row), rounded.row(row)).map { $0 * $1 }.reduce(0, +)
            #expect(cosine > 1 - 0x1p-8, "row \(row): \(cosine)")
        }
        let max = try EmbeddingCases.model(dataset, pooling: .max)
        #expect(throws: ConfigurationError.self) {
            _ = try EmbeddingPass(model: max, kernels: kernels, latents: .bf16).embeddings(graph: dataset.graph, features: features)
        }
    }

    @Test(arguments: [0, 1, 2]) func someItemsHaveTheBitsOfAll(_ layers: Int) throws {
        let model = try EmbeddingCases.model(dataset, layers: layers, idWidth: 3)
        let kernels = try Kernels(threads: 2)
        for latents in LatentType.allCases {
            let pass = EmbeddingPass(model: model, kernels: kernels, latents: latents)
            let all = try pass.embeddings(graph: dataset.graph, features: EmbeddingCases.features(model, dataset))
            for chosen in [[0], [229], [7], [5, 100, 101, 8, 7], [3, 3, 0], Array(50..<200), []] {
                let some = try pass.embeddings(of: chosen.map { ItemID($0) }, in: dataset, catalog: nil)
                #expect(some.rows == chosen.count)
                let different = chosen.enumerated().filter { some.row($0.offset) != all.row($0.element) }.map(\.element)
                #expect(different == [])
            }
            #expect(throws: DataError.self) { _ = try pass.embeddings(of: [ItemID(230)], in: dataset, catalog: nil) }
        }
    }

    @Test func anItemWithoutEdgesIsANewItem() throws {
        let model = try EmbeddingCases.model(dataset)
        let kernels = try Kernels(threads: 2)
        for latents in LatentType.allCases {
            let pass = EmbeddingPass(model: model, kernels: kernels, latents: latents)
            let all = try pass.embeddings(graph: dataset.graph, features: EmbeddingCases.features(model, dataset))
            let vector = try model.features.vector(for: ItemDescription(), dense: ["dense": dataset.features[0].rows(8..<9).values])
            let new = try pass.embeddings(ofNewItems: Matrix(rows: 1, columns: vector.count, values: vector))
            #expect(new.values == all.row(7))
            #expect(new.values != all.row(8))
        }
    }

    @Test func aNewItemJoinsItsCollections() throws {
        let model = try EmbeddingCases.model(dataset, idWidth: 2)
        let kernels = try Kernels(threads: 2)
        let pass = EmbeddingPass(model: model, kernels: kernels)
        let vector = try model.features.vector(for: ItemDescription(), dense: ["dense": dataset.features[0].rows(8..<9).values], degree: 2)
        let sampler = try NeighborhoodSampler(graph: dataset.graph, configuration: model.walks, seed: model.seed)
        let collections = [CollectionID(row: 3), CollectionID(row: 4)]
        let neighbors = try sampler.neighborhood(ofNewItemIn: collections)
        #expect(neighbors.count == 1 && neighbors.items.count == 6)
        #expect((neighbors.weights.reduce(0, +) - 1).magnitude < 1e-6)
        // One hop reaches the members of these collections alone.
        var short = model.walks
        short.walkLength = 1
        let members = Set(collections.flatMap { dataset.graph.items(of: $0) }.map(\.row))
        let near = try NeighborhoodSampler(graph: dataset.graph, configuration: short, seed: 1).neighborhood(ofNewItemIn: collections)
        #expect(!near.items.isEmpty && near.items.allSatisfy(members.contains))
        let placed = try pass.embedding(ofNewItem: vector, in: collections, of: dataset, catalog: nil)
        let alone = try pass.embedding(ofNewItem: vector, in: [], of: dataset, catalog: nil)
        #expect(alone == (try pass.embeddings(ofNewItems: Matrix(rows: 1, columns: vector.count, values: vector)).values))
        #expect(placed != alone && placed.allSatisfy(\.isFinite))
        #expect(throws: SamplingError.self) {
            _ = try pass.embedding(ofNewItem: vector, in: [CollectionID(row: 40)], of: dataset, catalog: nil)
        }
    }
}
