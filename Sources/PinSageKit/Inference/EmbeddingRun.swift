#if canImport(Darwin)
    internal import Darwin
#else
    internal import Glibc
#endif

/// The embedding pass from a dataset on disk to embeddings on disk: nothing but one table at a time is in memory, and a killed run goes on.
///
/// Stages: draw every item's neighborhood; read every item's input vector once (kept in a file where it is made of texts, and always hashed, so that a later run
/// sees what changed); then layer after layer (``EmbeddingPass`` says what it computes). Everything between lies in `OUTPUT.parts`, which a
/// run with the same data, model and settings takes up where an earlier one was killed, and which is removed in the end.
///
/// With a base, only items that are new or whose own input vector or neighborhood changed are embedded; the others keep the base's vectors.
public struct EmbeddingRun {
    /// How much memory a run takes, what it keeps vectors as, and what it starts from.
    public struct Options: Sendable {
        /// About the most bytes of anonymous memory. It decides how many columns of a layer are pooled at a time and changes nothing in the result.
        public var memory: Int
        public var latents = LatentType.f32
        /// Neighborhoods that were drawn before, with the model's own settings; `nil` draws them.
        public var neighborhoods: String?
        /// Embeddings of an earlier state of the dataset, by the same model.
        public var base: String?
        /// With a base: also embeds every item whose vector depends on a changed one, so that the result is that of a whole pass, bit for bit.
        public var includesNeighbors = false
        /// Progress is made durable at most so often, in seconds.
        public var checkpointSeconds = 30.0

        public init(memory: Int = Options.defaultMemory) { self.memory = memory }

        /// Half of the machine's memory.
        public static var defaultMemory: Int { max(1 << 28, Int(sysconf(Int32(_SC_PHYS_PAGES))) * Int(sysconf(Int32(_SC_PAGESIZE))) / 2) }
    }

    /// What a run is doing.
    public struct Progress: Sendable {
        /// "walking", "reading features", "layer 1 of 2".
        public var stage: String
        /// Of the whole run, by estimated cost.
        public var fraction: Double
    }

    /// What a run came to. Times and counts are this process's own: what an earlier run left is not in them.
    public struct Report: Sendable {
        public var items = 0
        /// Items whose vectors were computed, not taken from a base.
        public var embedded = 0
        public var dimension = 0
        public var walkingSeconds = 0.0
        public var readingSeconds = 0.0
        public var layerSeconds = 0.0
        public var savingSeconds = 0.0
        /// Whether an earlier run's work was taken up.
        public var wasResumed = false
        /// Multiplications and additions of all products of a whole pass.
        public var operations = 0.0
        /// Bytes of rows that a whole pass reads while pooling.
        public var pooledBytes = 0.0
        /// The table that rows are read from.
        public var tableRowBytes = 0, tableBytes = 0
        /// Parts of the columns that were pooled one after the other.
        public var slabs = 1
    }

    let model: PinSageModel
    let dataset: Dataset
    let catalog: (any ItemCatalog)?
    let options: Options
    let kernels: Kernels

    /// - Parameter catalog: titles, texts and attributes, where the model's features ask for them.
    public init(model: PinSageModel, dataset: Dataset, catalog: (any ItemCatalog)?, options: Options = Options(), kernels: Kernels) {
        self.model = model
        self.dataset = dataset
        self.catalog = catalog
        self.options = options
        self.kernels = kernels
    }

