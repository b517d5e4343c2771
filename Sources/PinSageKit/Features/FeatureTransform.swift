#if canImport(Darwin)
    internal import Darwin
#else
    internal import Glibc
#endif

/// The features of items, fitted to a dataset: what a model sees of an item, and all that is needed to see a new one the same way.
///
/// A row is the concatenation of blocks: dense tables in the order of their names, text, attributes, log-degree. Dense and text blocks are
/// scaled to length 1 for each item before the block's weight is applied (attributes: see `AttributeFeatures`); the weights of the content
/// blocks together have length 1, so the whole row has about length 1 and the cosine of two rows is the weighted mean of the blocks' cosines.
/// log(1 + degree) is divided by its largest value in the fitted dataset and weighs ``FeatureConfiguration/logDegreeWeight``, little unless
/// told otherwise: the model can use it, the cosine hardly sees it.
///
/// A value that is not finite counts as 0; a block that is missing for an item is zeros. Rows depend on nothing but the item, so
/// ``vector(for:dense:degree:)`` of an item is bit for bit its row of ``matrix(for:catalog:progress:)``.
public struct FeatureTransform: Sendable {
    /// A dense table, by name.
    public struct DenseBlock: Sendable, Hashable {
        public let name: String
        public let columns: Int
    }

    /// The weight of attributes beside a dense or text block of weight 1.
    static let attributeWeight: Float = 0.5

    public let dense: [DenseBlock]
    let text: TextFeatures?
    let attributes: AttributeFeatures?
    /// ln(1 + largest degree) of the fitted dataset; `nil` without the block.
    let largestLogDegree: Double?
    /// ``FeatureConfiguration/logDegreeWeight``.
    let logDegreeWeight: Double
    let kernels: Kernels

    init(
        dense: [DenseBlock], text: TextFeatures?, attributes: AttributeFeatures?, largestLogDegree: Double?, logDegreeWeight: Double, kernels: Kernels
    ) {
        self.dense = dense
        self.text = text
        self.attributes = attributes
        self.largestLogDegree = largestLogDegree
        self.logDegreeWeight = logDegreeWeight
        self.kernels = kernels
    }

    /// Columns of a row.
    public var width: Int {
        dense.reduce(0) { $0 + $1.columns } + (text?.dimension ?? 0) + (attributes?.dimension ?? 0) + (largestLogDegree == nil ? 0 : 1)
    }
    /// Whether titles and texts are features, so that free text can be a query.
    public var usesText: Bool { text != nil }
    /// Whether rows say anything of an item itself, beyond its degree. Where they do not, a model needs learned id features.
    public var hasContent: Bool { !dense.isEmpty || text != nil || attributes != nil }
    /// Whether a catalog is needed to make rows of a dataset.
    public var needsCatalog: Bool { text != nil || attributes != nil }

    /// The weights of (each dense block, text, attributes).
    private var weights: (dense: Float, text: Float, attributes: Float) {
        var squares = Float(dense.count) + (text == nil ? 0 : 1)
        if attributes != nil { squares += Self.attributeWeight * Self.attributeWeight }
        let unit = squares > 0 ? 1 / squares.squareRoot() : 0
        return (unit, unit, unit * Self.attributeWeight)
    }

    /// Whether a text has a word, or a part of one, that the fitted texts had; otherwise its vector is zeros and says nothing of it.
    public func knowsWords(of text: String) throws -> Bool {
        guard let features = self.text else { return false }
        var rows = RaggedLists()
        try features.appendRows(of: [TextFeatures.fields(ItemDescription(title: text))], to: &rows, threads: 1)
        return !rows.targets.isEmpty
    }

    // MARK: Fitting

    /// What a long fit is doing: a stage, and how far it is. `total` is 0 where the end is not known.
    public typealias Progress = (_ stage: String, _ done: Int, _ total: Int) -> Void

