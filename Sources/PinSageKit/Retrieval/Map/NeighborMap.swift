internal import Synchronization

/// Items on a plane, so that those whose embeddings are near each other are near each other there.
///
/// Places start on the principal axes. Then every item is drawn to its neighbors (`MembershipGraph`) and pushed away from a few items drawn
/// at random, by the cross-entropy of the memberships and of 1 / (1 + distance²) on the plane, which is minimised with negative sampling.
/// All items move at once by what the places were before: the result is the same, bit for bit, on any number of threads.
///
/// Source: McInnes, Healy and Melville 2018 (UMAP); Tang et al. 2016 (LargeVis), whose curve 1 / (1 + d²) is used. Departures: the sum over all
/// neighbors of an item in place of sampled ones, divided by their memberships' sum, and steps of all items at once.
public struct NeighborMap: Sendable {
    /// What the artifact's manifest says.
    public static let kind = "map"

    /// How a map is made.
    public struct Configuration: Sendable, Hashable {
        /// Neighbors of an item that draw it; more show coarser structure.
        public var neighbors = 15
        /// Steps of all items; `nil` is ``NeighborMap/epochs(items:)``.
        public var epochs: Int?
        /// Items drawn at random that push an item away, in each step.
        public var negatives = 5
        public var seed: UInt64 = 1

        public init() {}

        /// - Throws: ``ConfigurationError`` naming the setting.
        public func validate() throws {
            guard 2...200 ~= neighbors else { throw ConfigurationError("a map needs 2 to 200 neighbors, found \(neighbors)") }
            guard epochs.map({ 1...100_000 ~= $0 }) ?? true else { throw ConfigurationError("a map needs 1 to 100000 epochs, found \(epochs ?? 0)") }
            guard 1...100 ~= negatives else { throw ConfigurationError("a map needs 1 to 100 negatives, found \(negatives)") }
        }
    }

    public let identifiers: Identifiers
    /// (N, 2), flat.
    public let coordinates: StoredArray<Float>
    /// (N): each item's place along the embeddings' first principal axis as a rank from 0 to 1, for colors.
    public let shades: StoredArray<Float>
    /// The checksum of the file of vectors that the map was made of, as in the manifest of embeddings and index; `nil` for vectors in memory.
    public let vectorsChecksum: UInt32?
    public var count: Int { identifiers.count }

    /// Steps that settle a map: fewer for many items, whose steps take long.
    public static func epochs(items: Int) -> Int { items <= 20_000 ? 1000 : items <= 200_000 ? 700 : 400 }

    /// Makes a map of an index's items.
    ///
    /// - Parameters:
    ///   - index: finds the neighbors.
    ///   - progress: called with a share from 0 to 1.
    /// - Complexity: N queries, then O(epochs * N * (neighbors + negatives))
    public init(
        of index: any NearestNeighborIndex, configuration: Configuration = Configuration(), threads: Int,
        progress: (_ stage: String, _ fraction: Double) -> Void = { _, _ in }
    ) throws {
        try configuration.validate()
        try index.embeddings.requireFinite()
        let count = index.count
        identifiers = index.embeddings.identifiers
        vectorsChecksum = index.embeddings.vectorsChecksum
        let graph = try MembershipGraph(of: index, neighbors: configuration.neighbors) {
            progress("finding neighbors", Double($0) / Double(max(count, 1)))
        }
        let random = CounterRandom(seed: configuration.seed)
        let (start, shades) = try Self.start(index.embeddings, random: random, threads: threads)
        let epochs = configuration.epochs ?? Self.epochs(items: count)
        var layout = Layout(graph: graph, random: random, negatives: configuration.negatives, places: start)
        for epoch in 0..<epochs {
            try layout.step(epoch: epoch, of: epochs, threads: threads)
            progress("moving items", Double(epoch + 1) / Double(epochs))
        }
        coordinates = StoredArray(layout.places)
        self.shades = StoredArray(shades)
    }

    /// Items that the principal axes are found from.
    private static let sample = 20_000

    /// Places on the two first principal axes, with a standard deviation of 4 along the first, and shades.
    private static func start(_ embeddings: Embeddings, random: CounterRandom, threads: Int) throws -> (places: [Float], shades: [Float]) {
        let count = embeddings.count, axes = min(2, embeddings.dimension)
        let projection = PrincipalProjection(of: embeddings, limit: sample, axes: axes)
        let raw = try projection.places(of: embeddings, threads: threads)
        var squares = 0.0
        for row in 0..<count { squares += Double(raw[row * axes]) * Double(raw[row * axes]) }
        let deviation = Float((squares / Double(max(count, 1))).squareRoot())
        let scale = deviation > 0 ? 4 / deviation : 0
        var places = [Float](repeating: 0, count: 2 * count)
        for row in 0..<count {
            // Items in the same place would never part.
            for axis in 0..<2 {
                let noise = Float(random.word(item: UInt64(row), walk: -1, step: axis) >> 40) * 0x1p-24 - 0.5
                places[2 * row + axis] = (axis < axes ? raw[row * axes + axis] * scale : 0) + 0.02 * noise
            }
        }
        let order = (0..<count).sorted { (raw[$0 * axes], $0) < (raw[$1 * axes], $1) }
        var shades = [Float](repeating: 0, count: count)
        for (rank, row) in order.enumerated() { shades[row] = Float(rank) / Float(max(count - 1, 1)) }
        return (places, shades)
    }

