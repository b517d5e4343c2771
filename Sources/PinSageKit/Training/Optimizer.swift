/// Adam or SGD with momentum over all parameters, with their moments.
struct Optimizer: Sendable {
    private let kind: OptimizerKind
    private let momentum: Float
    private let weightDecay: Float
    /// First moments (SGD: velocities), one array per tensor in the order of ``Parameters/names``.
    var first: [[Float]]
    /// Second moments; empty arrays for SGD.
    var second: [[Float]]
    /// Steps taken.
    var step = 0

    static let beta1: Float = 0.9, beta2: Float = 0.999, epsilon: Float = 1e-8

    init(configuration: TrainingConfiguration, model: PinSageConfiguration) {
        kind = configuration.optimizer
        momentum = configuration.momentum
        weightDecay = configuration.weightDecay
        first = Parameters(zeros: model).tensors.map(\.values)
        second = kind == .adam ? first : first.map { _ in [] }
    }

    /// One step along the gradients.
    mutating func update(_ parameters: inout Parameters, gradients: Parameters, learningRate: Float, kernels: Kernels) throws(KernelError) {
        step += 1
        try parameters.updateTensors { index, values throws(KernelError) in
            switch kind {
            case .adam:
                try kernels.adamStep(
                    &values, gradient: gradients.values(at: index), m: &first[index], v: &second[index], step: step, learningRate: learningRate,
                    beta1: Optimizer.beta1, beta2: Optimizer.beta2, epsilon: Optimizer.epsilon, weightDecay: weightDecay)
            case .sgd:
                try kernels.sgdStep(
                    &values, gradient: gradients.values(at: index), velocity: &first[index], learningRate: learningRate, momentum: momentum,
                    weightDecay: weightDecay)
            }
        }
    }
}
