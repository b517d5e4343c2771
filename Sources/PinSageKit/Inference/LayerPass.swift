internal import Synchronization

/// What one convolve layer is computed from, and where its rows go. The closures are called by several threads at once.
struct LayerJob: Sendable {
    typealias Read = @Sendable (_ rows: Range<Int>, _ matrix: inout Matrix, _ kernels: Kernels) throws -> Void

    var layer: Int
    /// The rows that neighbors are projected from.
    var belowCount: Int
    var readBelow: Read
    /// The rows to compute.
    var count: Int
    /// The vector that each row itself had in the layer below.
    var readOwn: Read
    /// Neighbors of some rows, as positions among the rows below, with importance weights.
    var lists: @Sendable (_ rows: Range<Int>) throws -> RaggedLists
    /// Takes finished rows (rows.count, layerWidth).
    var emit: @Sendable (_ rows: Range<Int>, _ vectors: Matrix, _ kernels: Kernels) throws -> Void
}

/// Computes layers of a model, each vector once, in tiles of rows.
///
/// A layer first projects every row below, ReLU(Q h + q), into a table in memory, and then pools, concatenates, transforms and normalises every row. Where
/// the table exceeds its share of the memory, it is made and pooled some columns at a time: pooling mixes rows and never columns, so random
/// reads stay in memory and files are only read and written in order. A thread takes a tile and does everything with it while it is in the
/// cache; one thread multiplies while another waits for memory.
///
/// No result depends on tiles, threads or memory: the products are those of ``Kernels/dense(_:_:packed:bias:activation:into:)``.
///
/// Source: Ying et al. 2018, section 3.4 (each node's latent computed once per layer), Algorithm 1.
struct LayerPass: Sendable {
    let model: PinSageModel
    let latents: LatentType
    let threads: Int
    /// For work on one thread.
    let kernels: Kernels
    /// About the most bytes of anonymous memory.
    let memory: Int
    let tileRows: Int
    private let head: Head
    private let scratch = ScratchPool()

    /// Tiles between two reports of progress.
    private static let chunkTiles = 32

    /// - Throws: ``ConfigurationError`` for max pooling of bf16 vectors.
    init(model: PinSageModel, kernels: Kernels, latents: LatentType, memory: Int) throws {
        try ConfigurationError.require(latents == .f32 || model.configuration.pooling != .max, "max pooling needs latents in f32, not bf16")
        self.model = model
        self.latents = latents
        self.memory = memory
        threads = kernels.threads
        self.kernels = try Kernels(instructionSet: kernels.instructionSet, threads: 1)
        let c = model.configuration
        // Multiples of 96, the rows that the product's inner loops work on.
        tileRows = min(1056, max(192, (8 << 20) / (4 * LayerPass.floatsPerRow(c)) / 96 * 96))
        head = Head(
            g1: try self.kernels.packed(model.parameters.g1), g1Bias: model.parameters.g1Bias, g2: try self.kernels.packed(model.parameters.g2),
            normalizes: c.normalizesOutput)
    }

    private static func floatsPerRow(_ c: PinSageConfiguration) -> Int {
        2 * max(c.inputWidth, c.layerWidth) + 2 * c.hiddenWidth + 2 * c.layerWidth + c.dimension
    }

    // MARK: Shape

    /// Bytes that a layer takes with a table of some columns.
    func memoryNeeded(rows: Int, columns: Int) -> Int {
        let tiles = threads * tileRows * LayerPass.floatsPerRow(model.configuration) * 4
        // The weights as they are and packed.
        return tiles + model.parameters.count * 4 * 2 + rows * columns * latents.size
    }

