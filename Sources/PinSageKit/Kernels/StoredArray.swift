#if canImport(Darwin)
    internal import Darwin
#else
    internal import Glibc
#endif

/// An immutable array of plain values that lives either in memory or in a memory-mapped file, behind one type.
///
/// Graphs, feature tables, embeddings and indexes are made of these, so the same code runs on data of any origin.
/// Subscripts are bounds-checked.
///
/// `@unchecked Sendable`: the memory is never written after `init`, and `owner` keeps it alive as long as any copy of the value.
@safe public struct StoredArray<Element: BitwiseCopyable & Sendable>: @unchecked Sendable, RandomAccessCollection {
    private let owner: AnyObject
    private let base: UnsafePointer<Element>
    public let count: Int

    public var startIndex: Int { 0 }
    public var endIndex: Int { count }

    /// Copies `values` into 64-byte aligned memory.
    public init(_ values: some Collection<Element>) {
        unsafe self.init(count: values.count) { buffer in
            // Elements are BitwiseCopyable, and zeroed memory holds values of all of the kinds we store.
            _ = unsafe buffer.update(fromContentsOf: values)
        }
    }

    /// Makes `count` zeroed elements in 64-byte aligned memory and lets `body` fill them: no second copy, whatever the size.
    init<E: Error>(count: Int, filling body: (UnsafeMutableBufferPointer<Element>) throws(E) -> Void) throws(E) {
        let memory = AlignedMemory(bytes: count * MemoryLayout<Element>.stride)
        let buffer = unsafe memory.pointer.bindMemory(to: Element.self, capacity: count)
        try unsafe body(UnsafeMutableBufferPointer(start: buffer, count: count))
        owner = memory
        unsafe base = UnsafePointer(buffer)
        self.count = count
    }

    /// Takes elements that `owner` keeps alive and unchanged.
    @unsafe init(owner: AnyObject, base: UnsafePointer<Element>, count: Int) {
        self.owner = owner
        unsafe self.base = base
        self.count = count
    }

    @inlinable public subscript(position: Int) -> Element {
        precondition(position >= 0 && position < count, "index \(position) is outside 0..<\(count)")
        return element(position)
    }

    @usableFromInline func element(_ position: Int) -> Element { unsafe base[position] }

    /// Calls `body` with the elements; the pointer must not leave the closure.
    func withUnsafeBufferPointer<R, E: Error>(_ body: (UnsafeBufferPointer<Element>) throws(E) -> R) throws(E) -> R {
        defer { extendLifetime(owner) }
        return try unsafe body(UnsafeBufferPointer(start: base, count: count))
    }

    public func withContiguousStorageIfAvailable<R>(_ body: (UnsafeBufferPointer<Element>) throws -> R) rethrows -> R? {
        defer { extendLifetime(owner) }
        return try unsafe body(UnsafeBufferPointer(start: base, count: count))
    }

    /// A copy in anonymous memory, in huge pages where the system has them: random reads of mapped files miss the TLB far more often.
    public func resident() -> StoredArray<Element> {
        unsafe StoredArray(count: count) { copy in
            unsafe withUnsafeBufferPointer { source in
                _ = unsafe copy.update(fromContentsOf: source)
            }
        }
    }
}

/// 64-byte aligned, zeroed memory that is freed with its owner. Large blocks come straight from the system, page by page as they
/// are touched, and ask for huge pages.
@safe final class AlignedMemory {
    let pointer: UnsafeMutableRawPointer
    /// The length of the mapping; 0 where the block came from the allocator.
    private let mappedBytes: Int

    init(bytes: Int) {
        let hugePage = 2 << 20
        if bytes >= 2 * hugePage {
            let length = (bytes + hugePage - 1) / hugePage * hugePage
            let mapped = unsafe mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | mapAnonymous, -1, 0)
            if let mapped = unsafe mapped, unsafe mapped != MAP_FAILED {
                #if os(Linux)
                    _ = unsafe madvise(mapped, length, 14)  // MADV_HUGEPAGE; a refusal costs only speed
                #endif
                unsafe pointer = mapped
                mappedBytes = length
                return
            }
        }
        unsafe pointer = UnsafeMutableRawPointer.allocate(byteCount: Swift.max(bytes, 1), alignment: 64)
        unsafe pointer.initializeMemory(as: UInt8.self, repeating: 0, count: Swift.max(bytes, 1))
        mappedBytes = 0
    }

    deinit {
        if mappedBytes > 0 {
            unsafe munmap(pointer, mappedBytes)
        } else {
            unsafe pointer.deallocate()
        }
    }
}

#if canImport(Darwin)
    private let mapAnonymous = MAP_ANON
#else
    private let mapAnonymous = MAP_ANONYMOUS
#endif
