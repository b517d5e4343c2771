/// A mean over queries with the interval in which it lies.
public struct Interval: Sendable, Equatable {
    public let mean: Double
    /// The lower and upper percentile of the resampled means.
    public let low: Double
    public let high: Double

    public init(mean: Double, low: Double, high: Double) {
        self.mean = mean
        self.low = low
        self.high = high
    }
}

/// Percentile bootstrap of means over queries: how far a figure would move with another draw of as many queries.
///
/// Queries are drawn with replacement, the same ones for every column of values, so that a column of differences between two methods
/// is a *paired* comparison: what is hard for both cancels out. Draws depend on the seed alone, not on the thread count.
///
/// Source:   Efron 1979; percentile interval.
/// Not seen by it: dependence between queries (two pairs of the same list), which makes true intervals somewhat wider.
public struct Bootstrap: Sendable {
    public var seed: UInt64
    public var resamples: Int
    /// The share of resampled means inside the interval.
    public var confidence: Double

    public init(seed: UInt64 = 1, resamples: Int = 1000, confidence: Double = 0.95) {
        precondition(resamples > 0 && confidence > 0 && confidence < 1, "\(resamples) resamples at confidence \(confidence)")
        self.seed = seed
        self.resamples = resamples
        self.confidence = confidence
    }

    /// - Parameter columns: one list of values per query for each figure; all of the same length.
    /// - Returns: one interval per column; all zero when there are no queries.
    /// - Complexity: O(resamples * queries * columns)
    public func intervals(of columns: [[Double]], threads: Int = 1) throws -> [Interval] {
        guard let queryCount = columns.first?.count, queryCount > 0 else { return columns.map { _ in Interval(mean: 0, low: 0, high: 0) } }
        precondition(columns.allSatisfy { $0.count == queryCount }, "columns of \(columns.map(\.count)) queries")
        // Query by query, so that a draw reads one cache line or two instead of one per column.
        let width = columns.count
        var table = [Float](repeating: 0, count: queryCount * width)
        for (column, values) in columns.enumerated() {
            for (query, value) in values.enumerated() { table[query * width + column] = Float(value) }
        }
        var means = [Double](repeating: 0, count: resamples * width)
        let rows = table
        try unsafe means.withUnsafeMutableBufferPointer { means in
            nonisolated(unsafe) let means = unsafe means  // each resample writes its own row
            try parallelFor(resamples, threads: threads, grain: 8) { range in
                unsafe rows.withUnsafeBufferPointer { rows in
                    var sums = [Double](repeating: 0, count: width)
                    unsafe sums.withUnsafeMutableBufferPointer { sums in
                        for resample in range {
                            unsafe sums.update(repeating: 0)
                            var generator = SplitMix64(state: SplitMix64.mixed(seed &+ 0x9E37_79B9_7F4A_7C15 &* UInt64(resample + 1)))
                            for _ in 0..<queryCount {
                                let start = generator.next(below: queryCount) * width
                                for column in 0..<width { unsafe sums[column] += Double(rows[start + column]) }
                            }
                            for column in 0..<width { unsafe means[resample * width + column] = sums[column] / Double(queryCount) }
                        }
                    }
                }
            }
        }
        return columns.indices.map { column in
            let sorted = (0..<resamples).map { means[$0 * width + column] }.sorted()
            let tail = (1 - confidence) / 2
            return Interval(
                mean: columns[column].reduce(0, +) / Double(queryCount),
                low: Self.quantile(tail, of: sorted), high: Self.quantile(1 - tail, of: sorted))
        }
    }

    /// The interval of the mean of `first - second` over the same queries.
    public func difference(_ first: [Double], _ second: [Double], threads: Int = 1) throws -> Interval {
        precondition(first.count == second.count, "\(first.count) and \(second.count) queries")
        return try intervals(of: [zip(first, second).map { $0 - $1 }], threads: threads)[0]
    }

    /// Linear interpolation between the two nearest order statistics.
    private static func quantile(_ share: Double, of sorted: [Double]) -> Double {
        let position = share * Double(sorted.count - 1)
        let below = Int(position), above = min(below + 1, sorted.count - 1)
        return sorted[below] + (position - Double(below)) * (sorted[above] - sorted[below])
    }
}

/// A small seeded generator for draws that need no place in the walks' counter space.
///
/// Source: Steele, Lea, Flood 2014 (SplitMix64); bounded draws by multiply-shift with rejection (Lemire 2019).
struct SplitMix64 {
    var state: UInt64

    static func mixed(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.mixed(state)
    }

    mutating func next(below bound: Int) -> Int {
        let bound = UInt64(bound)
        var product = next().multipliedFullWidth(by: bound)
        if product.low < bound {
            let threshold = (0 &- bound) % bound
            while product.low < threshold { product = next().multipliedFullWidth(by: bound) }
        }
        return Int(product.high)
    }
}
