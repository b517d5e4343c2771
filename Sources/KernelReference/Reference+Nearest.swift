extension Reference {
    /// The k best of `scores`: descending, equal scores by lower row, NaN last.
    public static func topK(_ scores: [Double], k: Int) -> [Int] {
        func ranksBefore(_ a: Int, _ b: Int) -> Bool {
            if scores[a].isNaN || scores[b].isNaN {
                return scores[a].isNaN == scores[b].isNaN ? a < b : scores[b].isNaN
            }
            return scores[a] == scores[b] ? a < b : scores[a] > scores[b]
        }
        return Array(scores.indices.sorted(by: ranksBefore).prefix(k))
    }

    /// Scores of every row for one query. Shapes: query (width); rows (N, width); result (N).
    public static func scores(query: [Float], rows: [Float], count: Int, width: Int) -> [Double] {
        (0..<count).map { dot(query, 0, rows, $0, width: width) }
    }

    /// How many scores lie above and at the threshold; NaN is neither.
    public static func countAbove(_ scores: ArraySlice<Float>, threshold: Float) -> (above: Int, equal: Int) {
        (scores.count { $0 > threshold }, scores.count { $0 == threshold })
    }
}
