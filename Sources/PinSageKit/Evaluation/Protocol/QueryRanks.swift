/// The ranks of every query's positives under one method: all that any measure needs.
///
/// Equation: rank = 1 + (candidates scored above the positive) + 0.5 * (other candidates scored equal to it). So a method that scores
/// everything alike gets the middle rank, never the first, and a tie between two candidates costs half a place. An answer that is no item
/// has an infinite rank.
public struct QueryRanks: Sendable, Equatable {
    /// Query `q` has the ranks `values[offsets[q] ..< offsets[q + 1]]`, parallel to its positives.
    public private(set) var offsets: [Int]
    public private(set) var values: [Double]

    /// - Parameter ranks: one list per query.
    public init(_ ranks: [[Double]] = []) {
        offsets = [0]
        values = []
        for list in ranks { append(list) }
    }

    public var queryCount: Int { offsets.count - 1 }

    public subscript(query: Int) -> ArraySlice<Double> { values[offsets[query]..<offsets[query + 1]] }

    mutating func append(_ ranks: some Collection<Double>) {
        values.append(contentsOf: ranks)
        offsets.append(values.count)
    }

    /// The measure of each query. - Returns: `queryCount` values.
    public func values(of metric: EvaluationMetric) -> [Double] {
        (0..<queryCount).map { metric.value(ranks: self[$0]) }
    }

    /// The mean of a measure over all queries; 0 without any.
    public func mean(of metric: EvaluationMetric) -> Double {
        queryCount == 0 ? 0 : values(of: metric).reduce(0, +) / Double(queryCount)
    }

    /// The share of queries with a positive within K, for each K of `cutoffs`: the curve of the report.
    public func hitRates(at cutoffs: [Int]) -> [Double] {
        guard queryCount > 0 else { return cutoffs.map { _ in 0 } }
        let best = (0..<queryCount).map { self[$0].min() ?? .infinity }.sorted()
        return cutoffs.map { cutoff in
            let within = best.partitioningIndex { $0 > Double(cutoff) }
            return Double(within) / Double(queryCount)
        }
    }
}

extension Array {
    /// The first index whose element is in the second half, for an array that is partitioned by `isInSecondHalf`.
    func partitioningIndex(where isInSecondHalf: (Element) -> Bool) -> Int {
        var low = 0, high = count
        while low < high {
            let middle = (low + high) / 2
            if isInSecondHalf(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

/// Counts, in one row of scores, the candidates above and at each positive, and so ranks it without sorting the row.
enum RankCounter {
    /// - Parameters:
    ///   - scores: the scores of every item of one query.
    ///   - query: its positives are ranked; its excluded items are no candidates.
    ///   - among: where not `nil`, only these items are candidates (ascending, distinct).
    ///   - ranks: one per positive, in the order of the positives.
    /// - Complexity: O(N) for one positive, O(N log P) for P. A score that is not a number ranks last; it is above nothing.
    static func rank(scores: UnsafeBufferPointer<Float>, query: EvaluationQuery, among: [ItemID]?, into ranks: inout [Double]) {
        ranks.removeAll(keepingCapacity: true)
        if query.positives.count == 1, query.candidates == nil, among == nil {
            let rank = unsafe single(scores: scores, positive: Int(query.positives[0].row), excluded: query.excluded)
            ranks.append(rank)
            for _ in 0..<query.unknownPositives { ranks.append(.infinity) }
            return
        }
        var tally = Tally(thresholds: query.positives.map { unsafe scores[Int($0.row)] })
        var candidateCount = 0
        if let candidates = query.candidates {
            for item in candidates { unsafe tally.add(scores[Int(item.row)], 1) }
            candidateCount = candidates.count
        } else if let among {
            // Both lists ascend, so one pass leaves the excluded ones out.
            var next = 0
            for item in among {
                while next < query.excluded.count, query.excluded[next] < item { next += 1 }
                if next < query.excluded.count, query.excluded[next] == item { continue }
                unsafe tally.add(scores[Int(item.row)], 1)
                candidateCount += 1
            }
        } else {
            for index in scores.indices { unsafe tally.add(scores[index], 1) }
            for item in query.excluded { unsafe tally.add(scores[Int(item.row)], -1) }
            candidateCount = scores.count - query.excluded.count
        }
        tally.finish()
        for positive in query.positives { unsafe ranks.append(tally.rank(of: scores[Int(positive.row)], candidateCount: candidateCount)) }
        for _ in 0..<query.unknownPositives { ranks.append(.infinity) }
    }

    /// The common case, a loop that the compiler turns into SIMD.
    private static func single(scores: UnsafeBufferPointer<Float>, positive: Int, excluded: [ItemID]) -> Double {
        let threshold = unsafe scores[positive]
        guard !threshold.isNaN else { return Double(scores.count - excluded.count) }
        var above = 0, atLeast = 0
        // Blocks keep the counters in 32 bits, where SIMD lanes are as wide as the scores.
        var start = 0
        while start < scores.count {
            let end = min(start + (1 << 20), scores.count)
            var blockAbove: Int32 = 0, blockAtLeast: Int32 = 0
            for index in start..<end {
                let score = unsafe scores[index]
                blockAbove &+= score > threshold ? 1 : 0
                blockAtLeast &+= score >= threshold ? 1 : 0
            }
            above += Int(blockAbove)
            atLeast += Int(blockAtLeast)
            start = end
        }
        for item in excluded {
            let score = unsafe scores[Int(item.row)]
            if score > threshold { above -= 1 }
            if score >= threshold { atLeast -= 1 }
        }
        let others = atLeast - above - 1  // the positive equals itself
        return 1 + Double(above) + 0.5 * Double(others)
    }

    /// Candidates counted into the intervals between the positives' scores.
    private struct Tally {
        private var thresholds: [Float]
        private var equal: [Int]
        private var between: [Int]  // above thresholds[i], below thresholds[i + 1]
        private var above: [Int] = []

        init(thresholds: [Float]) {
            var distinct: [Float] = []
            for value in thresholds.filter({ !$0.isNaN }).sorted() where distinct.last != value { distinct.append(value) }
            self.thresholds = distinct
            equal = Array(repeating: 0, count: distinct.count)
            between = equal
        }

        @inline(__always) mutating func add(_ score: Float, _ amount: Int) {
            guard let lowest = thresholds.first, score >= lowest else { return }  // most candidates; also anything that is not a number
            let slot = thresholds.partitioningIndex { $0 > score } - 1
            if thresholds[slot] == score { equal[slot] += amount } else { between[slot] += amount }
        }

        mutating func finish() {
            above = Array(repeating: 0, count: thresholds.count)
            var total = 0
            for slot in thresholds.indices.reversed() {
                total += between[slot]
                above[slot] = total
                total += equal[slot]
            }
        }

        func rank(of score: Float, candidateCount: Int) -> Double {
            guard !score.isNaN else { return Double(max(candidateCount, 1)) }
            let slot = thresholds.partitioningIndex { $0 >= score }
            return 1 + Double(above[slot]) + 0.5 * Double(equal[slot] - 1)
        }
    }
}
