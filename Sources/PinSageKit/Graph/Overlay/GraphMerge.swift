/// One direction of two graphs over the same rows, made one: the rows of the first with the edges that the second adds.
///
/// Where both have an edge, its weight is the sum of both and its time the earliest known one, as in every import. The first may have fewer rows.
struct GraphMerge {
    let base: Graph.Adjacency
    let added: Graph.Adjacency
    let offsets: StoredArray<Int64>
    let isWeighted: Bool
    let hasTimes: Bool
    private let threads: Int
    private static let grain = 1 << 14

    var edgeCount: Int { Int(offsets.last ?? 0) }
    /// How many edges both have.
    var sharedCount: Int { base.targets.count + added.targets.count - edgeCount }

    /// - Parameter added: has all rows.
    /// - Complexity: O(rows + added edges), and the degrees of rows that get edges
    init(base: Graph.Adjacency, added: Graph.Adjacency, threads: Int) throws {
        self.base = base
        self.added = added
        self.threads = threads
        let rows = added.rowCount
        let offsets = try unsafe StoredArray<Int64>(count: rows + 1) { (offsets: UnsafeMutableBufferPointer<Int64>) in
            let slots = unsafe Slots(base: offsets.baseAddress)
            try parallelFor(rows, threads: threads, grain: Self.grain) { range in
                guard let slots = unsafe slots.base else { return }
                for row in range { unsafe slots[row + 1] = Int64(Self.degree(row, base, added)) }
            }
            for row in 0..<rows { unsafe offsets[row + 1] += offsets[row] }
        }
        // Offsets of an unverified file may overlap; of sound ones the sum is at most this.
        guard Int(offsets[rows]) <= base.targets.count + added.targets.count else {
            throw DataError("damaged: expected at most \(base.targets.count + added.targets.count) edges, found \(offsets[rows]) in the offsets")
        }
        self.offsets = offsets
        let isShared = Int(offsets[rows]) < base.targets.count + added.targets.count
        isWeighted = base.weights != nil || added.weights != nil || isShared
        hasTimes = base.times != nil || added.times != nil
    }

    /// `@unchecked Sendable`: each row's places are written by one thread.
    @unsafe struct Slots<Element: BitwiseCopyable>: @unchecked Sendable {
        let base: UnsafeMutablePointer<Element>?
    }

    private static func baseRange(_ row: Int, _ base: Graph.Adjacency) -> Range<Int> { row < base.rowCount ? base.range(of: row) : 0..<0 }

    private static func degree(_ row: Int, _ base: Graph.Adjacency, _ added: Graph.Adjacency) -> Int {
        let old = baseRange(row, base), new = added.range(of: row)
        if new.isEmpty || old.isEmpty { return old.count + new.count }
        var count = 0
        forEachEdge(old, new, base, added) { _, _ in count += 1 }
        return count
    }

    /// Calls `body` with the position of each edge of a row in either direction, ascending by target; both where both have it.
    @inline(__always)
    private static func forEachEdge(
        _ old: Range<Int>, _ new: Range<Int>, _ base: Graph.Adjacency, _ added: Graph.Adjacency, _ body: (_ old: Int?, _ new: Int?) -> Void
    ) {
        var a = old.lowerBound, b = new.lowerBound
        while a < old.upperBound || b < new.upperBound {
            let x = a < old.upperBound ? Int(base.targets[a]) : .max, y = b < new.upperBound ? Int(added.targets[b]) : .max
            body(x <= y ? a : nil, y <= x ? b : nil)
            if x <= y { a += 1 }
            if y <= x { b += 1 }
        }
    }

    /// The edges of some rows, one after the other. - Complexity: O(edges of these rows)
    func edges(of rows: Range<Int>) throws -> (targets: StoredArray<UInt32>, weights: StoredArray<Float>?, times: StoredArray<Int64>?) {
        let first = Int(offsets[rows.lowerBound]), count = Int(offsets[rows.upperBound]) - first
        let targets: StoredArray<UInt32> = try filled(count, rows, first) { place, old, new in
            old.map { base.targets[$0] } ?? new.map { added.targets[$0] } ?? 0
        } copy: {
            base.targets
        }
        let weights: StoredArray<Float>? =
            try isWeighted
            ? filled(count, rows, first) { place, old, new in
                let sum = Double(old.map { base.weights?[$0] ?? 1 } ?? 0) + Double(new.map { added.weights?[$0] ?? 1 } ?? 0)
                return min(Float(sum), .greatestFiniteMagnitude)
            } copy: {
                base.weights
            } : nil
        let times: StoredArray<Int64>? =
            try hasTimes
            ? filled(count, rows, first) { place, old, new in
                let one = old.flatMap { base.times?[$0] } ?? Graph.unknownTime, other = new.flatMap { added.times?[$0] } ?? Graph.unknownTime
                return one == Graph.unknownTime ? other : other == Graph.unknownTime ? one : min(one, other)
            } copy: {
                base.times
            } : nil
        return (targets, weights, times)
    }

