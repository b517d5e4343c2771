import PinSageTestSupport
import Testing

@testable import PinSageKit

/// Scores that a test made up.
struct FixedScorer: CandidateScorer {
    var name = "fixed"
    let itemCount: Int
    /// One row per query of the task, found by the query's first item.
    let rows: [UInt32: [Float]]

    func score(_ queries: ArraySlice<EvaluationQuery>, into scores: inout Matrix) {
        for (row, query) in queries.enumerated() {
            for item in 0..<itemCount { scores[row, item] = rows[query.items[0].row]?[item] ?? 0 }
        }
    }
}

@Suite struct QueryRanksTests {
    /// The rank as the words define it, by looking at every candidate.
    private func slowRanks(_ scores: [Float], _ query: EvaluationQuery, among: [ItemID]?) -> [Double] {
        let everything = query.candidates ?? among ?? (0..<scores.count).map { ItemID($0) }
        let candidates = query.candidates == nil ? everything.filter { !query.excluded.contains($0) } : everything
        return query.positives.map { positive in
            let own = scores[Int(positive.row)]
            if own.isNaN { return Double(candidates.count) }
            let others = candidates.filter { $0 != positive }.map { scores[Int($0.row)] }
            return 1 + Double(others.count { $0 > own }) + 0.5 * Double(others.count { $0 == own })
        }
    }

    @Test(arguments: [1, 2, 7])
    func agreesWithTheDefinition(threads: Int) throws {
        var random = SplitMix64(state: 11)
        for (count, levels) in [(1, 1), (2, 1), (9, 2), (50, 3), (50, 1000), (317, 20), (317, 100_000)] {
            var queries: [EvaluationQuery] = []
            var rows: [UInt32: [Float]] = [:]
            let among = (0..<count).filter { _ in random.next(below: 3) > 0 }.map { ItemID($0) }
            for query in 0..<40 {
                let key = query % count
                // Few levels make many ties; now and then a score that is no number.
                if rows[UInt32(key)] == nil {
                    rows[UInt32(key)] = (0..<count).map { _ in
                        random.next(below: 50) == 0 ? (random.next(below: 2) == 0 ? .nan : -.infinity) : Float(random.next(below: levels)) - 3
                    }
                }
                var items = (0..<count).map { ItemID($0) }
                for index in items.indices.reversed() { items.swapAt(index, random.next(below: index + 1)) }
                let positives = Array(items.prefix(1 + random.next(below: min(count, 5))))
                let excluded = items.dropFirst(positives.count).prefix(random.next(below: count)).sorted()
                let candidates = query % 4 == 3 ? Set(items.dropFirst(count / 2) + positives).sorted() : nil
                queries.append(EvaluationQuery(items: [ItemID(key)], positives: positives, excluded: excluded, candidates: candidates))
            }
            for (kept, block) in [(nil, 7), (nil, 256), (among, 3)] as [([ItemID]?, Int)] {
                let asked =
                    kept == nil ? queries : queries.filter { query in query.positives.allSatisfy { among.contains($0) } && query.candidates == nil }
                let task = EvaluationTask(kind: .pairs, itemCount: count, queries: asked, among: kept)
                let found = try Evaluator(task: task, threads: threads, blockSize: block).ranks(of: FixedScorer(itemCount: count, rows: rows))
                #expect(found.queryCount == asked.count)
                for (index, query) in asked.enumerated() {
                    let expected = slowRanks(rows[query.items[0].row] ?? [], query, among: kept)
                    #expect(Array(found[index]) == expected, "\(count) items, \(levels) levels, query \(index)")
                }
            }
        }
    }

    @Test func equalScoresGetTheMiddleRank() throws {
        let query = EvaluationQuery(items: [ItemID(0)], positives: [ItemID(3)], excluded: [ItemID(0)])
        let task = EvaluationTask(kind: .pairs, itemCount: 10, queries: [query])
        let ranks = try Evaluator(task: task, threads: 1).ranks(of: FixedScorer(itemCount: 10, rows: [:]))
        #expect(Array(ranks[0]) == [5])  // the middle of places 1 ... 9
    }

    @Test func unknownAnswersHaveNoRank() throws {
        let query = EvaluationQuery(items: [ItemID(0)], positives: [ItemID(3)], excluded: [ItemID(0)], unknownPositives: 2)
        let task = EvaluationTask(kind: .collections, itemCount: 4, queries: [query])
        let ranks = try Evaluator(task: task, threads: 1).ranks(of: FixedScorer(itemCount: 4, rows: [0: [9, 1, 2, 3]]))
        #expect(Array(ranks[0]) == [1, .infinity, .infinity])
    }

    @Test func anotherNumberOfItemsIsAnError() throws {
        let task = EvaluationTask(kind: .pairs, itemCount: 4, queries: [])
        #expect(throws: KernelError.self) { try Evaluator(task: task, threads: 1).ranks(of: FixedScorer(itemCount: 5, rows: [:])) }
    }
}
