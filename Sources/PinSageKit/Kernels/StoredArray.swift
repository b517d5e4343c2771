/// An immutable array of plain values that lives either in memory or in a memory-mapped file, behind one type.
///
/// Graphs, feature tables, embeddings and indexes are made of these, so the same code runs on data of any origin.
/// Subscripts are bounds-checked; `withUnsafeBufferPointer` is for loops that check their own bounds.
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
        let memory = AlignedMemory(bytes: values.count * MemoryLayout<Element>.stride)
        let buffer = unsafe memory.pointer.bindMemory(to: Element.self, capacity: values.count)
        _ = unsafe UnsafeMutableBufferPointer(start: buffer, count: values.count).initialize(fromContentsOf: values)
        owner = memory
        unsafe base = UnsafePointer(buffer)
        count = values.count
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
    public func withUnsafeBufferPointer<R, E: Error>(_ body: (UnsafeBufferPointer<Element>) throws(E) -> R) throws(E) -> R {
        defer { extendLifetime(owner) }
        return try unsafe body(UnsafeBufferPointer(start: base, count: count))
    }
}

/// 64-byte aligned, zeroed memory that is freed with its owner.
@safe final class AlignedMemory {
    let pointer: UnsafeMutableRawPointer

    init(bytes: Int) {
        unsafe pointer = UnsafeMutableRawPointer.allocate(byteCount: Swift.max(bytes, 1), alignment: 64)
        unsafe pointer.initializeMemory(as: UInt8.self, repeating: 0, count: Swift.max(bytes, 1))
    }

    deinit { unsafe pointer.deallocate() }
}
