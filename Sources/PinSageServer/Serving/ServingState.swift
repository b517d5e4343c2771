internal import Foundation
internal import PinSageCatalog
internal import PinSageKit
internal import Synchronization

/// The view that requests begin with, and the only place that makes the next one: insertions, removals and reloads, one at a time.
final class ServingState: Sendable {
    private let paths: ServedPaths
    private let kernels: Kernels
    private let current: Mutex<ServingView>
    /// Held through a change, its write to the disk included; readers never wait for it.
    private let changing = Mutex<Void>(())
    private let isReloading = Atomic<Bool>(false)

    /// Opens the artifacts and puts the changes back that were made since the index was built.
    init(_ paths: ServedPaths, kernels: Kernels) throws {
        self.paths = paths
        self.kernels = kernels
        let artifacts = try Artifacts(paths, kernels: kernels)
        var live: LiveCatalog?
        if let path = paths.live, FileManager.default.fileExists(atPath: path) { live = try Self.catalog(path, artifacts) }
        current = Mutex(try Self.view(of: artifacts, live: live))
    }

    var view: ServingView { current.withLock { $0 } }

    private static func catalog(_ path: String, _ artifacts: Artifacts) throws -> LiveCatalog {
        try LiveCatalog(path: path, attributes: artifacts.catalog?.attributeNames ?? [])
    }

    /// The index of these artifacts with all changes applied. Vectors that another model made are made anew.
    private static func view(of artifacts: Artifacts, live catalog: LiveCatalog?) throws -> ServingView {
        var view = ServingView(artifacts: artifacts)
        guard let catalog else { return view }
        let identifiers = artifacts.index.embeddings.identifiers
        for name in try catalog.removed() {
            if let row = identifiers.row(of: name) { view.index = view.index.removing(ItemID(row)) }
        }
        let live = LiveItems(catalog: catalog, imageAttribute: artifacts.cards.imageAttribute)
        var remade: [(row: Int, vector: [Float])] = []
        for (row, item, stored) in try catalog.items(model: artifacts.modelFingerprint) {
            let isUsable = stored?.count == artifacts.index.dimension
            let vector = isUsable ? stored ?? [] : try artifacts.vector(of: item)
            if !isUsable { remade.append((row, vector)) }
            if let base = identifiers.row(of: item.identifier) { view.index = view.index.removing(ItemID(base)) }
            view.index = try view.index.adding(vector).index
            live.append(item, row: row)
        }
        if !remade.isEmpty { try catalog.replaceVectors(remade, model: artifacts.modelFingerprint) }
        view.live = live
        return view
    }

    /// Puts items in. When this returns they are on the disk, and requests that begin find them.
    ///
    /// - Returns: how many took the place of an item of their name.
    func insert(_ items: [LiveItem]) throws -> Int {
        guard let path = paths.live else { throw Problem(403, "this server does not take changes") }
        // Embedding takes most of the time and needs no turn.
        let before = view.artifacts
        var vectors = try items.map { try before.vector(of: $0) }
        return try changing.withLock { _ in
            var next = view
            if next.artifacts !== before { vectors = try items.map { try next.artifacts.vector(of: $0) } }
            let live = try next.live ?? LiveItems(catalog: Self.catalog(path, next.artifacts), imageAttribute: next.artifacts.cards.imageAttribute)
            next.live = live
            let known = items.map { next.find($0.identifier) }
            let rows = try live.catalog.insert(Array(zip(items, vectors)), model: next.artifacts.modelFingerprint)
            for (place, item) in items.enumerated() {
                if let old = known[place] { next.index = next.index.removing(old) }
                next.index = try next.index.adding(vectors[place]).index
                live.append(item, row: rows[place])
            }
            current.withLock { $0 = next }
            return known.count { $0 != nil }
        }
    }

    /// Takes an item out, for good.
    func remove(_ name: String) throws {
        guard let path = paths.live else { throw Problem(403, "this server does not take changes") }
        try changing.withLock { _ in
            var next = view
            let item = try next.item(named: name)
            let live = try next.live ?? LiveItems(catalog: Self.catalog(path, next.artifacts), imageAttribute: next.artifacts.cards.imageAttribute)
            next.live = live
            try live.catalog.remove(name)
            next.index = next.index.removing(item)
            current.withLock { $0 = next }
        }
    }

    /// Opens what lies at the paths now and swaps it in; requests that have begun go on with what they have.
    ///
    /// - Throws: ``Problem`` 409 while another reload runs, `DataError` when an artifact cannot be used: then everything stays as it was.
    func reload() throws -> ServingView {
        guard !isReloading.exchange(true, ordering: .acquiring) else { throw Problem(409, "a reload is running already") }
        defer { isReloading.store(false, ordering: .releasing) }
        let artifacts = try Artifacts(paths, kernels: kernels)
        return try changing.withLock { _ in
            var live = view.live?.catalog
            // A new dataset may have attributes that the file of changes has no columns for yet.
            if let path = paths.live, live != nil { live = try Self.catalog(path, artifacts) }
            let next = try Self.view(of: artifacts, live: live)
            current.withLock { $0 = next }
            return next
        }
    }

    /// Has searches read a copy of the index in memory from now on, unless other artifacts were swapped in meanwhile.
    func makeResident(_ artifacts: Artifacts) throws {
        let copy = try artifacts.index.resident()
        changing.withLock { _ in
            var next = view
            guard next.artifacts === artifacts else { return }
            next.index = next.index.replacing(base: copy)
            current.withLock { $0 = next }
        }
    }

    /// Ends the log; nothing may be changed afterwards.
    func close() {
        changing.withLock { _ in try? view.live?.catalog.close() }
    }
}
