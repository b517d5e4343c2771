/// The input vectors of items, some rows at a time. Any number of threads may read at once.
protocol InputRows: Sendable {
    /// Width of a row: features, and the id vector where the model has them.
    var width: Int { get }
    /// Rows of some items, in their order. Shapes: matrix becomes (items.count, width).
    func read(_ items: [Int], into matrix: inout Matrix, kernels: Kernels) throws
}

/// Rows of a matrix in memory.
struct MatrixInput: InputRows {
    let values: Matrix
    let ids: IDRows
    var width: Int { ids.inputWidth }

    func read(_ items: [Int], into matrix: inout Matrix, kernels: Kernels) throws {
        matrix.reshape(rows: items.count, columns: width)
        try kernels.gather(values, rows: items.map { Int64($0) }, into: &matrix, atColumn: 0)
        try ids.fill(items, into: &matrix, kernels: kernels)
    }
}

/// Rows made from a dataset's features when they are asked for.
struct DatasetInput: InputRows {
    let transform: FeatureTransform
    let dataset: Dataset
    let catalog: (any ItemCatalog)?
    let ids: IDRows
    var width: Int { ids.inputWidth }

    func read(_ items: [Int], into matrix: inout Matrix, kernels: Kernels) throws {
        try ids.check(transform.width)
        matrix.reshape(rows: items.count, columns: width)
        try transform.fill(&matrix, items: items, in: dataset, catalog: catalog, kernels: kernels)
        try ids.fill(items, into: &matrix, kernels: kernels)
    }
}

/// Rows of a dataset, and of one item that it does not have.
struct NewItemInput: InputRows {
    let known: DatasetInput
    /// The row number that stands for the new item.
    let item: Int
    let features: [Float]
    var width: Int { known.width }

    func read(_ items: [Int], into matrix: inout Matrix, kernels: Kernels) throws {
        try known.read(items.filter { $0 != item }, into: &matrix, kernels: kernels)
        guard let place = items.firstIndex(of: item) else { return }
        precondition(place == items.count - 1, "items must ascend")
        let row = Matrix(rows: 1, columns: features.count, values: features).widened(to: width)
        matrix = Matrix(rows: items.count, columns: width, values: matrix.values + row.values)
    }
}

/// Rows that were made before and are kept in a file.
struct StoredInput: InputRows {
    let rows: RowFile
    var width: Int { rows.columns }

    func read(_ items: [Int], into matrix: inout Matrix, kernels: Kernels) throws {
        if let first = items.first, let last = items.last, last - first == items.count - 1, items.count > 1 {
            try rows.read(first..<last + 1, into: &matrix, kernels: kernels)
            return
        }
        matrix.reshape(rows: items.count, columns: width)
        var row = Matrix(rows: 0, columns: 0)
        for (position, item) in items.enumerated() {
            try rows.read(item..<item + 1, into: &row, kernels: kernels)
            matrix.replaceRows(from: position, with: row)
        }
    }
}

/// The learned id vectors at the end of input rows; items that the model was not trained with have zeros there.
struct IDRows: Sendable {
    let vectors: Matrix?
    /// Whose the vectors are, and the items whose rows are made; `nil` where both have the same rows.
    private let names: (trained: Identifiers, items: Identifiers)?
    let featureWidth: Int
    let inputWidth: Int

    /// - Parameters:
    ///   - items: the dataset's identifiers, by which a model that knows its items finds their vectors; `nil` for graphs without any.
    /// - Throws: ``DataError`` when rows are all there is to go by and the model has id vectors of more items than there are.
    init(_ model: PinSageModel, itemCount: Int, items: Identifiers?) throws {
        if let trained = model.idItems, let items { names = (trained, items) } else { names = nil }
        featureWidth = model.configuration.featureWidth
        inputWidth = model.configuration.inputWidth
        guard model.configuration.idWidth > 0 else {
            vectors = nil
            return
        }
        guard let ids = model.idVectors, names != nil || ids.rows <= itemCount else {
            throw DataError("the model has id vectors of \(model.idVectors?.rows ?? 0) items, the dataset has \(itemCount)")
        }
        vectors = ids
    }

