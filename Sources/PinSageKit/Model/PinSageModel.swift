/// A trained PinSage: the network's shape and weights, how neighborhoods are drawn, and how items become input vectors.
///
/// It embeds items that training never saw: everything that it needs of an item is its features and, where there are any, its edges.
public struct PinSageModel: Sendable {
    public var configuration: PinSageConfiguration
    public var parameters: Parameters
    public var walks: WalkConfiguration
    /// T of each layer, the one nearest the input first.
    public var neighborsPerLayer: [Int]
    /// Seed of the walks that choose neighborhoods at inference.
    public var seed: UInt64
    public var features: FeatureTransform
    /// Learned id vectors (N, idWidth) by item row of the training dataset; `nil` without them.
    public var idVectors: Matrix?
    /// The identifiers of the items that the rows of ``idVectors`` are of, so that a dataset with other rows finds its own;
    /// `nil` where rows themselves say it (models that were made of graphs in memory, or before this was kept).
    public var idItems: Identifiers?

    public init(
        configuration: PinSageConfiguration, parameters: Parameters, walks: WalkConfiguration, neighborsPerLayer: [Int], seed: UInt64,
        features: FeatureTransform, idVectors: Matrix? = nil, idItems: Identifiers? = nil
    ) {
        self.configuration = configuration
        self.parameters = parameters
        self.walks = walks
        self.neighborsPerLayer = neighborsPerLayer
        self.seed = seed
        self.features = features
        self.idVectors = idVectors
        self.idItems = idItems
    }
}
