#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// Zeroed memory of its own pages, in huge pages where the system grants them: random rows of a table larger than the reach of the
/// processor's page tables would otherwise measure those tables.
@safe final class Buffer<Element: BitwiseCopyable> {
    let count: Int
    let pointer: UnsafeMutablePointer<Element>
    private let bytes: Int
    private let base: UnsafeMutableRawPointer

    init(_ count: Int) {
        self.count = count
        let huge = 2 << 20
        bytes = (max(count, 1) * MemoryLayout<Element>.stride + 2 * huge - 1) / huge * huge
        let mapped = unsafe mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let mapped = unsafe mapped, unsafe mapped != MAP_FAILED else {
            preconditionFailure("no memory for \(bytes) bytes")
        }
        #if os(Linux)
            _ = unsafe madvise(mapped, bytes, 14 /* MADV_HUGEPAGE */)
        #endif
        unsafe base = mapped
        // The next multiple of 2 MiB, where a huge page can begin.
        let aligned = unsafe UnsafeMutableRawPointer(bitPattern: (UInt(bitPattern: mapped) + UInt(huge) - 1) & ~(UInt(huge) - 1)) ?? mapped
        unsafe pointer = aligned.bindMemory(to: Element.self, capacity: max(count, 1))
    }

    convenience init(_ count: Int, _ value: (Int) -> Element) {
        self.init(count)
        for i in 0..<count { unsafe pointer[i] = value(i) }
    }

    deinit { unsafe munmap(base, bytes) }

    var array: [Element] { unsafe Array(UnsafeBufferPointer(start: pointer, count: count)) }
}

/// A seeded generator (SplitMix64).
struct Generator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
    mutating func below(_ bound: Int) -> Int { Int(next().multipliedFullWidth(by: UInt64(bound)).high) }
    /// Uniform in 0 ..< 1.
    mutating func fraction() -> Double { Double(next() >> 11) * 0x1p-53 }
    /// Uniform in -1 ..< 1.
    mutating func float() -> Float { Float(next() >> 40) / Float(1 << 23) - 1 }

    mutating func floats(_ count: Int) -> Buffer<Float> { Buffer(count) { _ in float() } }
    mutating func rows64(_ count: Int, below bound: Int) -> Buffer<Int64> { Buffer(count) { _ in Int64(below(bound)) } }
    mutating func rows32(_ count: Int, below bound: Int) -> Buffer<Int32> { Buffer(count) { _ in Int32(below(bound)) } }
}
