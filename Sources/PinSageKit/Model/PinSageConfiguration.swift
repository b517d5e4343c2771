/// How neighbor vectors become one vector.
public enum Pooling: String, Codable, Sendable, CaseIterable {
    /// Weighted mean with the normalised visit counts (the paper's importance pooling).
    case importance
    /// Plain mean over the neighborhood.
    case mean
    /// Element-wise maximum.
    case max
}

/// The shape of a PinSage model.
public struct PinSageConfiguration: Codable, Sendable, Equatable {
    /// Width of an item's input vector: its features, and its id vector where ids are learned.
    public var inputWidth: Int
    /// K, the number of convolve layers; 0 leaves only the dense head (the ablation's row without graph).
    public var layers: Int
    /// m, rows of each layer's Q.
    public var hiddenWidth: Int
    /// d, the width of each layer's output and of the head's hidden layer.
    public var layerWidth: Int
    /// Width of the embedding z.
    public var dimension: Int
    public var pooling: Pooling
    /// Whether z is divided by its L2 norm. The paper does not; we do by default, because nearest neighbors are then the same by dot
    /// product, cosine and Euclidean distance, and margins mean the same for every item.
    public var normalizesOutput: Bool
    /// Width of the learned id vectors, 0 for none. They are an input feature, so items without one still get an embedding.
    public var idWidth: Int

    public init(
        inputWidth: Int, layers: Int = 2, hiddenWidth: Int? = nil, layerWidth: Int? = nil, dimension: Int = 128, pooling: Pooling = .importance,
        normalizesOutput: Bool = true, idWidth: Int = 0
    ) {
        self.inputWidth = inputWidth
        self.layers = layers
        // Twice the input keeps both signs of every feature through a ReLU, so training can start from the untrained "own plus pooled" vector.
        self.hiddenWidth = hiddenWidth ?? min(2 * inputWidth, 512)
        self.layerWidth = layerWidth ?? min(2 * inputWidth, 512)
        self.dimension = dimension
        self.pooling = pooling
        self.normalizesOutput = normalizesOutput
        self.idWidth = idWidth
    }

    /// Width of the features alone, without the learned id vector.
    public var featureWidth: Int { inputWidth - idWidth }

    /// Width of the vectors that enter layer `index` (from 0), or the head at `index == layers`.
    func width(into index: Int) -> Int { index == 0 ? inputWidth : layerWidth }

    /// For messages.
    var summary: String {
        "\(inputWidth) inputs of which \(idWidth) are ids, \(layers) layers of \(layerWidth), hidden \(hiddenWidth), dimension \(dimension), "
            + "\(pooling.rawValue) pooling, \(normalizesOutput ? "normalised" : "not normalised")"
    }

    /// - Throws: ``ConfigurationError`` naming the setting.
    public func validate() throws {
        try ConfigurationError.require(
            (1...1 << 20).contains(inputWidth), "the input width is \(inputWidth), expected 1 to \(1 << 20): a model needs at least one feature")
        try ConfigurationError.require((0...8).contains(layers), "layers is \(layers), expected 0 to 8")
        try ConfigurationError.require((1...65536).contains(hiddenWidth), "hidden is \(hiddenWidth), expected 1 to 65536")
        try ConfigurationError.require((1...65536).contains(layerWidth), "layer width is \(layerWidth), expected 1 to 65536")
        try ConfigurationError.require((1...65536).contains(dimension), "dimension is \(dimension), expected 1 to 65536")
        try ConfigurationError.require(idWidth >= 0 && idWidth <= inputWidth, "id features are \(idWidth) wide, expected 0 to \(inputWidth)")
    }
}

/// A setting that cannot work, with what was expected and what was found.
public struct ConfigurationError: Error, CustomStringConvertible, Sendable {
    public let message: String
    public init(_ message: String) { self.message = message }
    public var description: String { message }

    static func require(_ condition: Bool, _ message: @autoclosure () -> String) throws {
        if !condition { throw ConfigurationError(message()) }
    }
}
