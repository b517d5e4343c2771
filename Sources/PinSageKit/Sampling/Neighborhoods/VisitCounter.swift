/// Counts visits and keeps the most visited items, without allocating per seed.
///
/// Visits are distributed into about as many buckets as there are visits (by item row, scaled to the range that occurs), then put in order
/// by insertion, which finds them nearly sorted; equal neighbors are counted, and a counting sort by count keeps the best. All steps but
/// the insertion are free of data-dependent branches.
///
/// One counter belongs to one thread.
@safe final class VisitCounter {
    private let capacity: Int
    private let bucketCount: Int
    /// Bucket ends, and after the scatter bucket starts.
    private let buckets: UnsafeMutablePointer<UInt32>
    /// Visits of other items than the seed; later the distinct items, ascending.
    private let items: UnsafeMutablePointer<UInt32>
    /// The visits in order; one more for an end mark.
    private let sorted: UnsafeMutablePointer<UInt32>
    /// Where the run of each distinct item ends; one more in front for 0.
    private let ends: UnsafeMutablePointer<UInt32>
    private let histogram: UnsafeMutablePointer<UInt32>

    /// Counts from this up share a bin of the histogram and are put in order by comparison: they are few.
    private static let bins = 64

    /// - Parameter capacity: the most visits of one seed.
    init(capacity: Int) {
        self.capacity = capacity
        var buckets = 64
        while buckets < capacity, buckets < 1 << 16 { buckets *= 2 }
        bucketCount = buckets
        unsafe self.buckets = .allocate(capacity: buckets + 1)
        unsafe items = .allocate(capacity: capacity + 1)
        unsafe sorted = .allocate(capacity: capacity + 1)
        unsafe ends = .allocate(capacity: capacity + 2)
        unsafe histogram = .allocate(capacity: Self.bins)
    }

    deinit {
        unsafe buckets.deallocate()
        unsafe items.deallocate()
        unsafe sorted.deallocate()
        unsafe ends.deallocate()
        unsafe histogram.deallocate()
    }

    /// Writes the `most` most visited items other than `seed` and their visit counts, highest count first, ties to the lower row.
    ///
    /// - Returns: how many were written, at most `most`, and the sum of their counts.
    /// - Complexity: O(visits) expected, O(visits log visits) at worst.
    func top(
        _ most: Int, of visits: UnsafePointer<UInt32>, count: Int, seed: UInt32,
        items out: UnsafeMutablePointer<UInt32>, counts outCounts: UnsafeMutablePointer<UInt32>
    ) -> (kept: Int, total: Int) {
        precondition(count <= capacity, "\(count) visits for a counter of \(capacity)")
        var n = 0
        var low = UInt32.max, high = UInt32.min
        for index in 0..<count {
            let item = unsafe visits[index]
            unsafe items[n] = item
            let counts = item != seed
            n &+= counts ? 1 : 0
            low = min(low, counts ? item : low)
            high = max(high, counts ? item : high)
        }
        guard n > 0 else { return (0, 0) }
        order(n, low: low, high: high)
        let distinct = runs(n)
        return unsafe keep(most, distinct: distinct, items: out, counts: outCounts)
    }

    /// Puts `items[0 ..< n]` in ascending order into `sorted`.
    private func order(_ n: Int, low: UInt32, high: UInt32) {
        var bucketCount = bucketCount
        while bucketCount > 64, bucketCount / 2 >= n { bucketCount /= 2 }
        // bucket(x) = (x - low) * scale / 2^32 is monotone, and below bucketCount because scale * (high - low + 1) <= bucketCount * 2^32.
        let scale = (UInt64(bucketCount) << 32) / (UInt64(high &- low) + 1)
        unsafe buckets.update(repeating: 0, count: bucketCount)
        for index in 0..<n {
            let bucket = unsafe Int(truncatingIfNeeded: (UInt64(items[index] &- low) &* scale) >> 32)
            unsafe buckets[bucket] &+= 1
        }
        var end: UInt32 = 0
        for bucket in 0..<bucketCount {
            unsafe end &+= buckets[bucket]
            unsafe buckets[bucket] = end
        }
        for index in 0..<n {
            let item = unsafe items[index]
            let bucket = Int(truncatingIfNeeded: (UInt64(item &- low) &* scale) >> 32)
            let place = unsafe buckets[bucket] &- 1
            unsafe buckets[bucket] = place
            unsafe sorted[Int(place)] = item
        }
        var moves = 0
        let mostMoves = 8 * n
        for index in 1..<max(1, n) {
            let item = unsafe sorted[index]
            var hole = index
            while hole > 0, unsafe sorted[hole &- 1] > item {
                unsafe sorted[hole] = sorted[hole &- 1]
                hole &-= 1
            }
            unsafe sorted[hole] = item
            moves &+= index &- hole
            // Rows in tight clusters crowd a few buckets: leave it to a sort whose worst case is known.
            if moves > mostMoves {
                var all = unsafe UnsafeMutableBufferPointer(start: sorted, count: n)
                unsafe all.sort()
                return
            }
        }
    }

