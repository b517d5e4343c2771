import PinSageTestSupport
import Testing

@testable import PinSageKit

/// A dataset and models for the tests of the embedding pass.
enum EmbeddingCases {
    static let items = 230

    /// Item 7 has no edges, item 8 the same features as it has.
    static func dataset(items: Int = items, seed: UInt64 = 3, changingFeaturesOf changed: Int? = nil, extraEdges: [(Int, Int)] = []) -> Dataset {
        var random = SplitMix(seed: seed)
        var pairs: Set<[Int]> = Set(extraEdges.map { [$0.0, $0.1] })
        for item in 0..<Self.items {
            for _ in 0..<3 {
                let collection = (item / 12 + Int(random.next() % 4)) % 40
                if item != 7 { pairs.insert([item, collection]) }
            }
        }
        var features = TinyGraphs.matrix(rows: 4000, columns: 10, seed: 5).rows(0..<items)
        features.replaceRows(from: 8, with: features.rows(7..<8))
        if let changed { for column in 0..<10 { features[changed, column] = Float(column) } }
        return Dataset(
            graph: TinyGraphs.graph(items: items, collections: 40, edges: pairs.map { ($0[0], $0[1]) }),
            items: Identifiers((0..<items).map { "item \($0)" }), collections: Identifiers((0..<40).map { "c\($0)" }),
            features: [FeatureTable(name: "dense", matrix: features)])
    }

    static func model(
        _ dataset: Dataset, layers: Int = 2, pooling: Pooling = .importance, neighbors: [Int] = [5, 6], idWidth: Int = 0, normalizes: Bool = true
    ) throws -> PinSageModel {
        let kernels = try Kernels(threads: 1)
        let features = try FeatureTransform.fitted(to: dataset, catalog: nil, kernels: kernels, seed: 1)
        let configuration = PinSageConfiguration(
            inputWidth: features.width + idWidth, layers: layers, hiddenWidth: 40, layerWidth: 24, dimension: 12, pooling: pooling,
            normalizesOutput: normalizes, idWidth: idWidth)
        return PinSageModel(
            configuration: configuration, parameters: .initial(configuration, seed: 9, noise: 0.5),
            walks: WalkConfiguration(walks: 40, walkLength: 2, restart: 0.5, neighbors: 6), neighborsPerLayer: Array(neighbors.prefix(layers)),
            seed: 11, features: features,
            idVectors: idWidth > 0 ? TinyGraphs.matrix(rows: dataset.items.count, columns: idWidth, seed: 8) : nil)
    }

    static func features(_ model: PinSageModel, _ dataset: Dataset) throws -> FeatureMatrix {
        try model.features.featureMatrix(for: dataset, catalog: nil)
    }
}
