/// An item's row: its position in every array of a dataset. The identifier that people wrote in their files is a string, found in
/// `Identifiers`; a row is never one of those by accident.
public struct ItemID: Hashable, Comparable, Sendable, Codable {
    public let row: UInt32

    public init(row: UInt32) { self.row = row }
    public init(_ row: Int) { self.row = UInt32(row) }

    public static func < (left: ItemID, right: ItemID) -> Bool { left.row < right.row }
}
