/// Rows of length 1, or of zeros.
@safe struct UnitRows: Sendable {
    let rows: Int
    let columns: Int
    private let values: StoredArray<Float>

    /// Rows that `fill` writes into zeros, divided by their lengths.
    init(rows: Int, columns: Int, threads: Int, fill: @Sendable (_ row: Int, _ output: inout [Float]) -> Void) throws {
        self.rows = rows
        self.columns = columns
        values = try unsafe StoredArray(count: rows * columns) { (output: UnsafeMutableBufferPointer<Float>) in
            let base = unsafe RowSlots(base: output.baseAddress)
            try parallelFor(rows, threads: threads, grain: 1024) { range in
                guard let base = unsafe base.base else { return }
                for row in range {
                    var line = [Float](repeating: 0, count: columns)
                    fill(row, &line)
                    let length = line.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
                    let scale = length > 0 && length.isFinite ? Float(1 / length) : 0
                    for column in 0..<columns { unsafe base[row * columns + column] = scale == 0 ? 0 : line[column] * scale }
                }
            }
        }
    }

    init(_ features: FeatureTable, threads: Int) throws {
        try self.init(rows: features.rows, columns: features.columns, threads: threads) { row, output in
            output = features.rows(row..<row + 1).values
        }
    }

    /// `@unchecked Sendable`: each row is written by one thread and read after all have ended.
    @unsafe private struct RowSlots: @unchecked Sendable {
        let base: UnsafeMutablePointer<Float>?
    }

    subscript(row: Int, column: Int) -> Float { values[row * columns + column] }

    func isZero(_ row: Int) -> Bool { (0..<columns).allSatisfy { values[row * columns + $0] == 0 } }

    /// The product of a row and a row of others, which has as many columns; the cosine of their angle.
    func product(_ row: Int, _ others: UnitRows, _ other: Int) -> Float {
        precondition(columns == others.columns && row < rows && other < others.rows, "rows \(row) and \(other) of \(rows) and \(others.rows)")
        return unsafe values.withUnsafeBufferPointer { left in
            unsafe others.values.withUnsafeBufferPointer { right in
                var sum: Float = 0
                for column in 0..<columns { unsafe sum += left[row * columns + column] * right[other * columns + column] }
                return sum
            }
        }
    }
}

/// Clusters of items by the direction of their features (spherical k-means, Dhillon and Modha 2001), as stand-ins for topics.
struct TopicClusters: Sendable {
    /// The topic of each item; -1 for items without features.
    let topics: [Int32]
    let count: Int

    init(_ items: UnitRows, configuration: GraphPruning.Configuration, seed: UInt64, threads: Int) throws {
        let stream = CounterRandom(seed: seed, round: 0x746F_7069_63).stream(of: 0)
        let known = (0..<items.rows).filter { !items.isZero($0) }
        // The first of a permutation: all different, and the same on any number of threads.
        let order = CounterRandom.permutation(of: known.count, stream: stream)
        let sample = order.prefix(configuration.sample).map { known[Int($0)] }
        let count = min(configuration.topics, sample.count)
        self.count = count
        guard count > 0 else {
            topics = Array(repeating: -1, count: items.rows)
            return
        }
        let columns = items.columns
        var centres = try UnitRows(rows: count, columns: columns, threads: threads) { topic, output in
            for column in 0..<columns { output[column] = items[sample[topic], column] }
        }
        for _ in 0..<configuration.rounds {
            let nearest = try Self.nearest(sample, items, centres, threads: threads)
            let sums = (0..<count).map { _ in [Float](repeating: 0, count: columns) }
            var added = sums
            for (place, topic) in nearest.enumerated() {
                for column in 0..<columns { added[Int(topic)][column] += items[sample[place], column] }
            }
            let old = centres, means = added
            centres = try UnitRows(rows: count, columns: columns, threads: threads) { topic, output in
                // A topic that lost its members keeps its centre.
                let isEmpty = means[topic].allSatisfy { $0 == 0 }
                for column in 0..<columns { output[column] = isEmpty ? old[topic, column] : means[topic][column] }
            }
        }
        let nearest = try Self.nearest(known, items, centres, threads: threads)
        var topics = [Int32](repeating: -1, count: items.rows)
        for (place, item) in known.enumerated() { topics[item] = nearest[place] }
        self.topics = topics
    }

    /// The centre nearest to each of some rows, ties to the lower one.
    private static func nearest(_ rows: [Int], _ items: UnitRows, _ centres: UnitRows, threads: Int) throws -> [Int32] {
        try parallelMap(rows.count, threads: threads, grain: 512) { range in
            range.map { place in
                var best: Int32 = 0
                var most = -Float.infinity
                for topic in 0..<centres.rows {
                    let likeness = items.product(rows[place], centres, topic)
                    if likeness > most { (best, most) = (Int32(topic), likeness) }
                }
                return best
            }
        }
    }

    /// The entropy of the members' topics in bits, from 0 (all alike) to log2 of the number of topics; items without features do not count.
    func entropy(of members: [ItemID]) -> Double {
        var counts = [Int](repeating: 0, count: count)
        var total = 0
        for member in members where Int(member.row) < topics.count && topics[Int(member.row)] >= 0 {
            counts[Int(topics[Int(member.row)])] += 1
            total += 1
        }
        return counts.reduce(0) { entropy, count in
            guard count > 0 else { return entropy }
            let share = Double(count) / Double(total)
            return entropy - share * share.logarithm / 2.0.logarithm
        }
    }
}
