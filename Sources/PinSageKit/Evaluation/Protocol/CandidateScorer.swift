/// A method that can be evaluated: it gives every item a score for a query, higher meaning more related.
///
/// Trained embeddings and all baselines are judged through this one protocol, so that candidates, ties and measures are the same for
/// each. A scorer need not know what is excluded: that is the evaluator's work.
public protocol CandidateScorer: Sendable {
    /// The name in tables and in `--baseline`.
    var name: String { get }
    /// The number of items that it scores.
    var itemCount: Int { get }
    /// Scores every item for a block of queries.
    ///
    /// Shapes: queries (Q); scores (Q, N), all zeros on entry, row `i` for the `i`-th query of the slice.
    /// A score need not be finite; one that is not a number ranks last.
    func score(_ queries: ArraySlice<EvaluationQuery>, into scores: inout Matrix) throws
}

/// Runs a task's queries through scorers.
public struct Evaluator: Sendable {
    public let task: EvaluationTask
    public let threads: Int
    /// Queries scored at a time: as many as fit 128 MB of scores, at most 256.
    public let blockSize: Int

    public init(task: EvaluationTask, threads: Int, blockSize: Int? = nil) {
        self.task = task
        self.threads = max(1, threads)
        self.blockSize = blockSize ?? min(256, max(1, (32 << 20) / max(1, task.itemCount)))
    }

    /// The ranks of every positive of the task under one method.
    ///
    /// - Parameter progress: called with the number of queries done so far.
    /// - Throws: what the scorer throws, and ``KernelError/shapeMismatch(_:)`` when it scores another number of items.
    /// - Complexity: the scorer's, plus O(N) per query; no list of N scores is ever sorted.
    public func ranks(of scorer: some CandidateScorer, progress: (_ done: Int) -> Void = { _ in }) throws -> QueryRanks {
        guard scorer.itemCount == task.itemCount else {
            throw KernelError.shapeMismatch("\(scorer.name) scores \(scorer.itemCount) items, the task has \(task.itemCount)")
        }
        var result = QueryRanks()
        var scores = Matrix(rows: 0, columns: task.itemCount)
        var start = 0
        while start < task.queries.count {
            let block = task.queries[start..<min(start + blockSize, task.queries.count)]
            scores.reshape(rows: block.count, columns: task.itemCount)
            unsafe scores.values.withUnsafeMutableBufferPointer { unsafe $0.update(repeating: 0) }
            try scorer.score(block, into: &scores)
            for ranks in try blockRanks(of: block, scores: scores) { result.append(ranks) }
            start = block.endIndex
            progress(start)
        }
        return result
    }

    private func blockRanks(of block: ArraySlice<EvaluationQuery>, scores: Matrix) throws -> [[Double]] {
        var all = [[Double]](repeating: [], count: block.count)
        let (columns, among) = (task.itemCount, task.among)
        try unsafe all.withUnsafeMutableBufferPointer { all in
            nonisolated(unsafe) let all = unsafe all  // each query writes its own element
            try parallelFor(block.count, threads: threads, grain: 1) { range in
                unsafe scores.values.withUnsafeBufferPointer { values in
                    for row in range {
                        let line = unsafe UnsafeBufferPointer(rebasing: values[row * columns..<(row + 1) * columns])
                        unsafe RankCounter.rank(scores: line, query: block[block.startIndex + row], among: among, into: &all[row])
                    }
                }
            }
        }
        return all
    }
}
