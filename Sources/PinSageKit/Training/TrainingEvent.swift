/// What a training run reports as it goes. Logging, progress bars and metrics.jsonl are consumers of it.
public enum TrainingEvent: Sendable {
    case started(Start)
    case step(Step)
    case validated(Validation)
    /// A checkpoint that covers all steps before `step` is safely on disk.
    case checkpoint(step: Int)
    case finished(Finish)

    /// What is about to be trained.
    public struct Start: Sendable {
        public var pairs: Int
        public var stepsPerEpoch: Int
        public var epochs: Int
        public var parameterCount: Int
        /// The step that a resumed run continues from, 0 for a new one.
        public var firstStep: Int
        /// Things a user should know of the dataset or the settings, e.g. a clamp.
        public var notes: [String]
    }

    /// One minibatch.
    public struct Step: Sendable, Codable {
        /// Counted from 0 over all epochs.
        public var step: Int
        public var epoch: Int
        /// Mean loss of the minibatch's pairs, those of all ranks.
        public var loss: Double
        public var learningRate: Float
        public var pairs: Int
        /// Hard negatives per pair in this epoch.
        public var hardNegatives: Int
        /// Seconds since the run (or its resumption) began.
        public var seconds: Double
        /// Seconds that the consumer waited for this minibatch.
        public var waited: Double
        /// Seconds of work that the producer spent on it.
        public var produced: Double
        /// Distinct items whose input vectors were read, by this rank.
        public var inputItems: Int
        /// Seconds spent on exchanging gradients with other ranks, with waiting for them; `nil` in a run of one process.
        public var exchanged: Double?
        /// Floating point operations of the matrix products that the minibatch needed: each distinct item of a rank once per layer, no gradient
        /// to fixed features. `nil` in metrics of earlier versions.
        public var productFLOPs: Double?
    }

    /// A look at the validation pairs.
    public struct Validation: Sendable, Codable {
        public var step: Int
        public var epoch: Int
        /// By name, e.g. "hit_rate@10".
        public var metrics: [String: Double]
        /// What early stopping and the choice of the best weights go by.
        public var value: Double
        public var isBest: Bool
    }

    /// What a run came to.
    public struct Finish: Sendable, Codable {
        public var steps: Int
        public var seconds: Double
        /// Whether the run was asked to stop before its last epoch.
        public var interrupted: Bool
        public var bestValidation: Double?
        /// Seconds that the consumer waited for minibatches, and that producing them took.
        public var waited: Double
        public var produced: Double
        /// Seconds spent on exchanging with other ranks; `nil` in a run of one process.
        public var exchanged: Double?
        /// Floating point operations of the matrix products that this run's minibatches needed, those of all ranks.
        public var productFLOPs: Double?
    }
}
