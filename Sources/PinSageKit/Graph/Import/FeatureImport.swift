/// Copies dense features into a dataset, row by row, and checks them on the way.
struct FeatureImport {
    let source: FeatureSource
    private let file: MappedFile
    private let header: Npy.Header
    private let rows: Int
    private let columns: Int

    /// Opens the file and checks its shape and type.
    init(_ source: FeatureSource) throws {
        self.source = source
        file = try MappedFile(source.path, access: .sequential)
        header = try Npy.header(of: file)
        guard (1...2).contains(header.shape.count) else {
            throw DataError("expected features of 1 or 2 dimensions, found the shape \(Npy.describe(header.shape))", file: source.path)
        }
        guard [.float16, .float32, .float64].contains(header.elementType) else {
            throw DataError("expected elements of type float16, float32 or float64, found \(header.elementType.rawValue)", file: source.path)
        }
        rows = header.shape[0]
        columns = header.shape.count == 2 ? header.shape[1] : 1
        guard columns > 0 else { throw DataError("expected at least one column, found the shape \(Npy.describe(header.shape))", file: source.path) }
    }

    /// Writes `features/NAME.npy`.
    ///
    /// - Parameters:
    ///   - describedItems: how many items the items file has, which are the first rows; `nil` when there is no such file.
    /// - Throws: ``DataError`` for a wrong number of rows, unknown or repeated identifiers and values that are not finite.
    func write(into writer: inout ArtifactWriter, items: Identifiers, describedItems: Int?, allowsMissing: Bool) throws {
        let order = try rowOrder(items: items, describedItems: describedItems, allowsMissing: allowsMissing)
        let name = "features/\(source.name).npy"
        let path = try writer.newPath(for: name)
        let shape = [items.count, columns]
        switch header.elementType {
        case .float16:
            let values = try file.array(at: header.dataOffset, count: header.count, as: UInt16.self)
            var output = try NpyWriter<UInt16>(path, elementType: .float16)
            // An exponent of all ones is infinity or NaN.
            try copy(
                values, order, into: &output, missing: 0, isFinite: { $0 & 0x7c00 != 0x7c00 }, describe: { "\(HalfPrecision.float(fromFloat16: $0))" }
            ) { $0 }
            register(name, try output.finish(shape: shape), .float16, shape, &writer)
        case .float64:
            let values = try file.array(at: header.dataOffset, count: header.count, as: Double.self)
            var output = try NpyWriter<Float>(path)
            try copy(values, order, into: &output, missing: 0, isFinite: { Float($0).isFinite }, describe: { "\($0)" }) { Float($0) }
            register(name, try output.finish(shape: shape), .float32, shape, &writer)
        default:
            let values = try file.array(at: header.dataOffset, count: header.count, as: Float.self)
            var output = try NpyWriter<Float>(path)
            try copy(values, order, into: &output, missing: 0, isFinite: { $0.isFinite }, describe: { "\($0)" }) { $0 }
            register(name, try output.finish(shape: shape), .float32, shape, &writer)
        }
    }

    private func register(
        _ name: String, _ written: (bytes: Int, crc32c: UInt32), _ type: ElementType, _ shape: [Int], _ writer: inout ArtifactWriter
    ) {
        writer.addFile(named: name, Manifest.File(bytes: written.bytes, crc32c: written.crc32c, elementType: type, shape: shape))
    }

    /// For each item the row of the file that is its own; -1 for one that has none and gets zeros.
    private func rowOrder(items: Identifiers, describedItems: Int?, allowsMissing: Bool) throws -> [Int] {
        guard let path = source.identifiersPath else {
            guard let describedItems else {
                throw DataError("the order of these rows is not known: give --items, or \(source.name)=\(source.path):IDS.txt", file: source.path)
            }
            guard rows == describedItems else {
                throw DataError("expected \(describedItems) rows, one for each item of --items, found \(rows)", file: source.path)
            }
            return (0..<items.count).map { $0 < rows ? $0 : -1 }
        }
        let identifiers = try IdentifierFile.read(path)
        guard identifiers.count == rows else {
            throw DataError("expected \(identifiers.count) rows, one for each identifier of \(path), found \(rows)", file: source.path)
        }
        var order = [Int](repeating: -1, count: items.count)
        for (row, identifier) in identifiers.enumerated() {
            guard let item = items.row(of: identifier) else {
                // Features of items that are not in this dataset do no harm.
                if allowsMissing { continue }
                throw DataError(
                    "expected identifiers of items, found \"\(identifier)\", which is none (--allow-missing skips it)", file: path, line: row + 1)
            }
            guard order[item] == -1 else {
                throw DataError("expected each identifier once, found \"\(identifier)\" again", file: path, line: row + 1)
            }
            order[item] = row
        }
        if !allowsMissing, let item = order.firstIndex(of: -1) {
            let missing = order.count { $0 == -1 }
            throw DataError(
                "expected rows for all \(items.count) items, found none for \(missing) of them, such as \"\(items[item])\" (--allow-missing gives them zeros)",
                file: path)
        }
        return order
    }

    private func copy<Input: StoredElement, Output: StoredElement>(
        _ values: StoredArray<Input>, _ order: [Int], into output: inout NpyWriter<Output>, missing: Output, isFinite: (Input) -> Bool,
        describe: (Input) -> String, convert: (Input) -> Output
    ) throws {
        // Every row is checked, also those that no item has.
        for row in 0..<rows {
            for column in 0..<columns where !isFinite(values[row * columns + column]) {
                throw DataError(
                    "expected finite values, found \(describe(values[row * columns + column])) in row \(row), column \(column) (from 0)",
                    file: source.path)
            }
        }
        var line = [Output](repeating: missing, count: columns)
        for row in order {
            for column in 0..<columns { line[column] = row < 0 ? missing : convert(values[row * columns + column]) }
            try output.append(line)
        }
    }
}
