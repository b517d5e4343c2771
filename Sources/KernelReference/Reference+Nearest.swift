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

    /// What a row of codes stands for and how far that is from the row.
    public struct QuantisedRow: Sendable {
        /// round(x / scale) with scale = max|x| / 127.
        public var codes: [Double]
        public var scale: Double
        /// ||x - scale codes||.
        public var residual: Double
        /// The larger of ||x|| and ||scale codes||.
        public var norm: Double
    }

    /// A row in -127 ... 127 steps; `nil` for one that is not finite or outside 1e-15 ... 1e15, which the kernel leaves to f32.
    public static func quantised(_ row: [Float]) -> QuantisedRow? {
        let largest = row.reduce(0.0) { max($0, Double($1.magnitude)) }
        guard row.allSatisfy(\.isFinite), largest == 0 || (largest >= 1e-15 && largest <= 1e15) else { return nil }
        let scale = largest / 127
        var result = QuantisedRow(codes: [], scale: scale, residual: 0, norm: 0), full = 0.0, coded = 0.0
        for value in row {
            let code = scale == 0 ? 0 : (Double(value) / scale).rounded(.toNearestOrEven)
            result.codes.append(code)
            result.residual += (Double(value) - scale * code) * (Double(value) - scale * code)
            full += Double(value) * Double(value)
            coded += scale * code * scale * code
        }
        result.residual.formSquareRoot()
        result.norm = max(full, coded).squareRoot()
        return result
    }
}