    /// - Throws: ``DataError`` for features of another width than the model's.
    func check(_ width: Int) throws {
        guard width == featureWidth else { throw DataError("the model reads \(featureWidth) features, found \(width)") }
    }

    /// Fills the columns behind the features.
    func fill(_ items: [Int], into matrix: inout Matrix, kernels: Kernels) throws {
        guard let vectors else { return }
        let known = items.map { Int64(vector(of: $0) ?? -1) }
        if !known.contains(-1) {
            try kernels.gather(vectors, rows: known, into: &matrix, atColumn: featureWidth)
            return
        }
        for (row, vector) in known.enumerated() {
            for column in 0..<vectors.columns { matrix[row, featureWidth + column] = vector < 0 ? 0 : vectors[Int(vector), column] }
        }
    }

    /// The row of an item's vector, or `nil` for an item that has none.
    private func vector(of item: Int) -> Int? {
        guard let vectors else { return nil }
        guard let names else { return item < vectors.rows ? item : nil }
        return item < names.items.count ? names.trained.row(ofRow: item, in: names.items) : nil
    }

    /// Copies feature rows and appends the id vectors.
    func widen(_ features: Matrix, items: [Int], into matrix: inout Matrix, kernels: Kernels) throws {
        try check(features.columns)
        guard vectors != nil else {
            matrix = features
            return
        }
        matrix = features.widened(to: inputWidth)
        try fill(items, into: &matrix, kernels: kernels)
    }
}

/// The input vectors of a range of a dataset's items, as a model's first layer reads them, in an artifact of kind "inputs".
///
/// For passes that run elsewhere (Integrations/spark): whatever a model makes vectors of (tables, texts, attributes, degrees, learned ids), they are the
/// very rows of the local pass. `inputs.npy` (rows, inputWidth) f32 begins with the item `first_item` of the metadata.
public enum InputFile {
    public static let kind = "inputs"

    /// Makes and writes the rows, some at a time, so that memory does not grow with the range.
    ///
    /// - Parameters:
    ///   - catalog: titles, texts and attributes, where the model's features ask for them.
    ///   - progress: called with the rows done so far.
    /// - Throws: ``DataError`` when the dataset does not fit the model or files cannot be written.
    public static func write(
        _ model: PinSageModel, dataset: Dataset, catalog: (any ItemCatalog)?, items: Range<Int>, to path: String, kernels: Kernels,
        progress: (Int) throws -> Void = { _ in }
    ) throws {
        let count = dataset.items.count
        precondition(items.lowerBound >= 0 && items.upperBound <= count, "items \(items) of \(count)")
        // Claims the path first: where it cannot be replaced, nothing should be computed.
        var writer = try ArtifactWriter(kind: kind, at: path)
        try model.checkFeatures()
        let input = DatasetInput(
            transform: model.features, dataset: dataset, catalog: catalog, ids: try IDRows(model, itemCount: count, items: dataset.items))
        var file = try NpyWriter<Float>(try writer.newPath(for: "inputs.npy"))
        var rows = Matrix(rows: 0, columns: 0)
        for start in stride(from: items.lowerBound, to: items.upperBound, by: FeatureTransform.blockRows) {
            let block = start..<min(start + FeatureTransform.blockRows, items.upperBound)
            try input.read(Array(block), into: &rows, kernels: kernels)
            try file.append(rows.values)
            try progress(block.upperBound - items.lowerBound)
        }
        try file.finish(shape: [items.count, input.width])
        try writer.addFile(named: "inputs.npy")
        try writer.commit(metadata: [
            "first_item": JSONValue(items.lowerBound), "items": JSONValue(items.count), "dataset_items": JSONValue(count),
            "model_fingerprint": .string(model.fingerprint),
        ])
    }
}
