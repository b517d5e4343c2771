import Foundation

@testable import PinSageCatalog
@testable import PinSageKit

/// An artifact whose files inputs change: its manifest always says what the files then are, as that of a malicious artifact would.
///
/// Input: which file; how; the rest overwrites bytes (place, place, value) or is the new elements. The choice 255 changes the manifest's
/// metadata by a JSON object. Nothing is written: the files are in memory, where some thousand inputs a second can be tried.
struct FuzzedArtifact {
    private let path: String
    private let manifest: Manifest
    private let names: [String]
    private let original: [String: [UInt8]]
    private let files: [String: MappedFile]

    init(_ path: String) throws {
        self.path = path
        manifest = try Manifest(contentsOf: path + "/" + Manifest.fileName)
        names = manifest.files.keys.filter { !$0.hasSuffix(".sqlite") }.sorted()
        var original: [String: [UInt8]] = [:]
        for name in names { original[name] = try FileSystem.contents(of: path + "/" + name) }
        self.original = original
        files = Dictionary(uniqueKeysWithValues: original.map { ($0.key, MappedFile(path + "/" + $0.key, contents: $0.value)) })
    }

    func changed(by bytes: [UInt8]) -> Artifact {
        let (which, rest) = bytes.choice
        let (how, content) = rest.choice
        var manifest = manifest, files = files
        if which == .max || names.isEmpty {
            if let object = try? JSONValue(parsing: content).object { manifest.metadata.merge(object) { $1 } }
        } else {
            let name = names[Int(which) % names.count]
            let new = how & 1 == 0 ? Self.patched(original[name] ?? [], content) : replaced(name, content, how)
            files[name] = MappedFile(path + "/" + name, contents: new)
            manifest.files[name]?.bytes = new.count
            if how & 1 == 1 { manifest.files[name]?.shape = nil }
        }
        return Artifact(path: path, manifest: manifest, contents: files)
    }

    private static func patched(_ old: [UInt8], _ content: [UInt8]) -> [UInt8] {
        var new = old
        guard !new.isEmpty else { return content }
        for start in stride(from: 0, to: content.count - 2, by: 3) {
            new[(Int(content[start]) | Int(content[start + 1]) << 8) % new.count] = content[start + 2]
        }
        return new
    }

    /// Other elements in an array of the same type and width, or another file altogether.
    private func replaced(_ name: String, _ content: [UInt8], _ how: UInt8) -> [UInt8] {
        guard let entry = manifest.files[name], let type = entry.elementType, let shape = entry.shape, how & 2 == 0 else { return content }
        let columns = shape.count == 2 ? max(1, shape[1]) : 1
        let rows = content.count / (type.size * columns)
        let elements = content.prefix(rows * columns * type.size)
        return Npy.headerBytes(elementType: type, shape: shape.count == 2 ? [rows, columns] : [rows]) + elements
    }
}

/// Reads what inputs made of an artifact, and uses it.
private func artifact(
    _ name: String, _ make: @escaping @Sendable (_ scratch: String) throws -> (path: String, use: (Artifact) throws -> Void)
) -> FuzzTarget {
    FuzzTarget(name: name) { scratch in
        let (path, use) = try make(scratch)
        let fuzzed = try FuzzedArtifact(path)
        return { bytes in try use(fuzzed.changed(by: bytes)) }
    }
}

