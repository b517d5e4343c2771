/// What an ablation compares: the rows of the paper's Table 1, and how much is spent on each.
///
/// Every trained row has the same budget: one training run for each learning rate, of which validation chooses one, and one run for each further
/// seed at the chosen rate. The rows of Tables 3 and 4 are PinSage at its chosen rate with one setting changed.
///
/// Source: Ying et al. 2018, section 4.
public struct AblationPlan: Codable, Sendable, Equatable {
    /// The rows there are, in the order of Table 1.
    public enum Row: String, Codable, Sendable, CaseIterable {
        /// Nearest neighbors by one block of features, nothing trained; a row for each block.
        case features
        /// All features through dense layers, no graph.
        case dense
        case maxPooling = "max-pooling"
        case meanPooling = "mean-pooling"
        case meanPoolingXent = "mean-pooling-xent"
        case meanPoolingHard = "mean-pooling-hard"
        case pinsage

        /// What the row is, in words.
        public var summary: String {
            switch self {
            case .features: "nearest neighbors by these features alone, untrained"
            case .dense: "all features through two dense layers, no graph"
            case .maxPooling: "element-wise maximum over neighbors, no hard negatives"
            case .meanPooling: "mean over neighbors, no hard negatives"
            case .meanPoolingXent: "mean over neighbors, cross-entropy loss"
            case .meanPoolingHard: "mean over neighbors, hard negatives by curriculum"
            case .pinsage: "importance pooling, hard negatives by curriculum"
            }
        }

        /// Changes options to this row's.
        func apply(to options: inout TrainingOptions, hardNegatives: Int) {
            options.training.hardNegatives = 0
            switch self {
            case .features, .dense: options.layers = 0
            case .maxPooling: options.pooling = .max
            case .meanPooling: options.pooling = .mean
            case .meanPoolingXent:
                options.pooling = .mean
                options.training.loss = .crossEntropy
            case .meanPoolingHard:
                options.pooling = .mean
                options.training.hardNegatives = hardNegatives
            case .pinsage:
                options.pooling = .importance
                options.training.hardNegatives = hardNegatives
            }
        }
    }

    public var rows = Row.allCases
    /// The tuning budget: peak learning rates, each tried once by every trained row.
    public var learningRates: [Float] = [3e-4, 1e-3, 3e-3]
    /// The first one tunes.
    public var seeds: [UInt64] = [1]
    /// Hard negatives that the curriculum rises to (paper: 6).
    public var hardNegatives = 6
    /// T of Table 4; empty for no table.
    public var neighbors = [10, 20, 50]
    /// Minibatch sizes of Table 3; empty for no table.
    public var batchSizes = [512, 1024, 2048, 4096]
    /// K of the hit-rates.
    public var cutoffs = [10, 500]
    /// Of the split and the bootstrap.
    public var splitSeed: UInt64 = 1
    /// The most test and validation questions, taken at even distances.
    public var mostTestQueries = 10_000
    public var mostValidationQueries = 3000

    public init() {}

    /// - Throws: ``ConfigurationError`` naming the setting.
    public func validate() throws {
        func distinct<Element: Hashable>(_ list: [Element]) -> Bool { Set(list).count == list.count }
        try ConfigurationError.require(!rows.isEmpty && distinct(rows), "rows are \(rows.map(\.rawValue)), expected distinct ones")
        try ConfigurationError.require(
            !learningRates.isEmpty && distinct(learningRates) && learningRates.allSatisfy { $0 > 0 && $0.isFinite },
            "rates are \(learningRates), expected distinct positive numbers")
        try ConfigurationError.require(!seeds.isEmpty && distinct(seeds), "seeds are \(seeds), expected distinct ones")
        try ConfigurationError.require((0...1000).contains(hardNegatives), "hard-negatives is \(hardNegatives), expected 0 to 1000")
        try ConfigurationError.require(
            distinct(neighbors) && neighbors.allSatisfy { $0 > 0 }, "neighbors are \(neighbors), expected distinct positive numbers")
        try ConfigurationError.require(
            distinct(batchSizes) && batchSizes.allSatisfy { (1...1_000_000).contains($0) }, "batch sizes are \(batchSizes), expected 1 to 1000000")
        try ConfigurationError.require(
            !cutoffs.isEmpty && distinct(cutoffs) && cutoffs.allSatisfy { $0 > 0 }, "k is \(cutoffs), expected distinct positive numbers")
        try ConfigurationError.require(mostTestQueries > 0 && mostValidationQueries > 0, "the numbers of questions must be above 0")
    }
}
