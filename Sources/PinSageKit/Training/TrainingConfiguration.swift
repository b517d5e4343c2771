/// What is minimised.
public enum LossKind: String, Codable, Sendable, CaseIterable {
    /// The paper's: max(0, q.n - q.i + margin), in the mean over negatives (equation 1).
    case maxMargin = "max-margin"
    /// Softmax over the positive and the batch's negatives, with the logQ correction of sampled softmax.
    case softmax
    /// Binary cross-entropy, the ablation's mean-pooling-xent.
    case crossEntropy = "cross-entropy"
}

/// Which shared negatives do not count for a pair, because they are answers too.
public enum NegativeExclusion: String, Codable, Sendable, CaseIterable {
    /// Every item that shares with the query a collection that makes pairs.
    case coMembers
    /// The members of the pair's own collection. The query's other positives stay negatives of this pair, as sampled softmax wants them: they
    /// are positives as often as they occur together, and that is how the model learns how often that is.
    case collection
}

/// How weights move along the gradient.
public enum OptimizerKind: String, Codable, Sendable, CaseIterable {
    case adam, sgd
}

/// How a model is trained. The defaults are the paper's where it speaks; `docs/parameters.md` says what each costs and gains.
public struct TrainingConfiguration: Codable, Sendable, Equatable {
    /// Passes over the positive pairs.
    public var epochs = 10
    /// Positive pairs per minibatch (paper: 512 to 4096, 2048 converged fastest).
    public var batchSize = 1024
    public var optimizer = OptimizerKind.adam
    /// Peak learning rate for a batch of 1024 pairs; scaled linearly with the batch size (Goyal et al. 2017).
    public var learningRate: Float = 1e-3
    /// Share of the first epoch during which the rate rises linearly to its peak (paper: all of it).
    public var warmUp: Float = 1
    /// Factor by which the rate has fallen exponentially at the end of the last epoch.
    public var finalRateFactor: Float = 0.1
    public var momentum: Float = 0.9
    /// Decoupled weight decay per step, times the learning rate.
    public var weightDecay: Float = 0
    /// Largest Euclidean norm of a step's gradient; longer ones are scaled down. 0 leaves them alone.
    public var clipNorm: Float = 0
    /// Softmax ranks better than the paper's max-margin on all data that was tried (`docs/results.md`).
    public var loss = LossKind.softmax
    /// Margin of the max-margin loss; a cosine difference when the model normalises its output.
    public var margin: Float = 0.1
    /// Temperature of the softmax and cross-entropy losses.
    public var temperature: Float = 0.03
    /// Negatives shared by all pairs of a minibatch (paper: 500).
    public var negatives = 2000
    /// Shared negatives are drawn in proportion to this power of their degree; 0, the paper's, is uniform. The softmax loss corrects for it.
    public var negativePopularity: Float = 0
    public var negativeExclusion = NegativeExclusion.coMembers
    /// Most hard negatives per pair; the curriculum gets there one an epoch, from none in the first (paper: 6). None by default: ranking the
    /// catalogue for every query costs several times the rest of the step.
    public var hardNegatives = 0
    /// Weight of the mean over a pair's hard negatives beside the mean over the shared ones.
    public var hardNegativeWeight: Float = 1
    /// Ranks by Personalized PageRank that hard negatives come from, as shares of the catalogue: 2000..5000 (the paper's) in catalogues where
    /// that is less, else this.
    public var hardNegativeRanks: ClosedRange<Int>? = nil
    /// Whether the positive's edge to the pair's collection, and those to collections that hold all of it, are hidden while the batch's
    /// neighborhoods are drawn. Without it the label leaks.
    public var hidesPositiveEdges = true
    /// Whether negatives miss edges as positives do, in minibatches about known items. `nil`: where there are learned id vectors. They know all edges, so
    /// that a missing one shows, and if only positives missed some, that would tell them from negatives.
    public var hidesNegativeEdges: Bool?
    /// Share of the minibatches whose positives and negatives are all embedded as new items, without any edge, so that new items are not out of
    /// distribution. The others have pairs whose positives keep an edge when the label's are hidden: known items, as they will be asked for.
    /// Where positives of most pairs keep none, those pairs train new items only.
    public var newItemShare: Float = 0.65
    /// Whether neighborhoods are drawn anew every epoch.
    public var redrawsNeighborhoods = true
    /// Which pairs of a collection's items are positives. At most 16 pairs an epoch come from one collection without times: in one of
    /// thousands any two members say little of each other, and it would drown the small ones.
    public var pairs = PositivePairConfiguration(mostPairsPerCollection: 16)
    /// Validations without improvement after which training stops; 0 never stops early.
    public var patience = 0
    /// How much the pooled neighbor vector counts beside the item's own in the weights that training starts from. The mean of unit vectors
    /// that differ is shorter than one of them, often by half, so equal say of both takes more than 1.
    public var initialNeighborShare: Float = 2
    /// Gaussian noise on the weights that training starts from, times 1 / sqrt(inputs).
    public var initialNoise: Float = 0.05
    /// The most members of the pair's collection, the query among them and the positive not, whose mean embedding asks for the positive. 1 asks
    /// with the query alone, as one item asks for its related ones; more train for questions of whole collections, which are asked that way.
    public var queryMembers = 1
    /// Seconds between checkpoints, beside the one at every epoch's end.
    public var checkpointSeconds: Double = 120
    public var seed: UInt64 = 1

