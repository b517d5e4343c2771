/// How many edges each 256 consecutive rows have: all that a division into buckets needs to know, in a table that fits the cache.
struct RowGroupCounts: Sendable {
    static let shift = 8
    private(set) var counts: [Int] = []

    /// Counts an edge for each of these rows.
    mutating func add(_ rows: [UInt32]) {
        for row in rows {
            let group = Int(row >> UInt32(RowGroupCounts.shift))
            if group >= counts.count { counts.append(contentsOf: repeatElement(0, count: group + 1 - counts.count)) }
            counts[group] &+= 1
        }
    }
}

/// A division of rows into buckets of consecutive rows with about as many edges each, small enough to be sorted in the cache.
struct EdgeBuckets: Sendable {
    /// Bucket b has the rows `starts[b] ..< starts[b + 1]`.
    let starts: [Int]
    /// The bucket of the rows `256 * i ..< 256 * (i + 1)`.
    private let bucketOfGroup: [UInt16]

    var count: Int { starts.count - 1 }

    func rows(of bucket: Int) -> Range<Int> { starts[bucket]..<starts[bucket + 1] }

    init(_ groups: RowGroupCounts, rowCount: Int, edgesPerBucket: Int = 1 << 17) {
        precondition(groups.counts.count << RowGroupCounts.shift < rowCount + 1 << RowGroupCounts.shift, "edges of rows from \(rowCount) on")
        let total = groups.counts.reduce(0, +)
        // At most 2048 buckets: more would mean writing to more places at once than the cache has lines for.
        let target = max(edgesPerBucket, total / 2047 + 1)
        var starts = [0]
        var buckets: [UInt16] = []
        var edges = 0
        for (group, own) in groups.counts.enumerated() {
            if edges > 0 && edges + own > target {
                starts.append(group << RowGroupCounts.shift)
                edges = 0
            }
            edges += own
            buckets.append(UInt16(starts.count - 1))
        }
        self.starts = starts + [rowCount]
        bucketOfGroup = buckets
    }

    /// The block with its edges ordered by bucket, stably.
    func partitioned(_ block: EdgeBlock) -> EdgeBlock {
        var next = [Int](repeating: 0, count: count + 1)
        let edges = block.keys.count
        var buckets = [UInt16](repeating: 0, count: edges)
        unsafe block.keys.withUnsafeBufferPointer { keys in
            unsafe buckets.withUnsafeMutableBufferPointer { buckets in
                unsafe bucketOfGroup.withUnsafeBufferPointer { groups in
                    unsafe next.withUnsafeMutableBufferPointer { next in
                        for edge in 0..<edges {
                            let bucket = unsafe groups[Int(keys[edge] >> UInt64(32 + RowGroupCounts.shift))]
                            unsafe buckets[edge] = bucket
                            unsafe next[Int(bucket) + 1] += 1
                        }
                    }
                }
            }
        }
        for bucket in 0..<count { next[bucket + 1] += next[bucket] }
        let offsets = next
        func moved<Element>(_ values: StoredArray<Element>) -> StoredArray<Element> {
            var next = offsets
            return unsafe StoredArray(count: edges) { output in
                unsafe values.withUnsafeBufferPointer { values in
                    unsafe buckets.withUnsafeBufferPointer { buckets in
                        unsafe next.withUnsafeMutableBufferPointer { next in
                            for edge in 0..<edges {
                                let bucket = unsafe Int(buckets[edge])
                                unsafe output[next[bucket]] = values[edge]
                                unsafe next[bucket] += 1
                            }
                        }
                    }
                }
            }
        }
        return EdgeBlock(
            keys: moved(block.keys), weights: block.weights.map { moved($0) }, times: block.times.map { moved($0) }, bucketOffsets: offsets)
    }
}

/// The edges of one bucket, in memory.
struct EdgeBucket: Sendable {
    /// Row relative to the bucket's first in the upper half, target in the lower.
    var keys: [UInt64]
    var weights: [Float]?
    var times: [Int64]?

    /// Collects a bucket from partitioned blocks, in their order.
    init(_ bucket: Int, of blocks: [EdgeBlock], firstRow: Int) {
        let ranges = blocks.map { $0.bucketOffsets[bucket]..<$0.bucketOffsets[bucket + 1] }
        let count = ranges.reduce(0) { $0 + $1.count }
        let base = UInt64(firstRow) << 32
        keys = unsafe [UInt64](unsafeUninitializedCapacity: count) { keys, filled in
            for (block, range) in zip(blocks, ranges) {
                unsafe block.keys.withUnsafeBufferPointer { stored in
                    for position in range {
                        unsafe keys[filled] = stored[position] &- base
                        filled &+= 1
                    }
                }
            }
        }
        weights = EdgeBucket.joined(blocks, ranges, \.weights, missing: 1)
        times = EdgeBucket.joined(blocks, ranges, \.times, missing: Graph.unknownTime)
    }

