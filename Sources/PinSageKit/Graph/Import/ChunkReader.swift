/// A piece of a text that begins and ends with whole records, so that pieces can be parsed on any thread.
struct TextChunk: Sendable {
    var bytes: [UInt8]
    /// The number of the first line, from 1.
    var firstLine: Int
    /// How many lines it has.
    var lineCount: Int
}

/// Cuts a text into chunks at ends of records, and checks that it is UTF-8 without NUL bytes.
///
/// A record ends with a line feed; in comma-separated text only with one that an even number of quotes precede, so that quoted fields may hold
/// line breaks. A byte order mark at the start is skipped.
struct ChunkReader {
    private let source: TextSource
    private let isQuoted: Bool
    private let chunkBytes: Int
    private var rest: [UInt8] = []
    private var line = 1
    private var isStart = true
    private var isAtEnd = false
    /// A record longer than this is an error: most likely a quote that is never closed.
    private static let longestRecord = 64 << 20

    init(_ source: TextSource, isQuoted: Bool, chunkBytes: Int = 1 << 18) {
        self.source = source
        self.isQuoted = isQuoted
        self.chunkBytes = chunkBytes
    }

    var name: String { source.name }
    var storedBytes: Int? { source.storedBytes }
    var storedBytesRead: Int { source.storedBytesRead }