    /// Finds the distinct items of `sorted[0 ..< n]`: afterwards `items[0 ..< result]`, with run ends in `ends[1 ... result]`.
    private func runs(_ n: Int) -> Int {
        unsafe sorted[n] = ~sorted[n - 1]
        unsafe ends[0] = 0
        var k = 0
        for index in 0..<n {
            let item = unsafe sorted[index]
            unsafe items[k] = item
            unsafe ends[k &+ 1] = UInt32(truncatingIfNeeded: index &+ 1)
            unsafe k &+= item != sorted[index &+ 1] ? 1 : 0
        }
        return k
    }

    /// Most items have one visit, so those with more are picked out first and put in order by a counting sort; items with one visit follow
    /// in ascending order as far as there is room.
    private func keep(
        _ most: Int, distinct: Int, items out: UnsafeMutablePointer<UInt32>, counts outCounts: UnsafeMutablePointer<UInt32>
    ) -> (kept: Int, total: Int) {
        // The ordered visits are no longer needed: their memory takes the indexes of items with several visits.
        let several = unsafe sorted
        var severalCount = 0
        for index in 0..<distinct {
            unsafe several[severalCount] = UInt32(truncatingIfNeeded: index)
            unsafe severalCount &+= ends[index &+ 1] &- ends[index] > 1 ? 1 : 0
        }
        let last = UInt32(Self.bins - 1)
        unsafe histogram.update(repeating: 0, count: Self.bins)
        for place in 0..<severalCount {
            let index = unsafe Int(several[place])
            unsafe histogram[Int(min(ends[index &+ 1] &- ends[index], last))] &+= 1
        }
        if unsafe histogram[Int(last)] > 1 { return unsafe keepByComparison(most, distinct: distinct, items: out, counts: outCounts) }
        var start: UInt32 = 0
        for bin in stride(from: Self.bins - 1, through: 2, by: -1) {
            let size = unsafe histogram[bin]
            unsafe histogram[bin] = start
            start &+= size
        }
        var total = 0
        for place in 0..<severalCount {
            let index = unsafe Int(several[place])
            let count = unsafe ends[index &+ 1] &- ends[index]
            let bin = Int(min(count, last))
            let rank = unsafe Int(histogram[bin])
            unsafe histogram[bin] = UInt32(truncatingIfNeeded: rank &+ 1)
            if rank < most {
                unsafe out[rank] = items[index]
                unsafe outCounts[rank] = count
                total &+= Int(count)
            }
        }
        var rank = min(severalCount, most)
        var index = 0
        while rank < most, index < distinct {
            unsafe out[rank] = items[index]
            unsafe outCounts[rank] = 1
            let isOne = unsafe ends[index &+ 1] &- ends[index] == 1
            rank &+= isOne ? 1 : 0
            total &+= isOne ? 1 : 0
            index &+= 1
        }
        return (rank, total)
    }

    /// The rule of ``keep(_:distinct:items:counts:)`` by sorting, for when several items have counts beyond the histogram.
    private func keepByComparison(
        _ most: Int, distinct: Int, items out: UnsafeMutablePointer<UInt32>, counts outCounts: UnsafeMutablePointer<UInt32>
    ) -> (kept: Int, total: Int) {
        // Complement of the count above, item below: ascending order of this word is the order wanted.
        var keys = (0..<distinct).map { unsafe UInt64(~(ends[$0 + 1] - ends[$0])) << 32 | UInt64(items[$0]) }
        keys.sort()
        var total = 0
        for (place, key) in keys.prefix(most).enumerated() {
            unsafe out[place] = UInt32(truncatingIfNeeded: key)
            let count = ~UInt32(truncatingIfNeeded: key >> 32)
            unsafe outCounts[place] = count
            total += Int(count)
        }
        return (min(most, distinct), total)
    }
}