    private static func joined<Element>(
        _ blocks: [EdgeBlock], _ ranges: [Range<Int>], _ path: KeyPath<EdgeBlock, StoredArray<Element>?>, missing: Element
    ) -> [Element]? {
        guard blocks.contains(where: { $0[keyPath: path] != nil }) else { return nil }
        var values: [Element] = []
        for (block, range) in zip(blocks, ranges) {
            if let stored = block[keyPath: path] {
                unsafe stored.withUnsafeBufferPointer { unsafe values.append(contentsOf: $0[range]) }
            } else {
                values.append(contentsOf: repeatElement(missing, count: range.count))
            }
        }
        return values
    }

    /// Sorts stably by the bits `low` of the target and `high` of the row; with `low` 0 by row alone.
    mutating func sort(targetBits low: Int, rowBits high: Int) {
        var digits: [(shift: Int, bits: Int)] = []
        for (start, bits) in [(0, low), (32, high)] {
            let passes = (bits + 10) / 11
            for pass in 0..<passes { digits.append((start + pass * bits / passes, (pass + 1) * bits / passes - pass * bits / passes)) }
        }
        let isPlain = weights == nil && times == nil
        var order = isPlain ? [] : (0..<UInt32(keys.count)).map { $0 }
        var spareKeys = [UInt64](repeating: 0, count: keys.count)
        var spareOrder = order
        for (shift, bits) in digits {
            var next = [Int](repeating: 0, count: (1 << bits) + 1)
            let mask = UInt64(1 << bits) - 1
            unsafe next.withUnsafeMutableBufferPointer { next in
                unsafe keys.withUnsafeBufferPointer { keys in
                    for index in keys.indices {
                        let key = unsafe keys[index]
                        unsafe next[Int((key >> UInt64(shift)) & mask) + 1] += 1
                    }
                    for digit in 0..<next.count - 1 { unsafe next[digit + 1] += next[digit] }
                    unsafe spareKeys.withUnsafeMutableBufferPointer { output in
                        unsafe order.withUnsafeBufferPointer { order in
                            unsafe spareOrder.withUnsafeMutableBufferPointer { orderOutput in
                                for index in 0..<keys.count {
                                    let key = unsafe keys[index]
                                    let digit = Int((key >> UInt64(shift)) & mask)
                                    let place = unsafe next[digit]
                                    unsafe next[digit] = place &+ 1
                                    unsafe output[place] = key
                                    if !isPlain { unsafe orderOutput[place] = order[index] }
                                }
                            }
                        }
                    }
                }
            }
            swap(&keys, &spareKeys)
            swap(&order, &spareOrder)
        }
        if let unsorted = weights { weights = order.map { unsorted[Int($0)] } }
        if let unsorted = times { times = order.map { unsorted[Int($0)] } }
    }

    /// The edges from the other side, in the same order: whole targets in the upper half, rows in the lower.
    func reversed(firstRow: Int) -> EdgeBlock {
        let reversed = unsafe StoredArray<UInt64>(count: keys.count) { output in
            unsafe keys.withUnsafeBufferPointer { keys in
                for index in 0..<keys.count { unsafe output[index] = (keys[index] << 32) | ((keys[index] >> 32) &+ UInt64(firstRow)) }
            }
        }
        return EdgeBlock(keys: reversed, weights: weights.map { StoredArray($0) }, times: times.map { StoredArray($0) })
    }

    /// Makes equal edges, which must be neighbors, one: weights add up, the earliest known time is kept.
    mutating func merge() {
        guard let first = keys.first else { return }
        var hasDuplicates = false
        unsafe keys.withUnsafeBufferPointer { keys in
            for index in 1..<max(1, keys.count) where unsafe keys[index] == keys[index - 1] {
                hasDuplicates = true
                break
            }
        }
        if !hasDuplicates { return }
        var distinct: [UInt64] = [], sums: [Float] = [], earliest: [Int64] = []
        var key = first, sum = 0.0, time = Graph.unknownTime
        func emit() {
            distinct.append(key)
            sums.append(min(Float(sum), .greatestFiniteMagnitude))
            if times != nil { earliest.append(time) }
        }
        for index in keys.indices {
            if keys[index] != key {
                emit()
                key = keys[index]
                sum = 0
                time = Graph.unknownTime
            }
            sum += Double(weights?[index] ?? 1)
            if let next = times?[index], next != Graph.unknownTime, time == Graph.unknownTime || next < time { time = next }
        }
        emit()
        keys = distinct
        weights = sums
        if times != nil { times = earliest }
    }
}
