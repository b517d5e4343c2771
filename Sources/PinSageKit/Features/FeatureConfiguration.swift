/// Which features of a dataset a model sees, and how they are made.
///
/// Defaults follow from the dataset: every dense table that it has; text only where it has none (sentence vectors made elsewhere usually
/// hold what the texts say; `text = true` puts both side by side); the log-degree always, as in the paper; attributes only by name.
public struct FeatureConfiguration: Codable, Sendable, Equatable {
    /// Names of dense tables; `nil` takes all.
    public var dense: [String]?
    /// Whether titles and texts become features; `nil`: where no dense table is used and the catalog has text.
    public var text: Bool?
    /// Dimensions that the text features keep.
    public var textDimension: Int
    /// The most hashed terms that the text features are made of: the ones in the most texts. Each costs `textDimension` floats in the model.
    public var textTerms: Int
    /// Columns of the catalog: numeric where every value is a number, otherwise categorical.
    public var attributes: [String]
    /// Whether log(1 + degree) is a feature.
    public var logDegree: Bool
    /// The largest value of the log-degree, beside dense and text blocks of length 1. Popularity is part of most answers, and with 1 a model sees
    /// it from the first step; little of it leaves cosines alone.
    public var logDegreeWeight: Float

    public init(
        dense: [String]? = nil, text: Bool? = nil, textDimension: Int = 128, textTerms: Int = 1 << 16, attributes: [String] = [],
        logDegree: Bool = true, logDegreeWeight: Float = 1
    ) {
        self.dense = dense
        self.text = text
        self.textDimension = textDimension
        self.textTerms = textTerms
        self.attributes = attributes
        self.logDegree = logDegree
        self.logDegreeWeight = logDegreeWeight
    }

    /// - Throws: ``DataError`` for numbers that make no features.
    public func validate() throws {
        guard (1...4096).contains(textDimension) else { throw DataError("expected 1 to 4096 text dimensions, found \(textDimension)") }
        guard logDegreeWeight.isFinite, logDegreeWeight >= 0 else {
            throw DataError("expected a weight of the log-degree of 0 or more, found \(logDegreeWeight)")
        }
        guard (1...1 << 22).contains(textTerms) else { throw DataError("expected 1 to \(1 << 22) text terms, found \(textTerms)") }
        let repeated = Dictionary(grouping: attributes + (dense ?? []), by: { $0 }).first { $0.value.count > 1 }
        if let name = repeated?.key { throw DataError("expected each feature once, found '\(name)' twice") }
    }
}
