/// Gives the features of a dataset rows for new items.
struct FeatureAppend {
    let artifact: Artifact
    let features: [FeatureSource]
    let items: NewIdentifiers
    /// Rows of the items of the items table, in its order.
    let described: [Int]

    /// Writes the features that change; the others are left to be taken over as they are.
    ///
    /// - Throws: ``DataError`` for features that the dataset does not have, and for a wrong number of rows, columns or identifiers.
    func write(into writer: inout ArtifactWriter) throws {
        let names = artifact.manifest.files.keys.filter { $0.hasPrefix("features/") && $0.hasSuffix(".npy") }.sorted()
            .map { String($0.dropFirst("features/".count).dropLast(".npy".count)) }
        for source in features where !names.contains(source.name) {
            throw DataError(
                "expected features that the dataset has (\(names.isEmpty ? "none" : names.joined(separator: ", "))), found \"\(source.name)\"",
                file: source.path)
        }
        for name in names {
            let given = features.filter { $0.name == name }
            if given.isEmpty && items.new.count == 0 { continue }
            let table = try FeatureTable.open(artifact, name: name, rows: items.known.count)
            let rows = try given.reduce(into: [Int: [Float]]()) { rows, source in
                rows.merge(try self.rows(of: source, columns: table.columns)) { $1 }
            }
            let file = "features/\(name).npy"
            let path = try writer.newPath(for: file)
            let shape = [items.count, table.columns]
            let written: (bytes: Int, crc32c: UInt32)
            switch table.elements {
            case .float32(let values): written = try write(values, rows, table, path, .float32, shape) { $0 }
            case .float16(let values): written = try write(values, rows, table, path, .float16, shape) { HalfPrecision.float16($0) }
            case .bfloat16(let values): written = try write(values, rows, table, path, .bfloat16, shape) { HalfPrecision.bfloat16($0) }
            }
            writer.addFile(
                named: file, Manifest.File(bytes: written.bytes, crc32c: written.crc32c, elementType: table.elementType, shape: shape))
        }
    }

    private func write<Element: StoredElement>(
        _ values: StoredArray<Element>, _ rows: [Int: [Float]], _ table: FeatureTable, _ path: String, _ type: ElementType, _ shape: [Int],
        convert: (Float) -> Element
    ) throws -> (bytes: Int, crc32c: UInt32) {
        var output = try NpyWriter<Element>(path, elementType: type)
        var next = 0
        // Rows that stay are copied in one piece up to the next that changes.
        for row in rows.keys.filter({ $0 < table.rows }).sorted() + [table.rows] {
            if row > next { try output.append(values[next * table.columns..<row * table.columns]) }
            if row < table.rows, let given = rows[row] { try output.append(given.map(convert)) }
            next = row + 1
        }
        let missing = [Float](repeating: 0, count: table.columns)
        for row in table.rows..<items.count { try output.append((rows[row] ?? missing).map(convert)) }
        return try output.finish(shape: shape)
    }

    /// The given rows by the item that they belong to.
    private func rows(of source: FeatureSource, columns: Int) throws -> [Int: [Float]] {
        let matrix = try FeatureImport.values(of: source), order = try self.order(of: source)
        guard matrix.columns == columns else {
            throw DataError("expected \(columns) columns as the dataset's \"\(source.name)\" has, found \(matrix.columns)", file: source.path)
        }
        guard matrix.rows == order.count else {
            throw DataError("expected \(order.count) rows, one for each item, found \(matrix.rows)", file: source.path)
        }
        if let place = matrix.values.firstIndex(where: { !$0.isFinite }) {
            throw DataError("expected finite values, found \(matrix.values[place]) in row \(place / columns) (from 0)", file: source.path)
        }
        var rows: [Int: [Float]] = [:]
        for (place, row) in order.enumerated() {
            guard let row else { continue }
            rows[row] = Array(matrix.values[place * columns..<(place + 1) * columns])
        }
        return rows
    }

    /// The item of each row; `nil` for identifiers of no item.
    private func order(of source: FeatureSource) throws -> [Int?] {
        guard let path = source.identifiersPath else {
            guard !described.isEmpty else {
                throw DataError("the order of these rows is not known: give --items, or \(source.name)=\(source.path):IDS.txt", file: source.path)
            }
            return described
        }
        return try IdentifierFile.read(path).map { items.known($0) }
    }
}

extension FeatureImport {
    /// A small file of features as numbers in memory. - Shapes: as the file's, one column for one dimension
    static func values(of source: FeatureSource) throws -> Matrix {
        let file = try MappedFile(source.path, access: .sequential)
        let header = try Npy.header(of: file)
        guard (1...2).contains(header.shape.count) else {
            throw DataError("expected features of 1 or 2 dimensions, found the shape \(Npy.describe(header.shape))", file: source.path)
        }
        let values: [Float]
        switch header.elementType {
        case .float16:
            values = try file.array(at: header.dataOffset, count: header.count, as: UInt16.self).map { HalfPrecision.float(fromFloat16: $0) }
        case .float32: values = Array(try file.array(at: header.dataOffset, count: header.count, as: Float.self))
        case .float64: values = try file.array(at: header.dataOffset, count: header.count, as: Double.self).map { Float($0) }
        default:
            throw DataError("expected elements of type float16, float32 or float64, found \(header.elementType.rawValue)", file: source.path)
        }
        return Matrix(rows: header.shape[0], columns: header.shape.count == 2 ? header.shape[1] : 1, values: values)
    }
}
