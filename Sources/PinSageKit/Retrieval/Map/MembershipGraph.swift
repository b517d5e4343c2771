#if canImport(Darwin)
    internal import Darwin
#else
    internal import Glibc
#endif

/// Who is near whom: for each item its nearest neighbors and those whose neighbor it is, with how much, from 0 to 1.
///
/// Source: McInnes, Healy and Melville 2018 (UMAP), section 3.1: the nearest neighbor of an item belongs to it wholly, the others by
/// exp(-(how much farther) / scale), where the scale is such that the memberships of an item sum to log2(k); an edge that either end has is
/// in the graph with a + b - ab. "How much farther" is the difference of scores here: for vectors of length 1, half the difference of the
/// squared distances.
struct MembershipGraph {
    /// (N + 1): where the lists of items begin.
    private(set) var offsets: [Int] = [0]
    /// Ascending within an item's list.
    private(set) var targets: [UInt32] = []
    /// Divided by their sum within an item's list.
    private(set) var weights: [Float] = []

    /// - Parameters:
    ///   - neighbors: k, of each item.
    ///   - progress: called with the number of items whose neighbors are found.
    /// - Complexity: N queries of the index
    init(of index: any NearestNeighborIndex, neighbors k: Int, progress: (Int) -> Void) throws {
        let count = index.count, width = index.dimension
        var near = [UInt32](repeating: .max, count: count * k)
        var shares = [Float](repeating: 0, count: count * k)
        let batch = 1024
        for start in stride(from: 0, to: count, by: batch) {
            let rows = start..<min(start + batch, count)
            let queries = Matrix(
                rows: rows.count, columns: width, values: Array(index.embeddings.vectors[rows.lowerBound * width..<rows.upperBound * width]))
            // One more: an item is its own nearest neighbor, or hidden among its duplicates.
            for (row, found) in zip(rows, try index.neighbors(of: queries, k: k + 1, excluding: [])) {
                let others = found.filter { Int($0.item.row) != row && $0.score.isFinite }.prefix(k)
                let memberships = Self.memberships(others.map(\.score))
                for (place, (neighbor, share)) in zip(others, memberships).enumerated() {
                    near[row * k + place] = neighbor.item.row
                    shares[row * k + place] = share
                }
            }
            progress(rows.upperBound)
        }
        join(near, shares, count: count, k: k)
    }

    /// The memberships of neighbors whose scores are given best first.
    static func memberships(_ scores: [Float]) -> [Float] {
        guard let best = scores.first, scores.count > 1 else { return scores.map { _ in 1 } }
        let farther = scores.map { Double(max(0, best - $0)) }
        let wanted = log2(Double(scores.count))
        var (low, high) = (0.0, max(farther.reduce(0, +), 1e-12) * 1e3)
        for _ in 0..<60 {
            let scale = (low + high) / 2
            let sum = farther.reduce(0) { $0 + ($1 == 0 ? 1 : exp(-$1 / scale)) }
            if sum > wanted { high = scale } else { low = scale }
        }
        return farther.map { $0 == 0 ? 1 : Float(exp(-$0 / high)) }
    }

    /// Adds the edges of the other direction: a + b - ab.
    private mutating func join(_ near: [UInt32], _ shares: [Float], count: Int, k: Int) {
        var starts = [Int](repeating: 0, count: count + 1)
        for target in near where target != .max { starts[Int(target) + 1] += 1 }
        for row in 0..<count { starts[row + 1] += starts[row] }
        var sources = [UInt32](repeating: 0, count: starts[count])
        var given = [Float](repeating: 0, count: starts[count])
        var next = starts
        for place in near.indices where near[place] != .max {
            let target = Int(near[place])
            sources[next[target]] = UInt32(place / k)
            given[next[target]] = shares[place]
            next[target] += 1
        }
        offsets.reserveCapacity(count + 1)
        for row in 0..<count {
            var own = (row * k..<(row + 1) * k).filter { near[$0] != .max }.map { (near[$0], shares[$0]) }
            own.sort { $0.0 < $1.0 }
            let first = targets.count
            var (left, right) = (0, starts[row])
            while left < own.count || right < starts[row + 1] {
                let mine = left < own.count ? own[left].0 : .max, theirs = right < starts[row + 1] ? sources[right] : .max
                let (a, b) = (mine <= theirs ? own[left].1 : 0, theirs <= mine ? given[right] : 0)
                targets.append(min(mine, theirs))
                weights.append(a + b - a * b)
                if mine <= theirs { left += 1 }
                if theirs <= mine { right += 1 }
            }
            let sum = weights[first...].reduce(Float(0), +)
            if sum > 0 { for place in first..<weights.count { weights[place] /= sum } }
            offsets.append(targets.count)
        }
    }
}
