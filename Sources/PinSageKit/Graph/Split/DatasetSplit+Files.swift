extension DatasetSplit {
    /// What ``write(_:configuration:to:)`` made.
    public struct Report: Sendable, Codable, Hashable {
        public var trainEdges: Int
        public var testEdges: Int
        public var testPairs: Int
        public var validationEdges: Int
        public var validationPairs: Int
    }

    /// Cuts a dataset on disk into the folder `directory`: `train/`, a dataset with the same rows, features and catalog (as hard links where the
    /// file system can), `test.pairs.tsv`, `test.collections.tsv`, and `validation.*` when there is a validation part.
    ///
    /// An earlier split there is replaced in one step, unless somebody put files of their own beside it.
    ///
    /// - Throws: ``DataError``; nothing has then changed.
    @discardableResult
    public static func write(_ source: String, configuration: Configuration, to directory: String) throws -> Report {
        let dataset = try Dataset.open(source)
        try dataset.checkTargets()
        try checkReplaceable(directory)
        let split = try DatasetSplit(dataset.graph, configuration: configuration)
        guard split.train.edgeCount > 0 else { throw DataError("expected edges to train on, found that all of them would be held out", file: source) }
        try split.write(dataset, configuration, to: FileSystem.resolved(directory))
        return Report(
            trainEdges: split.train.edgeCount, testEdges: split.test.edges.count, testPairs: split.test.pairs.count,
            validationEdges: split.validation.edges.count, validationPairs: split.validation.pairs.count)
    }

    private static let ownNames = ["train"] + ["test", "validation"].flatMap { [$0 + ".pairs.tsv", $0 + ".collections.tsv"] }

    /// A folder may be new, empty, or hold an earlier split; anything else in the way stays.
    private static func checkReplaceable(_ directory: String) throws {
        guard let existing = FileSystem.kind(of: directory) else { return }
        guard existing.kind == .directory else { throw DataError("expected a folder to write to, found a file", file: directory) }
        let train = directory + "/train"
        if FileSystem.kind(of: train) != nil, let manifest = try? Artifact.open(train, kind: Dataset.kind).manifest, manifest.metadata["split"] != nil
        {
            return
        }
        let names = try FileSystem.names(in: directory)
        if names.contains(Manifest.fileName) { throw DataError("expected a folder for a split, found an artifact of this program", file: directory) }
        if let first = names.first(where: ownNames.contains) {
            throw DataError("this folder holds \(first), which no split wrote; it will not be replaced", file: directory)
        }
    }

    /// All of a split at once, so that a killed run leaves the old one or the new one and never edges in train that are in the test too.
    private func write(_ dataset: Dataset, _ configuration: Configuration, to directory: String) throws {
        let existing = FileSystem.isDirectory(directory) ? try FileSystem.names(in: directory) : nil
        let isCurrent = try FileSystem.resolved(".") == directory
        if let existing, !existing.allSatisfy(Self.ownNames.contains) || existing.isEmpty || isCurrent {
            // Other files stay where they are, and nobody's current folder is taken away: for a moment there is a train without tests.
            for name in Self.ownNames where name != "train" { try FileSystem.remove(directory + "/" + name) }
            try writeParts(dataset, configuration, to: directory)
            return
        }
        try FileSystem.makeDirectories(FileSystem.directory(of: directory))
        let folder = try TemporaryDirectory(siblingOf: directory)
        try writeParts(dataset, configuration, to: folder.path)
        try FileSystem.synchronize(folder.path)
        if existing == nil {
            try FileSystem.rename(folder.path, to: directory)
        } else {
            try FileSystem.exchange(folder.path, directory)
        }
        try FileSystem.synchronize(FileSystem.directory(of: directory))
        folder.remove()
    }

    private func writeParts(_ dataset: Dataset, _ configuration: Configuration, to directory: String) throws {
        try writeTrain(dataset, configuration, to: directory + "/train")
        try test.write(names: dataset, prefix: directory + "/test")
        if configuration.validation > 0 { try validation.write(names: dataset, prefix: directory + "/validation") }
    }

    private func writeTrain(_ dataset: Dataset, _ configuration: Configuration, to path: String) throws {
        let settings: JSONValue = [
            "rule": JSONValue("\(configuration.rule.summary)"), "validation": JSONValue(configuration.validation),
            "minimum_members": JSONValue(configuration.minimumMembers), "seed": JSONValue("\(configuration.seed)"),
        ]
        try dataset.write(to: path, replacingGraph: train, metadata: ["split": settings])
    }

    /// Reads held-out edges from a table with the columns `item` and `collection`.
    ///
    /// - Throws: ``DataError`` with the line for an item, collection or edge that the dataset does not have.
    public static func edges(from path: String, in dataset: Dataset) throws -> [Edge] {
        var edges: Set<Edge> = []
        try TextTable(path).forEachRow(required: ["item", "collection"]) { row in
            let itemName = row["item"] ?? "", collectionName = row["collection"] ?? ""
            guard let item = dataset.items.row(of: itemName) else {
                throw DataError("expected an item of the dataset, found \"\(itemName)\"", file: path, line: row.line)
            }
            guard let collection = dataset.collections.row(of: collectionName) else {
                throw DataError("expected a collection of the dataset, found \"\(collectionName)\"", file: path, line: row.line)
            }
            let edge = Edge(item: ItemID(item), collection: CollectionID(collection))
            guard dataset.graph.contains(edge.item, in: edge.collection) else {
                throw DataError("expected an edge of the dataset, found \"\(itemName)\" in \"\(collectionName)\"", file: path, line: row.line)
            }
            edges.insert(edge)
        }
        return Array(edges)
    }
}

extension DatasetSplit.Rule {
    /// For the manifest.
    var summary: String {
        switch self {
        case .leaveLast(let count): "leave-last \(count)"
        case .leaveRandom(let count): "leave-random \(count)"
        case .before(let time): "before \(time)"
        case .edges(let edges): "\(edges.count) given edges"
        case .share(let share): "share \(share)"
        }
    }
}

extension DatasetSplit.HeldOut {
    /// The pairs under the names that a dataset gives to rows.
    public func named(in dataset: Dataset) -> [EvaluationPair] {
        pairs.map { pair in
            EvaluationPair(
                query: dataset.items[Int(pair.query.row)], positive: dataset.items[Int(pair.positive.row)],
                collection: dataset.collections[Int(pair.collection.row)])
        }
    }

    /// Writes `PREFIX.pairs.tsv` and `PREFIX.collections.tsv`.
    func write(names dataset: Dataset, prefix: String) throws {
        try PairsFile.write(named(in: dataset), to: prefix + ".pairs.tsv")
        let members = edges.lazy.map { (collection: dataset.collections[Int($0.collection.row)], item: dataset.items[Int($0.item.row)]) }
        try CollectionsFile.write(members, to: prefix + ".collections.tsv")
    }
}
