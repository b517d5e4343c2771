extension NeighborhoodFile {
    /// Earlier neighborhoods of a dataset to which edges were appended since, and which of them stay as they are.
    public struct Reuse: Sendable {
        private let file: NeighborhoodFile
        private let isChanged: [Bool]

        /// How many items' walks may pass a changed row.
        public var changedItems: Int { isChanged.count { $0 } }

        /// - Parameters:
        ///   - file: made of the dataset's graph before anything was appended.
        ///   - sampler: of the dataset as it is now.
        /// - Throws: ``DataError`` where the settings differ, or the file was made of another graph or after an append.
        /// - Complexity: O(edges of all items that `Graph.items(reachedBy:hops:)` finds)
        public init(_ file: NeighborhoodFile, of dataset: Dataset, sampler: NeighborhoodSampler) throws {
            let settings = NeighborhoodFile.settings(sampler)
            for name in Set(settings.keys).union(["collection_types", "size_exponent"]).sorted() where file.metadata[name] != settings[name] {
                let (expected, found) = (settings[name]?.serialized() ?? "none", file.metadata[name]?.serialized() ?? "none")
                throw DataError("expected neighborhoods with \(name) \(expected), found \(found)")
            }
            guard let checksum = dataset.graphChecksum, file.metadata["graph"] == .string(checksum), file.metadata["appended_edges"]?.int == 0 else {
                throw DataError("expected neighborhoods that were made of this dataset before anything was appended, found others")
            }
            self.file = file
            isChanged =
                dataset.appended.map { dataset.graph.items(reachedBy: $0, hops: sampler.configuration.walkLength) }
                ?? Array(repeating: false, count: dataset.graph.itemCount)
        }

        /// Copies an item's row, padding and all. - Returns: false where it must be drawn.
        func copy(_ item: Int, into neighbors: inout [UInt32], _ weights: inout [Float], at place: Int) -> Bool {
            let row = item - Int(file.firstItem.row)
            guard !isChanged[item], 0..<file.rows ~= row else { return false }
            for column in 0..<file.width {
                neighbors[place + column] = file.neighbors[row * file.width + column]
                weights[place + column] = file.weights[row * file.width + column]
            }
            return true
        }
    }
}

extension Graph {
    /// The items whose walks of so many hops may come by an edge of `added` or by a row that has one; all other walks are what they were
    /// before these edges were there.
    func items(reachedBy added: Graph, hops: Int) -> [Bool] {
        var isReached = [Bool](repeating: false, count: itemCount)
        var isPassed = [Bool](repeating: false, count: collectionCount)
        var front: [Int] = []
        func reach(_ item: Int) {
            guard item < itemCount, !isReached[item] else { return }
            isReached[item] = true
            front.append(item)
        }
        for item in 0..<added.itemCount where added.items.degree(of: item) > 0 { reach(item) }
        for collection in 0..<min(added.collectionCount, collectionCount) where added.collections.degree(of: collection) > 0 {
            isPassed[collection] = true
            for position in collections.range(of: collection) { reach(Int(collections.targets[position])) }
        }
        for _ in 1..<max(1, hops) {
            let items = front
            front = []
            for item in items {
                for position in self.items.range(of: item) {
                    let collection = Int(self.items.targets[position])
                    guard collection < collectionCount, !isPassed[collection] else { continue }
                    isPassed[collection] = true
                    for member in collections.range(of: collection) { reach(Int(collections.targets[member])) }
                }
            }
        }
        return isReached
    }
}