    /// Writes the embeddings of every item of the dataset.
    ///
    /// - Parameters:
    ///   - output: the embeddings directory; work files stand beside it until it is complete.
    ///   - madeBy: goes into its manifest.
    ///   - progress: what it throws stops the run, which may be repeated to go on.
    /// - Throws: ``DataError`` when the dataset does not fit the model or files cannot be written, ``ConfigurationError`` when the memory is too small.
    public func run(
        output: String, madeBy: [String: JSONValue] = [:], progress: (Progress) throws -> Void = { _ in }
    ) throws -> Report {
        // Before hours of work, not after.
        try ArtifactWriter.check(output, kind: Embeddings.kind)
        try model.checkFeatures()
        try model.features.checkCompatible(with: dataset)
        let base = try options.base.map { try EmbeddingBase($0, model: model, dataset: dataset, latents: options.latents) }
        let pass = try LayerPass(model: model, kernels: kernels, latents: options.latents, memory: options.memory)
        if model.configuration.layers > 0 { _ = try pass.slabWidth(rows: dataset.items.count) }
        let folder = try EmbeddingWorkFolder(output: output, settings: dataset.path == nil ? nil : settings())
        var report = Report()
        report.items = dataset.items.count
        report.dimension = model.configuration.dimension
        let weights = StageWeights(model: model, items: dataset.items.count)
        let clock = ContinuousClock()
        var start = clock.now
        func elapsed() -> Double {
            defer { start = clock.now }
            return start.duration(to: clock.now) / .seconds(1)
        }
        let neighborhoods = try self.neighborhoods(in: folder) { try progress(Progress(stage: "walking", fraction: weights.walking($0))) }
        report.walkingSeconds = elapsed()
        let (input, fingerprints) = try self.input(in: folder, neighborhoods) {
            try progress(Progress(stage: "reading features", fraction: weights.reading($0)))
        }
        report.readingSeconds = elapsed()
        let count = dataset.items.count
        if let base {
            let changed = try base.changed(fingerprints, neighborhoods: neighborhoods, model: model, includesNeighbors: options.includesNeighbors)
            report.embedded = changed.count
            try progress(Progress(stage: "embedding \(changed.count) items", fraction: weights.layer(0, 0)))
            let vectors = try embeddings(of: changed, input: input, neighborhoods: neighborhoods)
            report.layerSeconds = elapsed()
            try save(output, folder, fingerprints, madeBy, vectors: .merged(base.embeddings, changed: changed, vectors))
        } else {
            report.embedded = count
            let files = LevelFiles(folder: folder, rows: count, latents: options.latents)
            let result = try files.result(columns: model.configuration.dimension)
            let width = model.configuration.layers > 0 ? try pass.slabWidth(rows: count) : 1
            let state = try folder.state(slabWidth: width, rows: count)
            report.wasResumed = state != PassState()
            var saved = clock.now
            try FullPass(pass: pass, input: input, count: count, neighborhoods: neighborhoods).run(
                to: result, level: { try files.level($0, columns: $1) }, pooled: { try files.pooled($0, columns: $1) }, from: state
            ) { state in
                let slabs = model.configuration.layers > 0 ? pass.slabs(width: width).count : 1
                let isComplete = state.isPooling && state.row == count && state.slab == slabs - 1
                if isComplete || (state.isPooling && saved.duration(to: clock.now) >= .seconds(options.checkpointSeconds)) {
                    try files.synchronize()
                    try folder.save(isComplete ? PassState(layer: state.layer + 1) : state, slabWidth: width)
                    saved = clock.now
                    if isComplete { try files.finish(layer: state.layer) }
                }
                try progress(
                    Progress(
                        stage: "layer \(state.layer + 1) of \(max(1, model.configuration.layers))",
                        fraction: weights.layer(state.layer, state.rowsInLayer / Double(2 * max(1, count)))))
            }
            report.layerSeconds = elapsed()
            if let neighborhoods {
                report.slabs = pass.slabs(width: width).count
                report.tableRowBytes = width * options.latents.size
                report.tableBytes = count * report.tableRowBytes
                report.pooledBytes = model.neighborsPerLayer.reduce(0.0) {
                    $0 + Double(neighborhoods.total(most: $1)) * Double(model.configuration.hiddenWidth * options.latents.size)
                }
            }
            report.operations = model.operationsPerItem * Double(count)
            try save(output, folder, fingerprints, madeBy, vectors: .file(folder.path("vectors.npy")))
        }
        report.savingSeconds = elapsed()
        return report
    }

