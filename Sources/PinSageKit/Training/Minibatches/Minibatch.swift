/// One rank's share of a minibatch (in a run of one process all of it): what to compute and what it is for. Everything but learned id vectors is gathered
/// already.
struct Minibatch: Sendable {
    var step: Int
    var epoch: Int
    var pairs: [PositivePair]
    /// Pairs of the whole minibatch.
    var pairCount: Int
    var input: NetworkInput
    var layout: PairLoss.Layout
    var hardNegativesPerPair: Int
    /// Seconds of work that producing it took.
    var seconds: Double
}
