/// A training run on disk: a model directory that `embed` can use at any time, with what `--resume` needs beside it.
///
/// weights.safetensors holds the best weights so far; training/ holds the current ones, the optimizer's moments and the cursor.
public struct Checkpoint: Sendable {
    public var model: PinSageModel
    public var configuration: TrainingConfiguration
    public var state: TrainingState
    /// ``Graph/fingerprint`` of the graph that the run trains on.
    public var graph: UInt32

    public init(model: PinSageModel, configuration: TrainingConfiguration, state: TrainingState, graph: UInt32) {
        self.model = model
        self.configuration = configuration
        self.state = state
        self.graph = graph
    }

    /// training/cursor.json
    private struct Cursor: Codable {
        var configuration: TrainingConfiguration
        var graph: UInt32
        var step: Int
        var optimizerStep: Int
        var validationsSinceBest: Int
        var best: Best?

        struct Best: Codable {
            var value: Double
            var step: Int
        }
    }

    private static let cursorFile = "training/cursor.json"
    private static let stateFile = "training/state.safetensors"
    private static let metricsFile = "metrics.jsonl"

    /// Writes the whole run; at any moment the path holds the old checkpoint or the new one.
    public func write(to path: String) throws {
        var writer = try ArtifactWriter(kind: PinSageModel.kind, at: path)
        var best = model
        best.parameters = state.bestParameters
        best.idVectors = state.bestIDVectors
        try best.write(into: &writer)
        let cursor = Cursor(
            configuration: configuration, graph: graph, step: state.step, optimizerStep: state.optimizer.step,
            validationsSinceBest: state.validationsSinceBest,
            best: state.best.map { .init(value: $0.value, step: $0.step) })
        try writer.write(Checkpoint.cursorFile, text: try JSONFile.text(of: cursor))
        try Safetensors.write(stateTensors, to: try writer.newPath(for: Checkpoint.stateFile))
        try writer.addFile(named: Checkpoint.stateFile)
        try writer.write(Checkpoint.metricsFile, text: state.metrics.map(\.line).joined())
        try writer.commit(metadata: best.metadata.merging(["step": JSONValue(state.step)]) { $1 })
    }

    private var stateTensors: [(name: String, tensor: Safetensors.Tensor)] {
        var list: [(name: String, tensor: Safetensors.Tensor)] = []
        for (index, tensor) in state.parameters.tensors.enumerated() {
            list.append(("current." + tensor.name, .init(shape: tensor.shape, values: tensor.values)))
            list.append(("first." + tensor.name, .init(shape: tensor.shape, values: state.optimizer.first[index])))
            if !state.optimizer.second[index].isEmpty {
                list.append(("second." + tensor.name, .init(shape: tensor.shape, values: state.optimizer.second[index])))
            }
        }
        if let vectors = state.idVectors {
            list.append(("current.id_vectors", .init(vectors.table)))
            list.append(("first.id_vectors", .init(vectors.first)))
            list.append(("second.id_vectors", .init(vectors.second)))
        }
        return list
    }

    /// Whether `path` holds a training run that can be resumed.
    public static func exists(at path: String) -> Bool {
        (try? Artifact.open(path, kind: PinSageModel.kind).contains(cursorFile)) ?? false
    }

    /// Reads a run back. - Throws: ``DataError`` when it is damaged or has no training state.
    public static func open(_ path: String) throws -> Checkpoint {
        try read(Artifact.open(path, kind: PinSageModel.kind))
    }

    static func read(_ artifact: Artifact) throws -> Checkpoint {
        guard artifact.contains(cursorFile) else {
            throw DataError("expected a training run to resume, found a model without one", file: artifact.path)
        }
        let model = try PinSageModel(artifact)
        let cursor = try JSONFile.read(Cursor.self, from: artifact.file(cursorFile))
        let file = try artifact.path(of: stateFile)
        let tensors = try Safetensors.read(artifact.file(stateFile))
        let shape = model.configuration
        var optimizer = Optimizer(configuration: cursor.configuration, model: shape)
        optimizer.step = cursor.optimizerStep
        optimizer.first = try Parameters(tensors: tensors, prefix: "first.", configuration: shape, file: file).tensors.map(\.values)
        if cursor.configuration.optimizer == .adam {
            optimizer.second = try Parameters(tensors: tensors, prefix: "second.", configuration: shape, file: file).tensors.map(\.values)
        }
        var idVectors: IDVectors?
        if shape.idWidth > 0 {
            func table(_ name: String) throws -> Matrix {
                guard let matrix = tensors[name]?.matrix, matrix.columns == shape.idWidth else {
                    throw DataError("expected the tensor \(name) with \(shape.idWidth) columns", file: file)
                }
                return matrix
            }
            var vectors = IDVectors(table: try table("current.id_vectors"))
            vectors.first = try table("first.id_vectors")
            vectors.second = try table("second.id_vectors")
            idVectors = vectors
        }
        let best = cursor.best.map {
            TrainingState.Best(parameters: model.parameters, idVectors: model.idVectors, value: $0.value, step: $0.step)
        }
        let state = TrainingState(
            parameters: try Parameters(tensors: tensors, prefix: "current.", configuration: shape, file: file), optimizer: optimizer,
            idVectors: idVectors, step: cursor.step, best: best, validationsSinceBest: cursor.validationsSinceBest,
            metrics: try TrainingState.MetricsRow.read(from: artifact.file(metricsFile)))
        return Checkpoint(model: model, configuration: cursor.configuration, state: state, graph: cursor.graph)
    }
}
