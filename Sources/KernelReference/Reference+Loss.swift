#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

extension Reference {
    /// Scores of a batch, or their gradients: per pair one positive, `shared.count / positive.count` shared and a list of hard negatives.
    public struct Scores: Sendable {
        public var positive: [Double]
        public var shared: [Double]
        public var hard: [Double]
        public var hardOffsets: [Int64]

        public init(positive: [Float], shared: [Float], hard: [Float], hardOffsets: [Int64]) {
            self.positive = positive.map(Double.init)
            self.shared = shared.map(Double.init)
            self.hard = hard.map(Double.init)
            self.hardOffsets = hardOffsets
        }

        var sharedCount: Int { positive.isEmpty ? 0 : shared.count / positive.count }
        func sharedSlots(_ pair: Int) -> Range<Int> { pair * sharedCount..<(pair + 1) * sharedCount }
        func hardSlots(_ pair: Int) -> Range<Int> {
            hardOffsets.isEmpty ? 0..<0 : Int(hardOffsets[pair])..<Int(hardOffsets[pair + 1])
        }
    }

    /// loss_p = ws * sum of max(0, s_n - s_p + margin) over shared n, plus wh times the same over hard n.
    public static func maxMargin(
        _ scores: Scores, margin: Double, weightShared: Double, weightHard: Double
    ) -> (gradients: Scores, losses: [Double]) {
        var gradients = scores, losses = [Double](repeating: 0, count: scores.positive.count)
        for p in scores.positive.indices {
            var gradient = 0.0
            for n in scores.sharedSlots(p) {
                let term = scores.shared[n] - scores.positive[p] + margin
                gradients.shared[n] = term > 0 ? weightShared : 0
                losses[p] += weightShared * max(0, term)
                gradient -= gradients.shared[n]
            }
            for n in scores.hardSlots(p) {
                let term = scores.hard[n] - scores.positive[p] + margin
                gradients.hard[n] = term > 0 ? weightHard : 0
                losses[p] += weightHard * max(0, term)
                gradient -= gradients.hard[n]
            }
            gradients.positive[p] = gradient
        }
        return (gradients, losses)
    }

    /// loss_p = -weight log( exp(s_p/tau) / (exp(s_p/tau) + sum over shared of exp(s_n/tau - log_q[n]) + sum over hard of exp(s_n/tau)) ).
    public static func sampledSoftmax(
        _ scores: Scores, temperature: Double, weight: Double, logQ: [Float]
    ) -> (gradients: Scores, losses: [Double]) {
        var gradients = scores, losses = [Double](repeating: 0, count: scores.positive.count)
        for p in scores.positive.indices {
            let first = scores.sharedSlots(p).lowerBound
            let target = scores.positive[p] / temperature
            func sharedLogit(_ n: Int) -> Double { scores.shared[n] / temperature - (logQ.isEmpty ? 0 : Double(logQ[n - first])) }
            let highest = (scores.sharedSlots(p).map(sharedLogit) + scores.hardSlots(p).map { scores.hard[$0] / temperature }).max() ?? target
            let shift = max(target, highest)
            let own = exp(target - shift)
            var negatives = 0.0
            for n in scores.sharedSlots(p) { negatives += exp(sharedLogit(n) - shift) }
            for n in scores.hardSlots(p) { negatives += exp(scores.hard[n] / temperature - shift) }
            let sum = own + negatives
            var others = 0.0
            for n in scores.sharedSlots(p) {
                gradients.shared[n] = weight / temperature * exp(sharedLogit(n) - shift) / sum
                others += gradients.shared[n]
            }
            for n in scores.hardSlots(p) {
                gradients.hard[n] = weight / temperature * exp(scores.hard[n] / temperature - shift) / sum
                others += gradients.hard[n]
            }
            gradients.positive[p] = -others
            // The formula's log, as log(1 + others / own): in this form a loss of 1e-16 keeps its digits.
            losses[p] = weight * log1p(negatives / own)
        }
        return (gradients, losses)
    }

    /// loss_p = -weight ( log sigmoid(s_p/tau) + (1/n) sum of log sigmoid(-s_n/tau) ) over all n negatives whose score is not -infinity.
    public static func crossEntropy(_ scores: Scores, temperature: Double, weight: Double) -> (gradients: Scores, losses: [Double]) {
        func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
        func minusLogSigmoid(_ x: Double) -> Double { max(0, -x) + log1p(exp(-abs(x))) }
        var gradients = scores, losses = [Double](repeating: 0, count: scores.positive.count)
        for p in scores.positive.indices {
            let target = scores.positive[p] / temperature
            losses[p] = weight * minusLogSigmoid(target)
            gradients.positive[p] = -weight / temperature * sigmoid(-target)
            let all = scores.sharedSlots(p).map { scores.shared[$0] } + scores.hardSlots(p).map { scores.hard[$0] }
            let count = Double(all.count { $0 != -.infinity })
            func gradient(_ score: Double) -> Double {
                score == -.infinity ? 0 : weight / temperature / count * sigmoid(score / temperature)
            }
            for score in all where score != -.infinity { losses[p] += weight / count * minusLogSigmoid(-score / temperature) }
            for n in scores.sharedSlots(p) { gradients.shared[n] = gradient(scores.shared[n]) }
            for n in scores.hardSlots(p) { gradients.hard[n] = gradient(scores.hard[n]) }
        }
        return (gradients, losses)
    }

    /// out[p] = a[p,:] . b[p,:].
    public static func rowDots(_ a: [Float], _ b: [Float], rows: Int, width: Int) -> [Double] {
        (0..<rows).map { dot(a, $0, b, $0, width: width) }
    }

    /// da[p,:] + dout[p] b[p,:] and db[p,:] + dout[p] a[p,:].
    public static func rowDotsBackward(
        _ a: [Float], _ b: [Float], _ dout: [Float], width: Int, da: [Float], db: [Float]
    ) -> (da: [Double], db: [Double]) {
        var newA = da.map(Double.init), newB = db.map(Double.init)
        for p in dout.indices {
            for e in p * width..<(p + 1) * width {
                newA[e] += Double(dout[p]) * Double(b[e])
                newB[e] += Double(dout[p]) * Double(a[e])
            }
        }
        return (newA, newB)
    }

    /// out[t] = a[p,:] . b[target[t],:] for the slots t of list p.
    public static func raggedDots(_ a: [Float], _ b: [Float], width: Int, lists: ReferenceLists) -> [Double] {
        (0..<lists.count).flatMap { p in lists.slots(p).map { dot(a, p, b, Int(lists.targets[$0]), width: width) } }
    }

    /// The dot product of row `i` of a with row `j` of b.
    public static func dot(_ a: [Float], _ i: Int, _ b: [Float], _ j: Int, width: Int) -> Double {
        var sum = 0.0
        for e in 0..<width { sum += Double(a[i * width + e]) * Double(b[j * width + e]) }
        return sum
    }
}
