#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

extension Reference {
    /// g = gradient + decay w;  m = momentum m + g;  w -= rate m.
    public static func sgd(
        _ gradient: [Float], w: [Float], velocity: [Float], rate: Double, momentum: Double, decay: Double
    ) -> (w: [Double], velocity: [Double]) {
        var newW: [Double] = [], newVelocity: [Double] = []
        for i in w.indices {
            let g = Double(gradient[i]) + decay * Double(w[i])
            newVelocity.append(momentum * Double(velocity[i]) + g)
            newW.append(Double(w[i]) - rate * newVelocity[i])
        }
        return (newW, newVelocity)
    }

    /// Kingma & Ba 2015, Algorithm 1, with decoupled weight decay.
    public static func adam(
        _ gradient: [Float], w: [Float], m: [Float], v: [Float], step: Int, rate: Double, beta1: Double, beta2: Double, epsilon: Double,
        decay: Double
    ) -> (w: [Double], m: [Double], v: [Double]) {
        var newW: [Double] = [], newM: [Double] = [], newV: [Double] = []
        for i in w.indices {
            let g = Double(gradient[i])
            newM.append(beta1 * Double(m[i]) + (1 - beta1) * g)
            newV.append(beta2 * Double(v[i]) + (1 - beta2) * g * g)
            let first = newM[i] / (1 - pow(beta1, Double(step))), second = newV[i] / (1 - pow(beta2, Double(step)))
            newW.append(Double(w[i]) - rate * (first / (second.squareRoot() + epsilon) + decay * Double(w[i])))
        }
        return (newW, newM, newV)
    }

    /// g = gradient + decay w;  v += g^2;  w -= rate g / (sqrt(v) + epsilon).
    public static func adagrad(
        _ gradient: [Float], w: [Float], v: [Float], rate: Double, epsilon: Double, decay: Double
    ) -> (w: [Double], v: [Double]) {
        var newW: [Double] = [], newV: [Double] = []
        for i in w.indices {
            let g = Double(gradient[i]) + decay * Double(w[i])
            newV.append(Double(v[i]) + g * g)
            newW.append(Double(w[i]) - rate * g / (newV[i].squareRoot() + epsilon))
        }
        return (newW, newV)
    }

    /// ``adam(_:w:m:v:step:rate:beta1:beta2:epsilon:decay:)`` on the named rows alone. Shapes: gradient (rows.count, width); w, m, v (N, width).
    public static func adamRows(
        _ gradient: [Float], rows: [Int64], width: Int, w: [Float], m: [Float], v: [Float], step: Int, rate: Double, beta1: Double, beta2: Double,
        epsilon: Double, decay: Double
    ) -> (w: [Double], m: [Double], v: [Double]) {
        var result = (w: w.map(Double.init), m: m.map(Double.init), v: v.map(Double.init))
        for (b, row) in rows.enumerated() {
            let part = Int(row) * width..<(Int(row) + 1) * width
            let new = adam(
                Array(gradient[b * width..<(b + 1) * width]), w: Array(w[part]), m: Array(m[part]), v: Array(v[part]), step: step, rate: rate,
                beta1: beta1, beta2: beta2, epsilon: epsilon, decay: decay)
            result.w.replaceSubrange(part, with: new.w)
            result.m.replaceSubrange(part, with: new.m)
            result.v.replaceSubrange(part, with: new.v)
        }
        return result
    }

    /// ``sgd(_:w:velocity:rate:momentum:decay:)`` on the named rows alone. Shapes: gradient (rows.count, width); w, velocity (N, width).
    public static func sgdRows(
        _ gradient: [Float], rows: [Int64], width: Int, w: [Float], velocity: [Float], rate: Double, momentum: Double, decay: Double
    ) -> (w: [Double], velocity: [Double]) {
        var result = (w: w.map(Double.init), velocity: velocity.map(Double.init))
        for (b, row) in rows.enumerated() {
            let part = Int(row) * width..<(Int(row) + 1) * width
            let new = sgd(
                Array(gradient[b * width..<(b + 1) * width]), w: Array(w[part]), velocity: Array(velocity[part]), rate: rate, momentum: momentum,
                decay: decay)
            result.w.replaceSubrange(part, with: new.w)
            result.velocity.replaceSubrange(part, with: new.velocity)
        }
        return result
    }

    /// ``adagrad(_:w:v:rate:epsilon:decay:)`` on the named rows alone. Shapes: gradient (rows.count, width); w, v (N, width).
    public static func adagradRows(
        _ gradient: [Float], rows: [Int64], width: Int, w: [Float], v: [Float], rate: Double, epsilon: Double, decay: Double
    ) -> (w: [Double], v: [Double]) {
        var result = (w: w.map(Double.init), v: v.map(Double.init))
        for (b, row) in rows.enumerated() {
            let part = Int(row) * width..<(Int(row) + 1) * width
            let new = adagrad(
                Array(gradient[b * width..<(b + 1) * width]), w: Array(w[part]), v: Array(v[part]), rate: rate, epsilon: epsilon, decay: decay)
            result.w.replaceSubrange(part, with: new.w)
            result.v.replaceSubrange(part, with: new.v)
        }
        return result
    }

    /// The sum of x[i]^2.
    public static func sumSquares(_ x: [Float]) -> Double {
        var sum = 0.0
        for value in x { sum += Double(value) * Double(value) }
        return sum
    }

    /// factor x[i].
    public static func scaled(_ x: [Float], by factor: Float) -> [Double] { x.map { Double(factor) * Double($0) } }
}
