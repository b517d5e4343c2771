#if canImport(Darwin)
    internal import Darwin
#else
    internal import Glibc
#endif

/// The learning rate of each step: a linear rise to the peak during the first epoch, then an exponential fall to the last step.
///
/// Source: Ying et al. 2018, section 3.3 (gradual warm-up with the linear scaling rule of Goyal et al. 2017, then exponential decay).
struct LearningRateSchedule: Sendable {
    private let peak: Float
    private let warmUpSteps: Int
    private let steps: Int
    private let finalFactor: Float

    init(configuration: TrainingConfiguration, stepsPerEpoch: Int) {
        // Linear scaling holds for SGD; for Adam, whose step does not grow with the gradient, the square root is the customary rule.
        let ratio = Float(configuration.batchSize) / 1024
        peak = configuration.learningRate * (configuration.optimizer == .sgd ? ratio : ratio.squareRoot())
        warmUpSteps = Int(configuration.warmUp * Float(stepsPerEpoch))
        steps = max(1, configuration.epochs * stepsPerEpoch)
        finalFactor = configuration.finalRateFactor
    }

    /// The rate of a step, counted from 0 over all epochs.
    func rate(at step: Int) -> Float {
        if step < warmUpSteps { return peak * Float(step + 1) / Float(warmUpSteps) }
        let falling = max(1, steps - warmUpSteps)
        return peak * pow(finalFactor, Float(step - warmUpSteps) / Float(falling))
    }
}
