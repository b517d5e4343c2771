/// Edges that were appended to a dataset and not yet folded into its graph: four small arrays in `overlay/`.
///
/// Opening a dataset merges them into the graph in memory, so that walks, training and everything else see them at once; `compact` writes the merged
/// graph and drops them.
struct GraphOverlay {
    /// Repeated edges are one, in ascending order of item and collection.
    var items: [UInt32] = []
    var collections: [UInt32] = []
    /// Empty when all are 1.
    var weights: [Float] = []
    /// Empty when all are unknown.
    var times: [Int64] = []

    static let folder = "overlay/"
    private static let itemsFile = folder + "items.npy"

    static func exists(in artifact: Artifact) -> Bool { artifact.contains(itemsFile) }

    init() {}

    init(_ artifact: Artifact) throws {
        let stored = try artifact.vector(Self.itemsFile, as: UInt32.self)
        items = Array(stored)
        collections = Array(try artifact.vector(Self.folder + "collections", as: UInt32.self, count: stored.count))
        if artifact.contains(Self.folder + "weights") {
            weights = Array(try artifact.vector(Self.folder + "weights", as: Float.self, count: stored.count))
        }
        if artifact.contains(Self.folder + "times") {
            times = Array(try artifact.vector(Self.folder + "times", as: Int64.self, count: stored.count))
        }
    }

    mutating func append(items: [UInt32], collections: [UInt32], weights: [Float], times: [Int64]) {
        let before = self.items.count
        self.items += items
        self.collections += collections
        if !weights.isEmpty || !self.weights.isEmpty {
            if self.weights.isEmpty { self.weights = Array(repeating: 1, count: before) }
            self.weights += weights.isEmpty ? Array(repeating: 1, count: items.count) : weights
        }
        if !times.isEmpty || !self.times.isEmpty {
            if self.times.isEmpty { self.times = Array(repeating: Graph.unknownTime, count: before) }
            self.times += times.isEmpty ? Array(repeating: Graph.unknownTime, count: items.count) : times
        }
    }

    /// The edges as a graph of these sizes, repeated ones made one.
    ///
    /// - Throws: ``DataError`` where damage names a row that there is not.
    func graph(itemCount: Int, collectionCount: Int) throws -> Graph {
        try GraphBuilder.graph(
            itemCount: itemCount, collectionCount: collectionCount, items: items, collections: collections,
            weights: weights.isEmpty ? nil : weights, times: times.isEmpty ? nil : times)
    }

    /// The overlay of a graph's edges.
    init(_ graph: Graph) {
        for item in 0..<graph.itemCount {
            let range = graph.items.range(of: item)
            items += repeatElement(UInt32(item), count: range.count)
        }
        collections = Array(graph.items.targets)
        weights = graph.items.weights.map { Array($0) } ?? []
        times = graph.items.times.map { Array($0) } ?? []
    }

    func write(into writer: inout ArtifactWriter) throws {
        try writer.write(Self.itemsFile, items)
        try writer.write(Self.folder + "collections", collections)
        if !weights.isEmpty { try writer.write(Self.folder + "weights", weights) }
        if !times.isEmpty { try writer.write(Self.folder + "times", times) }
    }
}
