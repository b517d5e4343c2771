#if canImport(Darwin)
    internal import Darwin
#else
    internal import Glibc
#endif

/// A new file, written from front to back through a buffer, that knows its checksum.
///
/// `close` makes it durable. One that is dropped without `close` leaves a file of unknown length: callers write into a temporary place.
public final class OutputFile {
    public let path: String
    private var descriptor: Int32
    private var buffer: [UInt8] = []
    private var crc = CRC32C()
    private let isDurable: Bool
    private var bytesWritten = 0
    /// How many of them the system was told to write to the disk.
    private var bytesBegun = 0
    private static let bufferBytes = 1 << 20

    /// - Parameter isDurable: whether it ends with ``close()`` and not with `closeWithoutSynchronizing`.
    /// - Throws: ``DataError`` when a file with this name exists or cannot be made.
    public init(_ path: String, isDurable: Bool = true) throws {
        self.path = path
        self.isDurable = isDurable
        descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw FileSystem.error("the file cannot be made", path) }
        buffer.reserveCapacity(OutputFile.bufferBytes)
    }

    /// Makes a file through a temporary sibling, so that the path holds the old file or the complete new one.
    ///
    /// - Parameter body: makes the file at the path that it is given.
    /// - Throws: ``DataError`` when something else than a file is at `path`, or what `body` threw.
    public static func replacing(_ path: String, _ body: (_ temporary: String) throws -> Void) throws {
        try FileSystem.replaceFile(path) { temporary in
            try body(temporary)
            try FileSystem.synchronize(temporary)
        }
    }

    deinit {
        if descriptor >= 0 { _ = systemClose(descriptor) }
    }

    /// How many bytes were written.
    public var count: Int { crc.count + buffer.count }

    /// Writes bytes.
    public func write(_ bytes: [UInt8]) throws {
        try unsafe bytes.withUnsafeBytes { bytes in try unsafe write(bytes) }
    }

    /// Writes a text as UTF-8.
    public func write(_ text: String) throws {
        var text = text
        try text.withUTF8 { bytes in try unsafe write(UnsafeRawBufferPointer(bytes)) }
    }

    /// Writes one element in little-endian order.
    public func write<Element: StoredElement>(element: Element) throws {
        try unsafe withUnsafeBytes(of: element) { bytes in try unsafe write(bytes) }
    }

    /// Writes the bytes of a buffer, which is not kept.
    func write(_ bytes: UnsafeRawBufferPointer) throws {
        if bytes.count >= OutputFile.bufferBytes {
            try flush()
            unsafe crc.update(bytes)
            try unsafe writeAll(bytes)
            return
        }
        if buffer.count + bytes.count > OutputFile.bufferBytes { try flush() }
        unsafe buffer.append(contentsOf: bytes)
    }

    private func flush() throws {
        if buffer.isEmpty { return }
        crc.update(buffer)
        try unsafe buffer.withUnsafeBytes { bytes in try unsafe writeAll(bytes) }
        buffer.removeAll(keepingCapacity: true)
    }

    private func writeAll(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = unsafe bytes
        while rest.count > 0 {
            let written = unsafe systemWrite(descriptor, rest.baseAddress, min(rest.count, 1 << 30))
            if written < 0 {
                if errno == EINTR { continue }
                throw FileSystem.error("the file cannot be written", path)
            }
            unsafe rest = UnsafeRawBufferPointer(rebasing: rest[written...])
            bytesWritten += written
        }
        beginWriteback()
    }

    /// Has the system write what is in its cache while there is more to come, so that ``close()`` waits for the last few megabytes only.
    private func beginWriteback() {
        #if os(Linux)
            guard isDurable, bytesWritten - bytesBegun >= 8 << 20 else { return }
            // Of pages that were not written yet this drops none: it begins to write them and returns. A refusal costs only time.
            _ = posix_fadvise(descriptor, off_t(bytesBegun), off_t(bytesWritten - bytesBegun), POSIX_FADV_DONTNEED)
            bytesBegun = bytesWritten
        #endif
    }

    /// Overwrites the first bytes, whose checksum then replaces that of what stood there.
    ///
    /// - Parameter old: what was written there before; as many bytes.
    func replaceStart(_ old: [UInt8], with new: [UInt8]) throws {
        precondition(old.count == new.count, "\(new.count) bytes in place of \(old.count)")
        try flush()
        var position = 0
        while position < new.count {
            let written = unsafe new.withUnsafeBytes { bytes in
                unsafe pwrite(descriptor, bytes.baseAddress.map { unsafe $0 + position }, new.count - position, off_t(position))
            }
            if written < 0 && errno != EINTR { throw FileSystem.error("the file cannot be written", path) }
            position += max(0, written)
        }
        // CRCs are linear: the change of the first bytes, followed by zeros, is what the whole changes by.
        var change = CRC32C()
        change.update(zip(old, new).map { $0 ^ $1 })
        var nothing = CRC32C()
        nothing.update([UInt8](repeating: 0, count: old.count))
        crc = crc.changed(by: change.value ^ nothing.value, followedBy: crc.count - old.count)
    }

    /// Writes what is buffered and closes the file, which need not survive a power cut.
    func closeWithoutSynchronizing() throws {
        try flush()
        let code = systemClose(descriptor)
        descriptor = -1
        if code != 0 { throw FileSystem.error("the file cannot be closed", path) }
    }

    /// Writes what is buffered, makes the file durable and closes it. - Returns: the length and checksum of the whole file.
    @discardableResult
    public func close() throws -> (bytes: Int, crc32c: UInt32) {
        try flush()
        if fsync(descriptor) != 0 { throw FileSystem.error("the file cannot be written to the disk", path) }
        let code = systemClose(descriptor)
        descriptor = -1
        if code != 0 { throw FileSystem.error("the file cannot be closed", path) }
        return (crc.count, crc.value)
    }
}

// The class has methods of the same names.
private func systemClose(_ descriptor: Int32) -> Int32 { close(descriptor) }
private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int { unsafe write(descriptor, bytes, count) }
