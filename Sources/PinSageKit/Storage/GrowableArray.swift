/// An array that can grow, in memory that uses huge pages once it is large: random reads and writes then rarely miss the TLB.
///
/// A value: copies share their memory until one of them is changed.
/// `@unchecked Sendable`: shared memory is never written.
@safe struct GrowableArray<Element: BitwiseCopyable & Sendable>: @unchecked Sendable {
    private var memory: AlignedMemory
    private var capacity: Int
    private(set) var count: Int

    /// An array of zeros.
    init(zeros count: Int) {
        memory = AlignedMemory(bytes: count * MemoryLayout<Element>.stride)
        capacity = count
        self.count = count
    }

    /// Room for so many elements before any is moved.
    init(capacity: Int) {
        memory = AlignedMemory(bytes: capacity * MemoryLayout<Element>.stride)
        self.capacity = capacity
        count = 0
    }

    private var base: UnsafeMutablePointer<Element> {
        unsafe memory.pointer.assumingMemoryBound(to: Element.self)
    }

    subscript(position: Int) -> Element {
        get {
            precondition(position >= 0 && position < count, "index \(position) is outside 0..<\(count)")
            return unsafe base[position]
        }
        set {
            precondition(position >= 0 && position < count, "index \(position) is outside 0..<\(count)")
            makeUnique(capacity)
            unsafe base[position] = newValue
        }
    }

    mutating func append(_ value: Element) {
        makeUnique(count == capacity ? Swift.max(64, 2 * capacity) : capacity)
        unsafe base[count] = value
        count += 1
    }

    mutating func append(contentsOf values: UnsafeBufferPointer<Element>) {
        let needed = count + values.count
        makeUnique(needed > capacity ? Swift.max(needed, 2 * capacity) : capacity)
        if let source = values.baseAddress { unsafe (base + count).update(from: source, count: values.count) }
        count = needed
    }

    /// Adds elements that `body` fills.
    mutating func append(count added: Int, filling body: (UnsafeMutableBufferPointer<Element>) -> Void) {
        let needed = count + added
        makeUnique(needed > capacity ? Swift.max(needed, 2 * capacity) : capacity)
        unsafe body(UnsafeMutableBufferPointer(start: base + count, count: added))
        count = needed
    }

    /// Takes memory that is nobody else's, of this capacity.
    private mutating func makeUnique(_ wanted: Int) {
        if wanted == capacity && isKnownUniquelyReferenced(&memory) { return }
        let copy = AlignedMemory(bytes: wanted * MemoryLayout<Element>.stride)
        unsafe copy.pointer.copyMemory(from: memory.pointer, byteCount: count * MemoryLayout<Element>.stride)
        memory = copy
        capacity = wanted
    }

    /// Calls `body` with the elements; the pointer must not leave the closure.
    func withUnsafeBufferPointer<R>(_ body: (UnsafeBufferPointer<Element>) throws -> R) rethrows -> R {
        defer { extendLifetime(memory) }
        return try unsafe body(UnsafeBufferPointer(start: base, count: count))
    }

    /// Calls `body` with the elements, which it may change; the pointer must not leave the closure.
    mutating func withUnsafeMutableBufferPointer<R>(_ body: (UnsafeMutableBufferPointer<Element>) throws -> R) rethrows -> R {
        makeUnique(capacity)
        defer { extendLifetime(memory) }
        return try unsafe body(UnsafeMutableBufferPointer(start: base, count: count))
    }

    /// The elements, without a copy: the array takes other memory when it is changed later.
    var stored: StoredArray<Element> { unsafe StoredArray(owner: memory, base: UnsafePointer(base), count: count) }
}
