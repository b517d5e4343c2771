#if canImport(Darwin)
    internal import Darwin
#else
    internal import Glibc
#endif

/// How the cosine similarities of random pairs of items are distributed: embeddings that use their space well tell most pairs apart, so that
/// the distribution is wide and has light tails.
///
/// Source:   Ying et al. 2018, section 4.3 (excess kurtosis 0.43 PinSage, 2.49 annotation, 1.20 visual).
/// Equation: excess kurtosis = mean((s - mean)^4) / mean((s - mean)^2)^2 - 3; a normal distribution has 0.
public struct SimilaritySpread: Sendable, Equatable, Codable {
    public let mean: Double
    public let deviation: Double
    /// 0 where all similarities are equal.
    public let excessKurtosis: Double

    /// - Parameters:
    ///   - vectors: (N, E); rows of zeros have a similarity of 0 to everything.
    ///   - pairs: how many pairs of two different items are drawn.
    public init(vectors: Matrix, pairs: Int = 200_000, seed: UInt64 = 1) {
        var random = SplitMix64(state: SplitMix64.mixed(seed))
        var similarities: [Double] = []
        if vectors.rows > 1 {
            similarities.reserveCapacity(pairs)
            for _ in 0..<pairs {
                let one = random.next(below: vectors.rows)
                var other = random.next(below: vectors.rows - 1)
                if other >= one { other += 1 }
                var (dot, left, right) = (0.0, 0.0, 0.0)
                unsafe vectors.values.withUnsafeBufferPointer { values in
                    for column in 0..<vectors.columns {
                        let a = unsafe Double(values[one * vectors.columns + column]), b = unsafe Double(values[other * vectors.columns + column])
                        dot += a * b
                        left += a * a
                        right += b * b
                    }
                }
                similarities.append(left * right > 0 ? dot / (left * right).squareRoot() : 0)
            }
        }
        self.init(of: similarities)
    }

    /// The moments of some values.
    init(of values: [Double]) {
        let count = Double(max(values.count, 1))
        let mean = values.reduce(0, +) / count
        var (second, fourth) = (0.0, 0.0)
        for value in values {
            let square = (value - mean) * (value - mean)
            second += square
            fourth += square * square
        }
        second /= count
        self.mean = mean
        deviation = second.squareRoot()
        excessKurtosis = second > 1e-18 ? fourth / count / (second * second) - 3 : 0
    }
}