    /// Columns of the projected table that fit the memory, a multiple of 16 unless all do.
    ///
    /// - Throws: ``ConfigurationError`` when not even 16 do.
    func slabWidth(rows: Int) throws -> Int {
        let m = model.configuration.hiddenWidth
        let rest = memory - memoryNeeded(rows: rows, columns: 0)
        let most = rows == 0 ? m : max(0, rest) / (rows * latents.size)
        if most >= m { return m }
        try ConfigurationError.require(
            most >= 16, "a memory of \(memory) bytes is too small for \(rows) items: \(memoryNeeded(rows: rows, columns: 16)) are the least")
        let slabs = (m + most / 16 * 16 - 1) / (most / 16 * 16)
        return min(m, ((m + slabs - 1) / slabs + 15) / 16 * 16)
    }

    func slabs(width: Int) -> [Range<Int>] {
        stride(from: 0, to: model.configuration.hiddenWidth, by: width).map { $0..<min($0 + width, model.configuration.hiddenWidth) }
    }

    // MARK: Work

    /// Computes one layer.
    ///
    /// - Parameters:
    ///   - width: of slabs, from ``slabWidth(rows:)``.
    ///   - pooled: keeps the pooled columns of all slabs but the last, (count, columns) each; not called where there is one slab.
    ///   - start: rows of slabs before it, and rows before it in its slab, are there from an earlier run.
    ///   - progress: called on this thread with rows projected or pooled in a slab, after they are written.
    func run(
        _ job: LayerJob, width: Int, pooled store: (_ slab: Int, _ columns: Int) throws -> any RowStore, from start: (slab: Int, row: Int) = (0, 0),
        progress: (_ slab: Int, _ isPooling: Bool, _ rows: Int) throws -> Void = { _, _, _ in }
    ) throws {
        let parameters = model.parameters.convolve[job.layer]
        let slabs = slabs(width: width)
        let stores = try slabs.dropLast().enumerated().map { try store($0.offset, $0.element.count) }
        let w = try kernels.packed(parameters.w)
        var table = RowTable(rows: job.belowCount, columns: width, type: latents)
        for (slab, columns) in slabs.enumerated() where slab >= start.slab {
            if columns.count != table.columns { table = RowTable(reusing: table, columns: columns.count) }
            let q = try kernels.packed(parameters.q.rows(columns))
            let bias = Array(parameters.qBias[columns])
            let projected = table
            try forEachTile(0..<job.belowCount, then: { try progress(slab, false, $0) }) { rows, scratch in
                try job.readBelow(rows, &scratch.h, kernels)
                try kernels.dense(scratch.h, packed: q, bias: bias, activation: .relu, into: &scratch.projected)
                try projected.write(scratch.projected, at: rows.lowerBound, kernels: kernels)
            }
            let isLast = slab == slabs.count - 1
            let first = slab == start.slab ? start.row : 0
            try forEachTile(first..<job.count, then: { try progress(slab, true, $0) }) { rows, scratch in
                try pool(projected, try job.lists(rows), scratch)
                if !isLast {
                    try stores[slab].write(scratch.pooled, at: rows.lowerBound, kernels: kernels)
                    return
                }
                if slabs.count > 1 { try assemble(rows, slabs, stores, scratch) }
                try job.readOwn(rows, &scratch.h, kernels)
                try kernels.dense(scratch.h, scratch.pooled, packed: w, bias: parameters.wBias, activation: .relu, into: &scratch.z)
                try kernels.normalizeRows(&scratch.z)
                try job.emit(rows, scratch.z, kernels)
            }
        }
    }

    /// Embeddings (B, E) of the last layer's vectors (B, layerWidth): z = G2 ReLU(G1 h + g).
    func embeddings(of h: Matrix) throws -> Matrix {
        var hidden = Matrix(rows: 0, columns: 0), z = hidden
        try kernels.dense(h, packed: head.g1, bias: head.g1Bias, activation: .relu, into: &hidden)
        try kernels.dense(hidden, packed: head.g2, bias: nil, activation: .none, into: &z)
        if head.normalizes { try kernels.normalizeRows(&z) }
        return z
    }

