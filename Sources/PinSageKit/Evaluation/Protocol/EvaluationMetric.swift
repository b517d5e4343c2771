internal import Foundation

/// A measure of one ranked answer. Every measure is a function of the ranks of the query's positives alone, and the figure of a
/// method is its mean over queries.
///
/// Ranks start at 1 and may end in .5, because ties count half (``QueryRanks``). *A positive is within K when its rank is at most K.*
/// So a positive that ties with one other candidate for places 10 and 11 has the rank 10.5 and is not among the first ten.
///
/// Source:   Ying et al. 2018, section 4.1 (hit-rate, scaled MRR); recall and NDCG as LightGCN (He et al. 2020) prints them.
/// Units:    all values are fractions in 0...1.
public enum EvaluationMetric: Hashable, Sendable {
    /// 1 when any positive is within K, else 0.
    case hitRate(Int)
    /// The share of the positives that are within K.
    case recall(Int)
    /// sum over positives within K of 1 / log2(1 + rank), divided by the same sum of the best possible answer, which has the
    /// min(K, number of positives) positives in front.
    case ndcg(Int)
    /// 1 / rank of the best ranked positive.
    case reciprocalRank
    /// 1 / ceil(rank / 100) of the best ranked positive: the paper's measure, which still tells apart methods on millions of candidates.
    case scaledReciprocalRank

    /// The name in `evaluate --json`: `hit_rate@K`, `recall@K`, `ndcg@K`, `mrr`, `scaled_mrr`.
    public var key: String {
        switch self {
        case .hitRate(let k): "hit_rate@\(k)"
        case .recall(let k): "recall@\(k)"
        case .ndcg(let k): "ndcg@\(k)"
        case .reciprocalRank: "mrr"
        case .scaledReciprocalRank: "scaled_mrr"
        }
    }

    /// The name in tables for people.
    public var title: String {
        switch self {
        case .hitRate(let k): "hit@\(k)"
        case .recall(let k): "recall@\(k)"
        case .ndcg(let k): "NDCG@\(k)"
        case .reciprocalRank: "MRR"
        case .scaledReciprocalRank: "scaled MRR"
        }
    }

    /// Every measure at the given cutoffs, in the order in which they are printed.
    public static func all(at cutoffs: [Int]) -> [EvaluationMetric] {
        cutoffs.map(EvaluationMetric.hitRate) + cutoffs.map(EvaluationMetric.recall) + cutoffs.map(EvaluationMetric.ndcg)
            + [.reciprocalRank, .scaledReciprocalRank]
    }

    /// The measure of one query.
    ///
    /// - Parameter ranks: the ranks of its positives, in any order.
    /// - Returns: 0 for a query without positives.
    /// - Complexity: O(positives + min(K, positives))
    public func value(ranks: some Collection<Double>) -> Double {
        guard let best = ranks.min() else { return 0 }
        switch self {
        case .hitRate(let k):
            return best <= Double(k) ? 1 : 0
        case .recall(let k):
            var found = 0
            for rank in ranks where rank <= Double(k) { found += 1 }
            return Double(found) / Double(ranks.count)
        case .ndcg(let k):
            var gain = 0.0, ideal = 0.0
            for rank in ranks where rank <= Double(k) { gain += 1 / log2(1 + rank) }
            for place in 0..<min(max(k, 0), ranks.count) { ideal += 1 / log2(Double(place + 2)) }
            return ideal > 0 ? gain / ideal : 0
        case .reciprocalRank:
            return 1 / best
        case .scaledReciprocalRank:
            return 1 / (best / 100).rounded(.up)
        }
    }

    /// The formulas as `evaluate --help` prints them.
    public static let formulas = """
        Ranks: rank of a positive = 1 + (candidates scored above it) + 0.5 x (other candidates scored equal to it).
          It is within K when rank <= K. Figures are means over queries; a pairs file has one positive a query.
        hit_rate@K   1 if any positive of the query is within K, else 0
        recall@K     positives within K / positives
        ndcg@K       sum over positives within K of 1/log2(1 + rank), divided by
                     sum over i = 1 ... min(K, positives) of 1/log2(1 + i)
        mrr          1 / rank of the best ranked positive
        scaled_mrr   1 / ceil(rank / 100) of the best ranked positive
        Intervals: 95 % percentile bootstrap over queries, 1000 seeded resamples; differences between methods are paired.
        """
}