    /// The next chunk, or `nil` at the end. A last record without line feed gets one. Call ``check(_:name:)`` on it.
    ///
    /// - Parameter buffer: its memory is used for the chunk.
    mutating func next(reusing buffer: consuming [UInt8] = []) throws -> TextChunk? {
        var bytes = buffer
        bytes.removeAll(keepingCapacity: true)
        bytes.append(contentsOf: rest)
        var scanned = 0
        var end = 0
        var quotesAreOpen = false
        while true {
            if !isAtEnd {
                let old = bytes.count
                // Doubling: a long record is scanned once. No more room than a small file needs, so that small files cost little.
                let wanted = max(min(chunkBytes, max(source.storedBytes ?? chunkBytes, 1 << 12) + 1), old)
                bytes.append(contentsOf: repeatElement(0, count: wanted))
                let read = try unsafe bytes.withUnsafeMutableBytes {
                    try unsafe source.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[old...]))
                }
                bytes.removeLast(wanted - read)
                isAtEnd = read < wanted
                if isStart {
                    isStart = false
                    if bytes.starts(with: [0xef, 0xbb, 0xbf]) { bytes.removeFirst(3) }
                }
            }
            if isAtEnd && !bytes.isEmpty && bytes.last != 0x0a { bytes.append(0x0a) }
            if isQuoted {
                unsafe bytes.withUnsafeBufferPointer { buffer in
                    for position in scanned..<buffer.count {
                        let byte = unsafe buffer[position]
                        if byte == UInt8(ascii: "\"") {
                            quotesAreOpen.toggle()
                        } else if byte == 0x0a && !quotesAreOpen {
                            end = position + 1
                        }
                    }
                }
            } else {
                end = bytes[scanned...].lastIndex(of: 0x0a).map { $0 + 1 } ?? end
            }
            scanned = bytes.count
            if bytes.isEmpty { return nil }
            if end > 0 && !(isAtEnd && end < bytes.count) { break }
            if isAtEnd {
                throw DataError("expected the closing quote of a field, found the end", file: name, line: line + ChunkReader.lines(in: bytes[..<end]))
            }
            guard bytes.count <= ChunkReader.longestRecord else {
                throw DataError("expected a record of at most \(ChunkReader.longestRecord >> 20) MiB; is a quote not closed?", file: name, line: line)
            }
        }
        rest.removeAll(keepingCapacity: true)
        rest.append(contentsOf: bytes[end...])
        bytes.removeLast(bytes.count - end)
        let chunk = TextChunk(bytes: bytes, firstLine: line, lineCount: ChunkReader.lines(in: bytes[...]))
        line += chunk.lineCount
        return chunk
    }

    private static func lines(in bytes: ArraySlice<UInt8>) -> Int {
        unsafe bytes.withUnsafeBufferPointer { buffer in
            let raw = UnsafeRawBufferPointer(buffer)
            let low: UInt64 = 0x7f7f_7f7f_7f7f_7f7f, pairs: UInt64 = 0x00ff_00ff_00ff_00ff
            var count = 0, position = 0
            while position &+ 8 <= raw.count {
                // Eight counters of a byte each, added up before one can overflow.
                var counters: UInt64 = 0
                let end = min(raw.count, position &+ 8 &* 255)
                while position &+ 8 <= end {
                    let word = unsafe raw.loadUnaligned(fromByteOffset: position, as: UInt64.self) ^ 0x0a0a_0a0a_0a0a_0a0a
                    counters &+= ~(((word & low) &+ low) | word | low) &>> 7  // 1 in each byte that was a line feed
                    position &+= 8
                }
                let sums = (counters & pairs) &+ ((counters &>> 8) & pairs)
                count &+= Int(truncatingIfNeeded: (sums &* 0x0001_0001_0001_0001) &>> 48)
            }
            while position < raw.count {
                unsafe count &+= raw[position] == 0x0a ? 1 : 0
                position &+= 1
            }
            return count
        }
    }

    /// Checks that a chunk is UTF-8 and has no NUL byte.
    ///
    /// - Throws: ``DataError`` with the line and column of the first byte that is not.
    static func check(_ chunk: TextChunk, name: String) throws {
        guard let (position, isNUL) = firstBadByte(in: chunk.bytes) else { return }
        let before = chunk.bytes[..<position]
        let column = position - (before.lastIndex(of: 0x0a).map { $0 + 1 } ?? 0) + 1
        throw DataError(
            isNUL ? "expected text, found a NUL byte" : "expected UTF-8, found the byte 0x\(String(chunk.bytes[position], radix: 16))",
            file: name, line: chunk.firstLine + lines(in: before), column: column)
    }

    private static func firstBadByte(in bytes: [UInt8]) -> (position: Int, isNUL: Bool)? {
        unsafe bytes.withUnsafeBytes { buffer in
            var position = 0
            while position < buffer.count {
                if position &+ 8 <= buffer.count {
                    let word = unsafe buffer.loadUnaligned(fromByteOffset: position, as: UInt64.self)
                    // Neither a high bit nor a zero byte anywhere in the word: plain ASCII.
                    if (word | (word &- 0x0101_0101_0101_0101)) & 0x8080_8080_8080_8080 == 0 {
                        position &+= 8
                        continue
                    }
                }
                let length = unsafe sequenceLength(UnsafeRawBufferPointer(rebasing: buffer[position...]))
                if length == 0 { return unsafe (position, buffer[position] == 0) }
                position += length
            }
            return nil
        }
    }

    /// The length of the character at the start; 0 when it is NUL or no UTF-8 (Unicode 16, table 3-7).
    private static func sequenceLength(_ bytes: UnsafeRawBufferPointer) -> Int {
        func isContinuation(_ index: Int, _ range: ClosedRange<UInt8> = 0x80...0xbf) -> Bool {
            unsafe index < bytes.count && range.contains(bytes[index])
        }
        switch unsafe bytes[0] {
        case 0x01...0x7f: return 1
        case 0xc2...0xdf: return isContinuation(1) ? 2 : 0
        case 0xe0: return isContinuation(1, 0xa0...0xbf) && isContinuation(2) ? 3 : 0
        case 0xed: return isContinuation(1, 0x80...0x9f) && isContinuation(2) ? 3 : 0
        case 0xe1...0xef: return isContinuation(1) && isContinuation(2) ? 3 : 0
        case 0xf0: return isContinuation(1, 0x90...0xbf) && isContinuation(2) && isContinuation(3) ? 4 : 0
        case 0xf1...0xf3: return isContinuation(1) && isContinuation(2) && isContinuation(3) ? 4 : 0
        case 0xf4: return isContinuation(1, 0x80...0x8f) && isContinuation(2) && isContinuation(3) ? 4 : 0
        default: return 0
        }
    }
}
