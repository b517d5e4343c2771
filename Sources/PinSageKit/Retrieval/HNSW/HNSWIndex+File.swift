extension HNSWIndex {
    /// Opens an artifact; see docs/formats.md. Sizes are checked here, the contents of lists when they are followed.
    init(_ artifact: Artifact, kernels: Kernels) throws {
        let embeddings = try Embeddings(artifact)
        let metadata = artifact.manifest.metadata
        let manifest = artifact.path + "/" + Manifest.fileName
        guard let version = metadata["hnsw_version"]?.int, 1...HNSWIndex.version ~= version else {
            throw DataError(
                "expected version 1 to \(HNSWIndex.version) of hnsw, found \(metadata["hnsw_version"]?.serialized() ?? "none"); build the index again",
                file: manifest)
        }
        guard let storage = metadata["storage"]?.string.flatMap(IndexStorage.init), let links = metadata["links"]?.int,
            let metric = metadata["metric"]?.string.flatMap(HNSWConfiguration.Metric.init), let efConstruction = metadata["ef_construction"]?.int,
            let ef = metadata["ef"]?.int, let batch = metadata["batch"]?.int, let seed = metadata["seed"]?.string.flatMap({ UInt64($0) }),
            let entry = metadata["entry"]?.int, let top = metadata["top"]?.int
        else {
            throw DataError("expected storage, metric, links, ef_construction, ef, batch, seed, entry and top of an hnsw index", file: manifest)
        }
        let configuration = HNSWConfiguration(
            metric: metric, links: links, efConstruction: efConstruction, ef: ef, storage: storage, seed: seed, batch: batch)
        do { try configuration.validate() } catch { throw DataError("\(error)", file: manifest) }
        let count = embeddings.count, width = embeddings.dimension
        guard count <= Int(Int32.max), (count == 0) == (entry == -1), -1..<count ~= entry, 0...LayeredGraph.mostLevels ~= top else {
            throw DataError(
                "expected an entry among \(count) items and at most \(LayeredGraph.mostLevels) layers, found \(entry) and \(top)", file: manifest)
        }
        func matrix<Element: StoredElement>(
            _ name: String, _ type: Element.Type, rows: Int?, columns: Int, elementType: ElementType? = nil
        ) throws -> StoredArray<Element> {
            let (array, shape) = try artifact.array(name, as: type, elementType: elementType)
            guard shape.count == 2, rows == nil || shape[0] == rows, shape[1] == columns else {
                throw DataError(
                    "expected the shape [\(rows.map(String.init) ?? "lists"), \(columns)], found \(shape)", file: try artifact.path(of: name))
            }
            return array
        }
        let rows: TraversalRows =
            switch storage {
            case .f32: .f32(embeddings.vectors)
            case .bf16: .bf16(try matrix("codes", UInt16.self, rows: count, columns: width, elementType: .bfloat16))
            case .int8:
                .int8(
                    codes: try matrix("codes", Int8.self, rows: count, columns: width),
                    scales: try artifact.vector("scales", as: Float.self, count: count))
            }
        let graph = LayeredGraph(
            rows: rows, count: count, width: width, links: try matrix("links", UInt32.self, rows: count, columns: 2 * links),
            upperLinks: try matrix("upper_links", UInt32.self, rows: nil, columns: links),
            upperFirst: try artifact.vector("upper_first", as: UInt32.self, count: count), linksWidth: 2 * links, upperWidth: links, entry: entry,
            top: top)
        var alive: ItemFilter?
        var linked = 0
        if version == 2 {
            let words = try artifact.vector("removed", as: UInt64.self, count: (count + 63) / 64)
            alive = ItemFilter(words: words.map { ~$0 }, items: count)
            // What was removed after the last repair still has links.
            for row in 0..<count where alive?.contains(ItemID(row)) == false && graph.links[row * graph.linksWidth] < count { linked += 1 }
        }
        self.init(
            embeddings: embeddings, graph: graph, configuration: configuration, kernels: kernels, alive: alive, linkedRemovals: linked)
    }

    /// The latest version of the layout that this code reads: 1 where all items are present, 2 with `removed.npy`.
    static let version = 2

    public func write(to path: String) throws {
        var writer = try ArtifactWriter(kind: StoredIndex.kind, at: path)
        try embeddings.write(into: &writer)
        switch graph.rows {
        case .f32: break
        case .bf16(let codes): try writer.write("codes", codes, shape: [count, dimension], elementType: .bfloat16)
        case .int8(let codes, let scales):
            try writer.write("codes", codes, shape: [count, dimension])
            try writer.write("scales", scales)
        }
        try writer.write("links", graph.links, shape: [count, graph.linksWidth])
        try writer.write("upper_links", graph.upperLinks, shape: [graph.upperLinks.count / graph.upperWidth, graph.upperWidth])
        try writer.write("upper_first", graph.upperFirst)
        if let alive { try writer.write("removed", StoredArray(alive.complement.words)) }
        let metadata: [String: JSONValue] = [
            "index": .string(HNSWIndex.name), "hnsw_version": JSONValue(alive == nil ? 1 : 2), "normalized": JSONValue(embeddings.isNormalized),
            "dimension": JSONValue(dimension), "storage": .string(configuration.storage.rawValue), "metric": .string(configuration.metric.rawValue),
            "links": JSONValue(configuration.links), "ef_construction": JSONValue(configuration.efConstruction), "ef": JSONValue(configuration.ef),
            "batch": JSONValue(configuration.batch), "seed": .string(String(configuration.seed)), "entry": JSONValue(graph.entry),
            "top": JSONValue(graph.top),
        ]
        try writer.commit(metadata: metadata.merging(embeddings.modelMetadata) { $1 })
    }
}
