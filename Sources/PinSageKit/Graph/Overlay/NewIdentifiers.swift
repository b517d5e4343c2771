/// Identifiers of a dataset and new ones, which get the rows behind them.
struct NewIdentifiers {
    let known: Identifiers
    private(set) var new = IdentifierInterner()

    init(known: Identifiers) { self.known = known }

    var count: Int { known.count + new.count }

    subscript(row: Int) -> String { row < known.count ? known[row] : new[row - known.count] }

    func contains(_ string: String) -> Bool { known.row(of: string) != nil || new.row(of: string) != nil }

    /// The row of a string, which is added where it is new.
    mutating func row(of string: String) -> Int { known.row(of: string) ?? known.count + new.add(string).row }

    /// The row of a string, where it has one.
    func known(_ string: String) -> Int? { known.row(of: string) ?? new.row(of: string).map { known.count + $0 } }
}

extension Identifiers {
    /// Writes these identifiers and, behind them, others that are not among them.
    ///
    /// - Complexity: O(all bytes) sequentially; the hash table is copied while it has room and made anew otherwise.
    func write(with new: Identifiers, prefix: String, into writer: inout ArtifactWriter) throws {
        var bytes = try NpyWriter<UInt8>(writer.newPath(for: prefix + ".bytes.npy"))
        try bytes.append(self.bytes)
        try bytes.append(new.bytes)
        var offsets = try NpyWriter<Int64>(writer.newPath(for: prefix + ".offsets.npy"))
        try offsets.append(self.offsets)
        let shift = Int64(self.bytes.count)
        try offsets.append(new.offsets.dropFirst().map { $0 + shift })
        let total = count + new.count
        precondition(total < Int(UInt32.max), "more than 4 billion identifiers")
        let hasRoom = table.count >= total + total / 6 + 1
        let capacity = hasRoom ? table.count : total + total / 2 + 2
        let slots = unsafe StoredArray<UInt32>(count: capacity) { (slots: UnsafeMutableBufferPointer<UInt32>) in
            func insert(_ hash: UInt64, _ row: Int) {
                var slot = Int(hash.multipliedFullWidth(by: UInt64(capacity)).high)
                while unsafe slots[slot] != 0 {
                    slot += 1
                    if slot == capacity { slot = 0 }
                }
                unsafe slots[slot] = UInt32(row + 1)
            }
            if hasRoom {
                unsafe table.withUnsafeBufferPointer { old in
                    for slot in 0..<capacity { unsafe slots[slot] = old[slot] }
                }
            } else {
                for row in 0..<count { insert(hash(of: row), row) }
            }
            for row in 0..<new.count { insert(new.hash(of: row), count + row) }
        }
        for (file, written, type, length) in [
            (".bytes", try bytes.finish(), ElementType.uint8, bytes.count), (".offsets", try offsets.finish(), .int64, offsets.count),
        ] {
            writer.addFile(
                named: prefix + file + ".npy", Manifest.File(bytes: written.bytes, crc32c: written.crc32c, elementType: type, shape: [length]))
        }
        try writer.write(prefix + ".table", slots)
    }

    private func hash(of row: Int) -> UInt64 {
        var name = self[row]
        return name.withUTF8 { unsafe Identifiers.hash($0) }
    }
}
