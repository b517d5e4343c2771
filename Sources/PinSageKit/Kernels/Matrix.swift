/// A dense, row-major, contiguous matrix of `Float`; row `r` is `values[r * columns ..< (r + 1) * columns]`.
public struct Matrix: Sendable, Equatable {
    public private(set) var rows: Int
    public private(set) var columns: Int
    /// All elements, row after row; `values.count == rows * columns`.
    public internal(set) var values: [Float]

    /// A matrix of zeros.
    public init(rows: Int, columns: Int) {
        precondition(rows >= 0 && columns >= 0, "a matrix of \(rows) x \(columns)")
        self.rows = rows
        self.columns = columns
        values = Array(repeating: 0, count: rows * columns)
    }

    /// - Parameter values: all elements, row after row.
    public init(rows: Int, columns: Int, values: [Float]) {
        precondition(values.count == rows * columns, "\(values.count) values for \(rows) x \(columns)")
        self.rows = rows
        self.columns = columns
        self.values = values
    }

    /// Element access. - Complexity: O(1)
    public subscript(row: Int, column: Int) -> Float {
        get { values[row * columns + column] }
        set { values[row * columns + column] = newValue }
    }

    /// A copy of one row.
    public func row(_ row: Int) -> [Float] {
        Array(values[row * columns..<(row + 1) * columns])
    }

    /// Changes the shape and keeps the allocation, so that buffers of successive minibatches do not go back to the allocator.
    /// The elements are unspecified afterwards.
    public mutating func reshape(rows: Int, columns: Int) {
        precondition(rows >= 0 && columns >= 0, "a matrix of \(rows) x \(columns)")
        let count = rows * columns
        if values.count > count {
            values.removeLast(values.count - count)
        } else if values.count < count {
            values.append(contentsOf: repeatElement(0, count: count - values.count))
        }
        self.rows = rows
        self.columns = columns
    }

    /// Sets every element.
    public mutating func fill(_ value: Float) {
        for index in values.indices { values[index] = value }
    }

    /// Sets some columns of some rows to 0.
    public mutating func clear(rows: [Int], columns range: Range<Int>) {
        for row in rows { for column in range { self[row, column] = 0 } }
    }

    /// A copy of some rows.
    public func rows(_ range: Range<Int>) -> Matrix {
        Matrix(rows: range.count, columns: columns, values: Array(values[range.lowerBound * columns..<range.upperBound * columns]))
    }

    /// Overwrites the rows from `first` with those of a matrix of the same width.
    public mutating func replaceRows(from first: Int, with other: Matrix) {
        precondition(other.columns == columns && first >= 0 && first + other.rows <= rows, "\(other.shape) rows at \(first) of \(shape)")
        values.replaceSubrange(first * columns..<(first + other.rows) * columns, with: other.values)
    }

    /// Overwrites the columns from `first` with those of a matrix of as many rows.
    mutating func replaceColumns(from first: Int, with other: Matrix) {
        precondition(other.rows == rows && first >= 0 && first + other.columns <= columns, "\(other.shape) at column \(first) of \(shape)")
        let (width, part) = (columns, other.columns)
        unsafe values.withUnsafeMutableBufferPointer { to in
            unsafe other.values.withUnsafeBufferPointer { from in
                guard let to = to.baseAddress, let from = from.baseAddress else { return }
                for row in 0..<other.rows { unsafe (to + row * width + first).update(from: from + row * part, count: part) }
            }
        }
    }

    /// The same rows with columns of zeros appended.
    public func widened(to width: Int) -> Matrix {
        precondition(width >= columns, "\(width) columns from \(columns)")
        if width == columns { return self }
        var wide = Matrix(rows: rows, columns: width)
        for row in 0..<rows {
            wide.values.replaceSubrange(row * width..<row * width + columns, with: values[row * columns..<(row + 1) * columns])
        }
        return wide
    }

    /// The shape as errors print it, e.g. "3 x 4".
    public var shape: String { "\(rows) x \(columns)" }
}
