/// NumPy's array files (`.npy`), versions 1 to 3: a short text header, then the elements, which are mapped in place.
///
/// Read are little-endian arrays in C order; Fortran order, other byte orders, structured types and pickled objects are refused by name.
/// Written are version 1 files with the elements at a multiple of 64 bytes. Damage in the header, and files that are too short or too
/// long, are errors: no count is believed before it has been compared with the length of the file.
public enum Npy {
    /// What the header of a file says.
    public struct Header: Hashable, Sendable {
        public var elementType: ElementType
        public var shape: [Int]
        /// Where the elements start, in bytes.
        public var dataOffset: Int
        /// The number of elements: the product of `shape`.
        public var count: Int
    }

    /// Reads and checks the header of a file, and that the file is as long as it says. - Complexity: O(1)
    public static func header(of path: String) throws -> Header { try header(of: MappedFile(path)) }

    /// Maps an array file.
    ///
    /// - Parameter elementType: what the file must hold; `.float16` and `.bfloat16` are read as their bits, in `UInt16`.
    /// - Returns: the elements, in C order, and the shape.
    /// - Throws: ``DataError`` that says which type was expected and found.
    /// - Complexity: O(1)
    public static func open<Element: StoredElement>(
        _ path: String, as type: Element.Type, elementType: ElementType? = nil
    ) throws -> (array: StoredArray<Element>, shape: [Int]) {
        try open(MappedFile(path), as: type, elementType: elementType)
    }

    static func open<Element: StoredElement>(
        _ file: MappedFile, as type: Element.Type, elementType: ElementType? = nil
    ) throws -> (array: StoredArray<Element>, shape: [Int]) {
        let header = try header(of: file)
        let expected = elementType ?? Element.elementType
        precondition(expected.size == MemoryLayout<Element>.stride, "\(expected) is not stored in \(Element.self)")
        guard header.elementType.numpyDescription == expected.numpyDescription else {
            throw DataError("expected elements of type \(expected.rawValue), found \(header.elementType.rawValue)", file: file.path)
        }
        return (try file.array(at: header.dataOffset, count: header.count, as: Element.self), header.shape)
    }

    /// Reads a file of any floating-point type (f2, f4, f8) into memory as a matrix; one dimension becomes one row.
    ///
    /// - Throws: ``DataError`` for other types and more dimensions, and for a value that is not finite, with its row and column.
    public static func matrix(of path: String) throws -> Matrix {
        let file = try MappedFile(path)
        let header = try header(of: file)
        guard (1...2).contains(header.shape.count) else {
            throw DataError("expected an array of 1 or 2 dimensions, found shape \(describe(header.shape))", file: path)
        }
        let columns = header.shape[header.shape.count - 1]
        let rows = header.shape.count == 2 ? header.shape[0] : 1
        let values: [Float]
        switch header.elementType {
        case .float32: values = Array(try file.array(at: header.dataOffset, count: header.count, as: Float.self))
        case .float64: values = try file.array(at: header.dataOffset, count: header.count, as: Double.self).map { Float($0) }
        case .float16:
            values = try file.array(at: header.dataOffset, count: header.count, as: UInt16.self).map { HalfPrecision.float(fromFloat16: $0) }
        default:
            throw DataError("expected elements of type float16, float32 or float64, found \(header.elementType.rawValue)", file: path)
        }
        if let position = values.firstIndex(where: { !$0.isFinite }) {
            throw DataError(
                "expected finite values, found \(values[position]) in row \(position / columns), column \(position % columns)", file: path)
        }
        return Matrix(rows: rows, columns: columns, values: values)
    }

    /// Writes an array file; it appears under its name when it is complete.
    ///
    /// - Parameters:
    ///   - shape: its product is the number of values; `nil` is one dimension.
    ///   - elementType: `.float16` or `.bfloat16` for `UInt16` values that are such bits.
    public static func write<Element: StoredElement>(
        _ values: some Collection<Element>, shape: [Int]? = nil, elementType: ElementType? = nil, to path: String
    ) throws {
        try FileSystem.replaceFile(path) { temporary in
            var writer = try NpyWriter<Element>(temporary, elementType: elementType)
            try writer.append(values)
            try writer.finish(shape: shape)
        }
    }

