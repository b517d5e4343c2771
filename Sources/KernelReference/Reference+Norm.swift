extension Reference {
    /// y[b,:] = x[b,:] / ||x[b,:]||; zeros stay zeros. Shapes: x, y (rows, width); norms (rows).
    public static func normalized(_ x: [Float], rows: Int, width: Int) -> (y: [Double], norms: [Double]) {
        var y = x.map(Double.init), norms = [Double](repeating: 0, count: rows)
        for b in 0..<rows {
            var sum = 0.0
            for e in 0..<width { sum += y[b * width + e] * y[b * width + e] }
            norms[b] = sum.squareRoot()
            for e in 0..<width { y[b * width + e] = norms[b] == 0 ? 0 : y[b * width + e] / norms[b] }
        }
        return (y, norms)
    }

    /// dx = (dy - y (y . dy)) / norm, 0 where the norm is 0.
    public static func normalizedBackward(y: [Float], dy: [Float], norms: [Float], width: Int) -> [Double] {
        var dx = [Double](repeating: 0, count: y.count)
        for b in 0..<norms.count where norms[b] != 0 {
            var along = 0.0
            for e in 0..<width { along += Double(y[b * width + e]) * Double(dy[b * width + e]) }
            for e in 0..<width {
                dx[b * width + e] = (Double(dy[b * width + e]) - Double(y[b * width + e]) * along) / Double(norms[b])
            }
        }
        return dx
    }
}
