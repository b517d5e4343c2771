internal import CZlib
#if canImport(Darwin)
    internal import Darwin
#else
    internal import Glibc
#endif

/// The bytes of a text file, or of standard input (`-`), front to back; gzip is recognised by its first bytes and unpacked.
final class TextSource {
    /// The path, or "standard input": for messages.
    let name: String
    /// The length of the file as it is stored; `nil` when it is not known, as for a pipe.
    let storedBytes: Int?
    /// How many stored bytes were read, for progress.
    private(set) var storedBytesRead = 0
    private let descriptor: Int32
    private var inflater: Inflater?
    private var isStart = true
    /// Stored bytes that were read but not handed on.
    private var pending: [UInt8] = []
    private var pendingStart = 0
    private var isAtEnd = false

    /// - Throws: ``DataError`` when there is no readable file.
    init(_ path: String) throws {
        if path == "-" {
            name = "standard input"
            descriptor = 0
            storedBytes = nil
        } else {
            name = path
            descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw FileSystem.error("the file cannot be opened", path) }
            var status = stat()
            guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT != S_IFDIR else {
                close(descriptor)
                throw DataError("expected a file, found a folder", file: path)
            }
            storedBytes = status.st_mode & S_IFMT == S_IFREG ? Int(status.st_size) : nil
        }
    }

    deinit {
        if descriptor > 0 { close(descriptor) }
    }

    /// Reads until `buffer` is full or the text ends; less than full means the end.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        if isStart {
            isStart = false
            try refill(1 << 16)
            if pending.starts(with: [0x1f, 0x8b]) { inflater = try Inflater(name: name) }
        }
        var filled = 0
        while filled < buffer.count {
            if let inflater {
                if pendingStart == pending.count && !isAtEnd { try refill(1 << 18) }
                let target = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
                let step = try unsafe inflater.inflate(pending, from: pendingStart, into: target, isLast: isAtEnd)
                pendingStart += step.read
                filled += step.written
                if step.read == 0 && step.written == 0 && isAtEnd { break }
            } else if pendingStart < pending.count {
                let count = min(pending.count - pendingStart, buffer.count - filled)
                unsafe pending.withUnsafeBytes { bytes in
                    unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[filled..<filled + count])
                        .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[pendingStart..<pendingStart + count]))
                }
                pendingStart += count
                filled += count
            } else {
                let count = try unsafe readStored(UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]))
                if count == 0 { break }
                filled += count
            }
        }
        return filled
    }

    private func refill(_ count: Int) throws {
        pending = [UInt8](repeating: 0, count: count)
        pendingStart = 0
        let read = try unsafe pending.withUnsafeMutableBytes { try unsafe readStored($0) }
        pending.removeLast(count - read)
    }

    private func readStored(_ buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        while true {
            #if canImport(Darwin)
                let count = unsafe Darwin.read(descriptor, buffer.baseAddress, min(buffer.count, 1 << 30))
            #else
                let count = unsafe Glibc.read(descriptor, buffer.baseAddress, min(buffer.count, 1 << 30))
            #endif
            if count < 0 {
                if errno == EINTR { continue }
                throw FileSystem.error("the file cannot be read", name)
            }
            if count == 0 { isAtEnd = true }
            storedBytesRead += count
            return count
        }
    }
}

/// Unpacks gzip, also several members one after the other, as `cat a.gz b.gz` makes.
@safe private final class Inflater {
    private var stream = unsafe z_stream()
    private let name: String
    private var isBetweenMembers = false

    init(name: String) throws {
        self.name = name
        // 15 + 16: the largest window, gzip headers only.
        let code = unsafe inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard code == Z_OK else { throw DataError("gzip cannot be unpacked: zlib says \(code)", file: name) }
    }

    deinit { unsafe inflateEnd(&stream) }

    func inflate(
        _ input: [UInt8], from start: Int, into output: UnsafeMutableRawBufferPointer, isLast: Bool
    ) throws -> (read: Int, written: Int) {
        var input = input
        if isBetweenMembers && start < input.count {
            guard input[start] == 0x1f else { throw DataError("expected the end of the gzip data or another member, found other bytes", file: name) }
            unsafe inflateReset(&stream)
            isBetweenMembers = false
        }
        if start == input.count {
            guard isBetweenMembers || !isLast else { throw DataError("expected more gzip data, found the end: the file is cut short", file: name) }
            return (0, 0)
        }
        return try unsafe input.withUnsafeMutableBufferPointer { bytes in
            unsafe stream.next_in = bytes.baseAddress.map { unsafe $0 + start }
            unsafe stream.avail_in = UInt32(bytes.count - start)
            unsafe stream.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
            let available = UInt32(clamping: output.count)
            unsafe stream.avail_out = available
            let code = unsafe CZlib.inflate(&stream, Z_NO_FLUSH)
            if code == Z_STREAM_END {
                isBetweenMembers = true
            } else if code != Z_OK && code != Z_BUF_ERROR {
                throw DataError("expected valid gzip data, found damage (zlib says \(code))", file: name)
            }
            return unsafe (bytes.count - start - Int(stream.avail_in), Int(available - stream.avail_out))
        }
    }
}
