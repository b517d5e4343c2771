extension NeighborhoodFile {
    /// The neighborhoods of every item of a graph, in memory: 8 T bytes an item.
    static func drawn(_ sampler: NeighborhoodSampler, threads: Int, progress: (Int) throws -> Void = { _ in }) throws -> NeighborhoodFile {
        let (count, width) = (sampler.graph.itemCount, sampler.configuration.neighbors)
        var weights = StoredArray<Float>([])
        let neighbors = try unsafe StoredArray<UInt32>(count: count * width) { neighbors in
            weights = try unsafe StoredArray<Float>(count: count * width) { weights in
                for start in stride(from: 0, to: count, by: 1 << 16) {
                    let end = min(start + 1 << 16, count)
                    let drawn = try sampler.neighborhoods(of: (start..<end).map { ItemID($0) }, threads: threads)
                    for row in 0..<drawn.count {
                        let range = drawn.range(of: row), to = (start + row) * width
                        for column in 0..<width {
                            unsafe neighbors[to + column] = column < range.count ? drawn.items[range.lowerBound + column] : Self.padding
                            if column < range.count { unsafe weights[to + column] = drawn.weights[range.lowerBound + column] }
                        }
                    }
                    try progress(end)
                }
            }
        }
        return NeighborhoodFile(
            firstItem: ItemID(row: 0), width: width, neighbors: neighbors, weights: weights, metadata: metadata(sampler, items: 0..<count))
    }

    /// The first `most` neighbors of consecutive rows, as the pooling kernels read them: what `neighborhoods(rows).prefix(most)` has.
    func lists(_ rows: Range<Int>, most: Int) -> RaggedLists {
        precondition(rows.lowerBound >= 0 && rows.upperBound <= self.rows, "rows \(rows) of \(self.rows)")
        var offsets: [Int64] = [0]
        offsets.reserveCapacity(rows.count + 1)
        var targets: [Int32] = []
        var kept: [Float] = []
        targets.reserveCapacity(rows.count * min(most, width))
        kept.reserveCapacity(rows.count * min(most, width))
        unsafe neighbors.withUnsafeBufferPointer { neighbors in
            unsafe weights.withUnsafeBufferPointer { weights in
                for row in rows {
                    let start = row * width
                    var length = 0
                    while length < min(most, width), unsafe neighbors[start + length] != Self.padding {
                        // Above every row: the kernel refuses damage that does not fit.
                        unsafe targets.append(Int32(clamping: neighbors[start + length]))
                        unsafe kept.append(weights[start + length])
                        length += 1
                    }
                    if length < width, unsafe neighbors[start + length] != Self.padding {
                        // Normalised again, in the arithmetic of RaggedNeighborhoods.prefix.
                        let first = kept.count - length
                        var total: Float = 0
                        for position in first..<kept.count { total += kept[position] }
                        for position in first..<kept.count { kept[position] = total > 0 ? kept[position] / total : 0 }
                    }
                    offsets.append(Int64(targets.count))
                }
            }
        }
        return RaggedLists(offsets: offsets, targets: targets, weights: kept)
    }
}
