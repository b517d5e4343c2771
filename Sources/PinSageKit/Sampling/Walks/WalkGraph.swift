/// The four arrays of a graph as the walk loops read them. The pointers are valid inside ``WalkGraph/with(_:_:)`` only.
///
/// Damage in unverified files cannot lead outside the arrays: offsets are clamped to the number of targets and targets to the number of
/// rows, both without a branch.
@unsafe struct WalkGraph {
    /// One direction of the graph.
    @unsafe struct Side {
        let offsets: UnsafePointer<Int64>
        let targets: UnsafePointer<UInt32>
        let edges: UInt64
        /// The highest row on the other side: targets above it are damage and become it.
        let lastTarget: UInt32

        /// Where a row's targets start, and how many they are. `row` must be less than the number of rows.
        @inline(__always) func row(_ row: UInt32) -> (start: UInt64, degree: UInt64) {
            let end = unsafe min(UInt64(bitPattern: offsets[Int(row) + 1]), edges)
            let start = unsafe min(UInt64(bitPattern: offsets[Int(row)]), end)
            return (start, end &- start)
        }

        /// A uniformly chosen position of a row, or ``deadEnd`` where it has none; and what is left of the word.
        ///
        /// Equal to a draw from ``row(_:)`` on sound offsets, with one clamp less.
        @inline(__always) func uniformEdge(of row: UInt32, word: UInt64) -> (position: UInt64, rest: UInt64) {
            let start = unsafe UInt64(bitPattern: offsets[Int(row)])
            let degree = unsafe UInt64(bitPattern: offsets[Int(row) + 1]) &- start
            let (choice, rest) = CounterRandom.draw(below: degree, from: word)
            return unsafe (degree == 0 ? deadEnd : min(start &+ choice, edges &- 1), rest)
        }

        /// The target at a position below ``edges``.
        @inline(__always) func target(_ position: UInt64) -> UInt32 {
            unsafe min(targets[Int(truncatingIfNeeded: position)], lastTarget)
        }

        /// Any position may be given, also `deadEnd`.
        @inline(__always) func prefetchTarget(_ position: UInt64) {
            unsafe prefetch(UnsafeRawPointer(targets + Int(truncatingIfNeeded: position)))
        }

        @inline(__always) func prefetchRow(_ row: UInt32) {
            unsafe prefetch(UnsafeRawPointer(offsets + Int(row)))
            // One row in eight ends on the next line, and a miss that nothing else covers costs more than this.
            unsafe prefetch(UnsafeRawPointer(offsets + Int(row) + 1))
        }

        /// The position of `target` in a row, or nil. - Complexity: O(log degree)
        func position(of target: UInt32, inRow row: UInt32) -> UInt64? {
            let (start, degree) = unsafe self.row(row)
            var low = start, high = start + degree
            while low < high {
                let middle = low + (high - low) / 2
                if unsafe targets[Int(middle)] < target { low = middle + 1 } else { high = middle }
            }
            return unsafe low < start + degree && targets[Int(low)] == target ? low : nil
        }
    }

    let items: Side
    let collections: Side

    /// Calls `body` with the pointers of `graph`, or returns nil where there is nothing to walk on: no edges, no items or no collections.
    static func with<R>(_ graph: Graph, _ body: (WalkGraph) throws -> R) rethrows -> R? {
        guard graph.itemCount > 0, graph.collectionCount > 0 else { return nil }
        return try unsafe graph.items.offsets.withUnsafeBufferPointer { itemOffsets in
            try unsafe graph.items.targets.withUnsafeBufferPointer { itemTargets in
                try unsafe graph.collections.offsets.withUnsafeBufferPointer { collectionOffsets in
                    try unsafe graph.collections.targets.withUnsafeBufferPointer { collectionTargets in
                        guard let io = itemOffsets.baseAddress, let it = itemTargets.baseAddress, let co = collectionOffsets.baseAddress,
                            let ct = collectionTargets.baseAddress, !itemTargets.isEmpty, !collectionTargets.isEmpty
                        else { return nil }
                        return try unsafe body(
                            WalkGraph(
                                items: Side(
                                    offsets: io, targets: it, edges: UInt64(itemTargets.count),
                                    lastTarget: UInt32(clamping: graph.collectionCount - 1)),
                                collections: Side(
                                    offsets: co, targets: ct, edges: UInt64(collectionTargets.count),
                                    lastTarget: UInt32(clamping: graph.itemCount - 1))))
                    }
                }
            }
        }
    }
}
