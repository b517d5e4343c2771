extension Reference {
    /// A term of a hashed query: rows, ascending, and what each of them gets.
    public struct HashTerm: Sendable {
        public var rows: [Int]
        public var weight: Int

        public init(rows: [Int], weight: Int) {
            self.rows = rows
            self.weight = weight
        }
    }

    /// What `ps_lsh_codes` describes, for one row.
    public static func hashCodes(row: [Float], lift: Float, planes: [[Float]], planeLifts: [Float], thresholds: [Float], bits: Int) -> [Int] {
        let isAbove = planes.indices.map { plane in
            let product = zip(row, planes[plane]).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
            return product + Double(lift) * Double(planeLifts[plane]) >= Double(thresholds[plane])
        }
        return stride(from: 0, to: planes.count, by: bits).map { first in
            (0..<bits).reduce(0) { $0 | (isAbove[first + $1] ? 1 << $1 : 0) }
        }
    }

    /// The rows with the largest sums of weights, more than 0 and in order: larger sum first, then lower row.
    public static func weakAnd(_ terms: [HashTerm], count: Int, allowed: (Int) -> Bool, candidates: Int) -> [Int] {
        var sums = [Int](repeating: 0, count: count)
        for term in terms { for row in term.rows { sums[row] += term.weight } }
        let matching = (0..<count).filter { sums[$0] > 0 && allowed($0) }
        return Array(matching.sorted { (sums[$0], $1) > (sums[$1], $0) }.prefix(candidates))
    }
}
