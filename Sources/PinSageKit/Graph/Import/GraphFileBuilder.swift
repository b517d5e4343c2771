internal import Synchronization

/// Writes both directions of a graph from edges in any order, in bounded memory and on all threads.
///
/// Edges are partitioned into buckets of rows that fit the cache, and each bucket is sorted by itself: first by item, where duplicates become one, then,
/// from what that gives, by collection. What does not fit the budget waits in scratch files between these steps. The result is the same as
/// ``GraphBuilder``'s, on any number of threads and with any budget.
struct GraphFileBuilder {
    let itemCount: Int
    let collectionCount: Int
    let threads: Int
    /// For blocks between the two directions, in bytes.
    let budget: Int
    /// Called with the share that is done, from 0 to 1.
    var progress: ((Double) -> Void)?

    /// What was written.
    struct Summary {
        var edges = 0
        var itemsWithoutEdges = 0
        var hasWeights = false
        var hasTimes = false
    }

    /// - Parameters:
    ///   - log: sealed; emptied on the way.
    ///   - itemCounts, collectionCounts: how many edges of the log the rows have.
    func write(
        _ log: EdgeLog, itemCounts: RowGroupCounts, collectionCounts: RowGroupCounts, into writer: inout ArtifactWriter
    ) throws -> Summary {
        let items = EdgeBuckets(itemCounts, rowCount: itemCount), collections = EdgeBuckets(collectionCounts, rowCount: collectionCount)
        let partitioned = EdgeBlockStore(directory: writer.directory, budget: budget)
        while !log.store.blocks.isEmpty {
            let blocks = log.store.takeFirst(threads)
            try pipeline(blocks.count) {
                items.partitioned(blocks[$0])
            } use: {
                try partitioned.append($0)
            }
        }
        progress?(0.2)
        let itemFiles = try AdjacencyWriter("graph/items", &writer)
        let reversed = try write(partitioned.takeFirst(.max), by: items, to: itemFiles, collections: collections)
        let collectionFiles = try AdjacencyWriter("graph/collections", &writer)
        try write(reversed, by: collections, to: collectionFiles)
        let has = try itemFiles.finish(&writer)
        _ = try collectionFiles.finish(&writer)
        return Summary(edges: itemFiles.edges, itemsWithoutEdges: itemFiles.emptyRows, hasWeights: has.weights, hasTimes: has.times)
    }

    /// - Returns: the edges, repeated ones made one, from the other side and partitioned by collection, in blocks that ascend by item.
    private func write(
        _ blocks: [EdgeBlock], by items: EdgeBuckets, to files: AdjacencyWriter, collections: EdgeBuckets
    ) throws -> [EdgeBlock] {
        let reversed = EdgeBlockStore(directory: files.directory, budget: budget)
        let targetBits = bitWidth(collectionCount)
        try pipeline(items.count) { bucket in
            let rows = items.rows(of: bucket)
            var edges = EdgeBucket(bucket, of: blocks, firstRow: rows.lowerBound)
            edges.sort(targetBits: targetBits, rowBits: bitWidth(rows.count))
            edges.merge()
            return (AdjacencyRows(edges, rowCount: rows.count), collections.partitioned(edges.reversed(firstRow: rows.lowerBound)))
        } use: { (made: (rows: AdjacencyRows, block: EdgeBlock)) in
            try files.append(made.rows)
            try reversed.append(made.block)
        } progress: {
            progress?(0.2 + 0.5 * $0)
        }
        return reversed.blocks
    }

    private func write(_ blocks: [EdgeBlock], by collections: EdgeBuckets, to files: AdjacencyWriter) throws {
        try pipeline(collections.count) { bucket in
            let rows = collections.rows(of: bucket)
            var edges = EdgeBucket(bucket, of: blocks, firstRow: rows.lowerBound)
            // The blocks come in the order of items, so a stable sort by collection leaves items ascending.
            edges.sort(targetBits: 0, rowBits: bitWidth(rows.count))
            return AdjacencyRows(edges, rowCount: rows.count)
        } use: {
            try files.append($0)
        } progress: {
            progress?(0.7 + 0.3 * $0)
        }
    }

    /// Makes results on all threads and uses them in their order, one at a time: while some are used, the next are made.
    private func pipeline<Made: Sendable>(
        _ count: Int, make: @Sendable (Int) -> Made, use: @Sendable (Made) throws -> Void, progress: (Double) -> Void = { _ in }
    ) throws {
        var made: [Made] = []
        var next = 0
        while next < count || !made.isEmpty {
            let ready = made, first = next, size = min(max(16, 2 * threads), count - next)
            let results = Mutex([Made?](repeating: nil, count: size))
            try parallelFor(size + 1, threads: threads, grain: 1) { range in
                for task in range {
                    if task == 0 {
                        for result in ready { try use(result) }
                    } else {
                        let result = make(first + task - 1)
                        results.withLock { $0[task - 1] = result }
                    }
                }
            }
            made = results.withLock { $0.compactMap { $0 } }
            next += size
            progress(Double(next) / Double(count))
        }
    }
}

