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
}
