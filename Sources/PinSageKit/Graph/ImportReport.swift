/// What an import read and made.
public struct ImportReport: Sendable, Codable, Hashable {
    public var items: Int
    public var collections: Int
    /// Distinct edges in the dataset.
    public var edges: Int
    /// Edges read, duplicates included.
    public var edgesRead: Int
    /// Edges that were merged into another.
    public var duplicates: Int
    /// Items that are in no collection. They are allowed: their features still give them an embedding.
    public var itemsWithoutEdges: Int
    /// Items that the items file describes.
    public var itemsDescribed: Int
    public var hasTimes: Bool
    public var hasWeights: Bool
    /// Wall time in seconds, from the first byte read to the dataset in place; 0 when it was not measured.
    public var seconds: Double = 0

    init(_ summary: GraphFileBuilder.Summary, items: Int, collections: Int, edgesRead: Int, itemsDescribed: Int) {
        self.items = items
        self.collections = collections
        edges = summary.edges
        self.edgesRead = edgesRead
        duplicates = edgesRead - summary.edges
        itemsWithoutEdges = summary.itemsWithoutEdges
        self.itemsDescribed = itemsDescribed
        hasTimes = summary.hasTimes
        hasWeights = summary.hasWeights
    }

    init(graph: Graph, edgesRead: Int, itemsDescribed: Int) {
        items = graph.itemCount
        collections = graph.collectionCount
        edges = graph.edgeCount
        self.edgesRead = edgesRead
        duplicates = edgesRead - graph.edgeCount
        itemsWithoutEdges = unsafe graph.items.offsets.withUnsafeBufferPointer { offsets in
            unsafe zip(offsets, offsets.dropFirst()).count { $0 == $1 }
        }
        self.itemsDescribed = itemsDescribed
        hasTimes = graph.items.times != nil
        hasWeights = graph.items.weights != nil
    }
}
