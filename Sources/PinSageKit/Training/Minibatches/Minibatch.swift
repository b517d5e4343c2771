/// One minibatch: what to compute and what it is for. Everything but learned id vectors is gathered already.
struct Minibatch: Sendable {
    var step: Int
    var epoch: Int
    var pairs: [PositivePair]
    var input: NetworkInput
    var layout: PairLoss.Layout
    var hardNegativesPerPair: Int
    /// Seconds of work that producing it took.
    var seconds: Double
}