    public init() {}

    /// - Throws: ``ConfigurationError`` naming the setting.
    public func validate() throws {
        try ConfigurationError.require(epochs >= 0, "epochs is \(epochs), expected 0 or more")
        try ConfigurationError.require((1...1_000_000).contains(batchSize), "batch-size is \(batchSize), expected 1 to 1000000")
        try ConfigurationError.require(learningRate > 0 && learningRate.isFinite, "learning-rate is \(learningRate), expected a positive number")
        try ConfigurationError.require((0...1).contains(warmUp), "warm-up is \(warmUp), expected 0 to 1")
        try ConfigurationError.require(
            finalRateFactor > 0 && finalRateFactor <= 1, "final-rate-factor is \(finalRateFactor), expected above 0, at most 1")
        try ConfigurationError.require((0..<1).contains(momentum), "momentum is \(momentum), expected 0 to below 1")
        try ConfigurationError.require(weightDecay >= 0 && weightDecay.isFinite, "weight-decay is \(weightDecay), expected 0 or more")
        try ConfigurationError.require(clipNorm >= 0 && clipNorm.isFinite, "clip-norm is \(clipNorm), expected 0 or more")
        try ConfigurationError.require(margin.isFinite && margin >= 0, "margin is \(margin), expected 0 or more")
        try ConfigurationError.require(temperature > 0 && temperature.isFinite, "temperature is \(temperature), expected a positive number")
        try ConfigurationError.require((1...1_000_000).contains(negatives), "negatives is \(negatives), expected 1 to 1000000")
        try ConfigurationError.require((0...2).contains(negativePopularity), "negative-popularity is \(negativePopularity), expected 0 to 2")
        try ConfigurationError.require((0...1000).contains(hardNegatives), "hard-negatives is \(hardNegatives), expected 0 to 1000")
        try ConfigurationError.require(
            initialNeighborShare.isFinite && initialNeighborShare >= 0, "initial-neighbor-share is \(initialNeighborShare), expected 0 or more")
        try ConfigurationError.require(initialNoise.isFinite && initialNoise >= 0, "initial-noise is \(initialNoise), expected 0 or more")
        try ConfigurationError.require(patience >= 0, "patience is \(patience), expected 0 or more")
        try ConfigurationError.require((1...1_000_000).contains(queryMembers), "query-members is \(queryMembers), expected 1 to 1000000")
        try ConfigurationError.require((0...1).contains(newItemShare), "new-item-share is \(newItemShare), expected 0 to 1")
    }
}