    /// One layer for rows without neighbors: h becomes ReLU(W [h ; 0] + w), normalised.
    func convolveAlone(_ h: Matrix, layer: Int) throws -> Matrix {
        let parameters = model.parameters.convolve[layer]
        let nothing = Matrix(rows: h.rows, columns: model.configuration.hiddenWidth)
        return try convolve(h, pooled: nothing, w: kernels.packed(parameters.w), layer: layer)
    }

    private func convolve(_ h: Matrix, pooled: Matrix, w: PackedWeights, layer: Int) throws -> Matrix {
        var z = Matrix(rows: 0, columns: 0)
        try kernels.dense(h, pooled, packed: w, bias: model.parameters.convolve[layer].wBias, activation: .relu, into: &z)
        try kernels.normalizeRows(&z)
        return z
    }

    /// Calls `body` for tiles of a range of rows, on all threads.
    ///
    /// - Parameter progress: called on this thread with the end of what is done.
    func forEachTile(
        _ range: Range<Int>, then progress: (Int) throws -> Void, _ body: @Sendable (Range<Int>, TileScratch) throws -> Void
    ) throws {
        let (pool, size) = (scratch, tileRows)
        var start = range.lowerBound
        while start < range.upperBound {
            let end = min(start + size * Self.chunkTiles, range.upperBound)
            let first = start
            // Short ranges still give every thread a tile.
            let tile = min(size, max(96, (end - first + threads - 1) / threads))
            try parallelFor((end - first + tile - 1) / tile, threads: threads, grain: 1) { tiles in
                for index in tiles {
                    let scratch = pool.take()
                    defer { pool.put(scratch) }
                    let row = first + index * tile
                    try body(row..<min(row + tile, end), scratch)
                }
            }
            start = end
            try progress(start)
        }
    }

    private func pool(_ table: RowTable, _ lists: RaggedLists, _ scratch: TileScratch) throws {
        switch model.configuration.pooling {
        case .importance: try kernels.pool(table, lists: lists, into: &scratch.pooled)
        case .mean: try kernels.pool(table, lists: lists.withEqualWeights(), into: &scratch.pooled)
        case .max: try kernels.poolMax(table, lists: lists, into: &scratch.pooled, argmax: &scratch.argmax)
        }
    }

    /// Puts the pooled columns of all slabs side by side; those of the last are in the scratch already.
    private func assemble(_ rows: Range<Int>, _ slabs: [Range<Int>], _ stores: [any RowStore], _ scratch: TileScratch) throws {
        scratch.whole.reshape(rows: rows.count, columns: model.configuration.hiddenWidth)
        for (slab, columns) in slabs.enumerated() {
            if slab < stores.count {
                try stores[slab].read(rows, into: &scratch.part, kernels: kernels)
                scratch.whole.replaceColumns(from: columns.lowerBound, with: scratch.part)
            } else {
                scratch.whole.replaceColumns(from: columns.lowerBound, with: scratch.pooled)
            }
        }
        swap(&scratch.whole, &scratch.pooled)
    }

    private struct Head: Sendable {
        let g1: PackedWeights
        let g1Bias: [Float]
        let g2: PackedWeights
        let normalizes: Bool
    }
}

/// The matrices of one tile, which the next tile uses again.
///
/// `@unchecked Sendable`: one thread at a time has it, from ``ScratchPool/take()`` to ``ScratchPool/put(_:)``.
final class TileScratch: @unchecked Sendable {
    var h = Matrix(rows: 0, columns: 0)
    var projected = Matrix(rows: 0, columns: 0)
    var pooled = Matrix(rows: 0, columns: 0)
    var part = Matrix(rows: 0, columns: 0)
    var whole = Matrix(rows: 0, columns: 0)
    var z = Matrix(rows: 0, columns: 0)
    var argmax: [Int32] = []
}

private final class ScratchPool: Sendable {
    private let free = Mutex<[TileScratch]>([])
    func take() -> TileScratch { free.withLock { $0.popLast() } ?? TileScratch() }
    func put(_ scratch: TileScratch) { free.withLock { $0.append(scratch) } }
}
