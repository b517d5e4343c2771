/// Makes a graph of edges that are given in any order.
///
/// Edges between the same item and collection become one: its weight is the sum of their weights (so the number of times it was seen,
/// where no weights are given), its time the *earliest* known one. An item is in a collection from the first time on that somebody put
/// it there: so "edges before t" never contains an edge that was only known later, and seeing it again does not take it away.
public enum GraphBuilder {
    /// - Parameters:
    ///   - items: the item of each edge, below `itemCount`.
    ///   - collections: the collection of each edge, below `collectionCount`.
    ///   - weights: of each edge; `nil` is 1 each.
    ///   - times: of each edge, ``Graph/unknownTime`` where unknown; `nil` is unknown each.
    /// - Returns: a graph whose `weights` are `nil` when all are 1, and whose `times` are `nil` when none is known.
    /// - Throws: ``DataError`` for an edge whose ends do not exist or whose weight is not a positive finite number.
    /// - Complexity: O(edges + items + collections) time; about twice the memory of the result on top of the arguments.
    public static func graph(
        itemCount: Int, collectionCount: Int, items: some Collection<UInt32>, collections: some Collection<UInt32>,
        weights: [Float]? = nil, times: [Int64]? = nil
    ) throws -> Graph {
        let items = contiguous(items), collections = contiguous(collections)
        precondition(items.count == collections.count, "\(items.count) items for \(collections.count) collections")
        precondition(weights == nil || weights?.count == items.count, "\(weights?.count ?? 0) weights for \(items.count) edges")
        precondition(times == nil || times?.count == items.count, "\(times?.count ?? 0) times for \(items.count) edges")
        for edge in items.indices {
            guard items[edge] < itemCount, collections[edge] < collectionCount else {
                throw DataError(
                    "expected an item below \(itemCount) and a collection below \(collectionCount), found edge \(edge) from \(items[edge]) to \(collections[edge])"
                )
            }
        }
        if let edge = weights?.firstIndex(where: { !($0 > 0 && $0.isFinite) }), let weight = weights?[edge] {
            throw DataError("expected positive finite weights, found \(weight) at edge \(edge)")
        }
        let times = times.flatMap { times in times.contains { $0 != Graph.unknownTime } ? times : nil }
        let edges = EdgeRows(rows: items, targets: collections, weights: weights, times: times)
        // Sorted by collection and then, stably, by item: the targets of each item ascend.
        let merged = edges.transposed(rowCount: collectionCount).transposed(rowCount: itemCount).merged(rowCount: itemCount)
        let reversed = merged.transposed(rowCount: collectionCount)
        return Graph(items: merged.adjacency(rowCount: itemCount), collections: reversed.adjacency(rowCount: collectionCount))
    }

    private static func contiguous(_ values: some Collection<UInt32>) -> StoredArray<UInt32> {
        (values as? StoredArray<UInt32>) ?? StoredArray(values)
    }
}

/// Edges with the row of each written out. `transposed` swaps the two ends and sorts by the new row, stably.
private struct EdgeRows {
    var rows: StoredArray<UInt32>
    var targets: StoredArray<UInt32>
    var weights: StoredArray<Float>?
    var times: StoredArray<Int64>?

    init(rows: StoredArray<UInt32>, targets: StoredArray<UInt32>, weights: [Float]?, times: [Int64]?) {
        self.rows = rows
        self.targets = targets
        self.weights = weights.map { StoredArray($0) }
        self.times = times.map { StoredArray($0) }
    }

    private init(rows: StoredArray<UInt32>, targets: StoredArray<UInt32>, weights: StoredArray<Float>?, times: StoredArray<Int64>?) {
        self.rows = rows
        self.targets = targets
        self.weights = weights
        self.times = times
    }

    func offsets(of keys: StoredArray<UInt32>, rowCount: Int) -> StoredArray<Int64> {
        unsafe StoredArray(count: rowCount + 1) { offsets in
            unsafe keys.withUnsafeBufferPointer { keys in
                for index in keys.indices {
                    let key = unsafe keys[index]
                    unsafe offsets[Int(key) + 1] += 1
                }
            }
            for row in 0..<rowCount { unsafe offsets[row + 1] += offsets[row] }
        }
    }

