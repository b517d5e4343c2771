import Foundation
import Testing

@testable import PinSageKit

@Suite struct EvaluationMetricTests {
    @Test func onePositiveByHand() {
        let ranks = [4.0]
        #expect(EvaluationMetric.hitRate(3).value(ranks: ranks) == 0)
        #expect(EvaluationMetric.hitRate(4).value(ranks: ranks) == 1)
        #expect(EvaluationMetric.recall(4).value(ranks: ranks) == 1)
        #expect(EvaluationMetric.reciprocalRank.value(ranks: ranks) == 0.25)
        #expect(abs(EvaluationMetric.ndcg(10).value(ranks: ranks) - 1 / log2(5.0)) < 1e-12)
        #expect(EvaluationMetric.ndcg(3).value(ranks: ranks) == 0)
    }

    /// Two positives at places 1 and 3, a third beyond K = 5: LightGCN's ideal has min(5, 3) = 3 terms.
    @Test func severalPositivesByHand() {
        let ranks = [9.0, 1, 3]
        #expect(EvaluationMetric.hitRate(1).value(ranks: ranks) == 1)
        #expect(abs(EvaluationMetric.recall(5).value(ranks: ranks) - 2.0 / 3) < 1e-12)
        let ideal = 1 + 1 / log2(3.0) + 0.5
        #expect(abs(EvaluationMetric.ndcg(5).value(ranks: ranks) - 1.5 / ideal) < 1e-12)
        #expect(abs(EvaluationMetric.ndcg(2).value(ranks: ranks) - 1 / (1 + 1 / log2(3.0))) < 1e-12)
        #expect(EvaluationMetric.reciprocalRank.value(ranks: ranks) == 1)
    }

    @Test(arguments: [(1.0, 1.0), (100, 1), (100.5, 0.5), (101, 0.5), (200, 0.5), (201, 1.0 / 3), (5_000, 0.02)] as [(Double, Double)])
    func scaledReciprocalRank(rank: Double, value: Double) {
        #expect(abs(EvaluationMetric.scaledReciprocalRank.value(ranks: [rank]) - value) < 1e-12)
    }

    /// Half a place beyond K is beyond K; an answer that nobody can find counts nowhere but in the number of answers.
    @Test func tiesAndUnknownAnswers() {
        #expect(EvaluationMetric.hitRate(10).value(ranks: [10.5]) == 0)
        #expect(EvaluationMetric.hitRate(11).value(ranks: [10.5]) == 1)
        for metric in EvaluationMetric.all(at: [10]) { #expect(metric.value(ranks: [Double.infinity]) == 0, "\(metric)") }
        #expect(EvaluationMetric.recall(10).value(ranks: [1, .infinity]) == 0.5)
        for metric in EvaluationMetric.all(at: [10]) { #expect(metric.value(ranks: [Double]()) == 0, "\(metric)") }
    }

    @Test func keys() {
        #expect(
            EvaluationMetric.all(at: [10, 50]).map(\.key) == [
                "hit_rate@10", "hit_rate@50", "recall@10", "recall@50", "ndcg@10", "ndcg@50", "mrr", "scaled_mrr",
            ])
    }

    @Test func curve() {
        let ranks = QueryRanks([[1], [4, 2], [10.5], [.infinity]])
        #expect(ranks.hitRates(at: [1, 2, 10, 11]) == [0.25, 0.5, 0.5, 0.75])
        #expect(ranks.values(of: .reciprocalRank) == [1, 0.5, 1 / 10.5, 0])
        #expect(QueryRanks().hitRates(at: [1]) == [0])
    }
}
