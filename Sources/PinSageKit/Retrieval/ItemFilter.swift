/// The items that a search may return: one bit for each item of an index.
public struct ItemFilter: Sendable {
    /// Bit r % 64 of word r / 64 belongs to row r.
    let words: [UInt64]
    /// The number of items of the index that the filter is for.
    public let items: Int
    /// How many items it lets through.
    public let count: Int

    /// - Parameters:
    ///   - items: the number of items of the index; an allowed item outside 0 ..< items is left out.
    ///   - allowed: may repeat items.
    public init(items: Int, allowed: some Sequence<ItemID>) {
        precondition(items >= 0, "a filter for \(items) items")
        var words = [UInt64](repeating: 0, count: (items + 63) / 64)
        for item in allowed where Int(item.row) < items { words[Int(item.row) / 64] |= 1 << UInt64(item.row % 64) }
        self.words = words
        self.items = items
        count = words.reduce(0) { $0 + $1.nonzeroBitCount }
    }

    public func contains(_ item: ItemID) -> Bool {
        Int(item.row) < items && words[Int(item.row) / 64] >> UInt64(item.row % 64) & 1 == 1
    }

    /// The rows that it lets through, ascending.
    var rows: [Int64] {
        var rows: [Int64] = []
        rows.reserveCapacity(count)
        for (place, word) in words.enumerated() {
            var rest = word
            while rest != 0 {
                rows.append(Int64(place * 64 + rest.trailingZeroBitCount))
                rest &= rest - 1
            }
        }
        return rows
    }
}
