/// How many hard negatives each epoch trains with: none in the first, one more in each that follows.
///
/// Source: Ying et al. 2018, section 3.3 (curriculum training: epoch n adds n - 1 hard negatives per query).
public struct Curriculum: Sendable {
    public let most: Int

    /// - Parameter most: where the schedule stops rising (the paper's final run had 6).
    public init(most: Int) { self.most = most }

    /// Hard negatives per query in an epoch, counted from 0.
    public func hardNegatives(inEpoch epoch: Int) -> Int { min(max(epoch, 0), most) }
}