    /// Fits the features of a dataset and makes its rows. Shapes: matrix (N,width).
    ///
    /// - Parameters:
    ///   - catalog: titles, texts and attributes; needed where the configuration asks for them.
    ///   - seed: of the random projection that the text features are found with.
    /// - Throws: ``DataError`` for a table or attribute that the dataset does not have, and for text features without any text.
    /// - Complexity: four passes over the texts, one over everything else.
    public static func fit(
        dataset: Dataset, catalog: (any ItemCatalog)?, configuration: FeatureConfiguration = FeatureConfiguration(), kernels: Kernels,
        seed: UInt64, progress: Progress = { _, _, _ in }
    ) throws -> (transform: FeatureTransform, matrix: Matrix) {
        let transform = try fitted(
            to: dataset, catalog: catalog, configuration: configuration, kernels: kernels, seed: seed, progress: progress)
        return (transform, try transform.matrix(for: dataset, catalog: catalog, progress: progress))
    }

    /// ``fit(dataset:catalog:configuration:kernels:seed:progress:)`` without the rows, which may be larger than memory.
    public static func fitted(
        to dataset: Dataset, catalog: (any ItemCatalog)?, configuration: FeatureConfiguration = FeatureConfiguration(), kernels: Kernels,
        seed: UInt64, progress: Progress = { _, _, _ in }
    ) throws -> FeatureTransform {
        try configuration.validate()
        let names = configuration.dense ?? dataset.features.map(\.name)
        let dense = try names.sorted().map { name in
            guard let table = dataset.features(named: name) else {
                let known = dataset.features.map { "'\($0.name)'" }.joined(separator: ", ")
                throw DataError("expected dense features '\(name)', found " + (known.isEmpty ? "none" : known), file: dataset.path)
            }
            return DenseBlock(name: name, columns: table.columns)
        }
        var attributes: AttributeFeatures?
        if !configuration.attributes.isEmpty {
            guard let catalog else { throw DataError("expected a catalog with attributes, found a dataset without one", file: dataset.path) }
            for name in configuration.attributes where !catalog.attributeNames.contains(name) {
                let known = catalog.attributeNames.map { "'\($0)'" }.joined(separator: ", ")
                throw DataError("expected an attribute '\(name)', found " + (known.isEmpty ? "none" : known), file: dataset.path)
            }
            var fitting = AttributeFeatures.Fitting(names: configuration.attributes)
            try catalog.forEachItem { _, description in fitting.add(description) }
            attributes = try fitting.finished(seed: seed)
        }
        let text = try fitText(dataset, catalog, configuration, hasDense: !dense.isEmpty, kernels: kernels, seed: seed, progress: progress)
        let largestDegree = unsafe dataset.graph.items.offsets.withUnsafeBufferPointer { offsets in
            unsafe zip(offsets, offsets.dropFirst()).reduce(Int64(0)) { Swift.max($0, $1.1 - $1.0) }
        }
        return FeatureTransform(
            dense: dense, text: text, attributes: attributes,
            largestLogDegree: configuration.logDegree ? log1p(Double(largestDegree)) : nil, logDegreeWeight: Double(configuration.logDegreeWeight),
            kernels: kernels)
    }

    private static func fitText(
        _ dataset: Dataset, _ catalog: (any ItemCatalog)?, _ configuration: FeatureConfiguration, hasDense: Bool, kernels: Kernels, seed: UInt64,
        progress: Progress
    ) throws -> TextFeatures? {
        guard configuration.text ?? !hasDense else { return nil }
        guard let catalog else {
            guard configuration.text == true else { return nil }
            throw DataError("expected a catalog with titles and texts, found a dataset without one", file: dataset.path)
        }
        let text = try TextFeatures.fit(
            catalog: catalog, terms: configuration.textTerms, dimension: configuration.textDimension, seed: seed, kernels: kernels,
            progress: progress)
        guard text.buckets.isEmpty else { return text }
        guard configuration.text == true else { return nil }
        throw DataError("expected titles or texts with words in common, found none", file: dataset.path)
    }

    // MARK: Rows

    /// - Throws: ``DataError`` that names both widths when the dataset lacks a dense table or has it in another width.
    public func checkCompatible(with dataset: Dataset) throws {
        for block in dense {
            guard let table = dataset.features(named: block.name) else {
                throw DataError(
                    "the model was trained with dense features '\(block.name)' of width \(block.columns); the dataset has none of that name",
                    file: dataset.path)
            }
            guard table.columns == block.columns else {
                throw DataError(
                    "the model was trained with dense features '\(block.name)' of width \(block.columns); the dataset's have width \(table.columns)",
                    file: dataset.path)
            }
        }
    }

