extension Identifiers {
    /// The identifiers most like a string that is not one of them, most alike first, for messages such as "did you mean".
    ///
    /// Alike are those at an edit distance of at most a third of the length, ones that start with `string`, and ones that it starts
    /// with (three bytes at least); upper and lower case letters of ASCII count as equal. Ties go to the lower row.
    /// - Complexity: O(count), at most the first 20 million rows; about 30 ns each.
    public func closest(to string: String, count wanted: Int = 3) -> [String] {
        let key = string.utf8.prefix(64).map(lowercased)
        guard wanted > 0, !key.isEmpty else { return [] }
        let limit = max(1, key.count / 3)
        let pattern = EditDistance(pattern: key)
        var best: [(cost: Int, row: Int)] = []
        unsafe bytes.withUnsafeBufferPointer { bytes in
            for row in 0..<min(count, 20_000_000) {
                let start = Int(clamping: offsets[row]), end = Int(clamping: offsets[row + 1])
                guard start >= 0, start < end, end <= bytes.count else { continue }
                let candidate = unsafe UnsafeBufferPointer(rebasing: bytes[start..<min(end, start + 96)])
                var cost = Int.max
                let common = unsafe zip(candidate, key).prefix { lowercased($0) == $1 }.count
                // A prefix is as good as an edit distance between 1 and 2.
                if common == key.count || (common >= 3 && common == candidate.count) { cost = 3 }
                if abs(candidate.count - key.count) <= limit {
                    let distance = unsafe pattern.distance(to: candidate)
                    if distance <= limit { cost = min(cost, 2 * distance) }
                }
                guard cost < Int.max, best.count < wanted || cost < best[best.count - 1].cost else { continue }
                let position = best.firstIndex { $0.cost > cost } ?? best.count
                best.insert((cost, row), at: position)
                if best.count > wanted { best.removeLast() }
            }
        }
        return best.map { self[$0.row] }
    }
}

@inline(__always)
private func lowercased(_ byte: UInt8) -> UInt8 { 0x41...0x5a ~= byte ? byte | 0x20 : byte }

/// Levenshtein distance to a pattern of at most 64 bytes, one column of the table in two machine words.
///
/// Source: Myers 1999, "A fast bit-vector algorithm for approximate string matching based on dynamic programming", as simplified by Hyyrö 2003.
struct EditDistance {
    private let length: Int
    /// For each byte the positions at which the pattern has it.
    private var positions = [UInt64](repeating: 0, count: 256)

    init(pattern: [UInt8]) {
        precondition((1...64).contains(pattern.count), "a pattern of \(pattern.count) bytes")
        length = pattern.count
        for (index, byte) in pattern.enumerated() { positions[Int(byte)] |= 1 << UInt64(index) }
    }

    func distance(to text: UnsafeBufferPointer<UInt8>) -> Int {
        var positive = UInt64.max
        var negative: UInt64 = 0
        var distance = length
        let last: UInt64 = 1 << UInt64(length - 1)
        for index in text.indices {
            let byte = unsafe text[index]

            let equal = positions[Int(lowercased(byte))]
            let diagonalZero = (((equal & positive) &+ positive) ^ positive) | equal | negative
            var horizontalPositive = negative | ~(diagonalZero | positive)
            let horizontalNegative = positive & diagonalZero
            if horizontalPositive & last != 0 { distance += 1 }
            if horizontalNegative & last != 0 { distance -= 1 }
            horizontalPositive = horizontalPositive << 1 | 1
            positive = (horizontalNegative << 1) | ~(diagonalZero | horizontalPositive)
            negative = horizontalPositive & diagonalZero
        }
        return distance
    }
}
