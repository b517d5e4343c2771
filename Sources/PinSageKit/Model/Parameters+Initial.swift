#if canImport(Darwin)
    internal import Darwin
#else
    internal import Glibc
#endif

extension Parameters {
    /// Weights to start training from, drawn by `seed`.
    ///
    /// The paper does not say how it starts. We start near the identity: with these weights a layer already computes
    /// "own vector plus importance-pooled neighbor vector", a strong untrained embedding, and training improves on it. A ReLU keeps only one
    /// sign, so the vector travels as its positive and negative halves, [max(x,0) ; max(-x,0)], wherever the widths allow
    /// (hidden and layer width at least twice the input); narrower layers carry a random projection of it. Every weight then gets Gaussian
    /// noise of standard deviation `noise` / sqrt(inputs), which breaks the symmetry.
    ///
    /// - Parameters:
    ///   - neighborShare: how much the pooled neighbor vector counts beside the item's own.
    public static func initial(_ configuration: PinSageConfiguration, seed: UInt64, neighborShare: Float = 3, noise: Float = 0.05) -> Parameters {
        var parameters = Parameters(zeros: configuration)
        var random = GaussianSource(seed: seed)
        let m = configuration.hiddenWidth, d = configuration.layerWidth
        var carriesHalves = false
        for index in 0..<configuration.layers {
            let width = configuration.width(into: index)
            if !carriesHalves {
                // Signed input: x -> r signed coordinates -> two halves each.
                let r = min(width, m / 2, d / 2)
                let projection = random.projection(rows: r, columns: width)
                for row in 0..<r {
                    for column in 0..<width {
                        let value = projection[row, column]
                        parameters.convolve[index].q[row, column] = value
                        parameters.convolve[index].q[r + row, column] = -value
                        parameters.convolve[index].w[row, column] = value
                        parameters.convolve[index].w[r + row, column] = -value
                    }
                    parameters.convolve[index].w[row, width + row] = neighborShare
                    parameters.convolve[index].w[row, width + r + row] = -neighborShare
                    parameters.convolve[index].w[r + row, width + row] = -neighborShare
                    parameters.convolve[index].w[r + row, width + r + row] = neighborShare
                }
                carriesHalves = r > 0
            } else {
                // The halves are non-negative already: identity through both matrices.
                for row in 0..<min(width, m, d) {
                    parameters.convolve[index].q[row, row] = 1
                    parameters.convolve[index].w[row, row] = 1
                    parameters.convolve[index].w[row, width + row] = neighborShare
                }
            }
        }
        let width = configuration.width(into: configuration.layers)
        let halves: Int
        if carriesHalves {
            for row in 0..<min(width, d) { parameters.g1[row, row] = 1 }
            halves = min(configuration.inputWidth, m / 2, d / 2)
        } else {
            halves = min(width, d / 2)
            let projection = random.projection(rows: halves, columns: width)
            for row in 0..<halves {
                for column in 0..<width {
                    parameters.g1[row, column] = projection[row, column]
                    parameters.g1[halves + row, column] = -projection[row, column]
                }
            }
        }
        let output = random.projection(rows: configuration.dimension, columns: halves)
        for row in 0..<configuration.dimension {
            for column in 0..<halves {
                parameters.g2[row, column] = output[row, column]
                parameters.g2[row, halves + column] = -output[row, column]
            }
        }
        for index in parameters.convolve.indices {
            random.addNoise(noise, to: &parameters.convolve[index].q)
            random.addNoise(noise, to: &parameters.convolve[index].w)
        }
        random.addNoise(noise, to: &parameters.g1)
        random.addNoise(noise, to: &parameters.g2)
        return parameters
    }
}

/// Standard normal numbers from a counter, by Box and Muller.
struct GaussianSource {
    private var state: UInt64
    private var spare: Double?

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 0xD1B5_4A32_D192_ED03 }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    private mutating func uniform() -> Double {
        state &+= 0x9E37_79B9_7F4A_7C15
        var x = state
        x = (x ^ (x >> 30)) &* 0xBF58_476D_1CE4_E5B9
        x = (x ^ (x >> 27)) &* 0x94D0_49BB_1331_11EB
        x ^= x >> 31
        return (Double(x >> 11) + 0.5) * 0x1p-53
    }

    mutating func next() -> Double {
        if let value = spare {
            spare = nil
            return value
        }
        let radius = (-2 * log(uniform())).squareRoot(), angle = 2 * Double.pi * uniform()
        spare = radius * sin(angle)
        return radius * cos(angle)
    }

    /// The identity when rows and columns agree or rows exceed columns (extra rows stay 0); else random orthogonal rows, scaled so that
    /// lengths are kept on average. Orthogonal rows distort less than independent ones (Johnson and Lindenstrauss): 128 of 129 coordinates
    /// lose next to nothing, where a Gaussian matrix of that shape would blur every cosine by 1 / sqrt(128).
    mutating func projection(rows: Int, columns: Int) -> Matrix {
        var matrix = Matrix(rows: rows, columns: columns)
        if rows >= columns {
            for index in 0..<columns { matrix[index, index] = 1 }
        } else {
            let length = (Double(columns) / Double(rows)).squareRoot()
            var basis: [[Double]] = []
            for row in 0..<rows {
                var vector = (0..<columns).map { _ in next() }
                // Gram and Schmidt, twice: once leaves a rounding error that grows with the number of rows.
                for _ in 0..<2 {
                    for other in basis {
                        let share = zip(vector, other).reduce(0) { $0 + $1.0 * $1.1 }
                        for column in 0..<columns { vector[column] -= share * other[column] }
                    }
                }
                let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
                for column in 0..<columns {
                    vector[column] /= norm
                    matrix[row, column] = Float(vector[column] * length)
                }
                basis.append(vector)
            }
        }
        return matrix
    }

    mutating func addNoise(_ deviation: Float, to matrix: inout Matrix) {
        guard matrix.columns > 0 else { return }
        let scale = deviation / Float(matrix.columns).squareRoot()
        for index in matrix.values.indices { matrix.values[index] += scale * Float(next()) }
    }
}
