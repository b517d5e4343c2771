#if canImport(Darwin)
    internal import Darwin
#else
    internal import Glibc
#endif

/// Draws the negatives that all pairs of a minibatch share: uniformly, as the paper does, or in proportion to a power of the degree.
///
/// Where a few items are in most collections, uniform negatives hardly ever hold them, so a model learns how they rank among each other from
/// few steps. Drawing them more often and correcting the loss by how often they are expected (logQ, Bengio and Senécal 2008) has the same
/// optimum and less variance. Source: Ying et al. 2018, section 3.3 (500 shared negatives).
struct NegativeSampler: Sendable {
    private let itemCount: Int
    /// Running sums of the items' weights; empty when the draw is uniform.
    private var cumulative: [Double] = []

    /// - Parameter popularity: the power of max(degree, 1) that an item is drawn in proportion to; 0 is uniform.
    init(graph: Graph, popularity: Float) {
        itemCount = graph.itemCount
        guard popularity > 0 else { return }
        cumulative.reserveCapacity(itemCount)
        var sum = 0.0
        for row in 0..<itemCount {
            sum += pow(Double(max(graph.degree(of: ItemID(row)), 1)), Double(popularity))
            cumulative.append(sum)
        }
    }

    /// The item of 64 random bits.
    func item(of word: UInt64) -> ItemID {
        guard let sum = cumulative.last else { return ItemID(Int(CounterRandom.draw(below: UInt64(itemCount), from: word).value)) }
        let wanted = Double(word >> 11) * 0x1p-53 * sum
        var low = 0, high = itemCount - 1
        while low < high {
            let middle = (low + high) / 2
            if cumulative[middle] > wanted { high = middle } else { low = middle + 1 }
        }
        return ItemID(low)
    }

    /// The logarithm of how often each item is expected among `items.count` draws; empty for a uniform draw, where it would cancel.
    func logExpectedCounts(of items: [ItemID]) -> [Float] {
        guard let sum = cumulative.last else { return [] }
        return items.map { item in
            let row = Int(item.row)
            let weight = cumulative[row] - (row > 0 ? cumulative[row - 1] : 0)
            return Float(log(Double(items.count) * weight / sum))
        }
    }
}
