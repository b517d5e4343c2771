/// Pieces of a text with their hashes, ready to be looked up.
struct TextPieces: Sendable {
    private var places: [(start: UInt32, length: UInt32)] = []
    private(set) var hashes: [UInt64] = []

    var count: Int { places.count }

    @inline(__always) func range(_ piece: Int) -> Range<Int> {
        let place = places[piece]
        return Int(place.start)..<Int(place.start) + Int(place.length)
    }

    @inline(__always) mutating func append(_ range: Range<Int>) { places.append((UInt32(range.lowerBound), UInt32(range.count))) }

    /// Hashes the pieces; the last step.
    mutating func hash(of text: [UInt8]) {
        hashes.reserveCapacity(count)
        unsafe text.withUnsafeBufferPointer { text in
            var previous = (start: UInt32.max, hash: UInt64(0))
            for piece in places.indices {
                // All edges of an adjacency line share one piece.
                if places[piece].start != previous.start {
                    previous = unsafe (places[piece].start, Identifiers.hash(UnsafeBufferPointer(rebasing: text[range(piece)])))
                }
                hashes.append(previous.hash)
            }
        }
    }

    mutating func removeAll(keepingCapacity count: Int) {
        places.removeAll(keepingCapacity: true)
        hashes.removeAll(keepingCapacity: true)
        places.reserveCapacity(count)
    }
}

/// Gives consecutive rows to strings as they are first seen.
public struct IdentifierInterner: Sendable {
    private var bytes = GrowableArray<UInt8>(zeros: 0)
    private var offsets = GrowableArray<Int64>(zeros: 1)
    /// 2^`tableBits` slots; the search for a string begins at the slot that the first bits of its hash name. A slot is the upper half of the hash and,
    /// below it, row + 1: most other strings are passed over without a look at their bytes, and a larger table is made without a look at any.
    private var table: GrowableArray<UInt64>
    private var tableBits = 6
    private let keepsDuplicates: Bool

    /// - Parameter keepsDuplicates: a repeated string gets a row of its own, instead of the one it has.
    init(keepsDuplicates: Bool) {
        self.keepsDuplicates = keepsDuplicates
        table = GrowableArray(zeros: 1 << tableBits)
    }

    public init() { self.init(keepsDuplicates: false) }

    /// The number of rows.
    public var count: Int { offsets.count - 1 }

    /// The string of a row.
    public subscript(row: Int) -> String {
        unsafe bytes.withUnsafeBufferPointer { unsafe String(decoding: $0[Int(offsets[row])..<Int(offsets[row + 1])], as: UTF8.self) }
    }

    /// The row of a string, new or not.
    public mutating func add(_ string: String) -> (row: Int, isNew: Bool) {
        var string = string
        return string.withUTF8 { unsafe add($0, hash: Identifiers.hash($0)) }
    }

    /// The row of a string that was added.
    public func row(of string: String) -> Int? {
        var string = string
        return string.withUTF8 { key -> Int? in
            let found = unsafe search(key, hash: Identifiers.hash(key))
            return found.row
        }
    }

    private func firstSlot(_ hash: UInt64) -> Int { Int(truncatingIfNeeded: hash &>> UInt64(64 - tableBits)) }

