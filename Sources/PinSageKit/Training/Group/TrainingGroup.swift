/// The processes that train one model together, each on its share of every minibatch.
///
/// ``Trainer`` calls the same operations in the same order on every rank, from one thread; each blocks until all ranks have called it. An operation
/// that throws ends the run: the other ranks cannot know, so whoever started the processes must end them all (under MPI, `MPI_Abort`).
/// ``SoleProcess`` is the group of a run without others; the target PinSageMPI has one of MPI processes.
public protocol TrainingGroup: Sendable {
    /// This process, from 0. Rank 0 measures, writes and reports.
    var rank: Int { get }
    var size: Int { get }
    /// Replaces every value by its sum over all ranks. All give as many, and all get the same bits.
    func sum(_ values: inout [Float]) throws
    /// Replaces every value by its sum over all ranks. All give as many, and all get the same bits.
    func sum(_ values: inout [Double]) throws
    /// What every rank gave, in the order of ranks; each may give another number of bytes.
    func gather(_ bytes: [UInt8]) throws -> [[UInt8]]
    /// What rank 0 gave; what the others give is not used.
    func broadcast(_ bytes: [UInt8]) throws -> [UInt8]
}

extension TrainingGroup {
    /// The part of `count` things that this rank takes: ranges of ranks follow each other and differ by one at most.
    public func share(of count: Int) -> Range<Int> { rank * count / size..<(rank + 1) * count / size }

    /// The sum of all ranks' values.
    func sum(of value: Double) throws -> Double {
        guard size > 1 else { return value }
        var sums = [value]
        try sum(&sums)
        return sums[0]
    }

    /// Whether any rank says yes.
    func anyRank(_ answer: Bool) throws -> Bool { try sum(of: answer ? 1 : 0) > 0 }

    /// The elements of all ranks, in the order of ranks.
    func gatherElements<Element: BitwiseCopyable>(_ values: [Element]) throws -> [Element] {
        guard size > 1 else { return values }
        return try gather(bytes(of: values)).flatMap { elements(of: $0) }
    }

    /// The elements of rank 0.
    func broadcastElements<Element: BitwiseCopyable>(_ values: [Element]) throws -> [Element] {
        guard size > 1 else { return values }
        return elements(of: try broadcast(rank == 0 ? bytes(of: values) : []))
    }

    private func bytes<Element: BitwiseCopyable>(of values: [Element]) -> [UInt8] {
        unsafe values.withUnsafeBytes { unsafe Array($0) }
    }

    private func elements<Element: BitwiseCopyable>(of bytes: [UInt8]) -> [Element] {
        let count = bytes.count / MemoryLayout<Element>.stride
        return unsafe Array(unsafeUninitializedCapacity: count) { buffer, initialized in
            unsafe UnsafeMutableRawBufferPointer(buffer).copyBytes(from: bytes.prefix(count * MemoryLayout<Element>.stride))
            initialized = count
        }
    }
}

/// A run without other processes.
public struct SoleProcess: TrainingGroup {
    public init() {}
    public var rank: Int { 0 }
    public var size: Int { 1 }
    public func sum(_ values: inout [Float]) {}
    public func sum(_ values: inout [Double]) {}
    public func gather(_ bytes: [UInt8]) -> [[UInt8]] { [bytes] }
    public func broadcast(_ bytes: [UInt8]) -> [UInt8] { bytes }
}
