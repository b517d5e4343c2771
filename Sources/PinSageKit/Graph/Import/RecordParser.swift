/// Splits a chunk of delimited text into records and their fields.
///
/// Tab-separated text has no quotes: a field is whatever stands between two tabs. Comma-separated text follows RFC 4180: a field that
/// begins with a quote ends with one and may hold commas, line breaks and doubled quotes. A carriage return before the line feed
/// belongs to the line end. Empty lines are skipped.
struct RecordParser {
    /// Unescaping happens in place, so fields are ranges of this.
    private(set) var bytes: [UInt8]
    /// The fields of the current record.
    private(set) var fields: [Range<Int>] = []
    /// How many of them are of this record while it is read: nearly always those of the last one are replaced one by one.
    private var fieldCount = 0
    /// The line on which the current record begins.
    private(set) var line: Int
    private var nextLine: Int
    private var position = 0
    private var recordStart = 0
    private let name: String
    private let separator: UInt8
    private let isQuoted: Bool

    init(_ chunk: consuming TextChunk, name: String, isQuoted: Bool) {
        line = chunk.firstLine
        nextLine = chunk.firstLine
        bytes = chunk.bytes
        self.name = name
        self.isQuoted = isQuoted
        separator = isQuoted ? UInt8(ascii: ",") : 0x09
    }

    /// Goes to the next record; false at the end of the chunk.
    mutating func next() throws -> Bool {
        while position < bytes.count {
            line = nextLine
            recordStart = position
            fieldCount = 0
            if isQuoted { try readQuoted() } else { readPlain() }
            if fields.count > fieldCount { fields.removeLast(fields.count - fieldCount) }
            if fields.count != 1 || !fields[0].isEmpty { return true }
        }
        return false
    }

    /// The column in bytes of a field of the current record, as far as quotes allow to tell.
    func column(of field: Int) -> Int { fields[field].lowerBound - recordStart + 1 }

    /// A field of the current record.
    func text(_ field: Int) -> String { String(decoding: bytes[fields[field]], as: UTF8.self) }

    private mutating func readPlain() {
        unsafe bytes.withUnsafeBytes { buffer in
            var fieldStart = position
            var end = unsafe RecordParser.separator(in: buffer, from: position)
            while unsafe buffer[end] != 0x0a {
                if unsafe buffer[end] == separator {
                    add(fieldStart..<end)
                    fieldStart = end &+ 1
                }
                end = unsafe RecordParser.separator(in: buffer, from: end &+ 1)
            }
            let last = unsafe end > fieldStart && buffer[end - 1] == 0x0d ? end - 1 : end
            add(fieldStart..<last)
            position = end &+ 1
        }
        nextLine += 1
    }

    /// The next tab or line feed, or another of the few control characters below them. There must be one.
    @inline(__always)
    private static func separator(in text: UnsafeRawBufferPointer, from start: Int) -> Int {
        var position = start
        while position &+ 8 <= text.count {
            let word = unsafe UInt64(littleEndian: text.loadUnaligned(fromByteOffset: position, as: UInt64.self))
            // Subtracting 11 from every byte borrows from the high bit of those below; of the bytes that it marks the first one is right.
            let marks = (word &- 0x0b0b_0b0b_0b0b_0b0b) & ~word & 0x8080_8080_8080_8080
            if marks != 0 { return position &+ marks.trailingZeroBitCount / 8 }
            position &+= 8
        }
        while unsafe text[position] > 0x0a { position &+= 1 }
        return position
    }

    @inline(__always)
    private mutating func add(_ field: Range<Int>) {
        if fieldCount < fields.count { fields[fieldCount] = field } else { fields.append(field) }
        fieldCount += 1
    }

    private mutating func readQuoted() throws {
        while true {
            let start = position
            if bytes[position] == UInt8(ascii: "\"") {
                position += 1
                var output = position
                while true {
                    // The chunk ends with a line feed outside quotes, so an open quote always finds its end.
                    let byte = bytes[position]
                    if byte == UInt8(ascii: "\"") {
                        if bytes[position + 1] != UInt8(ascii: "\"") { break }
                        position += 1
                    } else if byte == 0x0a {
                        nextLine += 1
                    }
                    bytes[output] = byte
                    output += 1
                    position += 1
                }
                add(start + 1..<output)
                position += 1
                if bytes[position] == 0x0d { position += 1 }
                guard bytes[position] == separator || bytes[position] == 0x0a else {
                    throw DataError(
                        "expected a comma or the end of the line after a closing quote", file: name, line: nextLine,
                        column: position - recordStart + 1)
                }
            } else {
                while bytes[position] != separator && bytes[position] != 0x0a {
                    if bytes[position] == UInt8(ascii: "\"") {
                        throw DataError(
                            "expected quotes around the whole field, found one inside it", file: name, line: nextLine,
                            column: position - recordStart + 1)
                    }
                    position += 1
                }
                let isLast = bytes[position] == 0x0a
                add(start..<(isLast && position > start && bytes[position - 1] == 0x0d ? position - 1 : position))
            }
            position += 1
            if bytes[position - 1] == 0x0a {
                nextLine += 1
                return
            }
        }
    }
}
