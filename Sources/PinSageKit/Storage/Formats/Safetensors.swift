/// Named tensors in one file, in the safetensors format: a JSON header, then the elements, little-endian and in C order.
///
/// Source: https://github.com/huggingface/safetensors, "Format". PyTorch, JAX and others read it without running anybody's code.
public enum Safetensors {
    /// One tensor, in `Float` whatever the file holds.
    public struct Tensor: Hashable, Sendable {
        public var shape: [Int]
        /// All elements in C order.
        public var values: [Float]

        public init(shape: [Int], values: [Float]) {
            precondition(shape.reduce(1, *) == values.count, "\(values.count) values for the shape \(shape)")
            self.shape = shape
            self.values = values
        }

        public init(_ matrix: Matrix) { self.init(shape: [matrix.rows, matrix.columns], values: matrix.values) }

        /// One dimension becomes one row; `nil` for more than two.
        public var matrix: Matrix? {
            switch shape.count {
            case 1: Matrix(rows: 1, columns: shape[0], values: values)
            case 2: Matrix(rows: shape[0], columns: shape[1], values: values)
            default: nil
            }
        }
    }

    /// Writes tensors as F32, in the order given, each at a multiple of 64 bytes; the file appears under its name when it is complete.
    public static func write(_ tensors: [(name: String, tensor: Tensor)], metadata: [String: String] = [:], to path: String) throws {
        try FileSystem.replaceFile(path) { temporary in
            let file = try OutputFile(temporary)
            try file.write(header(tensors, metadata: metadata))
            for (_, tensor) in tensors {
                try unsafe tensor.values.withUnsafeBytes { bytes in try unsafe file.write(bytes) }
            }
            try file.close()
        }
    }

    private static func header(_ tensors: [(name: String, tensor: Tensor)], metadata: [String: String]) -> [UInt8] {
        var entries: [String: JSONValue] = [:]
        if !metadata.isEmpty { entries["__metadata__"] = .object(metadata.mapValues { .string($0) }) }
        var position = 0
        for (name, tensor) in tensors {
            let end = position + tensor.values.count * 4
            precondition(name != "__metadata__" && entries[name] == nil, "the name \"\(name)\" is taken")
            entries[name] = [
                "dtype": "F32", "shape": .array(tensor.shape.map { JSONValue($0) }), "data_offsets": [JSONValue(position), JSONValue(end)],
            ]
            position = end
        }
        var text = Array(JSONValue.object(entries).serialized().utf8)
        // The format allows spaces after the JSON; they align the elements.
        text += [UInt8](repeating: 0x20, count: (64 - (8 + text.count) % 64) % 64)
        return (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) } + text
    }

    /// Reads all tensors of a file; elements may be F32, F16, BF16 or F64.
    ///
    /// - Throws: ``DataError`` for damage: offsets that overlap, leave gaps, disagree with the shape or exceed the file.
    public static func read(_ path: String) throws -> [String: Tensor] { try read(MappedFile(path)) }

    static func read(_ file: MappedFile) throws -> [String: Tensor] {
        let (entries, start) = try header(of: file)
        var tensors: [String: Tensor] = [:]
        var ranges: [Range<Int>] = []
        for (name, entry) in entries where name != "__metadata__" {
            guard let dtype = entry["dtype"]?.string, let extents = entry["shape"]?.array, let offsets = entry["data_offsets"]?.array,
                offsets.count == 2, let from = offsets[0].int, let to = offsets[1].int
            else { throw DataError("expected dtype, shape and data_offsets of tensor \"\(name)\"", file: file.path) }
            guard from >= 0, from <= to, to <= file.count - start else {
                throw DataError(
                    "expected the tensor \"\(name)\" inside the \(file.count - start) bytes of elements, found \(from)..<\(to)", file: file.path)
            }
            var count = 1
            for extent in extents {
                guard let extent = extent.int, extent >= 0 else { throw DataError("expected a shape of tensor \"\(name)\"", file: file.path) }
                let (product, overflow) = count.multipliedReportingOverflow(by: extent)
                guard !overflow else { throw DataError("expected a shape that fits the file, found another for tensor \"\(name)\"", file: file.path) }
                count = product
            }
            ranges.append(from..<to)
            let values = try values(of: file, at: start + from, bytes: to - from, count: count, dtype: dtype, name: name)
            tensors[name] = Tensor(shape: extents.compactMap(\.int), values: values)
        }
        // As the format demands: no overlaps, no gaps, nothing after the last tensor.
        var end = 0
        for range in ranges.sorted(by: { ($0.lowerBound, $0.upperBound) < ($1.lowerBound, $1.upperBound) }) {
            guard range.lowerBound == end else {
                throw DataError("expected a tensor at byte \(end) of the elements, found \(range.lowerBound)", file: file.path)
            }
            end = range.upperBound
        }
        guard start + end == file.count else { throw DataError("expected \(start + end) bytes, found \(file.count)", file: file.path) }
        return tensors
    }

    /// The free-form texts of a file.
    public static func metadata(of path: String) throws -> [String: String] {
        let (entries, _) = try header(of: MappedFile(path))
        return (entries["__metadata__"]?.object ?? [:]).compactMapValues(\.string)
    }

    private static func header(of file: MappedFile) throws -> (entries: [String: JSONValue], start: Int) {
        guard file.count >= 8 else { throw DataError("expected a safetensors file, found \(file.count) bytes", file: file.path) }
        let length = unsafe file.withUnsafeBytes { unsafe UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
        guard length <= UInt64(min(file.count - 8, 100_000_000)) else {
            throw DataError("expected a header that fits the file of \(file.count) bytes, found a length of \(length)", file: file.path)
        }
        let text = unsafe file.withUnsafeBytes { unsafe Array($0[8..<8 + Int(length)]) }
        guard let entries = try JSONValue(parsing: text, file: file.path).object else {
            throw DataError("expected a JSON object as the header", file: file.path)
        }
        return (entries, 8 + Int(length))
    }

    private static func values(of file: MappedFile, at offset: Int, bytes: Int, count: Int, dtype: String, name: String) throws -> [Float] {
        let sizes = ["F32": 4, "F16": 2, "BF16": 2, "F64": 8]
        guard let size = sizes[dtype] else {
            throw DataError("expected tensor \"\(name)\" as F32, F16, BF16 or F64, found \(dtype)", file: file.path)
        }
        guard count <= bytes / size, count * size == bytes else {
            throw DataError("expected \(bytes) bytes of tensor \"\(name)\", found a shape of \(count) elements of \(size) bytes", file: file.path)
        }
        switch dtype {
        case "F32": return Array(try file.array(at: offset, count: count, as: Float.self))
        case "F64": return try file.array(at: offset, count: count, as: Double.self).map { Float($0) }
        case "F16": return try file.array(at: offset, count: count, as: UInt16.self).map { HalfPrecision.float(fromFloat16: $0) }
        default: return try file.array(at: offset, count: count, as: UInt16.self).map { HalfPrecision.float(fromBFloat16: $0) }
        }
    }
}
