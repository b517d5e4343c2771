/// How far a pass over all items is.
struct PassState: Sendable, Equatable {
    /// The layer that is being computed; the number of layers when only the head remains (a model without layers).
    var layer = 0
    /// The part of the projected columns that is being pooled.
    var slab = 0
    /// Rows of it that are pooled and written.
    var row = 0
    var isPooling = false
    var layersDone: Int { layer }
    /// Rows projected and pooled in this layer, as if there were one slab.
    var rowsInLayer = 0.0
}

/// Every layer for every item, from stores of rows to stores of rows.
struct FullPass {
    let pass: LayerPass
    let input: any InputRows
    let count: Int
    let neighborhoods: NeighborhoodFile?

    /// Computes what is missing.
    ///
    /// - Parameters:
    ///   - result: gets the embeddings, (count, E).
    ///   - level: the store of a layer's vectors (layer, columns), also of the one below `start`.
    ///   - store: see ``LayerPass/run(_:width:pooled:from:progress:)``.
    ///   - start: where an earlier run ended.
    ///   - progress: called when the rows before the state's are written.
    func run(
        to result: any RowStore, level: (_ layer: Int, _ columns: Int) throws -> any RowStore,
        pooled store: (_ slab: Int, _ columns: Int) throws -> any RowStore, from start: PassState = PassState(),
        progress: (PassState) throws -> Void
    ) throws {
        let model = pass.model
        let layers = model.configuration.layers
        if layers == 0 { return try headAlone(to: result, from: start, progress: progress) }
        guard let neighborhoods else { preconditionFailure("a model with layers needs neighborhoods") }
        guard neighborhoods.rows == count, neighborhoods.firstItem.row == 0 else {
            throw DataError(
                "expected the neighborhoods of \(count) items, found \(neighborhoods.rows) from item \(neighborhoods.firstItem.row) on")
        }
        let width = try pass.slabWidth(rows: count)
        let slabs = pass.slabs(width: width).count
        for layer in start.layer..<layers {
            let below = layer == 0 ? nil : try level(layer - 1, model.configuration.layerWidth)
            let isLast = layer == layers - 1
            let above = isLast ? result : try level(layer, model.configuration.layerWidth)
            let input = input, most = model.neighborsPerLayer[layer], pass = pass
            let read: LayerJob.Read = { rows, matrix, kernels in
                if let below {
                    try below.read(rows, into: &matrix, kernels: kernels)
                } else {
                    try input.read(Array(rows), into: &matrix, kernels: kernels)
                }
            }
            let job = LayerJob(
                layer: layer, belowCount: count, readBelow: read, count: count, readOwn: read,
                lists: { neighborhoods.lists($0, most: most) },
                emit: { rows, vectors, kernels in
                    try above.write(isLast ? try pass.embeddings(of: vectors) : vectors, at: rows.lowerBound, kernels: kernels)
                })
            let isResumed = layer == start.layer
            try pass.run(job, width: width, pooled: store, from: isResumed ? (start.slab, start.row) : (0, 0)) { slab, isPooling, row in
                var state = PassState(layer: layer, slab: slab, row: isPooling ? row : 0, isPooling: isPooling)
                state.rowsInLayer = (Double(2 * slab * count) + Double(isPooling ? count + row : row)) / Double(slabs)
                try progress(state)
            }
        }
    }

    private func headAlone(to result: any RowStore, from start: PassState, progress: (PassState) throws -> Void) throws {
        let (pass, input) = (pass, input)
        try pass.forEachTile(start.row..<count, then: { try progress(PassState(row: $0, isPooling: true)) }) { rows, scratch in
            try input.read(Array(rows), into: &scratch.h, kernels: pass.kernels)
            try result.write(try pass.embeddings(of: scratch.h), at: rows.lowerBound, kernels: pass.kernels)
        }
    }
}
