/// Edges of one item that a walk must not use, in neither direction: at `item` the walk does not enter these collections, and from
/// these collections it does not enter `item`. What remains is drawn uniformly (or by weight), as if the edges were not in the graph.
///
/// Training hides the edge between a positive item and the collection that made it a positive, both for the walks of the positive and
/// of its query: otherwise the label could be read off the neighborhoods.
public struct HiddenEdges: Sendable, Hashable {
    public let item: ItemID
    /// Ascending and distinct; a few. Collections that the item is not in are allowed and change nothing.
    public let collections: [CollectionID]

    public init(item: ItemID, collections: [CollectionID]) {
        self.item = item
        self.collections = Array(Set(collections)).sorted()
    }
}
