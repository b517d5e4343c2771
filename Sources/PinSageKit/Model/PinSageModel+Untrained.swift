extension PinSageModel {
    /// A model with the weights that training starts from, for the dense features of a dataset: what measurements of the embedding pass need.
    ///
    /// - Parameters:
    ///   - hiddenWidth: `nil` takes what training would.
    ///   - layerWidth: the same.
    ///   - walks: its number of neighbors is that of every layer.
    /// - Throws: ``ConfigurationError``, ``SamplingError`` for settings that make no model.
    public static func untrained(
        for dataset: Dataset, layers: Int, hiddenWidth: Int? = nil, layerWidth: Int? = nil, dimension: Int, walks: WalkConfiguration, seed: UInt64,
        kernels: Kernels
    ) throws -> PinSageModel {
        try walks.validate()
        let features = try FeatureTransform.fitted(
            to: dataset, catalog: nil, configuration: FeatureConfiguration(text: false, logDegree: false), kernels: kernels, seed: seed)
        let configuration = PinSageConfiguration(
            inputWidth: features.width, layers: layers, hiddenWidth: hiddenWidth, layerWidth: layerWidth, dimension: dimension)
        try configuration.validate()
        return PinSageModel(
            configuration: configuration, parameters: .initial(configuration, seed: seed), walks: walks,
            neighborsPerLayer: Array(repeating: walks.neighbors, count: layers), seed: seed, features: features)
    }
}
