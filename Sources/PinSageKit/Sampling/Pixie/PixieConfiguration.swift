/// How a ``PixieRecommender`` walks.
///
/// Source: Eksombatchai et al. 2018, "Pixie: A System for Recommending 3+ Billion Items to 200+ Million Users in Real-Time", section 3.
/// The paper leaves the restart probability open.
public struct PixieConfiguration: Codable, Sendable, Equatable {
    /// When a query item's walk has found enough: it stops once more than `items` items have at least `visits` visits each.
    public struct EarlyStop: Codable, Sendable, Equatable {
        public var items: Int
        public var visits: Int

        public init(items: Int, visits: Int) {
            self.items = items
            self.visits = visits
        }
    }

    /// Item hops (item -> collection -> item) of all query items together, before early stopping.
    public var steps: Int
    /// Probability of returning to the query item after each hop.
    public var restart: Double
    /// Whether items reached from several query items are boosted: (sum of square roots of the visits)^2 instead of the sum of the visits.
    public var boostsMultipleHits: Bool
    /// `nil`: every walk takes all its steps.
    public var earlyStop: EarlyStop?

    public init(steps: Int = 100_000, restart: Double = 0.5, boostsMultipleHits: Bool = true, earlyStop: EarlyStop? = nil) {
        self.steps = steps
        self.restart = restart
        self.boostsMultipleHits = boostsMultipleHits
        self.earlyStop = earlyStop
    }

    /// Throws if a setting is outside its range.
    public func validate() throws(SamplingError) {
        guard (1...1_000_000_000).contains(steps) else { throw .invalidConfiguration("steps must be in 1...1000000000, not \(steps)") }
        guard restart >= 0, restart <= 1 else { throw .invalidConfiguration("restart must be a probability in 0...1, not \(restart)") }
        if let earlyStop, earlyStop.items < 0 || earlyStop.visits < 1 {
            throw .invalidConfiguration("earlyStop needs items >= 0 and visits >= 1, not \(earlyStop.items) and \(earlyStop.visits)")
        }
    }
}
