extension PinSageModel {
    /// A checksum of everything that embeddings depend on: weights, shape, walks, features. Sixteen hexadecimal digits.
    public var fingerprint: String {
        var crc = CRC32C()
        for tensor in parameters.tensors {
            crc.update(Array(tensor.name.utf8))
            unsafe tensor.values.withUnsafeBytes { unsafe crc.update($0) }
        }
        if let idVectors { unsafe idVectors.values.withUnsafeBytes { unsafe crc.update($0) } }
        let description = Description(model: configuration, walks: walks, neighborsPerLayer: neighborsPerLayer, seed: seed)
        var settings = CRC32C()
        settings.update(Array(((try? JSONFile.text(of: description)) ?? "\(description)").utf8))
        features.update(&settings)
        return hexadecimal(crc.value) + hexadecimal(settings.value)
    }

    /// Multiplications and additions of the products that embed one item when every vector is computed once.
    public var operationsPerItem: Double {
        let c = configuration
        var sum = 2.0 * Double(c.width(into: c.layers) * c.layerWidth + c.layerWidth * c.dimension)
        for layer in 0..<c.layers {
            let width = c.width(into: layer)
            sum += 2 * Double(width * c.hiddenWidth + (width + c.hiddenWidth) * c.layerWidth)
        }
        return sum
    }
}

/// The share of the stages in a run, by what they roughly cost; only progress is shown by it.
struct StageWeights {
    private let walks: Double
    private let reads: Double
    private let layers: [Double]
    private var total: Double { walks + reads + layers.reduce(0, +) }

    init(model: PinSageModel, items: Int) {
        let c = model.configuration, w = model.walks
        walks = c.layers > 0 ? 20e-9 * Double(w.walks * w.walkLength) : 0
        reads = 2e-9 * Double(c.inputWidth)
        let perLayer = (0..<c.layers).map { layer -> Double in
            let width = c.width(into: layer)
            return 2e-11 * Double(width * c.hiddenWidth + (width + c.hiddenWidth) * c.layerWidth)
                + 4e-10 * Double(model.neighborsPerLayer[layer] * c.hiddenWidth)
        }
        layers = perLayer.isEmpty ? [1e-6] : perLayer
    }

    func walking(_ share: Double) -> Double { share * walks / total }
    func reading(_ share: Double) -> Double { (walks + share * reads) / total }
    func layer(_ index: Int, _ share: Double) -> Double {
        (walks + reads + layers.prefix(index).reduce(0, +) + (index < layers.count ? share * layers[index] : 0)) / total
    }
}
