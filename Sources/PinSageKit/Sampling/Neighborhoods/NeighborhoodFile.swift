/// The neighborhoods of a range of a dataset's items, computed once and kept in an artifact of kind "neighborhoods".
///
/// Row `r` belongs to item row `firstItem + r`. `neighbors.npy` (rows, T) u32 holds item rows, most important first, and `weights.npy` (rows, T) f32
/// the importance weights; a row with fewer neighbors ends in ``padding`` with weight 0. The manifest's metadata has the walk settings.
public struct NeighborhoodFile: Sendable {
    public let firstItem: ItemID
    /// T: columns of both arrays.
    public let width: Int
    /// (rows, T)
    public let neighbors: StoredArray<UInt32>
    /// (rows, T)
    public let weights: StoredArray<Float>

    /// The settings that the neighborhoods were drawn with, and the graph.
    public let metadata: [String: JSONValue]

    public static let kind = "neighborhoods"
    /// Stands where a row has no more neighbors.
    public static let padding = UInt32.max

    public var rows: Int { neighbors.count / width }

    /// Opens a file of neighborhoods. - Throws: ``DataError`` when it is missing, damaged or of another kind. - Complexity: O(1)
    public static func open(_ path: String) throws -> NeighborhoodFile {
        try NeighborhoodFile(Artifact.open(path, kind: kind))
    }

    /// The neighborhoods of some rows of this file.
    public func neighborhoods(_ rows: Range<Int>) -> RaggedNeighborhoods {
        var offsets: [Int64] = [0]
        var items: [UInt32] = []
        var kept: [Float] = []
        for row in rows {
            for position in row * width..<(row + 1) * width where neighbors[position] != Self.padding {
                items.append(neighbors[position])
                kept.append(weights[position])
            }
            offsets.append(Int64(items.count))
        }
        return RaggedNeighborhoods(offsets: offsets, items: items, weights: kept)
    }

    /// The neighborhoods of some items of a graph.
    ///
    /// - Throws: ``DataError`` for an item that the file has no row of, and for damage: a neighbor that is no row of the graph.
    func neighborhoods(of items: [Int], itemCount: Int) throws -> RaggedNeighborhoods {
        var offsets: [Int64] = [0]
        var targets: [UInt32] = []
        var kept: [Float] = []
        offsets.reserveCapacity(items.count + 1)
        targets.reserveCapacity(items.count * width)
        kept.reserveCapacity(items.count * width)
        try unsafe neighbors.withUnsafeBufferPointer { neighbors in
            try unsafe weights.withUnsafeBufferPointer { weights in
                for item in items {
                    let row = item - Int(firstItem.row)
                    guard 0..<rows ~= row else {
                        throw DataError("expected the neighborhood of item row \(item), found those of \(rows) rows from \(firstItem.row)")
                    }
                    for position in row * width..<(row + 1) * width {
                        let neighbor = unsafe neighbors[position]
                        if neighbor == Self.padding { break }
                        guard neighbor < itemCount else {
                            throw DataError("expected neighbors among \(itemCount) items, found row \(neighbor) beside item row \(item)")
                        }
                        targets.append(neighbor)
                        unsafe kept.append(weights[position])
                    }
                    offsets.append(Int64(targets.count))
                }
            }
        }
        return RaggedNeighborhoods(offsets: offsets, items: targets, weights: kept)
    }

    /// How many neighbors all rows have together, at most `most` each. - Complexity: O(rows T)
    public func total(most: Int) -> Int {
        unsafe neighbors.withUnsafeBufferPointer { neighbors in
            var total = 0
            for start in stride(from: 0, to: rows * width, by: width) {
                var length = 0
                while length < min(most, width), unsafe neighbors[start + length] != Self.padding { length += 1 }
                total += length
            }
            return total
        }
    }

