/// Draws each query's hard negatives from a range of its Personalized PageRank ranks: close enough to be confusing, too far to be right.
///
/// Source: Ying et al. 2018, section 3.3 (ranks 2000 to 5000).
final class HardNegativeMiner: Sendable {
    private let ranker: PersonalizedPageRankRanker
    private let random: CounterRandom
    /// Ranks, from 0, that negatives are drawn from.
    let ranks: Range<Int>

    init(ranker: PersonalizedPageRankRanker, ranks: Range<Int>, seed: UInt64) {
        self.ranker = ranker
        self.ranks = ranks
        random = CounterRandom(seed: seed, round: 0x6861_7264)
    }

    /// The paper's ranks where the catalogue is large, else the same share of it that 2000..5000 is of 100,000 items.
    static func defaultRanks(itemCount: Int) -> Range<Int> {
        if itemCount >= 100_000 { return 2000..<5000 }
        let low = max(1, itemCount / 50)
        return low..<max(low + 1, itemCount / 20)
    }

    /// Up to `count` items per pair; fewer where a query reaches fewer items than the first rank.
    ///
    /// - Parameter firstPair: the place of the first pair in the whole minibatch, which other ranks may have parts of.
    func hardNegatives(of pairs: [PositivePair], count: Int, step: Int, firstPair: Int = 0, threads: Int) throws -> [[ItemID]] {
        let ranked = try ranker.items(at: ranks, of: pairs.map(\.query), threads: threads)
        return ranked.enumerated().map { index, items in
            guard !items.isEmpty else { return [] }
            return (0..<count).map { draw in
                let word = random.word(item: UInt64(step), walk: firstPair + index, step: draw)
                return items[Int(CounterRandom.draw(below: UInt64(items.count), from: word).value)]
            }
        }
    }
}
