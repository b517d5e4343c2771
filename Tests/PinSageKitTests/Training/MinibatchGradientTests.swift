import PinSageTestSupport
import Testing

@testable import PinSageKit

/// The gradient of the whole minibatch loss against central differences.
@Suite struct MinibatchGradientTests {
    struct Case: CustomTestStringConvertible, Sendable {
        var layers: Int
        var pooling = Pooling.importance
        var loss = LossKind.maxMargin
        var normalizes = true
        var idWidth = 0
        var queryMembers = 1
        var testDescription: String { "K=\(layers) \(pooling) \(loss) normalized=\(normalizes) ids=\(idWidth) members=\(queryMembers)" }
    }

    static let cases: [Case] = [
        Case(layers: 0), Case(layers: 1), Case(layers: 2), Case(layers: 1, pooling: .mean), Case(layers: 2, pooling: .max),
        Case(layers: 1, loss: .softmax), Case(layers: 2, loss: .crossEntropy), Case(layers: 2, normalizes: false),
        Case(layers: 1, idWidth: 3), Case(layers: 2, idWidth: 3), Case(layers: 0, idWidth: 3),
        Case(layers: 1, loss: .softmax, idWidth: 3, queryMembers: 4),
    ]

    @Test(arguments: cases) func agreesWithCentralDifferences(_ test: Case) throws {
        let kernels = try Kernels(threads: 2)
        let graph = TinyGraphs.random(items: 40, collections: 12, edgesPerItem: 3, seed: 5)
        let features = FeatureMatrix(values: TinyGraphs.matrix(rows: 40, columns: 6, seed: 6), degree: (column: 5, scale: 0.3))
        let model = PinSageConfiguration(
            inputWidth: 6 + test.idWidth, layers: test.layers, hiddenWidth: 7, layerWidth: 9, dimension: 5, pooling: test.pooling,
            normalizesOutput: test.normalizes, idWidth: test.idWidth)
        var configuration = TrainingConfiguration()
        configuration.loss = test.loss
        configuration.margin = 0.5
        configuration.temperature = 0.5
        configuration.batchSize = 8
        configuration.negatives = 6
        configuration.hardNegatives = 2
        configuration.hardNegativeRanks = 2...12
        configuration.newItemShare = 0.3
        configuration.queryMembers = test.queryMembers
        let trainer = try Trainer(
            graph: graph, features: features, model: model, walks: WalkConfiguration(walks: 20, walkLength: 2, neighbors: 5),
            neighborsPerLayer: Array(repeating: 4, count: test.layers), configuration: configuration,
            idVectors: test.idWidth > 0 ? TinyGraphs.matrix(rows: 40, columns: test.idWidth, seed: 9) : nil, kernels: kernels)
        let source = try trainer.makeSource()
        // A step of the third epoch, so that the curriculum has brought hard negatives in.
        let minibatch = try source.minibatch(step: 2 * source.stepsPerEpoch)
        #expect(minibatch.hardNegativesPerPair == 2)
        var parameters = Parameters.initial(model, seed: 3, noise: 1)
        // Biases away from 0, so that few activations sit at the corner of a ReLU.
        var random = SplitMix(seed: 11)
        parameters.updateTensors { index, values in
            if parameters0(model).names[index].hasSuffix("bias") { for i in values.indices { values[i] = 0.2 * random.signedUnit() } }
        }
        let ids = trainer.initialState().idVectors

        func loss(_ parameters: Parameters, _ ids: IDVectors?) throws -> Double {
            var input = minibatch.input
            try ids?.fill(&input, atColumn: model.featureWidth, kernels: kernels)
            var pairLoss = PairLoss(configuration: configuration, kernels: kernels)
            var dz = Matrix(rows: 0, columns: 0)
            let network = Network(configuration: model, kernels: kernels)
            return try pairLoss.loss(z: try network.forward(input, parameters: parameters), layout: minibatch.layout, dz: &dz)
        }

        var input = minibatch.input
        try ids?.fill(&input, atColumn: model.featureWidth, kernels: kernels)
        let network = Network(configuration: model, kernels: kernels)
        var pairLoss = PairLoss(configuration: configuration, kernels: kernels)
        var dz = Matrix(rows: 0, columns: 0)
        var gradients = Parameters(zeros: model)
        _ = try pairLoss.loss(z: try network.forward(input, parameters: parameters), layout: minibatch.layout, dz: &dz)
        let dinput = try network.backward(dz: &dz, parameters: parameters, gradients: &gradients, wantsInputGradients: ids != nil)

        // float32 losses of about 1 have an error of about 1e-7, which a difference over 4e-3 turns into about 5e-5. Points where the
        // two one-sided slopes disagree lie at a corner of a ReLU, a hinge or a maximum, and are skipped rather than tolerated; half of that
        // disagreement is what a corner can still add, so the tolerance is no tighter than the test for corners.
        let h: Float = 2e-3
        let center = try loss(parameters, ids)
        var checked = 0, corners = 0
        func check(_ name: String, _ analytic: Float, _ up: Double, _ down: Double) {
            let right = (up - center) / Double(h), left = (center - down) / Double(h)
            let central = (up - down) / Double(2 * h)
            guard abs(right - left) <= 0.02 * max(abs(right), abs(left)) + 2e-4 else { return corners += 1 }
            checked += 1
            #expect(
                abs(central - Double(analytic)) <= 2e-2 * abs(central) + 2e-4,
                "\(name): central difference \(central), gradient \(analytic)")
        }
        for (index, tensor) in gradients.tensors.enumerated() {
            for element in stride(from: 0, to: tensor.values.count, by: max(1, tensor.values.count / 12)) {
                func shifted(_ delta: Float) throws -> Double {
                    var moved = parameters
                    moved.updateTensors { position, values in if position == index { values[element] += delta } }
                    return try loss(moved, ids)
                }
                check("\(tensor.name)[\(element)]", tensor.values[element], try shifted(h), try shifted(-h))
            }
        }
        if let ids, let dinput {
            for (row, item) in minibatch.input.graph.inputItems.enumerated().prefix(10) {
                func shifted(_ delta: Float) throws -> Double {
                    var moved = ids
                    moved.table[Int(item), 1] += delta
                    return try loss(parameters, moved)
                }
                check("id vector of item \(item)", dinput[row, model.featureWidth + 1], try shifted(h), try shifted(-h))
            }
        }
        #expect(checked > 20 && checked > corners, "\(checked) derivatives checked, \(corners) at corners")
    }

    private func parameters0(_ model: PinSageConfiguration) -> Parameters { Parameters(zeros: model) }
}
