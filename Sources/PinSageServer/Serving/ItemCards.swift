internal import PinSageCatalog
internal import PinSageKit
internal import Synchronization

/// What lists show of an item (id, title, url, image), as members of a JSON object.
///
/// They are written once, in the background after the start, and copied into answers: looking up twenty titles in SQLite would take several
/// times as long as finding the items. Until they are ready every card is looked up.
final class ItemCards: Sendable {
    private struct Table {
        var bytes: [UInt8] = []
        var offsets: [Int] = [0]
    }

    private let identifiers: Identifiers
    private let catalog: SQLiteCatalog?
    /// The attribute that holds an image's address, where there is one.
    let imageAttribute: String?
    private let table = Mutex<Table?>(nil)

    init(identifiers: Identifiers, catalog: SQLiteCatalog?) {
        self.identifiers = identifiers
        self.catalog = catalog
        let names = ["image", "image_url", "thumbnail", "picture", "cover"]
        imageAttribute = catalog.flatMap { catalog in names.first { catalog.attributeNames.contains($0) } }
    }

    /// Writes all cards; a few bytes more than the titles and addresses have.
    func load() throws {
        guard let catalog else { return }
        var loaded = Table()
        try catalog.forEachSummary(attribute: imageAttribute) { item, title, url, image in
            let row = Int(item.row)
            guard row < identifiers.count else { return }
            // A damaged catalog may lack rows; their cards have no more than the id.
            while loaded.offsets.count <= row { append(&loaded, title: nil, url: nil, image: nil) }
            append(&loaded, title: title, url: url, image: image)
        }
        while loaded.offsets.count <= identifiers.count { append(&loaded, title: nil, url: nil, image: nil) }
        table.withLock { $0 = loaded }
    }

    private func append(_ table: inout Table, title: String?, url: String?, image: String?) {
        let id = identifiers[table.offsets.count - 1]
        table.bytes += Self.members(id: id, title: title, url: url, image: image)
        table.offsets.append(table.bytes.count)
    }

    static func members(id: String, title: String?, url: String?, image: String?) -> ArraySlice<UInt8> {
        var json = JSONBuffer()
        json.beginObject()
        json.member("item", id)
        json.member("title", title)
        json.member("url", url)
        json.member("image", image)
        return json.bytes.dropFirst()
    }

    /// The cards of items of the base index, in their order.
    func members(of items: [ItemID]) throws -> [ArraySlice<UInt8>] {
        let known: [ArraySlice<UInt8>]? = table.withLock { table in
            guard let table else { return nil }
            return items.map { table.bytes[table.offsets[Int($0.row)]..<table.offsets[Int($0.row) + 1]] }
        }
        if let known { return known }
        guard let catalog else {
            // One after the other in one piece of memory, for this is done for every request.
            var json = JSONBuffer(capacity: items.count * 32)
            let places = items.map { item in
                json.beginObject()
                let start = json.bytes.count
                json.member("item", identifiers[Int(item.row)])
                defer { json.endObject() }
                return start..<json.bytes.count
            }
            return places.map { json.bytes[$0] }
        }
        return try zip(items, catalog.descriptions(of: items)).map { item, description in
            Self.members(
                id: identifiers[Int(item.row)], title: description.title, url: description.url,
                image: imageAttribute.flatMap { description.attributes[$0] })
        }
    }
}