    // MARK: Stages

    private func neighborhoods(in folder: EmbeddingWorkFolder, progress: (Double) throws -> Void) throws -> NeighborhoodFile? {
        guard model.configuration.layers > 0 else { return nil }
        let sampler = try NeighborhoodSampler(graph: dataset.graph, configuration: model.walks, seed: model.seed)
        if let path = options.neighborhoods {
            try NeighborhoodFile.check(path, drawnBy: sampler, origin: dataset)
            return try NeighborhoodFile.open(path)
        }
        let path = folder.path("neighborhoods")
        if FileSystem.kind(of: path) == nil {
            let count = dataset.items.count
            try NeighborhoodFile.write(sampler, items: 0..<count, to: path, origin: dataset, threads: kernels.threads) {
                try progress(Double($0) / Double(max(1, count)))
            }
        }
        return try NeighborhoodFile.open(path)
    }

    /// The source of input vectors, and the fingerprints (N, 2) of inputs and neighborhoods.
    private func input(
        in folder: EmbeddingWorkFolder, _ neighborhoods: NeighborhoodFile?, progress: (Double) throws -> Void
    ) throws -> (any InputRows, StoredArray<UInt64>) {
        let count = dataset.items.count
        let ids = try IDRows(model, itemCount: count, items: dataset.items)
        let direct = DatasetInput(transform: model.features, dataset: dataset, catalog: catalog, ids: ids)
        // Texts are hashed and projected once; tables are cheap to read again.
        let stored = model.features.needsCatalog ? try RowFile(folder.path("input.npy"), rows: count, columns: ids.inputWidth, type: .f32) : nil
        let path = folder.path("fingerprints.npy")
        if FileSystem.kind(of: path) == nil {
            try FileSystem.replaceFile(path) { temporary in
                var writer = try NpyWriter<UInt64>(temporary)
                let serial = try Kernels(instructionSet: kernels.instructionSet, threads: 1)
                if let stored {
                    var rows = Matrix(rows: 0, columns: 0)
                    try model.features.forEachBlock(of: dataset, catalog: catalog) { range, features in
                        try ids.widen(features, items: Array(range), into: &rows, kernels: serial)
                        try stored.write(rows, at: range.lowerBound, kernels: serial)
                        try writer.append(Fingerprint.of(rows, items: range, neighborhoods: neighborhoods))
                        try progress(Double(range.upperBound) / Double(count))
                    }
                } else {
                    for start in stride(from: 0, to: count, by: 1 << 16) {
                        let end = min(start + 1 << 16, count)
                        let pairs = try parallelMap(end - start, threads: kernels.threads, grain: 512) { part -> [(UInt64, UInt64)] in
                            let range = start + part.lowerBound..<start + part.upperBound
                            var rows = Matrix(rows: 0, columns: 0)
                            try direct.read(Array(range), into: &rows, kernels: serial)
                            let words = Fingerprint.of(rows, items: range, neighborhoods: neighborhoods)
                            return range.indices.map { (words[2 * ($0 - range.lowerBound)], words[2 * ($0 - range.lowerBound) + 1]) }
                        }
                        for (input, neighborhood) in pairs {
                            try writer.append(input)
                            try writer.append(neighborhood)
                        }
                        try progress(Double(end) / Double(count))
                    }
                }
                try stored?.synchronize()
                try writer.finish(shape: [count, 2])
            }
        }
        let fingerprints = try Npy.open(path, as: UInt64.self).array
        if let stored { return (StoredInput(rows: stored), fingerprints) }
        return (direct, fingerprints)
    }

