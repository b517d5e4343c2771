/// The strings by which people know items or collections, and the way from a string to its row and back.
///
/// Three arrays, in memory or mapped: the UTF-8 bytes of all strings one after the other, int64 offsets into them, and a hash table of
/// rows. Opening them builds nothing.
///
/// Table: `capacity` slots of uint32, 0 = empty, otherwise row + 1; a string's search starts at slot `high word of (hash * capacity)` and
/// goes on to the next slot, around the end, until an empty one. See `hash(_:)`. On damaged files a search ends after one round,
/// and a row is believed only after its bytes were compared.
public struct Identifiers: Sendable {
    let bytes: StoredArray<UInt8>
    let offsets: StoredArray<Int64>
    let table: StoredArray<UInt32>

    /// The number of rows.
    public var count: Int { offsets.count - 1 }

    /// Rows in the order of `strings`. Where one repeats, ``row(of:)`` answers with its first row.
    public init(_ strings: some Sequence<String>) {
        var interner = IdentifierInterner(keepsDuplicates: true)
        for string in strings { _ = interner.add(string) }
        self = interner.identifiers()
    }

    init(bytes: StoredArray<UInt8>, offsets: StoredArray<Int64>, table: StoredArray<UInt32>) {
        self.bytes = bytes
        self.offsets = offsets
        self.table = table
    }

    /// Opens the arrays `PREFIX.bytes`, `PREFIX.offsets` and `PREFIX.table` of an artifact.
    ///
    /// - Complexity: O(1)
    public static func open(_ artifact: Artifact, prefix: String) throws -> Identifiers {
        let bytes = try artifact.vector(prefix + ".bytes", as: UInt8.self)
        let offsets = try artifact.vector(prefix + ".offsets", as: Int64.self)
        let table = try artifact.vector(prefix + ".table", as: UInt32.self)
        guard let last = offsets.last, last == Int64(bytes.count), offsets.first == 0 else {
            throw DataError("expected offsets from 0 to \(bytes.count)", file: try artifact.path(of: prefix + ".offsets"))
        }
        guard table.count >= offsets.count else {
            throw DataError("expected more than \(offsets.count - 1) slots, found \(table.count)", file: try artifact.path(of: prefix + ".table"))
        }
        return Identifiers(bytes: bytes, offsets: offsets, table: table)
    }

    /// Writes the arrays that ``open(_:prefix:)`` opens.
    public func write(into writer: inout ArtifactWriter, prefix: String) throws {
        for (name, entry) in try write(to: writer.directory, prefix: prefix) { writer.addFile(named: name, entry) }
    }

    /// Writes the arrays into the folder of an artifact. - Returns: their names and what its manifest says of them.
    func write(to directory: String, prefix: String) throws -> [(name: String, entry: Manifest.File)] {
        func write<Element: StoredElement>(_ part: String, _ values: StoredArray<Element>) throws -> (name: String, entry: Manifest.File) {
            let name = "\(prefix).\(part).npy"
            var file = try NpyWriter<Element>(directory + "/" + name)
            try file.append(values)
            let written = try file.finish()
            return (
                name, Manifest.File(bytes: written.bytes, crc32c: written.crc32c, elementType: Element.elementType, shape: [values.count])
            )
        }
        return [try write("bytes", bytes), try write("offsets", offsets), try write("table", table)]
    }

    /// Writes the arrays for names that are distinct and can be made again, without keeping them: only the hash table is in memory.
    static func write(count: Int, prefix: String, into writer: inout ArtifactWriter, name: (Int) -> String) throws {
        let capacity = count + 1 + (count + 1) / 2 + 1
        var bytes = try NpyWriter<UInt8>(writer.newPath(for: prefix + ".bytes.npy"))
        var offsets = try NpyWriter<Int64>(writer.newPath(for: prefix + ".offsets.npy"))
        try offsets.append(0)
        let table = try unsafe StoredArray<UInt32>(count: capacity) { slots in
            for row in 0..<count {
                var name = name(row)
                let hash: UInt64 = try name.withUTF8 { key in
                    try unsafe bytes.append(key)
                    return unsafe Identifiers.hash(key)
                }
                try offsets.append(Int64(bytes.count))
                var slot = Int(hash.multipliedFullWidth(by: UInt64(capacity)).high)
                while unsafe slots[slot] != 0 {
                    slot += 1
                    if slot == capacity { slot = 0 }
                }
                unsafe slots[slot] = UInt32(row + 1)
            }
        }
        for (file, written, type) in [(".bytes", try bytes.finish(), ElementType.uint8), (".offsets", try offsets.finish(), .int64)] {
            let shape = [type == .uint8 ? bytes.count : offsets.count]
            writer.addFile(
                named: prefix + file + ".npy", Manifest.File(bytes: written.bytes, crc32c: written.crc32c, elementType: type, shape: shape))
        }
        try writer.write(prefix + ".table", table)
    }

