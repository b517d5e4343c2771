#if canImport(Darwin)
    internal import Darwin
#else
    internal import Glibc
#endif

/// A regular file mapped read-only into memory. Pages are read when they are touched and are dropped by the system when memory is short.
///
/// PinSageKit never changes a file in place (it writes another and renames), so a mapping stays valid while others replace the artifact.
/// Cutting a mapped file short from outside ends the process with SIGBUS, as for every program that maps files.
///
/// `@unchecked Sendable`: the mapping is read-only and lives as long as the object.
@safe public final class MappedFile: @unchecked Sendable {
    public let path: String
    /// The length in bytes.
    public let count: Int
    private let base: UnsafeRawPointer?
    /// Whether the bytes are a mapping's and not of this object's own memory.
    private let isMapped: Bool

    /// How a file will be read; a hint only.
    public enum Access: Sendable { case normal, sequential, random }

    /// - Throws: ``DataError`` when there is no readable regular file at `path`.
    public init(_ path: String, access: Access = .normal) throws {
        self.path = path
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileSystem.error("the file cannot be opened", path) }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw FileSystem.error("the file cannot be examined", path) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw DataError("expected a regular file", file: path) }
        count = Int(status.st_size)
        isMapped = count > 0
        if count == 0 {
            unsafe base = nil
            return
        }
        guard let mapped = unsafe mmap(nil, count, PROT_READ, MAP_SHARED, descriptor, 0), unsafe mapped != MAP_FAILED else {
            throw FileSystem.error("the file cannot be mapped", path)
        }
        unsafe base = UnsafeRawPointer(mapped)
        switch access {
        case .normal: break
        case .sequential: _ = unsafe madvise(mapped, count, MADV_SEQUENTIAL)
        case .random: _ = unsafe madvise(mapped, count, MADV_RANDOM)
        }
    }

    /// Bytes that never were in a file, as the fuzzer reads some thousand artifacts a second from; `path` is what messages call them.
    init(_ path: String, contents: [UInt8]) {
        self.path = path
        count = contents.count
        isMapped = false
        // Aligned as mappings are, for elements of any type.
        let copy = UnsafeMutableRawPointer.allocate(byteCount: max(count, 1), alignment: 64)
        unsafe UnsafeMutableRawBufferPointer(start: copy, count: count).copyBytes(from: contents)
        unsafe base = UnsafeRawPointer(copy)
    }

    deinit {
        guard let base = unsafe base else { return }
        if isMapped { unsafe munmap(UnsafeMutableRawPointer(mutating: base), count) } else { unsafe base.deallocate() }
    }

    /// Calls `body` with the bytes; the pointer must not leave the closure.
    func withUnsafeBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
        defer { extendLifetime(self) }
        return try unsafe body(UnsafeRawBufferPointer(start: base, count: count))
    }

    /// `count` elements from byte `offset` on: in place where they are aligned, otherwise copied.
    ///
    /// - Throws: ``DataError`` when they do not all lie inside the file.
    public func array<Element: BitwiseCopyable & Sendable>(
        at offset: Int, count: Int, as type: Element.Type
    ) throws -> StoredArray<Element> {
        let (bytes, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
        guard offset >= 0, count >= 0, !overflow, offset <= self.count, bytes <= self.count - offset else {
            throw DataError(
                "expected \(count) elements of \(MemoryLayout<Element>.stride) bytes from byte \(offset) on, found \(self.count) bytes", file: path)
        }
        guard count > 0, let base = unsafe base else { return StoredArray<Element>([]) }
        let start = unsafe base + offset
        if UInt(bitPattern: start) % UInt(MemoryLayout<Element>.alignment) == 0 {
            // The mapping is never written, so viewing its bytes as elements of a bitwise-copyable type is sound.
            return unsafe StoredArray(owner: self, base: start.assumingMemoryBound(to: Element.self), count: count)
        }
        return unsafe StoredArray(count: count) { copy in
            unsafe UnsafeMutableRawBufferPointer(copy).copyMemory(from: UnsafeRawBufferPointer(start: start, count: bytes))
        }
    }
}