    /// Opens a map. - Throws: ``DataError`` when it is missing or damaged. - Complexity: O(1)
    public static func open(_ path: String) throws -> NeighborMap { try NeighborMap(Artifact.open(path, kind: kind)) }

    init(_ artifact: Artifact) throws {
        identifiers = try Identifiers.open(artifact, prefix: "item_ids")
        let (coordinates, shape) = try artifact.array("coordinates", as: Float.self)
        guard shape == [identifiers.count, 2] else {
            throw DataError("expected the shape [\(identifiers.count), 2], found \(shape)", file: try artifact.path(of: "coordinates"))
        }
        self.coordinates = coordinates
        shades = try artifact.vector("shades", as: Float.self, count: identifiers.count)
        vectorsChecksum = artifact.manifest.metadata["vectors_crc32c"]?.string.flatMap { UInt32($0, radix: 16) }
    }

    /// Writes the map as an artifact; `madeBy` goes into its manifest.
    public func write(to path: String, madeBy: [String: JSONValue] = [:]) throws {
        var writer = try ArtifactWriter(kind: NeighborMap.kind, at: path)
        try writer.write("coordinates", coordinates, shape: [count, 2])
        try writer.write("shades", shades)
        try identifiers.write(into: &writer, prefix: "item_ids")
        try writer.commit(metadata: madeBy.merging(vectorsChecksum.map { ["vectors_crc32c": .string(hexadecimal($0))] } ?? [:]) { $1 })
    }
}

/// Places of items while they move.
private struct Layout {
    let graph: MembershipGraph
    let random: CounterRandom
    let negatives: Int
    /// (N, 2), flat.
    var places: [Float]
    /// The last move of each item, of which a part is repeated: slow drifts in one direction speed up.
    private var moves: [Float]
    private var nextPlaces: [Float]

    /// The share of the last move that is repeated.
    private static let momentum: Float = 0.5
    /// The first step towards the neighbors' mean; at most 0.5 (1 + momentum) keeps pairs of items from swinging past each other for ever.
    private static let firstRate: Float = 0.5
    /// Longest push of one item drawn at random, before the rate: they may lie in the same place.
    private static let longestPush: Float = 4

    init(graph: MembershipGraph, random: CounterRandom, negatives: Int, places: [Float]) {
        self.graph = graph
        self.random = random
        self.negatives = negatives
        self.places = places
        moves = [Float](repeating: 0, count: places.count)
        nextPlaces = places
    }

    mutating func step(epoch: Int, of epochs: Int, threads: Int) throws {
        let count = places.count / 2
        let rate = Self.firstRate * (1 - Float(epoch) / Float(epochs))
        // Five pushes weigh as much as one pull, as in the source, however many are drawn.
        let push = 5 / Float(negatives)
        let (random, negatives, longest, momentum) = (random, negatives, Self.longestPush, Self.momentum)
        try unsafe graph.offsets.withUnsafeBufferPointer { offsets in
            try unsafe graph.targets.withUnsafeBufferPointer { targets in
                try unsafe graph.weights.withUnsafeBufferPointer { weights in
                    try unsafe places.withUnsafeBufferPointer { places in
                        try unsafe moves.withUnsafeMutableBufferPointer { moves in
                            try unsafe nextPlaces.withUnsafeMutableBufferPointer { next in
                                // Read only, but for the item's own place in `moves` and `next`.
                                nonisolated(unsafe) let (offsets, targets, weights) = unsafe (offsets, targets, weights)
                                nonisolated(unsafe) let (places, moves, next) = unsafe (places, moves, next)
                                try parallelFor(count, threads: threads, grain: 2048) { range in
                                    for item in range {
                                        let x = unsafe places[2 * item], y = unsafe places[2 * item + 1]
                                        var dx: Float = 0, dy: Float = 0
                                        for place in unsafe offsets[item]..<offsets[item + 1] {
                                            let other = Int(unsafe targets[place])
                                            let a = unsafe places[2 * other] - x, b = unsafe places[2 * other + 1] - y
                                            let pull = unsafe 2 * weights[place] / (1 + a * a + b * b)
                                            dx += pull * a
                                            dy += pull * b
                                        }
                                        let stream = random.stream(of: UInt64(item))
                                        for draw in 0..<negatives {
                                            let other = Int(CounterRandom.draw(below: UInt64(count), from: stream[walk: epoch, step: draw]).value)
                                            if other == item { continue }
                                            let a = unsafe x - places[2 * other], b = unsafe y - places[2 * other + 1]
                                            let squared = a * a + b * b
                                            let force = 2 * push / ((0.001 + squared) * (1 + squared))
                                            dx += max(-longest, min(longest, force * a))
                                            dy += max(-longest, min(longest, force * b))
                                        }
                                        let moveX = unsafe momentum * moves[2 * item] + rate * dx
                                        let moveY = unsafe momentum * moves[2 * item + 1] + rate * dy
                                        unsafe moves[2 * item] = moveX
                                        unsafe moves[2 * item + 1] = moveY
                                        unsafe next[2 * item] = x + moveX
                                        unsafe next[2 * item + 1] = y + moveY
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        swap(&places, &nextPlaces)
    }
}
