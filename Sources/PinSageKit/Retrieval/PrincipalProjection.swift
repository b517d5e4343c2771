/// Embeddings on their principal axes, for pictures: the directions in which they differ most.
///
/// Source: Pearson 1901; the axes are found by orthogonal iteration on the covariance of the chosen items. A linear map keeps distances that
/// are large in the picture large, but not neighborhoods: items that fall together need not be alike.
public struct PrincipalProjection: Sendable {
    /// The items that were projected, ascending.
    public let items: [ItemID]
    /// (items, axes), largest variance first. Each axis points so that its largest component is positive.
    public let coordinates: Matrix
    /// The share of the variance along each axis.
    public let shares: [Float]
    /// The mean that is taken away, and the directions of the axes.
    private let mean: [Float]
    private let directions: [[Float]]

    /// - Parameters:
    ///   - limit: items are drawn evenly where there are more.
    ///   - axes: 1 to the dimension.
    /// - Complexity: O(limit * dimension²)
    public init(of embeddings: Embeddings, limit: Int, axes: Int = 2) {
        precondition(axes > 0 && axes <= embeddings.dimension, "\(axes) axes of \(embeddings.dimension)")
        let count = min(limit, embeddings.count), width = embeddings.dimension
        let items = (0..<count).map { ItemID($0 * embeddings.count / max(count, 1)) }
        var values: [Float] = []
        values.reserveCapacity(count * width)
        var mean = [Double](repeating: 0, count: width)
        for item in items {
            let vector = embeddings[item].map { $0.isFinite ? $0 : 0 }
            for column in 0..<width { mean[column] += Double(vector[column]) }
            values += vector
        }
        for column in 0..<width { mean[column] /= Double(max(count, 1)) }
        for row in 0..<count { for column in 0..<width { values[row * width + column] -= Float(mean[column]) } }
        var covariance = [Float](repeating: 0, count: width * width)
        for row in 0..<count {
            for i in 0..<width {
                let factor = values[row * width + i]
                for j in 0..<width { covariance[i * width + j] += factor * values[row * width + j] }
            }
        }
        let basis = Self.axes(of: covariance, width: width, count: axes)
        var coordinates = Matrix(rows: count, columns: axes)
        for row in 0..<count {
            for axis in 0..<axes {
                var sum: Float = 0
                for column in 0..<width { sum += values[row * width + column] * basis[axis][column] }
                coordinates[row, axis] = sum
            }
        }
        let total = max((0..<width).reduce(Float(0)) { $0 + covariance[$1 * width + $1] }, .leastNormalMagnitude)
        shares = (0..<axes).map { axis in (0..<count).reduce(Float(0)) { $0 + coordinates[$1, axis] * coordinates[$1, axis] } / total }
        self.items = items
        self.coordinates = coordinates
        self.mean = mean.map { Float($0) }
        directions = basis
    }

    /// A vector on the axes, which need not be of an item that was projected; what is not finite counts as the mean.
    ///
    /// - Parameter vector: (dimension).
    /// - Complexity: O(dimension * axes)
    public func place(of vector: [Float]) -> [Float] {
        precondition(vector.count == mean.count, "\(vector.count) numbers, the axes have \(mean.count)")
        return directions.map { direction in
            var sum: Float = 0
            for column in vector.indices where vector[column].isFinite { sum += (vector[column] - mean[column]) * direction[column] }
            return sum
        }
    }

    /// All items of these embeddings on the axes, (N, axes), flat. - Complexity: O(N * dimension * axes)
    func places(of embeddings: Embeddings, threads: Int) throws -> [Float] {
        precondition(embeddings.dimension == mean.count, "\(embeddings.dimension) numbers, the axes have \(mean.count)")
        let rows = try parallelMap(embeddings.count, threads: threads, grain: 1024) { range in
            range.map { place(of: embeddings[ItemID($0)]) }
        }
        return Array(rows.joined())
    }

    private static func axes(of covariance: [Float], width: Int, count: Int) -> [[Float]] {
        let random = CounterRandom(seed: 1)
        var basis = (0..<count).map { axis in
            (0..<width).map { Float(random.word(item: UInt64(axis), walk: 0, step: $0) >> 40) * 0x1p-23 - 1 }
        }
        for _ in 0..<60 {
            for axis in 0..<count {
                var next = [Float](repeating: 0, count: width)
                for i in 0..<width {
                    let factor = basis[axis][i]
                    for j in 0..<width { next[j] += factor * covariance[i * width + j] }
                }
                // Gram-Schmidt against the axes before it: only what they leave over grows.
                for before in 0..<axis {
                    let product = zip(next, basis[before]).reduce(Float(0)) { $0 + $1.0 * $1.1 }
                    for column in 0..<width { next[column] -= product * basis[before][column] }
                }
                let length = next.reduce(Float(0)) { $0 + $1 * $1 }.squareRoot()
                // No variance is left: any direction will do, and nothing lies along it.
                guard length > 0 else { continue }
                basis[axis] = next.map { $0 / length }
            }
        }
        return basis.map { axis in
            let largest = axis.max { $0.magnitude < $1.magnitude } ?? 0
            return largest < 0 ? axis.map { -$0 } : axis
        }
    }
}