    /// The rows of all items of a dataset, the one it was fitted to or another. Shapes: (N,width).
    ///
    /// - Throws: ``DataError`` when the dataset does not fit or a catalog is needed and there is none.
    public func matrix(for dataset: Dataset, catalog: (any ItemCatalog)?, progress: Progress = { _, _, _ in }) throws -> Matrix {
        let count = dataset.graph.itemCount
        var values = Matrix(rows: count, columns: width)
        try forEachBlock(of: dataset, catalog: catalog) { range, block in
            values.replaceRows(from: range.lowerBound, with: block)
            progress("making features", range.upperBound, count)
        }
        return values
    }

    /// The row of one item, known or new, from what is known of it.
    ///
    /// - Parameters:
    ///   - features: its dense features by name; one that is missing is zeros.
    ///   - degree: the number of collections that it is in; 0 for a new item.
    /// - Throws: ``DataError`` for dense features of an unknown name or another width (it names both), ``KernelError``.
    public func vector(for description: ItemDescription, dense features: [String: [Float]] = [:], degree: Int = 0) throws -> [Float] {
        for name in features.keys.sorted() where !dense.contains(where: { $0.name == name }) {
            let known = dense.map { "'\($0.name)'" }.joined(separator: ", ")
            throw DataError("expected " + (known.isEmpty ? "no dense features" : "dense features \(known)") + ", found '\(name)'")
        }
        var matrix = Matrix(rows: 1, columns: width)
        var column = 0
        for block in dense {
            if let given = features[block.name] {
                guard given.count == block.columns else {
                    throw DataError("expected dense features '\(block.name)' of width \(block.columns), found width \(given.count)")
                }
                matrix.values.replaceSubrange(column..<column + block.columns, with: given)
                scaleDense(&matrix.values, at: column, count: block.columns)
            }
            column += block.columns
        }
        fillDegree(&matrix.values, at: 0, degree: degree)
        if needsCatalog { try fillCatalog(&matrix, rows: [0], [description]) }
        return matrix.values
    }

    /// Scales an item's part of a dense block that is in its place.
    func scaleDense(_ values: inout [Float], at start: Int, count: Int) {
        unsafe values.withUnsafeMutableBufferPointer { values in
            for position in start..<start + count where unsafe !values[position].isFinite { unsafe values[position] = 0 }
        }
        scaleToLength(weights.dense, &values, start..<start + count)
    }

    /// The rows of a dataset with the place of the log-degree in them, as training and the embedding pass read them.
    public func featureMatrix(for dataset: Dataset, catalog: (any ItemCatalog)?, progress: Progress = { _, _, _ in }) throws -> FeatureMatrix {
        FeatureMatrix(values: try matrix(for: dataset, catalog: catalog, progress: progress), degree: degreeColumn)
    }

    /// Where the log-degree is in a row, and what log(1 + degree) is multiplied by.
    public var degreeColumn: (column: Int, scale: Float)? {
        guard let largestLogDegree, largestLogDegree > 0 else { return nil }
        return (width - 1, Float(logDegreeWeight / largestLogDegree))
    }

    func fillDegree(_ values: inout [Float], at start: Int, degree: Int) {
        guard let largestLogDegree, largestLogDegree > 0 else { return }
        values[start + width - 1] = Float(logDegreeWeight) * Float(log1p(Double(max(0, degree))) / largestLogDegree)
    }

    func fillCatalog(_ matrix: inout Matrix, rows: [Int], _ descriptions: [ItemDescription]) throws {
        var column = dense.reduce(0) { $0 + $1.columns }
        if let text {
            let vectors = try text.vectors(of: descriptions.map(TextFeatures.fields), kernels: rows.count == 1 ? serialKernels : kernels)
            for (position, row) in rows.enumerated() {
                for offset in 0..<text.dimension {
                    matrix[row, column + offset] = vectors.values[position * text.dimension + offset] * weights.text
                }
            }
            column += text.dimension
        }
        if let attributes {
            for (position, row) in rows.enumerated() {
                attributes.fill(&matrix.values, at: row * matrix.columns + column, descriptions[position].attributes, weight: weights.attributes)
            }
        }
    }

    /// The same kernels on this thread alone: starting threads for one row costs more than the row.
    private var serialKernels: Kernels {
        get throws { try Kernels(instructionSet: kernels.instructionSet, threads: 1) }
    }
}
