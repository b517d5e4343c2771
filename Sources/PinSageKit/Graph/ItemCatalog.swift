/// What people read about an item, and its other columns.
public struct ItemDescription: Sendable, Hashable {
    public var title: String?
    public var url: String?
    public var text: String?
    /// Any other column of the items file, by name; empty values are left out.
    public var attributes: [String: String]

    public init(title: String? = nil, url: String? = nil, text: String? = nil, attributes: [String: String] = [:]) {
        self.title = title
        self.url = url
        self.text = text
        self.attributes = attributes
    }
}

/// Descriptions of the items of a dataset, wherever they are kept. PinSageCatalog has one in SQLite.
public protocol ItemCatalog: Sendable {
    /// Calls `body` for every item of the dataset in row order; an item that nothing is known of has an empty description.
    func forEachItem(_ body: (ItemID, ItemDescription) throws -> Void) throws
    /// One item's description.
    func description(of item: ItemID) throws -> ItemDescription
    /// What is known of several items, in the order given.
    func descriptions(of items: [ItemID]) throws -> [ItemDescription]
    /// The names of all attributes, ascending.
    var attributeNames: [String] { get }
}

extension ItemCatalog {
    /// The descriptions of some items, in their order.
    public func descriptions(of items: [ItemID]) throws -> [ItemDescription] { try items.map(description(of:)) }
}

/// Takes descriptions while a dataset is written.
public protocol ItemCatalogWriter: AnyObject {
    /// Called once for each item, in row order where the items file names every item and comes first, which importers see to.
    ///
    /// - Parameter identifier: the string that people know the item by, for catalogs that search it.
    func append(_ item: ItemID, identifier: String, _ description: ItemDescription) throws
    /// Called after the last item, before the dataset is committed. The catalog's files must then be complete and closed.
    func finish() throws
}

/// A catalog in memory, for tests and small programs.
public struct InMemoryItemCatalog: ItemCatalog {
    private let descriptions: [ItemDescription]
    public let attributeNames: [String]

    /// - Parameter descriptions: of item 0, 1, ...
    public init(_ descriptions: [ItemDescription]) {
        self.descriptions = descriptions
        attributeNames = Set(descriptions.flatMap(\.attributes.keys)).sorted()
    }

    public func forEachItem(_ body: (ItemID, ItemDescription) throws -> Void) throws {
        for (row, description) in descriptions.enumerated() { try body(ItemID(row), description) }
    }

    public func description(of item: ItemID) throws -> ItemDescription {
        guard Int(item.row) < descriptions.count else { throw DataError("expected an item below \(descriptions.count), found \(item.row)") }
        return descriptions[Int(item.row)]
    }
}
