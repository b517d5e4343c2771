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

    /// Bits beyond the items are ignored.
    init(words: [UInt64], items: Int) {
        precondition(words.count == (items + 63) / 64, "\(words.count) words for \(items) items")
        var words = words
        if items % 64 > 0 { words[words.count - 1] &= 1 << UInt64(items % 64) - 1 }
        self.words = words
        self.items = items
        count = words.reduce(0) { $0 + $1.nonzeroBitCount }
    }

    /// Lets all items through.
    public init(all items: Int) {
        self.init(words: [UInt64](repeating: .max, count: (items + 63) / 64), items: items)
    }

    /// Lets through what this one does not.
    public var complement: ItemFilter { ItemFilter(words: words.map { ~$0 }, items: items) }

    /// Lets items through; those outside 0 ..< items are ignored. - Complexity: O(added + items / 64)
    mutating func insert(_ added: some Sequence<ItemID>) {
        var words = words
        for item in added where Int(item.row) < items { words[Int(item.row) / 64] |= 1 << UInt64(item.row % 64) }
        self = ItemFilter(words: words, items: items)
    }

    /// Takes items out; those outside 0 ..< items are ignored. - Complexity: O(removed + items / 64)
    mutating func remove(_ removed: some Sequence<ItemID>) {
        var words = words
        for item in removed where Int(item.row) < items { words[Int(item.row) / 64] &= ~(1 << UInt64(item.row % 64)) }
        self = ItemFilter(words: words, items: items)
    }

    /// The same filter without one item. - Complexity: O(items / 64)
    public func removing(_ item: ItemID) -> ItemFilter {
        guard contains(item) else { return self }
        var words = words
        words[Int(item.row) / 64] &= ~(1 << UInt64(item.row % 64))
        return ItemFilter(words: words, items: items)
    }

    /// What both let through; both are for the same items.
    public func intersection(_ other: ItemFilter) -> ItemFilter {
        precondition(items == other.items, "filters for \(items) and \(other.items) items")
        return ItemFilter(words: zip(words, other.words).map { $0 & $1 }, items: items)
    }

    /// The part of the filter for the first `count` items; further ones are not let through where it is for fewer.
    public func prefix(_ count: Int) -> ItemFilter {
        if count == items { return self }
        var words = Array(words.prefix((count + 63) / 64))
        words += [UInt64](repeating: 0, count: (count + 63) / 64 - words.count)
        if count < items, count % 64 > 0 { words[words.count - 1] &= 1 << UInt64(count % 64) - 1 }
        return ItemFilter(words: words, items: count)
    }

    /// The same filter for more items, of the new ones those allowed.
    public func extended(to items: Int, allowing allowed: some Sequence<ItemID>) -> ItemFilter {
        precondition(items >= self.items, "a filter for \(self.items) items cannot become one for \(items)")
        var words = words + [UInt64](repeating: 0, count: (items + 63) / 64 - self.words.count)
        for item in allowed where Int(item.row) >= self.items && Int(item.row) < items { words[Int(item.row) / 64] |= 1 << UInt64(item.row % 64) }
        return ItemFilter(words: words, items: items)
    }

    /// Whether an item is let through.
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
