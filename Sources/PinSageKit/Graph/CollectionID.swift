/// A collection's row: its position in the collection side of a graph.
public struct CollectionID: Hashable, Comparable, Sendable, Codable {
    public let row: UInt32

    public init(row: UInt32) { self.row = row }
    public init(_ row: Int) { self.row = UInt32(row) }

    public static func < (left: CollectionID, right: CollectionID) -> Bool { left.row < right.row }
}
