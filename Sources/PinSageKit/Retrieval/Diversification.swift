/// Chooses answers that are near the question and not all alike.
///
/// Source: Carbonell and Goldstein 1998, maximal marginal relevance: the next answer has the largest
/// (1 - diversity) * score - diversity * (largest dot product with an answer that was chosen before).
public struct Diversification: Sendable, Hashable {
    /// 0 keeps the order of the scores, 1 only looks at how unlike the answers are.
    public var diversity: Float

    /// - Throws: ``ConfigurationError`` for a value outside 0 ... 1.
    public init(diversity: Float) throws {
        guard (0...1).contains(diversity) else { throw ConfigurationError("diversity is \(diversity), expected 0 to 1") }
        self.diversity = diversity
    }

    /// How many candidates to choose `k` answers from.
    public static func poolSize(k: Int) -> Int { max(4 * k, 50) }

    /// Up to `k` of `candidates` in the order in which they are chosen, with the scores that they had; ties go to the earlier candidate.
    ///
    /// - Parameter vector: the vector of a candidate.
    /// - Complexity: O(k * candidates * dimension)
    public func chosen(_ k: Int, from candidates: [Neighbor], vector: (ItemID) -> [Float]) -> [Neighbor] {
        guard diversity > 0, candidates.count > 1 else { return Array(candidates.prefix(k)) }
        let vectors = candidates.map { vector($0.item) }
        var nearest = [Float](repeating: 0, count: candidates.count)
        var isOpen = [Bool](repeating: true, count: candidates.count)
        var chosen: [Neighbor] = []
        while chosen.count < min(k, candidates.count) {
            var best = -1, bestValue = -Float.infinity
            for place in candidates.indices where isOpen[place] {
                let value = (1 - diversity) * candidates[place].score - diversity * nearest[place]
                if best < 0 || value > bestValue { (best, bestValue) = (place, value) }
            }
            isOpen[best] = false
            let first = chosen.isEmpty
            chosen.append(candidates[best])
            let last = vectors[best]
            for place in candidates.indices where isOpen[place] {
                var product: Float = 0
                let other = vectors[place]
                for column in last.indices { product += last[column] * other[column] }
                nearest[place] = first ? product : max(nearest[place], product)
            }
        }
        return chosen
    }
}
