/// Gives consecutive rows to strings as they are first seen.
public struct IdentifierInterner: Sendable {
    private var bytes = GrowableArray<UInt8>(zeros: 0)
    private var offsets = GrowableArray<Int64>(zeros: 1)
    /// Slots as in ``Identifiers``, but with the upper half of the hash beside the row, so that most other strings are passed over without
    /// a look at their bytes: hash bits 32... | row + 1. Rebuilt at twice the size when it is half full.
    private var table: GrowableArray<UInt64>
    private let keepsDuplicates: Bool
    /// Sum of bytes that were read ahead; kept so that reading them is not optimised away.
    private var touched: UInt8 = 0

    /// - Parameter keepsDuplicates: a repeated string gets a row of its own, instead of the one it has.
    init(keepsDuplicates: Bool) {
        self.keepsDuplicates = keepsDuplicates
        table = GrowableArray(zeros: 64)
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

    private func search(_ key: UnsafeBufferPointer<UInt8>, hash: UInt64) -> (row: Int?, slot: Int) {
        var slot = Int(hash.multipliedFullWidth(by: UInt64(table.count)).high)
        while table[slot] != 0 {
            let entry = table[slot]
            if entry >> 32 == hash & 0xffff_ffff {
                let row = Int(entry & 0xffff_ffff) - 1
                let range = Int(offsets[row])..<Int(offsets[row + 1])
                if range.count == key.count, unsafe holds(key, at: range.lowerBound) { return (row, slot) }
            }
            slot += 1
            if slot == table.count { slot = 0 }
        }
        return (nil, slot)
    }

    private func holds(_ key: UnsafeBufferPointer<UInt8>, at start: Int) -> Bool {
        unsafe bytes.withUnsafeBufferPointer { bytes in
            unsafe Self.areEqual(
                UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[start..<start + key.count]), UnsafeRawBufferPointer(key))
        }
    }

    private mutating func add(_ key: UnsafeBufferPointer<UInt8>, hash: UInt64) -> (row: Int, isNew: Bool) {
        let found = unsafe search(key, hash: hash)
        if let row = found.row, !keepsDuplicates { return (row, false) }
        let row = count
        precondition(row < Int(UInt32.max) - 1, "more than 4 billion identifiers")
        unsafe bytes.append(contentsOf: key)
        offsets.append(Int64(bytes.count))
        if found.row == nil { table[found.slot] = (hash << 32) | UInt64(row + 1) }
        if 2 * (row + 1) > table.count { grow(to: 2 * table.count) }
        return (row, true)
    }

    private mutating func grow(to capacity: Int) {
        var larger = GrowableArray<UInt64>(zeros: capacity)
        forEachFirstRow { row, hash in
            var slot = Int(hash.multipliedFullWidth(by: UInt64(capacity)).high)
            while larger[slot] != 0 {
                slot += 1
                if slot == capacity { slot = 0 }
            }
            larger[slot] = (hash << 32) | UInt64(row + 1)
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

    /// The rows of many strings, new or not: pieces of `text` whose hashes are known.
    ///
    /// A lookup in a large table waits for memory three times (slot, offset, bytes), so groups of lookups go through these steps together
    /// and their waits overlap.
    mutating func add(_ text: [UInt8], starts: [UInt32], lengths: [UInt32], hashes: [UInt64]) -> [UInt32] {
        precondition(starts.count == lengths.count && starts.count == hashes.count, "as many starts as lengths and hashes")
        let group = 32
        var rows = [UInt32](repeating: 0, count: starts.count)
        unsafe text.withUnsafeBufferPointer { text in
            var entries = [UInt64](repeating: 0, count: group)
            var from = [Int64](repeating: 0, count: group)
            for start in stride(from: 0, to: starts.count, by: group) {
                let end = min(start + group, starts.count)
                unsafe table.withUnsafeBufferPointer { table in
                    let slots = UInt64(table.count)
                    for key in start..<end {
                        entries[key &- start] = unsafe table[Int(hashes[key].multipliedFullWidth(by: slots).high)]
                    }
                }
                unsafe offsets.withUnsafeBufferPointer { offsets in
                    for key in start..<end {
                        let entry = entries[key &- start]
                        // Row + 1 of an empty slot is 0, whose "offset" is harmless to read.
                        let row = entry >> 32 == hashes[key] & 0xffff_ffff ? Int(entry & 0xffff_ffff) : 0
                        entries[key &- start] = UInt64(row)
                        from[key &- start] = unsafe row == 0 || Int(offsets[row] - offsets[row - 1]) != Int(lengths[key]) ? -1 : offsets[row - 1]
                    }
                }
                unsafe bytes.withUnsafeBufferPointer { bytes in
                    if bytes.isEmpty { return }
                    // Loads without branches between them, which the processor has under way all at once.
                    for key in start..<end { unsafe touched &+= bytes[max(0, Int(from[key &- start]))] }
                    for key in start..<end where from[key &- start] >= 0 {
                        let known = unsafe UnsafeRawBufferPointer(
                            rebasing: UnsafeRawBufferPointer(bytes)[Int(from[key &- start])...].prefix(Int(lengths[key])))
                        let given = unsafe UnsafeRawBufferPointer(
                            rebasing: UnsafeRawBufferPointer(text)[Int(starts[key])...].prefix(Int(lengths[key])))
                        rows[key] = unsafe Self.areEqual(known, given) ? UInt32(truncatingIfNeeded: entries[key &- start]) : 0
                    }
                }
                // What was not in its first slot, and what is new; 0 stands for unknown, so rows are one too high until here.
                for key in start..<end {
                    if rows[key] > 0 {
                        rows[key] -= 1
                    } else {
                        let piece = unsafe UnsafeBufferPointer(rebasing: text[Int(starts[key])..<Int(starts[key]) + Int(lengths[key])])
                        rows[key] = unsafe UInt32(add(piece, hash: hashes[key]).row)
                    }
                }
            }
        }
        return rows
    }

    @inline(__always)
    private static func areEqual(_ one: UnsafeRawBufferPointer, _ other: UnsafeRawBufferPointer) -> Bool {
        var position = 0
        while position &+ 8 <= one.count {
            let left = unsafe one.loadUnaligned(fromByteOffset: position, as: UInt64.self)
            let right = unsafe other.loadUnaligned(fromByteOffset: position, as: UInt64.self)
            if left != right { return false }
            position &+= 8
        }
        while position < one.count {
            if unsafe one[position] != other[position] { return false }
            position &+= 1
        }
        return true
    }

    /// All strings so far, with a table of one and a half slots for each.
    public func identifiers() -> Identifiers {
        let capacity = offsets.count + offsets.count / 2 + 1
        let slots = unsafe StoredArray<UInt32>(count: capacity) { slots in
            forEachFirstRow { row, hash in
                var slot = Int(hash.multipliedFullWidth(by: UInt64(capacity)).high)
                while unsafe slots[slot] != 0 {
                    slot += 1
                    if slot == capacity { slot = 0 }
                }
                unsafe slots[slot] = UInt32(row + 1)
            }
        }
        return Identifiers(bytes: bytes.stored, offsets: offsets.stored, table: slots)
    }
}