    /// Where the bytes of a row are; always inside `bytes`.
    @inline(__always)
    private func range(of row: Int) -> Range<Int> {
        let end = Int(clamping: min(max(offsets[row + 1], 0), Int64(bytes.count)))
        return Int(clamping: min(max(offsets[row], 0), Int64(end)))..<end
    }

    /// The string of a row. - Complexity: O(length)
    public subscript(row: Int) -> String {
        let range = range(of: row)
        return unsafe bytes.withUnsafeBufferPointer { unsafe String(decoding: $0[range], as: UTF8.self) }
    }

    /// The row of a string, or `nil`. - Complexity: O(length) expected
    public func row(of string: String) -> Int? {
        var string = string
        return string.withUTF8 { unsafe row(ofUTF8: $0) }
    }

    /// The row of a string given as its UTF-8 bytes, or `nil`.
    func row(ofUTF8 key: UnsafeBufferPointer<UInt8>) -> Int? {
        let hash = unsafe Identifiers.hash(key)
        var slot = Int(hash.multipliedFullWidth(by: UInt64(table.count)).high)
        for _ in 0..<table.count {
            let entry = table[slot]
            if entry == 0 { return nil }
            let row = Int(entry) - 1
            if row < count {
                let range = range(of: row)
                if range.count == key.count, unsafe bytes.withUnsafeBufferPointer({ unsafe $0[range].elementsEqual(key) }) { return row }
            }
            slot += 1
            if slot == table.count { slot = 0 }
        }
        return nil
    }

    /// The row that has the string of a row of another list, or `nil`. Where both lists begin alike, nothing is hashed.
    func row(ofRow row: Int, in other: Identifiers) -> Int? {
        let key = other.range(of: row)
        return unsafe other.bytes.withUnsafeBufferPointer { others in
            let key = unsafe UnsafeBufferPointer(rebasing: others[key])
            if row < count {
                let own = range(of: row)
                if own.count == key.count, unsafe bytes.withUnsafeBufferPointer({ unsafe $0[own].elementsEqual(key) }) { return row }
            }
            return unsafe self.row(ofUTF8: key)
        }
    }

    /// The hash function of the table, part of the file format: eight bytes a step, each step a 64 x 64 bit multiplication whose halves
    /// are combined. Not meant to withstand an attacker who picks colliding strings.
    @inline(__always)
    static func hash(_ key: UnsafeBufferPointer<UInt8>) -> UInt64 {
        func mixed(_ value: UInt64, _ factor: UInt64) -> UInt64 {
            let product = value.multipliedFullWidth(by: factor)
            return product.high ^ product.low
        }
        let raw = UnsafeRawBufferPointer(key)
        var state = 0x9e37_79b9_7f4a_7c15 ^ UInt64(truncatingIfNeeded: raw.count)
        var position = 0
        while position &+ 8 <= raw.count {
            let word = unsafe UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: position, as: UInt64.self))
            state = mixed(state ^ word, 0xd6e8_feb8_6659_fd93) &+ 0x8ebc_6af0_9c88_c6e3
            position &+= 8
        }
        let remaining = raw.count &- position
        var rest: UInt64 = 0
        if raw.count >= 8 {
            // The last eight bytes, of which those that were taken are shifted out.
            let last = unsafe UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: raw.count &- 8, as: UInt64.self))
            rest = remaining == 0 ? 0 : last &>> UInt64(truncatingIfNeeded: 64 &- 8 &* remaining)
        } else {
            for index in 0..<remaining { rest |= unsafe UInt64(raw[position &+ index]) &<< UInt64(truncatingIfNeeded: 8 &* index) }
        }
        state = mixed(state ^ rest, 0xd6e8_feb8_6659_fd93) &+ 0x8ebc_6af0_9c88_c6e3
        return mixed(state, 0xa076_1d64_78bd_642f)
    }
}
