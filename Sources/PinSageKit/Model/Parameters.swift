/// The weights of a model, or their gradients: one value per tensor, in a fixed order with fixed names.
public struct Parameters: Sendable, Equatable {
    /// One convolve layer (Algorithm 1). Shapes: q (m, in), qBias (m), w (out, in + m), wBias (out).
    public struct Convolve: Sendable, Equatable {
        public var q: Matrix
        public var qBias: [Float]
        public var w: Matrix
        public var wBias: [Float]
    }

    public var convolve: [Convolve]
    /// G1 (d, in), g (d), G2 (E, d) of the dense head z = G2 ReLU(G1 h + g).
    public var g1: Matrix
    public var g1Bias: [Float]
    public var g2: Matrix

    /// All zeros: the start of gradients and of optimizer moments.
    public init(zeros configuration: PinSageConfiguration) {
        convolve = (0..<configuration.layers).map { index in
            let width = configuration.width(into: index)
            return Convolve(
                q: Matrix(rows: configuration.hiddenWidth, columns: width), qBias: Array(repeating: 0, count: configuration.hiddenWidth),
                w: Matrix(rows: configuration.layerWidth, columns: width + configuration.hiddenWidth),
                wBias: Array(repeating: 0, count: configuration.layerWidth))
        }
        g1 = Matrix(rows: configuration.layerWidth, columns: configuration.width(into: configuration.layers))
        g1Bias = Array(repeating: 0, count: configuration.layerWidth)
        g2 = Matrix(rows: configuration.dimension, columns: configuration.layerWidth)
    }

    /// Names of the tensors, in the order of ``updateTensors(_:)`` and of weights.safetensors.
    public var names: [String] { Self.names(layers: convolve.count) }

    static func names(layers: Int) -> [String] {
        (0..<layers).flatMap { ["convolve.\($0).q.weight", "convolve.\($0).q.bias", "convolve.\($0).w.weight", "convolve.\($0).w.bias"] }
            + ["head.g1.weight", "head.g1.bias", "head.g2.weight"]
    }

    /// The shapes of the tensors of a model, in the order of ``names``.
    static func shapes(_ c: PinSageConfiguration) -> [[Int]] {
        (0..<c.layers).flatMap { index -> [[Int]] in
            let width = c.width(into: index)
            return [[c.hiddenWidth, width], [c.hiddenWidth], [c.layerWidth, width + c.hiddenWidth], [c.layerWidth]]
        } + [[c.layerWidth, c.width(into: c.layers)], [c.layerWidth], [c.dimension, c.layerWidth]]
    }

    /// Name, shape and elements of every tensor.
    public var tensors: [(name: String, shape: [Int], values: [Float])] {
        var list: [([Int], [Float])] = []
        for layer in convolve {
            list.append(([layer.q.rows, layer.q.columns], layer.q.values))
            list.append(([layer.qBias.count], layer.qBias))
            list.append(([layer.w.rows, layer.w.columns], layer.w.values))
            list.append(([layer.wBias.count], layer.wBias))
        }
        list.append(([g1.rows, g1.columns], g1.values))
        list.append(([g1Bias.count], g1Bias))
        list.append(([g2.rows, g2.columns], g2.values))
        return zip(names, list).map { ($0, $1.0, $1.1) }
    }

    /// Calls `body` with the position and elements of every tensor, for changing them in place.
    public mutating func updateTensors<E: Error>(_ body: (Int, inout [Float]) throws(E) -> Void) throws(E) {
        for index in convolve.indices {
            try body(4 * index, &convolve[index].q.values)
            try body(4 * index + 1, &convolve[index].qBias)
            try body(4 * index + 2, &convolve[index].w.values)
            try body(4 * index + 3, &convolve[index].wBias)
        }
        let head = 4 * convolve.count
        try body(head, &g1.values)
        try body(head + 1, &g1Bias)
        try body(head + 2, &g2.values)
    }

    /// The elements of the tensor at a position of ``names``.
    func values(at position: Int) -> [Float] {
        let (layer, part) = (position / 4, position % 4)
        if layer < convolve.count {
            switch part {
            case 0: return convolve[layer].q.values
            case 1: return convolve[layer].qBias
            case 2: return convolve[layer].w.values
            default: return convolve[layer].wBias
            }
        }
        switch position - 4 * convolve.count {
        case 0: return g1.values
        case 1: return g1Bias
        default: return g2.values
        }
    }

    /// The number of weights.
    public var count: Int { tensors.reduce(0) { $0 + $1.values.count } }
}
