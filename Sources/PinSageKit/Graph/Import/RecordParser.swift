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
    /// The line on which the current record begins.
    private(set) var line: Int
    private var nextLine: Int
    private var position = 0
    private var recordStart = 0
    private let name: String
    private let separator: UInt8
    private let isQuoted: Bool

    init(_ chunk: TextChunk, name: String, isQuoted: Bool) {
        bytes = chunk.bytes
        line = chunk.firstLine
        nextLine = chunk.firstLine
        self.name = name
        self.isQuoted = isQuoted
        separator = isQuoted ? UInt8(ascii: ",") : 0x09
    }

    /// Goes to the next record; false at the end of the chunk.
    mutating func next() throws -> Bool {
        while position < bytes.count {
            line = nextLine
            recordStart = position
            fields.removeAll(keepingCapacity: true)
            if isQuoted { try readQuoted() } else { readPlain() }
            if fields.count != 1 || !fields[0].isEmpty { return true }
        }
        return false
    }

    /// The column in bytes of a field of the current record, as far as quotes allow to tell.
    func column(of field: Int) -> Int { fields[field].lowerBound - recordStart + 1 }

    /// A field of the current record.
    func text(_ field: Int) -> String { String(decoding: bytes[fields[field]], as: UTF8.self) }

    private mutating func readPlain() {
        let start = position
        var end = start
        unsafe bytes.withUnsafeBufferPointer { buffer in
            var fieldStart = start
            while unsafe buffer[end] != 0x0a {
                if unsafe buffer[end] == separator {
                    fields.append(fieldStart..<end)
                    fieldStart = end + 1
                }
                end += 1
            }
            let last = unsafe end > fieldStart && buffer[end - 1] == 0x0d ? end - 1 : end
            fields.append(fieldStart..<last)
        }
        position = end + 1
        nextLine += 1
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
                fields.append(start + 1..<output)
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
                fields.append(start..<(isLast && position > start && bytes[position - 1] == 0x0d ? position - 1 : position))
            }
            position += 1
            if bytes[position - 1] == 0x0a {
                nextLine += 1
                return
            }
        }
    }
}