    /// - Throws: ``DataError`` when the file does not hold what this sampler draws for every item of its graph.
    ///
    /// - Parameter origin: the dataset of the sampler's graph; where it has a checksum, the file must be of that very graph.
    static func check(_ path: String, drawnBy sampler: NeighborhoodSampler, origin: Dataset?) throws {
        let found = try Artifact.open(path, kind: kind).manifest.metadata
        var expected = metadata(sampler, items: 0..<sampler.graph.itemCount, origin: origin)
        if expected["graph"] == .null { expected["graph"] = nil }
        for (key, value) in expected.sorted(by: { $0.key < $1.key }) where found[key] != value {
            throw DataError("expected neighborhoods with \(key) \(value.serialized()), found \(found[key]?.serialized() ?? "none")", file: path)
        }
    }

    /// The rows of shard `index` (from 0) of `count`: sizes differ by at most one.
    public static func shard(_ index: Int, of count: Int, itemCount: Int) -> Range<Int> {
        precondition(count > 0 && (0..<count).contains(index), "shard \(index) of \(count)")
        func start(_ shard: Int) -> Int { Int((Int64(itemCount) * Int64(shard)) / Int64(count)) }
        return start(index)..<start(index + 1)
    }

    /// Draws and writes the neighborhoods of a range of items, in parts, so that memory does not grow with the range.
    ///
    /// Finished parts are kept in `PATH.parts` until the artifact is in place. A run that was killed goes on after the last finished part when
    /// it is repeated with the same graph size, settings and range; parts of other settings are removed. The result is the same bits either way.
    ///
    /// - Parameters:
    ///   - origin: what graph it is, for ``Reuse/init(_:of:sampler:)``.
    ///   - reuse: takes over the rows of earlier neighborhoods that cannot have changed; the result is the same bits as without.
    ///   - partRows: rows per part: 12 bytes x T x partRows of memory.
    ///   - progress: called with the rows done so far.
    /// - Returns: the rows that earlier runs had finished.
    /// - Throws: ``DataError`` when files cannot be written.
    @discardableResult
    public static func write(
        _ sampler: NeighborhoodSampler, items: Range<Int>, to path: String, origin: Dataset? = nil, reuse: Reuse? = nil, threads: Int,
        partRows: Int = 1 << 16,
        progress: (Int) throws -> Void = { _ in }
    ) throws -> Int {
        precondition(items.lowerBound >= 0 && items.upperBound <= sampler.graph.itemCount, "items \(items) of \(sampler.graph.itemCount)")
        // Claims the path first: where it cannot be replaced, nothing should be computed.
        var writer = try ArtifactWriter(kind: kind, at: path)
        let metadata = metadata(sampler, items: items, origin: origin)
        let parts = try WorkFolder(
            FileSystem.withoutTrailingSlashes(path) + ".parts", settings: JSONValue.object(metadata).serialized() + "\n", of: "neighborhoods")
        let width = sampler.configuration.neighbors
        var resumed = 0
        var start = items.lowerBound
        while start < items.upperBound {
            let end = min(start + partRows, items.upperBound)
            let names = [parts.path("\(start).weights.npy"), parts.path("\(start).neighbors.npy")]
            if names.allSatisfy({ FileSystem.kind(of: $0)?.kind == .file }), try shape(of: names) == [end - start, width] {
                resumed += end - start
            } else {
                var neighbors = [UInt32](repeating: padding, count: (end - start) * width)
                var weights = [Float](repeating: 0, count: (end - start) * width)
                let wanted = (start..<end).filter { reuse?.copy($0, into: &neighbors, &weights, at: ($0 - start) * width) != true }
                let drawn = try sampler.neighborhoods(of: wanted.map { ItemID($0) }, threads: threads)
                for (row, item) in wanted.enumerated() {
                    for (column, position) in drawn.range(of: row).enumerated() {
                        neighbors[(item - start) * width + column] = drawn.items[position]
                        weights[(item - start) * width + column] = drawn.weights[position]
                    }
                }
                try writePart(weights, shape: [end - start, width], to: names[0])
                try writePart(neighbors, shape: [end - start, width], to: names[1])
            }
            try progress(end - items.lowerBound)
            start = end
        }
        try join(UInt32.self, "neighbors", parts: parts, items: items, partRows: partRows, width: width, writer: &writer)
        try join(Float.self, "weights", parts: parts, items: items, partRows: partRows, width: width, writer: &writer)
        try writer.commit(metadata: metadata)
        try parts.remove()
        return resumed
    }

