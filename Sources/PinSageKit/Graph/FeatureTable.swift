/// Dense features of every item: row r belongs to item r. Read in place from a mapped file, converted to `Float` where they are used.
public struct FeatureTable: Sendable {
    /// The elements as they are stored, row after row; 16-bit numbers as their bits.
    public enum Elements: Sendable {
        case float32(StoredArray<Float>)
        case float16(StoredArray<UInt16>)
        case bfloat16(StoredArray<UInt16>)
    }

    public let name: String
    public let rows: Int
    public let columns: Int
    public let elements: Elements

    public var elementType: ElementType {
        switch elements {
        case .float32: .float32
        case .float16: .float16
        case .bfloat16: .bfloat16
        }
    }

    public init(name: String, rows: Int, columns: Int, elements: Elements) {
        let count =
            switch elements {
            case .float32(let values): values.count
            case .float16(let values), .bfloat16(let values): values.count
            }
        precondition(count == rows * columns, "\(count) elements for \(rows) x \(columns)")
        self.name = name
        self.rows = rows
        self.columns = columns
        self.elements = elements
    }

    public init(name: String, matrix: Matrix) {
        self.init(name: name, rows: matrix.rows, columns: matrix.columns, elements: .float32(StoredArray(matrix.values)))
    }

    /// Opens `features/NAME.npy` of a dataset.
    static func open(_ artifact: Artifact, name: String, rows: Int) throws -> FeatureTable {
        let file = "features/\(name).npy"
        let type = artifact.manifest.files[file]?.elementType ?? .float32
        let elements: Elements
        let shape: [Int]
        switch type {
        case .float16, .bfloat16:
            let opened = try artifact.array(file, as: UInt16.self, elementType: type)
            elements = type == .float16 ? .float16(opened.array) : .bfloat16(opened.array)
            shape = opened.shape
        default:
            let opened = try artifact.array(file, as: Float.self)
            elements = .float32(opened.array)
            shape = opened.shape
        }
        guard shape.count == 2, shape[0] == rows else {
            throw DataError("expected \(rows) rows of features, found the shape \(Npy.describe(shape))", file: artifact.path + "/" + file)
        }
        return FeatureTable(name: name, rows: rows, columns: shape[1], elements: elements)
    }

    /// Consecutive rows. - Shapes: (range.count, columns)
    public func rows(_ range: Range<Int>) -> Matrix {
        precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) of \(rows)")
        var values = [Float](repeating: 0, count: range.count * columns)
        copy(from: range.lowerBound * columns, into: &values, at: 0, count: values.count)
        return Matrix(rows: range.count, columns: columns, values: values)
    }

    /// Writes the rows of these items, in their order, into some columns of a wider matrix.
    ///
    /// - Shapes: matrix (items.count, at least column + columns)
    /// - Throws: ``KernelError`` for an item that is no row.
    func gather(_ items: [Int], into matrix: inout Matrix, atColumn column: Int, kernels: Kernels) throws(KernelError) {
        let indices = items.map { Int64($0) }
        switch elements {
        case .float32(let values): try kernels.gather(values, columns: columns, rows: indices, into: &matrix, atColumn: column)
        case .float16(let bits): try kernels.gather(float16: bits, columns: columns, rows: indices, into: &matrix, atColumn: column)
        case .bfloat16(let bits): try kernels.gather(bfloat16: bits, columns: columns, rows: indices, into: &matrix, atColumn: column)
        }
    }

    private func copy(from start: Int, into values: inout [Float], at position: Int, count: Int) {
        unsafe values.withUnsafeMutableBufferPointer { output in
            switch elements {
            case .float32(let stored):
                unsafe stored.withUnsafeBufferPointer { input in
                    for index in 0..<count { unsafe output[position + index] = input[start + index] }
                }
            case .float16(let stored):
                unsafe stored.withUnsafeBufferPointer { input in
                    for index in 0..<count { unsafe output[position + index] = HalfPrecision.float(fromFloat16: input[start + index]) }
                }
            case .bfloat16(let stored):
                unsafe stored.withUnsafeBufferPointer { input in
                    for index in 0..<count { unsafe output[position + index] = HalfPrecision.float(fromBFloat16: input[start + index]) }
                }
            }
        }
    }
}
