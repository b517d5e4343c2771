/// Edges in blocks of a few million, in memory or, beyond a budget, in files that are mapped and have no name any more.
///
/// `key` is the row in the upper 32 bits and the target in the lower.
struct EdgeBlock: Sendable {
    var keys: StoredArray<UInt64>
    /// `nil` when all are 1.
    var weights: StoredArray<Float>?
    /// `nil` when all are unknown.
    var times: StoredArray<Int64>?
    /// Where each bucket begins; one more than there are buckets. Empty in a log, whose order is that of the input.
    var bucketOffsets: [Int] = []

    var bytes: Int { keys.count * (8 + (weights == nil ? 0 : 4) + (times == nil ? 0 : 8)) }
}

/// Keeps blocks in memory until they are more than a budget; later ones go to files in a scratch directory.
///
/// `@unchecked Sendable`: one task at a time has it.
final class EdgeBlockStore: @unchecked Sendable {
    private(set) var blocks: [EdgeBlock] = []
    private let directory: String
    private let budget: Int
    private var bytesInMemory = 0
    private var files = 0

    init(directory: String, budget: Int) {
        self.directory = directory
        self.budget = budget
    }

    func append(_ block: EdgeBlock) throws { blocks.append(try stored(block)) }

    /// Takes the first blocks out, so that their memory is free when they have been used.
    func takeFirst(_ wanted: Int) -> [EdgeBlock] {
        let taken = Array(blocks.prefix(wanted))
        blocks.removeFirst(taken.count)
        return taken
    }

    /// The block, moved to a file when memory is used up.
    private func stored(_ block: EdgeBlock) throws -> EdgeBlock {
        guard bytesInMemory + block.bytes > budget else {
            bytesInMemory += block.bytes
            return block
        }
        let path = "\(directory)/scratch-\(files)"
        files += 1
        // The mapping keeps the file alive, so that it can be removed at once and a killed process leaves none.
        defer { try? FileSystem.remove(path) }
        let file = try OutputFile(path, isDurable: false)
        try unsafe block.keys.withUnsafeBufferPointer { try unsafe file.write(UnsafeRawBufferPointer($0)) }
        if let times = block.times { try unsafe times.withUnsafeBufferPointer { try unsafe file.write(UnsafeRawBufferPointer($0)) } }
        if let weights = block.weights { try unsafe weights.withUnsafeBufferPointer { try unsafe file.write(UnsafeRawBufferPointer($0)) } }
        try file.closeWithoutSynchronizing()
        let mapped = try MappedFile(path)
        let count = block.keys.count
        var copy = block
        copy.keys = try mapped.array(at: 0, count: count, as: UInt64.self)
        if block.times != nil { copy.times = try mapped.array(at: 8 * count, count: count, as: Int64.self) }
        if block.weights != nil { copy.weights = try mapped.array(at: (block.times == nil ? 8 : 16) * count, count: count, as: Float.self) }
        return copy
    }
}

/// The edges of an import in the order in which they were read.
struct EdgeLog {
    /// The sealed blocks.
    let store: EdgeBlockStore
    /// The number of edges, duplicates included.
    private(set) var count = 0
    private var keys = GrowableArray<UInt64>(capacity: 0)
    private var weights: [Float] = []
    private var times: [Int64] = []
    private static let blockEdges = 1 << 21

    init(scratchDirectory: String, budget: Int) { store = EdgeBlockStore(directory: scratchDirectory, budget: budget) }

    /// - Parameters:
    ///   - weights: of each edge; empty when all are 1.
    ///   - times: of each edge; empty when all are unknown.
    mutating func append(items: [UInt32], collections: [UInt32], weights: [Float], times: [Int64]) throws {
        if !weights.isEmpty { self.weights.append(contentsOf: repeatElement(1, count: keys.count - self.weights.count)) }
        if !times.isEmpty { self.times.append(contentsOf: repeatElement(Graph.unknownTime, count: keys.count - self.times.count)) }
        if keys.count == 0 { keys = GrowableArray(capacity: EdgeLog.blockEdges + EdgeLog.blockEdges / 16) }
        unsafe keys.append(count: items.count) { keys in
            for edge in 0..<items.count { unsafe keys[edge] = UInt64(items[edge]) << 32 | UInt64(collections[edge]) }
        }
        self.weights.append(contentsOf: weights)
        self.times.append(contentsOf: times)
        count += items.count
        if keys.count >= EdgeLog.blockEdges { try seal() }
    }

    /// Ends the last block; call it after the last `append`.
    mutating func seal() throws {
        if keys.count == 0 { return }
        if !weights.isEmpty { weights.append(contentsOf: repeatElement(1, count: keys.count - weights.count)) }
        if !times.isEmpty { times.append(contentsOf: repeatElement(Graph.unknownTime, count: keys.count - times.count)) }
        let block = EdgeBlock(
            keys: keys.stored, weights: weights.contains { $0 != 1 } ? StoredArray(weights) : nil,
            times: times.contains { $0 != Graph.unknownTime } ? StoredArray(times) : nil)
        try store.append(block)
        keys = GrowableArray(capacity: 0)
        weights = []
        times = []
    }
}
