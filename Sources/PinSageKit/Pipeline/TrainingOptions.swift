/// What a training run is asked to do. Everything that is `nil` follows the dataset by the rules of ``TrainingDefaults``.
public struct TrainingOptions: Codable, Sendable {
    public var features = FeatureConfiguration()
    public var training = TrainingConfiguration()
    public var epochs: Int?
    public var layers: Int?
    public var hiddenWidth: Int?
    public var layerWidth: Int?
    public var dimension: Int?
    public var pooling = Pooling.importance
    /// Whether embeddings have length 1. `nil`: under the max-margin loss, whose margin then is a difference of cosines; otherwise lengths are free, so
    /// that they may say how sought-after an item is.
    public var normalizesOutput: Bool?
    /// Width of the learned id vectors, 0 for none.
    public var idWidth: Int?
    /// Where learned id vectors start.
    public var idStart = IDStart.svd
    /// The length that random id vectors start with, beside content of length 1. Short ones disturb the content little and still learn as fast.
    public var idStartLength: Float = 1
    /// T of each layer, the one nearest the input first; the last number counts for the layers that follow.
    public var neighbors: [Int] = [50]
    public var walks: Int?
    public var walkLength: Int?
    /// Where what `neighbors --all` wrote of the very graph that is trained on is: neighborhoods then are read from there and are the same in
    /// every epoch. Only those of items that miss edges in a minibatch are drawn.
    public var neighborhoods: String?
    public var restart: Double?
    /// The share of each type of collections in the steps of walks (``WalkConfiguration/collectionTypes``); not to be confused with the next one.
    public var collectionTypes: [String: Double]?
    /// How much walks prefer small collections (``WalkConfiguration/sizeExponent``).
    public var sizeExponent: Double?
    /// The share of the collections, drawn by seed, whose edges are trained on (paper: 0.2); the model then embeds the whole graph.
    public var collectionShare = 1.0
    /// Whether a share of the edges is held out for validation when no validation pairs are given.
    public var holdsOutValidation = true

    public init() {}

    /// For models that whole collections ask (what else belongs on this board?) rather than single items: a query is the mean of a collection's
    /// members, as `QueryPooling.mean` asks, and the loss is a softmax over many negatives, popular ones among them.
    public static var forCollections: TrainingOptions {
        var options = TrainingOptions()
        options.training.queryMembers = 50
        // The members of the pair's own collection alone are no negatives: nearly every item shares some collection with one of many members.
        options.training.negativeExclusion = .collection
        options.training.temperature = 0.1
        options.normalizesOutput = true
        options.training.learningRate = 3e-3
        options.training.batchSize = 4096
        return options
    }

    /// Where learned id vectors start.
    public enum IDStart: String, Codable, Sendable, CaseIterable {
        /// A truncated singular value decomposition of the memberships: items of the same collections start close.
        case svd
        /// Gaussian numbers: nothing is known of any item, not even the labels that a decomposition of all memberships has seen.
        case random
    }
}

/// Training settings that follow from a dataset's size, features and density; never from its name.
public struct TrainingDefaults: Sendable {
    public var layers: Int
    public var idWidth: Int
    public var dimension: Int
    public var epochs: Int
    public var walks: WalkConfiguration

    /// The pairs that default training looks at: about five minutes on two cores with one layer.
    static let pairBudget = 750_000
    /// The same where many members ask together: pairs share them, so that a step costs less a pair.
    static let memberPairBudget = 6_000_000

    /// Small collections say more of what belongs together than large ones, but walks that prefer them need 8 bytes an edge.
    static let mostEdgesBySize = 100_000_000

    /// - Parameters:
    ///   - hasContent: whether the features say anything of an item but its degree.
    ///   - pairsPerEpoch: positive pairs of one epoch.
    ///   - asksWithMembers: whether whole collections ask (``TrainingConfiguration/queryMembers``). They ask for items that collections hold
    ///     together for reasons that no content shows, so that items also get learned vectors.
    public init(graph: Graph, hasContent: Bool, pairsPerEpoch: Int, asksWithMembers: Bool = false) {
        // One layer of importance pooling already reaches items several hops away (walks have restarts, not a fixed radius). A second one
        // multiplies the cost by T; in graphs beyond a million items, where it brings in what walks of one item cannot, it pays.
        layers = graph.itemCount < 1_000_000 ? 1 : 2
        idWidth = hasContent && !asksWithMembers ? 0 : 128
        dimension = 128
        let budget = asksWithMembers ? Self.memberPairBudget : Self.pairBudget
        epochs = min(max(budget / max(pairsPerEpoch, 1), 2), 40)
        walks = WalkConfiguration(
            walks: 200, walkLength: 2, restart: 0.5, neighbors: 50, sizeExponent: graph.edgeCount <= Self.mostEdgesBySize ? 0.5 : 0)
    }
}
