/// Everything that a training run is at one moment: enough to go on and end in the same weights, bit for bit.
public struct TrainingState: Sendable {
    public internal(set) var parameters: Parameters
    var optimizer: Optimizer
    var idVectors: IDVectors?
    /// Steps done, over all epochs.
    public internal(set) var step: Int
    /// The weights with the best validation so far, and its value.
    var best: Best?
    /// Validations since the best one.
    var validationsSinceBest: Int
    /// Rows of metrics.jsonl so far.
    public internal(set) var metrics: [MetricsRow]

    struct Best: Sendable {
        var parameters: Parameters
        var idVectors: Matrix?
        var value: Double
        var step: Int
    }

    /// One line of metrics.jsonl.
    public enum MetricsRow: Sendable, Codable {
        case step(TrainingEvent.Step)
        case validation(TrainingEvent.Validation)
    }

    /// The best weights by validation where there was one, else the current ones.
    public var bestParameters: Parameters { best?.parameters ?? parameters }
    public var bestIDVectors: Matrix? { best.map(\.idVectors) ?? idVectors?.table }
    public var bestValidation: Double? { best?.value }
}

extension Parameters {
    /// The weights that a training run starts from.
    static func initial(_ model: PinSageConfiguration, _ training: TrainingConfiguration) -> Parameters {
        .initial(model, seed: training.seed, neighborShare: training.initialNeighborShare, noise: training.initialNoise)
    }
}