let artifactTargets: [FuzzTarget] = [
    artifact("dataset") { scratch in
        let path = scratch + "/dataset"
        var assembler = DatasetAssembler()
        for number in 0..<30 {
            try assembler.addEdge(item: "i\(number % 7)", collection: "c\(number % 4)", time: Int64(number), weight: Float(1 + number % 3))
        }
        let values = (0..<21).map { Float($0) }
        assembler.addFeatures(FeatureTable(name: "f", matrix: Matrix(rows: 7, columns: 3, values: values)))
        try assembler.dataset().write(to: path)
        let more = FuzzFile(path: scratch + "/more.tsv")
        more.write(Array("item\tcollection\ttime\tweight\ni1\tc3\t5\t2\nnew\tc1\t\t1\n".utf8))
        _ = try DatasetAppender().run(path, edges: [more.path])
        return (path, { try use(Dataset.read($0)) })
    },
    artifact("neighborhoods") { scratch in
        let served = try FuzzServed(scratch, items: 12)
        let dataset = try Dataset.open(served.dataset)
        let sampler = try NeighborhoodSampler(graph: dataset.graph, configuration: WalkConfiguration(walks: 10, neighbors: 4), seed: 1)
        let path = scratch + "/neighborhoods"
        try NeighborhoodFile.write(sampler, items: 0..<dataset.items.count, to: path, origin: dataset, threads: 1)
        return (
            path,
            {
                let file = try NeighborhoodFile($0)
                _ = file.neighborhoods(0..<file.rows)
                _ = file.total(most: 3)
                let reuse = try NeighborhoodFile.Reuse(file, of: dataset, sampler: sampler)
                demand(reuse.changedItems >= 0, "a count")
            }
        )
    },
    artifact("embeddings") { scratch in
        let served = try FuzzServed(scratch, items: 12)
        let path = scratch + "/embeddings"
        try StoredIndex.open(served.index, kernels: Kernels(threads: 1)).embeddings.write(to: path)
        return (
            path,
            {
                let embeddings = try Embeddings($0)
                for row in 0..<min(embeddings.count, 200) {
                    demand(embeddings[ItemID(row)].count == embeddings.dimension, "a vector of the dimension")
                    _ = try? embeddings.item(named: embeddings.identifiers[row])
                }
                try embeddings.requireFinite()
            }
        )
    },
    artifact("index-hnsw") { scratch in try index(scratch, kind: "hnsw", storage: .f32) },
    artifact("index-int8") { scratch in try index(scratch, kind: "hnsw", storage: .int8) },
    artifact("index-lsh") { scratch in try index(scratch, kind: "lsh", storage: .f32) },
    artifact("index-exact") { scratch in try index(scratch, kind: "exact", storage: .f32) },
    artifact("map") { scratch in
        let served = try FuzzServed(scratch, items: 12)
        let index = try StoredIndex.open(served.index, kernels: Kernels(threads: 1))
        let path = scratch + "/map"
        var mapping = NeighborMap.Configuration()
        (mapping.neighbors, mapping.epochs) = (4, 2)
        try NeighborMap(of: index, configuration: mapping, threads: 1).write(to: path)
        return (
            path,
            {
                let map = try NeighborMap($0)
                demand(map.shades.count == map.count && map.coordinates.count == 2 * map.count, "a place and a shade for each item")
            }
        )
    },
    artifact("model") { scratch in
        let served = try FuzzServed(scratch, items: 12)
        let description = ItemDescription(title: "a new query engine", text: "with storage")
        let dataset = try Dataset.open(served.dataset), kernels = try Kernels(threads: 1)
        let catalog = InMemoryItemCatalog((0..<dataset.items.count).map { ItemDescription(title: "query \($0)", text: "storage of glyphs") })
        return (
            served.model,
            {
                let model = try PinSageModel($0)
                // What a model may ask for is large; what it is asked here is small, so that it takes no time.
                guard model.walks.walks <= 100, model.walks.walkLength <= 20, model.configuration.dimension <= 64 else { return }
                let embedder = try NewItemEmbedder(model: model, dataset: dataset, catalog: catalog, kernels: kernels)
                let vector = try embedder.embedding(of: description, features: [:], collections: [CollectionID(0)])
                demand(vector.count == model.configuration.dimension, "a vector of the dimension")
            }
        )
    },
    artifact("checkpoint") { scratch in
        let served = try FuzzServed(scratch, items: 12)
        let path = scratch + "/checkpoint"
        var options = TrainingOptions()
        options.epochs = 1
        options.idWidth = 4
        options.dimension = 8
        options.hiddenWidth = 8
        options.layerWidth = 8
        options.features.text = false
        let run = TrainingRun(dataset: try Dataset.open(served.dataset), catalog: nil, options: options, kernels: try Kernels(threads: 1))
        _ = try run.run(output: path)
        return (path, { _ = try Checkpoint.read($0) })
    },
]

private func use(_ dataset: Dataset) throws {
    guard dataset.graph.itemCount < 4096, dataset.graph.collectionCount < 4096 else { return }
    for item in 0..<dataset.items.count { _ = dataset.items.row(of: dataset.items[item]) }
    _ = try? dataset.item(named: "i")
    let items = (0..<min(dataset.graph.itemCount, 8)).map { ItemID($0) }
    for isWeighted in [false, true] {
        let walks = WalkConfiguration(walks: 3, walkLength: 2, weighted: isWeighted, before: isWeighted ? 20 : nil)
        let drawn = try NeighborhoodSampler(graph: dataset.graph, configuration: walks, seed: 1).neighborhoods(of: items, threads: 1)
        demand(drawn.items.allSatisfy { $0 < dataset.graph.itemCount }, "neighbors are items")
    }
    _ = try PixieRecommender(graph: dataset.graph, configuration: PixieConfiguration(steps: 30), seed: 1)
        .recommend(queries: items.prefix(2).map { ($0, 1) }, count: 5)
    for table in dataset.features { demand(table.rows == dataset.items.count, "a feature row for each item") }
    try dataset.checkTargets()
    _ = try DatasetSplit(dataset.graph, configuration: .init(rule: .leaveRandom(1)))
}

private func index(_ scratch: String, kind: String, storage: IndexStorage) throws -> (path: String, use: (Artifact) throws -> Void) {
    let served = try FuzzServed(scratch, items: 12)
    let kernels = try Kernels(threads: 1)
    let embeddings = try StoredIndex.open(served.index, kernels: kernels).embeddings
    let path = scratch + "/index-" + kind
    switch kind {
    case "exact": try ExactIndex(embeddings: embeddings, kernels: kernels).write(to: path)
    case "lsh":
        let configuration = LSHConfiguration(recall: 0.9, bits: 4, tables: 2, visits: 40, candidates: 20, seed: 7)
        try LSHIndex.build(embeddings, configuration: configuration, kernels: kernels).write(to: path)
    default:
        var configuration = HNSWConfiguration()
        configuration.storage = storage
        configuration.links = 4
        try HNSWIndex.build(embeddings, configuration: configuration, kernels: kernels).write(to: path)
    }
    return (
        path,
        {
            let index = try StoredIndex.read($0, kernels: kernels)
            guard index.count > 0, index.dimension < 4096 else { return }
            let query = Matrix(rows: 1, columns: index.dimension, values: (0..<index.dimension).map { Float($0 % 5) - 1.5 })
            let k = min(5, index.count)
            let found = try index.neighbors(of: query, k: k, among: nil, excluding: [])[0]
            demand(found.allSatisfy { $0.item.row < index.count }, "neighbors are items")
            let filter = ItemFilter(items: index.count, allowed: stride(from: 0, to: index.count, by: 3).map { ItemID($0) })
            let among = try index.neighbors(of: query, k: k, among: filter, excluding: [ItemID(0)])[0]
            demand(among.allSatisfy { filter.contains($0.item) }, "a filter holds")
        }
    )
}