    /// Vectors of some items, in groups whose needed neighbors fit the memory.
    private func embeddings(of items: [Int], input: any InputRows, neighborhoods: NeighborhoodFile?) throws -> Matrix {
        let some = EmbeddingPass(model: model, kernels: kernels, latents: options.latents, memory: options.memory)
        let c = model.configuration
        let rowBytes = 4 * (c.hiddenWidth + 2 * c.layerWidth)
        // Each item needs at most all items, and at most T^K.
        let reach = model.neighborsPerLayer.reduce(1.0) { $0 * Double($1 + 1) }
        let most = Double(options.memory / 2) / Double(rowBytes)
        let group = most >= Double(dataset.items.count) ? items.count : max(16, Int(most / reach))
        var result = Matrix(rows: items.count, columns: c.dimension)
        for start in stride(from: 0, to: items.count, by: max(1, group)) {
            let part = Array(items[start..<min(start + group, items.count)])
            result.replaceRows(
                from: start,
                with: try some.embeddings(of: part, input: input, itemCount: dataset.items.count) {
                    try neighborhoods?.neighborhoods(of: $0, itemCount: dataset.items.count)
                        ?? RaggedNeighborhoods(offsets: Array(repeating: 0, count: $0.count + 1))
                })
        }
        return result
    }

    // MARK: Result

    private enum Vectors {
        case file(String)
        case merged(Embeddings, changed: [Int], Matrix)
    }

    private func save(
        _ output: String, _ folder: EmbeddingWorkFolder, _ fingerprints: StoredArray<UInt64>, _ madeBy: [String: JSONValue], vectors: Vectors
    ) throws {
        var writer = try ArtifactWriter(kind: Embeddings.kind, at: output)
        switch vectors {
        case .file(let path):
            // A second name: were the run killed before the commit, the file would still be in the folder of parts.
            try FileSystem.linkOrCopy(path, to: writer.newPath(for: "vectors.npy"))
            try writer.addFile(named: "vectors.npy")
        case .merged(let base, let changed, let matrix):
            var file = try NpyWriter<Float>(try writer.newPath(for: "vectors.npy"))
            var next = 0
            for row in 0..<dataset.items.count {
                if next < changed.count, changed[next] == row {
                    try file.append(matrix.values[next * matrix.columns..<(next + 1) * matrix.columns])
                    next += 1
                } else {
                    try file.append(base.vectors[row * matrix.columns..<(row + 1) * matrix.columns])
                }
            }
            try file.finish(shape: [dataset.items.count, matrix.columns])
            try writer.addFile(named: "vectors.npy")
        }
        try writer.write("fingerprints.npy", fingerprints, shape: [dataset.items.count, 2])
        if let path = dataset.path {
            let artifact = try Artifact.open(path, kind: Dataset.kind)
            for part in ["bytes", "offsets", "table"] { try writer.addFile(named: "item_ids.\(part).npy", from: artifact) }
        } else {
            try dataset.items.write(into: &writer, prefix: "item_ids")
        }
        let own: [String: JSONValue] = [
            "normalized": JSONValue(model.configuration.normalizesOutput), "dimension": JSONValue(model.configuration.dimension),
            "model_fingerprint": .string(model.fingerprint), "latents": .string(options.latents.rawValue),
        ]
        try writer.commit(metadata: madeBy.merging(own) { $1 })
        try folder.remove()
    }

    /// Everything that the bits of the work files depend on.
    private func settings() throws -> String {
        var object: [String: JSONValue] = [
            "version": 1, "model": .string(model.fingerprint), "latents": .string(options.latents.rawValue),
            "instruction_set": .string(kernels.instructionSet.rawValue), "items": JSONValue(dataset.items.count),
            "neighborhoods": options.neighborhoods.map { .string($0) } ?? .null, "base": .bool(options.base != nil),
        ]
        if let path = dataset.path {
            let files = try Artifact.open(path, kind: Dataset.kind).manifest.files
            object["dataset"] = .object(files.mapValues { .string(hexadecimal($0.crc32c)) })
        }
        return JSONValue.object(object).serialized() + "\n"
    }
}