    /// A counting sort by target. `rowCount` is the number of different targets.
    func transposed(rowCount: Int) -> EdgeRows {
        var next = Array(offsets(of: targets, rowCount: rowCount))
        // Where each edge goes; the payloads follow in passes of their own, which keeps the set of written cache lines small.
        let destinations = unsafe StoredArray<Int64>(count: rows.count) { destinations in
            unsafe targets.withUnsafeBufferPointer { targets in
                unsafe next.withUnsafeMutableBufferPointer { next in
                    for edge in 0..<targets.count {
                        let target = unsafe Int(targets[edge])
                        unsafe destinations[edge] = next[target]
                        unsafe next[target] += 1
                    }
                }
            }
        }
        return EdgeRows(
            rows: scattered(targets, to: destinations), targets: scattered(rows, to: destinations),
            weights: weights.map { scattered($0, to: destinations) }, times: times.map { scattered($0, to: destinations) })
    }

    private func scattered<Element>(_ values: StoredArray<Element>, to destinations: StoredArray<Int64>) -> StoredArray<Element> {
        unsafe StoredArray(count: values.count) { output in
            unsafe values.withUnsafeBufferPointer { values in
                unsafe destinations.withUnsafeBufferPointer { destinations in
                    for index in 0..<values.count { unsafe output[Int(destinations[index])] = values[index] }
                }
            }
        }
    }

    /// Edges with equal ends, which must be neighbors, made one.
    func merged(rowCount: Int) -> EdgeRows {
        var distinct = rows.isEmpty ? 0 : 1
        unsafe rows.withUnsafeBufferPointer { rows in
            unsafe targets.withUnsafeBufferPointer { targets in
                for edge in stride(from: 1, to: rows.count, by: 1) where unsafe rows[edge] != rows[edge - 1] || targets[edge] != targets[edge - 1] {
                    distinct += 1
                }
            }
        }
        let isWeighted = distinct < rows.count || (weights?.contains { $0 != 1 } ?? false)
        if distinct == rows.count { return EdgeRows(rows: rows, targets: targets, weights: isWeighted ? weights : nil, times: times) }

        // firsts[k] is the first of the edges that become edge k.
        let firsts = unsafe StoredArray<Int64>(count: distinct + 1) { firsts in
            var position = 0
            for edge in 0..<rows.count where edge == 0 || rows[edge] != rows[edge - 1] || targets[edge] != targets[edge - 1] {
                unsafe firsts[position] = Int64(edge)
                position += 1
            }
            unsafe firsts[distinct] = Int64(rows.count)
        }
        func range(_ position: Int) -> Range<Int> { Int(firsts[position])..<Int(firsts[position + 1]) }
        let mergedRows = unsafe StoredArray<UInt32>(count: distinct) { output in
            for position in 0..<distinct { unsafe output[position] = rows[Int(firsts[position])] }
        }
        let mergedTargets = unsafe StoredArray<UInt32>(count: distinct) { output in
            for position in 0..<distinct { unsafe output[position] = targets[Int(firsts[position])] }
        }
        let mergedWeights = unsafe StoredArray<Float>(count: distinct) { output in
            for position in 0..<distinct {
                let range = range(position)
                // In Double: the sum does not depend on the order for counts below 2^53.
                let sum = weights.map { weights in range.reduce(0.0) { $0 + Double(weights[$1]) } } ?? Double(range.count)
                unsafe output[position] = min(Float(sum), Float.greatestFiniteMagnitude)
            }
        }
        let mergedTimes = times.map { times in
            unsafe StoredArray<Int64>(count: distinct) { output in
                for position in 0..<distinct {
                    // The unknown time is the lowest integer; as unsigned and shifted it becomes the highest.
                    let earliest = range(position).lazy.map { times[$0] }.min {
                        UInt64(bitPattern: $0 &- 1 &- Int64.min) < UInt64(bitPattern: $1 &- 1 &- Int64.min)
                    }
                    unsafe output[position] = earliest ?? Graph.unknownTime
                }
            }
        }
        return EdgeRows(rows: mergedRows, targets: mergedTargets, weights: mergedWeights, times: mergedTimes)
    }

    func adjacency(rowCount: Int) -> Graph.Adjacency {
        Graph.Adjacency(offsets: offsets(of: rows, rowCount: rowCount), targets: targets, weights: weights, times: times)
    }
}
