import Foundation
import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite struct TrainerTests {
    @Test func lowersTheLoss() throws {
        let trainer = try MinibatchTests.trainer(threads: 2, layers: 1, epochs: 12, hardNegatives: 0, learningRate: 1e-2)
        let state = try trainer.run(from: trainer.initialState())
        let losses = state.metrics.compactMap { row -> Double? in
            if case .step(let step) = row { return step.loss }
            return nil
        }
        let first: Double = losses.prefix(5).reduce(0, +), last: Double = losses.suffix(5).reduce(0, +)
        let stepsPerEpoch = try trainer.makeSource().stepsPerEpoch
        #expect(losses.count == state.step && state.step == trainer.configuration.epochs * stepsPerEpoch)
        #expect(last < 0.8 * first)
    }

    @Test func givesTheSameWeightsTwice() throws {
        let first = try MinibatchTests.trainer(threads: 2), second = try MinibatchTests.trainer(threads: 2)
        #expect(try first.run(from: first.initialState()).parameters == second.run(from: second.initialState()).parameters)
    }

    /// Interrupted after any step and resumed from the file, a run ends in the weights of one that was never interrupted.
    @Test(arguments: [1, 5, 17]) func resumesBitForBit(_ steps: Int) throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("trainer-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let path = directory.appendingPathComponent("model").path
        let trainer = try MinibatchTests.trainer(threads: 2)
        let expected = try trainer.run(from: trainer.initialState())

        let (transform, _) = try FeatureTransform.fit(
            dataset: Dataset(
                graph: TinyGraphs.random(items: 8, collections: 3, edgesPerItem: 2, seed: 1), items: Identifiers((0..<8).map { "i\($0)" }),
                collections: Identifiers(["a", "b", "c"])),
            catalog: nil, kernels: try Kernels(threads: 1), seed: 1)
        var count = 0
        var hooks = Trainer.Hooks()
        hooks.isInterrupted = {
            count += 1
            return count == steps
        }
        hooks.checkpoint = { state in
            let model = PinSageModel(
                configuration: PinSageConfiguration(inputWidth: 8, layers: 2, dimension: 8), parameters: state.parameters,
                walks: WalkConfiguration(walks: 30, walkLength: 2, neighbors: 6), neighborsPerLayer: [5, 5], seed: 4, features: transform)
            try Checkpoint(model: model, configuration: TrainingConfiguration(), state: state, graph: 0).write(to: path)
        }
        let stopped = try trainer.run(from: trainer.initialState(), hooks: hooks)
        #expect(stopped.step == steps && stopped.parameters != expected.parameters)
        let resumed = try trainer.run(from: try Checkpoint.open(path).state)
        #expect(resumed.parameters == expected.parameters)
        #expect(resumed.step == expected.step)
        #expect(resumed.metrics.count == expected.metrics.count)
    }

    @Test func stopsWhenTheLossIsNotFinite() throws {
        let trainer = try MinibatchTests.trainer(threads: 2)
        var state = trainer.initialState()
        state.parameters.g1Bias[0] = .infinity
        #expect(throws: TrainingError.self) { try trainer.run(from: state) }
    }

    /// Whatever weight is no number, the run ends before it is stored, naming step, rate and the last checkpoint.
    @Test(arguments: [Float.nan, .infinity], [0, 3, 5]) func divergenceNamesWhatIsNeeded(value: Float, tensor: Int) throws {
        let trainer = try MinibatchTests.trainer(threads: 2, layers: 1)
        var state = trainer.initialState()
        state.parameters.updateTensors { index, values in if index == tensor { values[0] = value } }
        var checkpoints = 0
        var hooks = Trainer.Hooks()
        hooks.checkpoint = { _ in checkpoints += 1 }
        do {
            _ = try trainer.run(from: state, hooks: hooks)
            Issue.record("a weight of \(value) went unnoticed")
        } catch let error as TrainingError {
            let text = error.description
            #expect(text.contains("of step ") && text.contains("learning rate") && text.contains("no checkpoint yet"), "\(text)")
        }
        #expect(checkpoints == 0)
    }

    @Test func saysWhatIsLargerThanTheData() throws {
        func notes(_ change: (inout TrainingConfiguration) -> Void) throws -> [String] {
            var configuration = TrainingConfiguration()
            (configuration.epochs, configuration.batchSize, configuration.negatives) = (2, 16, 5)
            change(&configuration)
            let trainer = try Trainer(
                graph: TinyGraphs.random(items: 30, collections: 8, edgesPerItem: 2, seed: 2),
                features: FeatureMatrix(values: TinyGraphs.matrix(rows: 30, columns: 4, seed: 3)),
                model: PinSageConfiguration(inputWidth: 4, layers: 1, dimension: 4), walks: WalkConfiguration(walks: 10, walkLength: 2, neighbors: 6),
                neighborsPerLayer: [5], configuration: configuration, kernels: try Kernels(threads: 1))
            var found: [String] = []
            var hooks = Trainer.Hooks()
            hooks.onEvent = { if case .started(let start) = $0 { found = start.notes } }
            _ = try trainer.run(from: trainer.initialState(), hooks: hooks)
            return found
        }
        #expect(try notes { _ in } == [])
        #expect(try notes { $0.batchSize = 5000 }.first?.contains("one step") == true)
        #expect(try notes { $0.negatives = 31 }.first?.contains("30 items") == true)
        #expect(try notes { ($0.hardNegatives, $0.hardNegativeRanks) = (2, 3...400) }.first?.contains("3 to 29") == true)
        #expect(try notes { ($0.hardNegatives, $0.epochs) = (2, 1) }.first?.contains("curriculum") == true)
        #expect(throws: ConfigurationError.self) { try notes { ($0.hardNegatives, $0.hardNegativeRanks) = (2, 30...400) } }
    }

    @Test func stopsEarlyAndKeepsTheBest() throws {
        let trainer = try MinibatchTests.trainer(threads: 2, layers: 1, epochs: 8, hardNegatives: 0, patience: 2)
        let values = [0.1, 0.5, 0.4, 0.45, 0.9]
        var seen: [Parameters] = []
        var hooks = Trainer.Hooks()
        hooks.validate = { parameters, _ in
            seen.append(parameters)
            return (["mrr": values[seen.count - 1]], values[seen.count - 1])
        }
        let state = try trainer.run(from: trainer.initialState(), hooks: hooks)
        // Two epochs without anything better end it; the fifth, which would have been, is never seen.
        #expect(seen.count == 4 && state.bestValidation == 0.5)
        #expect(state.bestParameters == seen[1] && state.parameters == seen[3])
        #expect(state.step == 4 * (try trainer.makeSource().stepsPerEpoch))
    }

    @Test func embedsLikeMinibatches() throws {
        let graph = TinyGraphs.random(items: 300, collections: 60, edgesPerItem: 3, seed: 2)
        let features = FeatureMatrix(values: TinyGraphs.matrix(rows: 300, columns: 8, seed: 3))
        let kernels = try Kernels(threads: 2)
        let configuration = PinSageConfiguration(inputWidth: 8, layers: 2, dimension: 8)
        let walks = WalkConfiguration(walks: 30, walkLength: 2, neighbors: 6)
        let (transform, _) = try FeatureTransform.fit(
            dataset: Dataset(graph: graph, items: Identifiers((0..<300).map { "i\($0)" }), collections: Identifiers((0..<60).map { "c\($0)" })),
            catalog: nil, kernels: kernels, seed: 1)
        let model = PinSageModel(
            configuration: configuration, parameters: .initial(configuration, seed: 9, noise: 1), walks: walks, neighborsPerLayer: [4, 6], seed: 4,
            features: transform)
        let whole = try EmbeddingPass(model: model, kernels: kernels).embeddings(graph: graph, features: features)
        let builder = ComputationGraphBuilder(
            sampler: try NeighborhoodSampler(graph: graph, configuration: walks, seed: 4), itemCount: 300, neighborsPerLayer: [4, 6], threads: 2)
        let items = [0, 7, 150, 299].map { ItemID($0) }
        let batch = try builder.graph(of: items.map { Root(item: $0) }, round: 0)
        var input = NetworkInput(graph: batch, neighbors: Matrix(rows: 0, columns: 0), own: Matrix(rows: 0, columns: 0))
        try kernels.gather(features.values, rows: batch.inputItems.map { Int64($0) }, into: &input.neighbors)
        try kernels.gather(input.neighbors, rows: batch.selfInputRows, into: &input.own)
        let z = try Network(configuration: configuration, kernels: kernels).forward(input, parameters: model.parameters)
        for (row, item) in items.enumerated() {
            for column in 0..<8 {
                let difference = abs(z[row, column] - whole[Int(item.row), column])
                #expect(difference < 1e-5)
            }
        }
    }
}