    /// An array with a value for each edge: `value` where a row has new edges, otherwise the old ones as they are.
    private func filled<Element: BitwiseCopyable & Sendable>(
        _ count: Int, _ rows: Range<Int>, _ first: Int, value: @Sendable (_ place: Int, _ old: Int?, _ new: Int?) -> Element,
        copy: () -> StoredArray<Element>?
    ) throws -> StoredArray<Element> {
        let source = copy()
        return try unsafe StoredArray(count: count) { (output: UnsafeMutableBufferPointer<Element>) in
            let slots = unsafe Slots(base: output.baseAddress)
            try parallelFor(rows.count, threads: threads, grain: Self.grain) { part in
                guard let output = unsafe slots.base else { return }
                for row in rows.lowerBound + part.lowerBound..<rows.lowerBound + part.upperBound {
                    let old = Self.baseRange(row, base), new = added.range(of: row)
                    var place = Int(offsets[row]) - first
                    if new.isEmpty, let source {
                        unsafe source.withUnsafeBufferPointer { source in
                            for position in old {
                                unsafe output[place] = source[position]
                                place &+= 1
                            }
                        }
                    } else {
                        Self.forEachEdge(old, new, base, added) { old, new in
                            unsafe output[place] = value(place, old, new)
                            place += 1
                        }
                    }
                }
            }
        }
    }

    /// All of it in memory.
    func adjacency() throws -> Graph.Adjacency {
        let edges = try edges(of: 0..<added.rowCount)
        return Graph.Adjacency(offsets: offsets, targets: edges.targets, weights: edges.weights, times: edges.times)
    }

    /// Writes the arrays of a graph's direction without having all of them in memory, but for the offsets.
    func write(_ name: String, into writer: inout ArtifactWriter) throws {
        try writer.write(name + ".offsets", offsets)
        var targets = try NpyWriter<UInt32>(writer.newPath(for: name + ".targets.npy"))
        var weights = isWeighted ? try NpyWriter<Float>(writer.newPath(for: name + ".weights.npy")) : nil
        var times = hasTimes ? try NpyWriter<Int64>(writer.newPath(for: name + ".times.npy")) : nil
        var start = 0
        while start < added.rowCount {
            var end = start + 1
            // About four million edges at once; a row is not cut.
            while end < added.rowCount, offsets[end] - offsets[start] < 1 << 22 { end += 1 }
            let edges = try edges(of: start..<end)
            try targets.append(edges.targets)
            if let values = edges.weights { try weights?.append(values) }
            if let values = edges.times { try times?.append(values) }
            start = end
        }
        try Self.register(&targets, name + ".targets.npy", &writer)
        if weights != nil { try Self.register(&weights, name + ".weights.npy", &writer) }
        if times != nil { try Self.register(&times, name + ".times.npy", &writer) }
    }

    private static func register<Element: StoredElement>(_ file: inout NpyWriter<Element>?, _ name: String, _ writer: inout ArtifactWriter) throws {
        guard var open = file else { return }
        try register(&open, name, &writer)
        file = open
    }

    private static func register<Element: StoredElement>(_ file: inout NpyWriter<Element>, _ name: String, _ writer: inout ArtifactWriter) throws {
        let shape = [file.count]
        let written = try file.finish()
        writer.addFile(
            named: name, Manifest.File(bytes: written.bytes, crc32c: written.crc32c, elementType: Element.elementType, shape: shape))
    }
}

extension Graph {
    /// This graph with the edges of another, which has at least as many rows on both sides.
    func merged(with added: Graph, threads: Int) throws -> Graph {
        Graph(
            items: try GraphMerge(base: items, added: added.items, threads: threads).adjacency(),
            collections: try GraphMerge(base: collections, added: added.collections, threads: threads).adjacency(),
            collectionTypes: collectionTypes)
    }
}
