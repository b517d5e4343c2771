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
    ///   - itemDegrees, collectionDegrees: how many edges of the log each row has.
    func write(_ log: inout EdgeLog, itemDegrees: [UInt32], collectionDegrees: [UInt32], into writer: inout ArtifactWriter) throws -> Summary {
        precondition(itemDegrees.count == itemCount && collectionDegrees.count == collectionCount, "a degree for each row")
        let targetBits = bitWidth(collectionCount)
        let items = EdgeBuckets(degrees: itemDegrees), collections = EdgeBuckets(degrees: collectionDegrees)
        var byItem: [EdgeBlock] = []
        var store = EdgeBlockStore(directory: writer.directory, budget: budget)
        while !log.blocks.isEmpty {
            let taken = log.takeFirst(threads)
            for block in try map(taken.count, { items.partitioned(taken[$0]) }) { byItem.append(try store.stored(block)) }
        }
        progress?(0.2)
        var output = try AdjacencyWriter("graph/items", &writer)
        var byCollection: [EdgeBlock] = []
        store = EdgeBlockStore(directory: writer.directory, budget: budget)
        for start in stride(from: 0, to: items.count, by: threads) {
            let blocks = byItem
            let sorted = try map(min(threads, items.count - start)) { index -> (EdgeBucket, EdgeBlock) in
                let bucket = start + index
                let firstRow = items.starts[bucket]
                var edges = EdgeBucket(bucket, of: blocks, firstRow: firstRow)
                edges.sort(targetBits: targetBits, rowBits: bitWidth(items.starts[bucket + 1] - firstRow))
                edges.merge()
                return (edges, collections.partitioned(GraphFileBuilder.reversed(edges, firstRow: firstRow)))
            }
            for (index, pair) in sorted.enumerated() {
                try output.append(pair.0, rows: items.starts[start + index]..<items.starts[start + index + 1])
                byCollection.append(try store.stored(pair.1))
            }
            progress?(0.2 + 0.5 * Double(start) / Double(items.count))
        }
        byItem = []
        var summary = Summary()
        summary.itemsWithoutEdges = output.emptyRows
        summary.edges = output.edges
        (summary.hasWeights, summary.hasTimes) = try output.finish(&writer)

        output = try AdjacencyWriter("graph/collections", &writer)
        for start in stride(from: 0, to: collections.count, by: threads) {
            let blocks = byCollection
            let sorted = try map(min(threads, collections.count - start)) { index -> EdgeBucket in
                let bucket = start + index
                let firstRow = collections.starts[bucket]
                var edges = EdgeBucket(bucket, of: blocks, firstRow: firstRow)
                // The blocks come in the order of items, so a stable sort by collection leaves items ascending.
                edges.sort(targetBits: 0, rowBits: bitWidth(collections.starts[bucket + 1] - firstRow))
                return edges
            }
            for (index, edges) in sorted.enumerated() {
                try output.append(edges, rows: collections.starts[start + index]..<collections.starts[start + index + 1])
            }
            progress?(0.7 + 0.3 * Double(start) / Double(collections.count))
        }
        _ = try output.finish(&writer)
        return summary
    }

    private static func reversed(_ edges: EdgeBucket, firstRow: Int) -> EdgeBlock {
        let keys = unsafe StoredArray<UInt64>(count: edges.keys.count) { output in
            unsafe edges.keys.withUnsafeBufferPointer { keys in
                for index in 0..<keys.count { unsafe output[index] = (keys[index] << 32) | ((keys[index] >> 32) &+ UInt64(firstRow)) }
            }
        }
        return EdgeBlock(keys: keys, weights: edges.weights.map { StoredArray($0) }, times: edges.times.map { StoredArray($0) })
    }

    private func map<Result: Sendable>(_ count: Int, _ body: @Sendable (Int) -> Result) throws -> [Result] {
        let results = Mutex<[Int: Result]>([:])
        try parallelFor(count, threads: threads, grain: 1) { range in
            for index in range {
                let result = body(index)
                results.withLock { $0[index] = result }
            }
        }
        let found = results.withLock { $0 }
        return (0..<count).compactMap { found[$0] }
    }
}

/// The bits that the numbers below `count` take, at least one.
private func bitWidth(_ count: Int) -> Int { max(1, Int.bitWidth - max(0, count - 1).leadingZeroBitCount) }

/// Writes one direction, row after row. Weights and times get a file from the first one on that says something.
private struct AdjacencyWriter {
    private let name: String
    private let directory: String
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

    /// - Parameter rows: the rows of the bucket, which follow those of the one before.
    mutating func append(_ bucket: EdgeBucket, rows: Range<Int>) throws {
        var ends = [Int64](repeating: Int64(edges), count: rows.count)
        var position = 0
        for row in ends.indices {
            let start = position
            while position < bucket.keys.count, bucket.keys[position] >> 32 == UInt64(row) { position += 1 }
            ends[row] = Int64(edges + position)
            if position == start { emptyRows += 1 }
        }
        precondition(position == bucket.keys.count, "edges of rows outside \(rows)")
        try offsets.append(ends)
        try targets.append(bucket.keys.map { UInt32(truncatingIfNeeded: $0) })
        if let values = bucket.weights, weights != nil || values.contains(where: { $0 != 1 }) {
            try fill(&weights, "weights", 1)
            try weights?.append(values)
        } else if weights != nil {
            try weights?.append([Float](repeating: 1, count: bucket.keys.count))
        }
        if let values = bucket.times, times != nil || values.contains(where: { $0 != Graph.unknownTime }) {
            try fill(&times, "times", Graph.unknownTime)
            try times?.append(values)
        } else if times != nil {
            try times?.append([Int64](repeating: Graph.unknownTime, count: bucket.keys.count))
        }
        edges += bucket.keys.count
    }

    /// Makes the file of a payload, with what all edges before have had.
    private func fill<Element: StoredElement>(_ writer: inout NpyWriter<Element>?, _ payload: String, _ missing: Element) throws {
        if writer != nil { return }
        var made = try NpyWriter<Element>("\(directory)/\(name).\(payload).npy")
        while made.count < edges { try made.append([Element](repeating: missing, count: min(1 << 18, edges - made.count))) }
        writer = made
    }

    mutating func finish(_ writer: inout ArtifactWriter) throws -> (hasWeights: Bool, hasTimes: Bool) {
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