/// The bits that the numbers below `count` take, at least one.
private func bitWidth(_ count: Int) -> Int { max(1, Int.bitWidth - max(0, count - 1).leadingZeroBitCount) }

/// A sorted bucket as it goes to the files of a direction.
private struct AdjacencyRows: Sendable {
    /// Where each row ends, counted from the start of the bucket.
    var ends: [Int64]
    var emptyRows = 0
    var targets: [UInt32]
    /// `nil` when all are 1.
    var weights: [Float]?
    /// `nil` when all are unknown.
    var times: [Int64]?

    init(_ bucket: EdgeBucket, rowCount: Int) {
        ends = AdjacencyRows.ends(of: bucket.keys, rowCount: rowCount)
        var start: Int64 = 0
        for end in ends {
            if end == start { emptyRows += 1 }
            start = end
        }
        precondition(Int(start) == bucket.keys.count, "edges of rows from \(rowCount) on")
        targets = bucket.keys.map { UInt32(truncatingIfNeeded: $0) }
        weights = bucket.weights.flatMap { $0.contains { $0 != 1 } ? $0 : nil }
        times = bucket.times.flatMap { $0.contains { $0 != Graph.unknownTime } ? $0 : nil }
    }

    private static func ends(of keys: [UInt64], rowCount: Int) -> [Int64] {
        var ends = [Int64](repeating: 0, count: rowCount)
        unsafe ends.withUnsafeMutableBufferPointer { ends in
            unsafe keys.withUnsafeBufferPointer { keys in
                var position = 0
                for row in 0..<rowCount {
                    while position < keys.count, unsafe keys[position] >> 32 == UInt64(row) { position &+= 1 }
                    unsafe ends[row] = Int64(position)
                }
            }
        }
        return ends
    }
}

/// Writes one direction, row after row. Weights and times get a file from the first one on that says something.
///
/// `@unchecked Sendable`: one task at a time has it.
private final class AdjacencyWriter: @unchecked Sendable {
    let directory: String
    private let name: String
    private var offsets: NpyWriter<Int64>
    private var targets: NpyWriter<UInt32>
    private var weights: NpyWriter<Float>?
    private var times: NpyWriter<Int64>?
    private(set) var edges = 0
    private(set) var emptyRows = 0

    init(_ name: String, _ writer: inout ArtifactWriter) throws {
        self.name = name
        directory = writer.directory
        offsets = try NpyWriter(writer.newPath(for: name + ".offsets.npy"))
        targets = try NpyWriter(writer.newPath(for: name + ".targets.npy"))
        try offsets.append(0)
    }

    /// - Parameter rows: those that follow the rows before.
    func append(_ rows: AdjacencyRows) throws {
        try offsets.append(rows.ends.map { Int64(edges) + $0 })
        try targets.append(rows.targets)
        try append(rows.weights, of: rows.targets.count, to: &weights, "weights", missing: 1)
        try append(rows.times, of: rows.targets.count, to: &times, "times", missing: Graph.unknownTime)
        edges += rows.targets.count
        emptyRows += rows.emptyRows
    }

    private func append<Element: StoredElement>(
        _ values: [Element]?, of count: Int, to writer: inout NpyWriter<Element>?, _ payload: String, missing: Element
    ) throws {
        if values == nil && writer == nil { return }
        var file = try writer ?? NpyWriter<Element>("\(directory)/\(name).\(payload).npy")
        // What the edges before have had.
        while file.count < edges { try file.append([Element](repeating: missing, count: min(1 << 18, edges - file.count))) }
        try file.append(values ?? [Element](repeating: missing, count: count))
        writer = file
    }

    func finish(_ writer: inout ArtifactWriter) throws -> (weights: Bool, times: Bool) {
        func register<Element: StoredElement>(_ file: inout NpyWriter<Element>, _ payload: String) throws {
            let shape = [file.count]
            let written = try file.finish()
            writer.addFile(
                named: "\(name).\(payload).npy",
                Manifest.File(bytes: written.bytes, crc32c: written.crc32c, elementType: Element.elementType, shape: shape))
        }
        try register(&offsets, "offsets")
        try register(&targets, "targets")
        if var weights { try register(&weights, "weights") }
        if var times { try register(&times, "times") }
        return (weights != nil, times != nil)
    }
}
