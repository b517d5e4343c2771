extension RaggedNeighborhoods {
    /// Each row's first `most` neighbors, with weights normalised again where some were dropped.
    public func prefix(_ most: Int) -> RaggedNeighborhoods {
        guard (0..<count).contains(where: { range(of: $0).count > most }) else { return self }
        var kept = RaggedNeighborhoods()
        kept.offsets.reserveCapacity(offsets.count)
        for row in 0..<count {
            let full = range(of: row)
            let range = full.prefix(most)
            let total = range.count == full.count ? 1 : weights[range].reduce(0, +)
            kept.items += items[range]
            kept.weights += weights[range].map { total > 0 ? $0 / total : 0 }
            kept.offsets.append(Int64(kept.items.count))
        }
        return kept
    }
}
