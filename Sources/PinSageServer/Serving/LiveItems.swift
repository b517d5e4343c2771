internal import PinSageCatalog
internal import PinSageKit
internal import Synchronization

/// The items beside the index, by name and by their place in ``OverlayIndex``: the n-th has the row `base.count + n`.
///
/// Places are only ever added. A view that does not have a place yet does not find it in its index either.
final class LiveItems: Sendable {
    struct Entry: Sendable {
        var item: LiveItem
        var card: [UInt8]
    }

    private struct Table {
        var entries: [Entry] = []
        /// The newest place of a name.
        var places: [String: Int] = [:]
        var placeOfRow: [Int: Int] = [:]
    }

    let catalog: LiveCatalog
    private let imageAttribute: String?
    private let table = Mutex(Table())

    init(catalog: LiveCatalog, imageAttribute: String?) {
        self.catalog = catalog
        self.imageAttribute = imageAttribute
    }

    /// - Parameter row: in the catalog's file.
    func append(_ item: LiveItem, row: Int) {
        let description = item.description
        let card = ItemCards.members(
            id: item.identifier, title: description.title, url: description.url, image: imageAttribute.flatMap { description.attributes[$0] })
        table.withLock { table in
            table.places[item.identifier] = table.entries.count
            table.placeOfRow[row] = table.entries.count
            table.entries.append(Entry(item: item, card: Array(card)))
        }
    }

    func place(of name: String) -> Int? { table.withLock { $0.places[name] } }

    subscript(place: Int) -> Entry { table.withLock { $0.entries[place] } }

    /// Places of rows of the catalog's file; a row that is newer than the caller's view may have none.
    func places(ofRows rows: [Int]) -> [Int] { table.withLock { table in rows.compactMap { table.placeOfRow[$0] } } }
}
