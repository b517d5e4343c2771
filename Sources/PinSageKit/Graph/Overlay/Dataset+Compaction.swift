extension Dataset {
    /// What ``compact(_:threads:)`` did.
    public struct CompactionReport: Sendable, Hashable {
        public var edges: Int
        /// Edges that were in the overlay; 0 where there was none, and nothing was written.
        public var folded: Int
    }

    /// Folds the edges that ``DatasetAppender`` added into the graph's files.
    ///
    /// The dataset is replaced in one step; every other file is taken over as it is. The graph comes out as an import of all edges would make it,
    /// but for the order of rows and the last digits of sums of fractional weights.
    /// - Throws: ``DataError``.
    /// - Complexity: O(edges) time, streamed; 8 bytes of memory an item or collection.
    @discardableResult
    public static func compact(_ path: String, threads: Int) throws -> CompactionReport {
        let artifact = try Artifact.open(path, kind: kind)
        guard GraphOverlay.exists(in: artifact) else {
            // One that was killed after its last step left the old files, and no writer may come by for long.
            try TemporaryDirectory.sweep(siblingsOf: FileSystem.resolved(path))
            return CompactionReport(edges: try open(path).graph.edgeCount, folded: 0)
        }
        let parts = try parts(of: artifact, resident: false)
        guard let added = parts.added else { return CompactionReport(edges: parts.base.edgeCount, folded: 0) }
        var writer = try ArtifactWriter(kind: kind, at: path)
        for name in artifact.manifest.files.keys.sorted() where !name.hasPrefix("graph/") && !name.hasPrefix(GraphOverlay.folder) {
            try writer.addFile(named: name, from: artifact)
        }
        let items = try GraphMerge(base: parts.base.items, added: added.items, threads: threads)
        try items.write("graph/items", into: &writer)
        try GraphMerge(base: parts.base.collections, added: added.collections, threads: threads).write("graph/collections", into: &writer)
        var metadata = artifact.manifest.metadata
        metadata["overlay"] = nil
        let sizes = sizes(items: added.itemCount, collections: added.collectionCount, edges: items.edgeCount)
        try writer.commit(metadata: sizes.merging(metadata) { size, _ in size })
        return CompactionReport(edges: items.edgeCount, folded: added.edgeCount)
    }
}
