extension Reference {
    /// op(A) op(B), row-major. Shapes: op(A) (m,k), op(B) (k,n), result (m,n).
    public static func product(
        _ a: [Float], _ b: [Float], transposingFirst: Bool = false, transposingSecond: Bool = false, m: Int, n: Int, k: Int
    ) -> [Double] {
        var c = [Double](repeating: 0, count: m * n)
        for i in 0..<m {
            for j in 0..<n {
                for l in 0..<k {
                    let left = transposingFirst ? a[l * m + i] : a[i * k + l]
                    let right = transposingSecond ? b[j * k + l] : b[l * n + j]
                    c[i * n + j] += Double(left) * Double(right)
                }
            }
        }
        return c
    }

    /// y = act(weight [x1 ; x2] + bias). Shapes: x1 (rows, d1); x2 (rows, d2); weight (outputs, d1 + d2); bias (outputs) or empty.
    public static func dense(
        _ x1: [Float], _ x2: [Float], weight: [Float], bias: [Float], rows: Int, d1: Int, d2: Int, outputs: Int, relu: Bool
    ) -> [Double] {
        var y = [Double](repeating: 0, count: rows * outputs)
        for b in 0..<rows {
            for e in 0..<outputs {
                var sum = bias.isEmpty ? 0 : Double(bias[e])
                for d in 0..<d1 { sum += Double(x1[b * d1 + d]) * Double(weight[e * (d1 + d2) + d]) }
                for d in 0..<d2 { sum += Double(x2[b * d2 + d]) * Double(weight[e * (d1 + d2) + d1 + d]) }
                y[b * outputs + e] = relu ? max(0, sum) : sum
            }
        }
        return y
    }

    /// The gradients of ``dense(_:_:weight:bias:rows:d1:d2:outputs:relu:)``.
    public struct DenseGradients: Sendable {
        /// dy after the ReLU mask.
        public var dy: [Double]
        public var dweight: [Double]
        public var dbias: [Double]
        public var dx1: [Double]
        public var dx2: [Double]
    }

    /// Shapes as in the forward pass; `y` is its result, `dy` the gradient to it.
    public static func denseBackward(
        _ x1: [Float], _ x2: [Float], weight: [Float], y: [Float], dy: [Float], rows: Int, d1: Int, d2: Int, outputs: Int, relu: Bool
    ) -> DenseGradients {
        let width = d1 + d2
        var result = DenseGradients(
            dy: zip(dy, y).map { relu && $1 <= 0 ? 0 : Double($0) }, dweight: .init(repeating: 0, count: outputs * width),
            dbias: .init(repeating: 0, count: outputs), dx1: .init(repeating: 0, count: rows * d1),
            dx2: .init(repeating: 0, count: rows * d2))
        for b in 0..<rows {
            for e in 0..<outputs {
                let gradient = result.dy[b * outputs + e]
                result.dbias[e] += gradient
                for d in 0..<d1 {
                    result.dweight[e * width + d] += gradient * Double(x1[b * d1 + d])
                    result.dx1[b * d1 + d] += gradient * Double(weight[e * width + d])
                }
                for d in 0..<d2 {
                    result.dweight[e * width + d1 + d] += gradient * Double(x2[b * d2 + d])
                    result.dx2[b * d2 + d] += gradient * Double(weight[e * width + d1 + d])
                }
            }
        }
        return result
    }
}