    static func metadata(_ sampler: NeighborhoodSampler, items: Range<Int>, origin: Dataset? = nil) -> [String: JSONValue] {
        let graph: [String: JSONValue] = [
            "graph": origin?.graphChecksum.map { .string($0) } ?? .null, "appended_edges": JSONValue(origin?.appended?.edgeCount ?? 0),
        ]
        let sizes: [String: JSONValue] = [
            "first_item": JSONValue(items.lowerBound), "items": JSONValue(items.count), "dataset_items": JSONValue(sampler.graph.itemCount),
            "dataset_edges": JSONValue(sampler.graph.edgeCount),
        ]
        return settings(sampler).merging(graph) { $1 }.merging(sizes) { $1 }
    }

    /// What neighborhoods depend on beside the graph.
    static func settings(_ sampler: NeighborhoodSampler) -> [String: JSONValue] {
        let walks = sampler.configuration
        // Absent as in files of versions that did not have them.
        var preferences: [String: JSONValue] = [:]
        if let types = walks.collectionTypes { preferences["collection_types"] = JSONValue.object(types.mapValues { JSONValue($0) }) }
        if walks.sizeExponent != 0 { preferences["size_exponent"] = JSONValue(walks.sizeExponent) }
        let settings: [String: JSONValue] = [
            "neighbors": JSONValue(walks.neighbors), "walks": JSONValue(walks.walks),
            "walk_length": JSONValue(walks.walkLength), "restart": JSONValue(walks.restart), "weighted": JSONValue(walks.weighted),
            "not_before": walks.notBefore.map { .integer($0) } ?? .null, "before": walks.before.map { .integer($0) } ?? .null,
            "seed": JSONValue(String(sampler.seed)),
        ]
        return settings.merging(preferences) { $1 }
    }

    /// The shape that all of these arrays have, or nil.
    private static func shape(of names: [String]) throws -> [Int]? {
        let shapes = Set(try names.map { try Npy.header(of: $0).shape })
        return shapes.count == 1 ? shapes.first : nil
    }

    private static func writePart<Element: StoredElement>(_ values: [Element], shape: [Int], to path: String) throws {
        try FileSystem.replaceFile(path) { temporary in
            var writer = try NpyWriter<Element>(temporary)
            try writer.append(values)
            try writer.finish(shape: shape)
        }
    }

    private static func join<Element: StoredElement>(
        _ type: Element.Type, _ name: String, parts: WorkFolder, items: Range<Int>, partRows: Int, width: Int, writer: inout ArtifactWriter
    ) throws {
        var joined = try NpyWriter<Element>(try writer.newPath(for: name + ".npy"))
        for start in stride(from: items.lowerBound, to: items.upperBound, by: partRows) {
            try joined.append(try Npy.open(parts.path("\(start).\(name).npy"), as: type).array)
        }
        try joined.finish(shape: [items.count, width])
        try writer.addFile(named: name + ".npy")
    }
}

extension NeighborhoodFile {
    init(_ artifact: Artifact) throws {
        let (neighbors, shape) = try artifact.array("neighbors", as: UInt32.self)
        let (weights, weightShape) = try artifact.array("weights", as: Float.self)
        guard shape.count == 2, shape[1] > 0, shape == weightShape else {
            throw DataError("expected neighbors and weights of one shape (rows, T), found \(shape) and \(weightShape)", file: artifact.path)
        }
        guard let first = artifact.manifest.metadata["first_item"]?.int, let item = UInt32(exactly: first) else {
            throw DataError("expected the metadata first_item", file: artifact.path)
        }
        self.init(
            firstItem: ItemID(row: item), width: shape[1], neighbors: neighbors, weights: weights, metadata: artifact.manifest.metadata)
    }
}
