/// Rows of a dataset's features, some at a time: a feature matrix larger than memory is never made as a whole.
extension FeatureTransform {
    /// Rows that ``forEachBlock(of:catalog:rows:_:)`` makes at a time unless told otherwise.
    public static let blockRows = 8192

    /// The rows of some items, in their order, each bit for bit that of ``matrix(for:catalog:progress:)``. Shapes: (items.count, width).
    ///
    /// Any number of threads may ask at once.
    ///
    /// - Throws: ``DataError`` when the dataset does not fit or a catalog is needed and there is none.
    public func rows(of items: [Int], in dataset: Dataset, catalog: (any ItemCatalog)?) throws -> Matrix {
        var rows = Matrix(rows: items.count, columns: width)
        try fill(&rows, items: items, in: dataset, catalog: catalog, kernels: kernels)
        return rows
    }

    /// Writes ``rows(of:in:catalog:)`` into the first columns of a matrix, whose other columns stay as they are.
    ///
    /// Shapes: matrix (items.count, at least width).
    func fill(_ matrix: inout Matrix, items: [Int], in dataset: Dataset, catalog: (any ItemCatalog)?, kernels: Kernels) throws {
        try fillGraph(&matrix, items: items, dataset: dataset, tables: try tables(of: dataset), kernels: kernels)
        guard needsCatalog else { return }
        let descriptions = try self.catalog(catalog, of: dataset).descriptions(of: items.map { ItemID($0) })
        try fillCatalog(&matrix, rows: Array(items.indices), descriptions)
    }

    /// Calls `body` with the rows of consecutive items, block after block, until all items had their turn. Shapes: (range.count, width).
    ///
    /// The catalog is read once, from front to back. An item that it does not have gets zeros.
    ///
    /// - Throws: ``DataError`` when the dataset does not fit or a catalog is needed and there is none.
    public func forEachBlock(
        of dataset: Dataset, catalog: (any ItemCatalog)?, rows blockRows: Int = FeatureTransform.blockRows,
        _ body: (Range<Int>, Matrix) throws -> Void
    ) throws {
        let count = dataset.graph.itemCount
        let tables = try tables(of: dataset)
        var block = 0..<min(blockRows, count)
        var described: [Int] = []
        var descriptions: [ItemDescription] = []
        var rows = Matrix(rows: 0, columns: 0)
        func finish() throws {
            rows.reshape(rows: block.count, columns: width)
            try fillGraph(&rows, items: Array(block), dataset: dataset, tables: tables, kernels: kernels)
            if !described.isEmpty { try fillCatalog(&rows, rows: described, descriptions) }
            described.removeAll(keepingCapacity: true)
            descriptions.removeAll(keepingCapacity: true)
            try body(block, rows)
            block = block.upperBound..<min(block.upperBound + blockRows, count)
        }
        if needsCatalog {
            try self.catalog(catalog, of: dataset).forEachItem { item, description in
                let row = Int(item.row)
                guard row < count, row >= block.lowerBound else {
                    throw DataError("expected the catalog's items in order and below \(count), found row \(row)", file: dataset.path)
                }
                while row >= block.upperBound { try finish() }
                described.append(row - block.lowerBound)
                descriptions.append(description)
            }
        }
        while !block.isEmpty { try finish() }
    }

    /// Everything of the rows that comes from tables and graph, and zeros for the rest.
    private func fillGraph(_ matrix: inout Matrix, items: [Int], dataset: Dataset, tables: [FeatureTable], kernels: Kernels) throws {
        var column = 0
        for table in tables where table.columns > 0 {
            try table.gather(items, into: &matrix, atColumn: column, kernels: kernels)
            for row in items.indices { scaleDense(&matrix.values, at: row * matrix.columns + column, count: table.columns) }
            column += table.columns
        }
        if column < width { matrix.clear(rows: Array(items.indices), columns: column..<width) }
        for (row, item) in items.enumerated() {
            fillDegree(&matrix.values, at: row * matrix.columns, degree: dataset.graph.degree(of: ItemID(item)))
        }
    }

    private func tables(of dataset: Dataset) throws -> [FeatureTable] {
        try checkCompatible(with: dataset)
        return dense.compactMap { dataset.features(named: $0.name) }
    }

    private func catalog(_ catalog: (any ItemCatalog)?, of dataset: Dataset) throws -> any ItemCatalog {
        if let catalog { return catalog }
        throw DataError("the features are made of texts or attributes; the dataset has no catalog of them", file: dataset.path)
    }
}