    static func describe(_ shape: [Int]) -> String {
        "(" + shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? ",)" : ")")
    }

    // MARK: Header

    static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

    /// The first bytes of a version 1 file, padded to a multiple of 64 and at least `length`.
    static func headerBytes(elementType: ElementType, shape: [Int], length: Int = 0) -> [UInt8] {
        let text = "{'descr': '\(elementType.numpyDescription)', 'fortran_order': False, 'shape': \(describe(shape)), }"
        let total = max(length, (10 + text.utf8.count + 1 + 63) / 64 * 64)
        let headerLength = total - 10
        let padding = [UInt8](repeating: 0x20, count: headerLength - text.utf8.count - 1)
        return magic + [1, 0, UInt8(headerLength & 0xff), UInt8(headerLength >> 8)] + Array(text.utf8) + padding + [0x0a]
    }

    static func header(of file: MappedFile) throws -> Header {
        let start = unsafe file.withUnsafeBytes { unsafe Array($0.prefix(1 << 16)) }
        guard start.starts(with: magic) else { throw DataError("expected a NumPy array file, found other first bytes", file: file.path) }
        guard start.count >= 12 else { throw DataError("expected a NumPy header, found only \(start.count) bytes", file: file.path) }
        let version = start[6]
        guard (1...3).contains(version) else { throw DataError("expected NumPy format version 1, 2 or 3, found \(version)", file: file.path) }
        let textStart = version == 1 ? 10 : 12
        var textLength = Int(start[8]) | Int(start[9]) << 8
        if version > 1 { textLength |= Int(start[10]) << 16 | Int(start[11]) << 24 }
        guard textStart + textLength <= start.count else {
            throw DataError("expected a header of \(textLength) bytes, found \(start.count - textStart)", file: file.path)
        }
        var parser = NpyHeaderParser(text: start[textStart..<textStart + textLength], file: file.path)
        let (description, isFortran, shape) = try parser.parse()
        guard let elementType = ElementType(numpyDescription: description) else {
            let reason =
                description.hasPrefix(">") ? "big-endian elements" : description.contains("O") ? "pickled Python objects" : "elements of type"
            throw DataError("expected little-endian numbers, found \(reason) '\(description)'", file: file.path)
        }
        // NumPy marks some arrays as Fortran-ordered that are the same in either order.
        if isFortran && shape.filter({ $0 != 1 }).count > 1 {
            throw DataError("expected C order, found Fortran order; save numpy.ascontiguousarray(x) instead", file: file.path)
        }
        var count = 1
        for extent in shape {
            let (product, overflow) = count.multipliedReportingOverflow(by: extent)
            guard !overflow else { throw DataError("expected a shape that fits the file, found \(describe(shape))", file: file.path) }
            count = product
        }
        let (bytes, overflow) = count.multipliedReportingOverflow(by: elementType.size)
        let dataOffset = textStart + textLength
        guard !overflow, bytes == file.count - dataOffset else {
            throw DataError(
                "expected \(overflow ? "too many" : "\(bytes)") bytes of elements for shape \(describe(shape)) of \(elementType.rawValue), "
                    + "found \(file.count - dataOffset)", file: file.path)
        }
        return Header(elementType: elementType, shape: shape, dataOffset: dataOffset, count: count)
    }
}

/// The Python literal in the header: a dictionary of a string, a truth value and a tuple of integers.
private struct NpyHeaderParser {
    private let text: [UInt8]
    private let file: String
    private var position = 0

    init(text: ArraySlice<UInt8>, file: String) {
        self.text = Array(text)
        self.file = file
    }

    private func error(_ expected: String) -> DataError {
        DataError("expected \(expected) at character \(position + 1) of the NumPy header", file: file)
    }

    private mutating func skipSpace() {
        while position < text.count, text[position] == 0x20 || text[position] == 0x0a { position += 1 }
    }

    private mutating func take(_ character: Character) -> Bool {
        skipSpace()
        guard position < text.count, text[position] == character.asciiValue else { return false }
        position += 1
        return true
    }

    private mutating func string() throws -> String {
        skipSpace()
        guard position < text.count, text[position] == UInt8(ascii: "'") || text[position] == UInt8(ascii: "\"") else { throw error("a string") }
        let quote = text[position]
        guard let end = text[(position + 1)...].firstIndex(of: quote) else { throw error("the end of a string") }
        defer { position = end + 1 }
        return String(decoding: text[(position + 1)..<end], as: UTF8.self)
    }

    private mutating func word() -> String {
        skipSpace()
        let start = position
        while position < text.count, Character(UnicodeScalar(text[position])).isLetter { position += 1 }
        return String(decoding: text[start..<position], as: UTF8.self)
    }

    private mutating func extents() throws -> [Int] {
        guard take("(") else { throw error("a tuple") }
        var shape: [Int] = []
        while !take(")") {
            skipSpace()
            let start = position
            while position < text.count, 0x30...0x39 ~= text[position] { position += 1 }
            guard let extent = Int(String(decoding: text[start..<position], as: UTF8.self)) else { throw error("an extent") }
            shape.append(extent)
            guard shape.count <= 32 else { throw error("at most 32 dimensions") }
            if !take(",") {
                guard take(")") else { throw error("',' or ')'") }
                break
            }
        }
        return shape
    }

    mutating func parse() throws -> (description: String, isFortran: Bool, shape: [Int]) {
        var description: String?
        var isFortran: Bool?
        var shape: [Int]?
        guard take("{") else { throw error("a dictionary") }
        while !take("}") {
            let key = try string()
            guard take(":") else { throw error("':'") }
            switch key {
            case "descr":
                skipSpace()
                if position < text.count, text[position] == UInt8(ascii: "[") {
                    throw DataError("expected an array of plain numbers, found a structured type", file: file)
                }
                description = try string()
            case "fortran_order":
                switch word() {
                case "True": isFortran = true
                case "False": isFortran = false
                default: throw error("True or False")
                }
            case "shape": shape = try extents()
            default: throw error("the keys descr, fortran_order and shape")
            }
            if !take(",") {
                guard take("}") else { throw error("',' or '}'") }
                break
            }
        }
        guard let description, let isFortran, let shape else { throw error("the keys descr, fortran_order and shape") }
        skipSpace()
        guard position == text.count else { throw error("nothing after the dictionary") }
        return (description, isFortran, shape)
    }
}
