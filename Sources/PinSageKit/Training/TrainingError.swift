/// Why training cannot start or go on.
public enum TrainingError: Error, CustomStringConvertible, Sendable {
    /// The loss or a weight is not a number any more.
    case diverged(step: Int, learningRate: Float, lastGoodCheckpoint: Int?)
    case tooFewPairs(found: Int, reason: String)

    public var description: String {
        switch self {
        case .diverged(let step, let rate, let checkpoint):
            "training diverged: the loss, gradient or weights of step \(step) are not finite at learning rate \(rate); "
                + (checkpoint.map { "the last good checkpoint is of step \($0)" } ?? "there is no checkpoint yet")
                + ". Try a lower --learning-rate."
        case .tooFewPairs(let found, let reason):
            "not enough positive pairs to train on: found \(found). \(reason)"
        }
    }
}