    @inline(__always)
    private func search(_ key: UnsafeBufferPointer<UInt8>, hash: UInt64) -> (row: Int?, slot: Int) {
        unsafe table.withUnsafeBufferPointer { table in
            unsafe offsets.withUnsafeBufferPointer { offsets in
                unsafe bytes.withUnsafeBufferPointer { bytes in
                    var slot = firstSlot(hash)
                    while true {
                        let entry = unsafe table[slot]
                        if entry == 0 { return (nil, slot) }
                        if entry >> 32 == hash >> 32 {
                            let row = Int(entry & 0xffff_ffff) - 1
                            let start = unsafe Int(offsets[row])
                            if unsafe Int(offsets[row + 1]) == start + key.count,
                                unsafe Self.areEqual(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[start..<start + key.count]), key)
                            {
                                return (row, slot)
                            }
                        }
                        slot = (slot &+ 1) & (table.count &- 1)
                    }
                }
            }
        }
    }

    @inline(__always)
    private static func areEqual(_ known: UnsafeRawBufferPointer, _ key: UnsafeBufferPointer<UInt8>) -> Bool {
        let count = known.count
        let key = UnsafeRawBufferPointer(key)
        guard count >= 8 else {
            for position in 0..<count where unsafe known[position] != key[position] { return false }
            return true
        }
        var position = 0
        while position < count {
            // The last step goes back, so that it is eight bytes, too.
            position = min(position, count &- 8)
            let left = unsafe known.loadUnaligned(fromByteOffset: position, as: UInt64.self)
            if unsafe left != key.loadUnaligned(fromByteOffset: position, as: UInt64.self) { return false }
            position &+= 8
        }
        return true
    }

    @inline(__always)
    private mutating func add(_ key: UnsafeBufferPointer<UInt8>, hash: UInt64) -> (row: Int, isNew: Bool) {
        let found = unsafe search(key, hash: hash)
        if let row = found.row, !keepsDuplicates { return (row, false) }
        unsafe insert(key, hash: hash, slot: found.row == nil ? found.slot : nil)
        return (count - 1, true)
    }

    private mutating func insert(_ key: UnsafeBufferPointer<UInt8>, hash: UInt64, slot: Int?) {
        precondition(count < Int(UInt32.max) - 1, "more than 4 billion identifiers")
        unsafe bytes.append(contentsOf: key)
        offsets.append(Int64(bytes.count))
        if let slot { table[slot] = (hash & ~0xffff_ffff) | UInt64(count) }
        if 2 * count > table.count && tableBits < 32 { grow() }
    }

    private mutating func grow() {
        let capacity = 2 * table.count
        tableBits += 1
        var larger = GrowableArray<UInt64>(zeros: capacity)
        unsafe larger.withUnsafeMutableBufferPointer { larger in
            unsafe table.withUnsafeBufferPointer { table in
                for old in 0..<table.count {
                    let entry = unsafe table[old]
                    if entry == 0 { continue }
                    // Old and new slots ascend together, so this goes through both tables once, from front to back.
                    var slot = firstSlot(entry)
                    while unsafe larger[slot] != 0 { slot = (slot &+ 1) & (capacity &- 1) }
                    unsafe larger[slot] = entry
                }
            }
        }
        table = larger
    }

    /// Calls `body` with all rows that a search can find, and their hashes.
    private func forEachFirstRow(_ body: (_ row: Int, _ hash: UInt64) -> Void) {
        unsafe bytes.withUnsafeBufferPointer { bytes in
            for row in 0..<count {
                let key = unsafe UnsafeBufferPointer(rebasing: bytes[Int(offsets[row])..<Int(offsets[row + 1])])
                let hash = unsafe Identifiers.hash(key)
                if keepsDuplicates, unsafe search(key, hash: hash).row != row { continue }
                body(row, hash)
            }
        }
    }

    /// The rows of many strings, new or not: pieces of `text`.
    ///
    /// A lookup in a large table waits for memory three times (slot, offset, bytes), so groups of lookups fetch what they need together and their waits
    /// overlap.
    mutating func add(_ pieces: TextPieces, of text: [UInt8], rows: inout [UInt32]) {
        rows.removeAll(keepingCapacity: true)
        rows.reserveCapacity(pieces.count)
        unsafe text.withUnsafeBufferPointer { text in
            for start in stride(from: 0, to: pieces.count, by: Self.group) {
                let hashes = pieces.hashes[start..<min(start + Self.group, pieces.count)]
                fetch(hashes)
                for piece in hashes.indices {
                    let row = unsafe add(UnsafeBufferPointer(rebasing: text[pieces.range(piece)]), hash: hashes[piece]).row
                    rows.append(UInt32(truncatingIfNeeded: row))
                }
            }
        }
    }

    private static let group = 32

    /// Has the processor fetch what searches for these hashes will read, but for what is not in its first slot.
    private func fetch(_ hashes: ArraySlice<UInt64>) {
        unsafe table.withUnsafeBufferPointer { table in
            guard let slots = table.baseAddress else { return }
            for hash in hashes { unsafe prefetch(slots + firstSlot(hash)) }
            unsafe offsets.withUnsafeBufferPointer { offsets in
                guard let offsets = offsets.baseAddress else { return }
                // Row + 1 of an empty slot is 0, whose offset is harmless to fetch.
                for hash in hashes { unsafe prefetch(offsets + Int(slots[firstSlot(hash)] & 0xffff_ffff)) }
                unsafe bytes.withUnsafeBufferPointer { bytes in
                    guard let bytes = bytes.baseAddress else { return }
                    for hash in hashes {
                        let row = unsafe Int(slots[firstSlot(hash)] & 0xffff_ffff)
                        if row > 0 { unsafe prefetch(bytes + Int(offsets[row - 1])) }
                    }
                }
            }
        }
    }

    /// All strings so far, with a table of one and a half slots for each.
    public func identifiers() -> Identifiers {
        let capacity = offsets.count + offsets.count / 2 + 1
        let slots = unsafe StoredArray<UInt32>(count: capacity) { slots in
            // Slots are fetched some rows before they are filled, so that the waits for memory overlap.
            var waiting: [(row: Int, slot: Int)] = []
            func fill() {
                for (row, start) in waiting {
                    var slot = start
                    while unsafe slots[slot] != 0 {
                        slot += 1
                        if slot == capacity { slot = 0 }
                    }
                    unsafe slots[slot] = UInt32(row + 1)
                }
                waiting.removeAll(keepingCapacity: true)
            }
            forEachFirstRow { row, hash in
                let slot = Int(hash.multipliedFullWidth(by: UInt64(capacity)).high)
                if let base = slots.baseAddress { unsafe prefetch(base + slot) }
                waiting.append((row, slot))
                if waiting.count == Self.group { fill() }
            }
            fill()
        }
        return Identifiers(bytes: bytes.stored, offsets: offsets.stored, table: slots)
    }
}
