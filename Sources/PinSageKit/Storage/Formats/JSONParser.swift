extension JSONValue {
    /// Reads one JSON value that takes up all of `bytes` but white space (RFC 8259, UTF-8; a repeated key is an error).
    ///
    /// - Parameters:
    ///   - file: named in errors.
    ///   - firstLine: the line number of the first byte.
    /// - Throws: ``DataError`` with line and column.
    public init(parsing bytes: some Collection<UInt8>, file: String? = nil, firstLine: Int = 1) throws {
        let array = Array(bytes)
        self = try unsafe array.withUnsafeBufferPointer { buffer in
            var parser = unsafe JSONParser(bytes: buffer, file: file, firstLine: firstLine)
            return try parser.parse()
        }
    }

    /// Reads a JSON file.
    public init(contentsOf path: String) throws {
        try self.init(parsing: FileSystem.contents(of: path), file: path)
    }
}

/// A recursive-descent parser with bounded depth.
@safe struct JSONParser {
    private let bytes: UnsafeBufferPointer<UInt8>
    private let file: String?
    private let firstLine: Int
    private let count: Int
    private var position = 0
    private static let maximumDepth = 128

    /// `bytes` must outlive the parser.
    init(bytes: UnsafeBufferPointer<UInt8>, file: String?, firstLine: Int) {
        unsafe self.bytes = bytes
        count = bytes.count
        self.file = file
        self.firstLine = firstLine
    }

    mutating func parse() throws -> JSONValue {
        let value = try value(depth: 0)
        skipSpace()
        if position < count { throw error("expected the end of the JSON value") }
        return value
    }

    private func error(_ message: String) -> DataError {
        let before = unsafe bytes[..<min(position, count)]
        let line = unsafe before.count { $0 == 0x0a }
        let column = unsafe position - (before.lastIndex(of: 0x0a).map { $0 + 1 } ?? 0) + 1
        let found =
            position >= count
            ? "the end" : unsafe (0x21..<0x7f ~= bytes[position]) ? "'\(Character(UnicodeScalar(bytes[position])))'" : "byte \(bytes[position])"
        return DataError("\(message), found \(found)", file: file, line: firstLine + line, column: column)
    }

    private mutating func skipSpace() {
        while position < count, unsafe [0x20, 0x09, 0x0a, 0x0d].contains(bytes[position]) { position += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard position < count, unsafe bytes[position] == byte else { return false }
        position += 1
        return true
    }

    private mutating func value(depth: Int) throws -> JSONValue {
        guard depth < JSONParser.maximumDepth else { throw error("expected JSON nested at most \(JSONParser.maximumDepth) deep") }
        skipSpace()
        guard position < count else { throw error("expected a JSON value") }
        switch unsafe bytes[position] {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try literal("true", .bool(true))
        case UInt8(ascii: "f"): return try literal("false", .bool(false))
        case UInt8(ascii: "n"): return try literal("null", .null)
        default: return try number()
        }
    }

    private mutating func literal(_ text: StaticString, _ value: JSONValue) throws -> JSONValue {
        for index in 0..<text.utf8CodeUnitCount where !take(unsafe text.utf8Start[index]) { throw error("expected \(text)") }
        return value
    }

    private mutating func object(depth: Int) throws -> JSONValue {
        position += 1
        var members: [String: JSONValue] = [:]
        skipSpace()
        if take(UInt8(ascii: "}")) { return .object(members) }
        while true {
            skipSpace()
            guard position < count, unsafe bytes[position] == UInt8(ascii: "\"") else { throw error("expected a key in quotes") }
            let key = try string()
            skipSpace()
            guard take(UInt8(ascii: ":")) else { throw error("expected ':' after the key \"\(key)\"") }
            let member = try value(depth: depth + 1)
            guard members.updateValue(member, forKey: key) == nil else { throw error("expected distinct keys, found \"\(key)\" twice") }
            skipSpace()
            if take(UInt8(ascii: "}")) { return .object(members) }
            guard take(UInt8(ascii: ",")) else { throw error("expected ',' or '}'") }
        }
    }

    private mutating func array(depth: Int) throws -> JSONValue {
        position += 1
        var values: [JSONValue] = []
        skipSpace()
        if take(UInt8(ascii: "]")) { return .array(values) }
        while true {
            values.append(try value(depth: depth + 1))
            skipSpace()
            if take(UInt8(ascii: "]")) { return .array(values) }
            guard take(UInt8(ascii: ",")) else { throw error("expected ',' or ']'") }
        }
    }

    private mutating func string() throws -> String {
        position += 1
        var content: [UInt8] = []
        while position < count {
            let byte = unsafe bytes[position]
            if byte == UInt8(ascii: "\"") {
                position += 1
                guard let text = String(validating: content, as: UTF8.self) else {
                    position -= 1
                    throw error("expected UTF-8 in the string that ends here")
                }
                return text
            }
            guard byte >= 0x20 else { throw error("expected control characters in strings to be escaped") }
            position += 1
            if byte != UInt8(ascii: "\\") {
                content.append(byte)
                continue
            }
            guard position < count else { break }
            let escaped = unsafe bytes[position]
            position += 1
            switch escaped {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): content.append(escaped)
            case UInt8(ascii: "b"): content.append(0x08)
            case UInt8(ascii: "f"): content.append(0x0c)
            case UInt8(ascii: "n"): content.append(0x0a)
            case UInt8(ascii: "r"): content.append(0x0d)
            case UInt8(ascii: "t"): content.append(0x09)
            case UInt8(ascii: "u"): content.append(contentsOf: Array(String(Character(try unicodeEscape())).utf8))
            default:
                position -= 1
                throw error("expected an escape that JSON knows")
            }
        }
        throw error("expected the closing quote of a string")
    }

    private mutating func hexadecimal() throws -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard position < count, let digit = unsafe Character(UnicodeScalar(bytes[position])).hexDigitValue else {
                throw error("expected four hexadecimal digits")
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }

    private mutating func unicodeEscape() throws -> UnicodeScalar {
        let first = try hexadecimal()
        if 0xd800..<0xdc00 ~= first {
            guard take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else { throw error("expected the second half of a surrogate pair") }
            let second = try hexadecimal()
            guard 0xdc00..<0xe000 ~= second, let scalar = UnicodeScalar(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)) else {
                throw error("expected the second half of a surrogate pair")
            }
            return scalar
        }
        guard let scalar = UnicodeScalar(first) else { throw error("expected a code point, found half a surrogate pair") }
        return scalar
    }

    private mutating func number() throws -> JSONValue {
        let start = position
        func digits(_ parser: inout JSONParser) -> Int {
            let from = parser.position
            while parser.position < parser.count, unsafe 0x30...0x39 ~= parser.bytes[parser.position] { parser.position += 1 }
            return parser.position - from
        }
        _ = take(UInt8(ascii: "-"))
        let integerStart = position
        let integerDigits = digits(&self)
        guard integerDigits > 0 else { throw error("expected a JSON value") }
        if integerDigits > 1, unsafe bytes[integerStart] == UInt8(ascii: "0") { throw error("expected a number without leading zeros") }
        var isInteger = true
        if take(UInt8(ascii: ".")) {
            isInteger = false
            guard digits(&self) > 0 else { throw error("expected digits after the decimal point") }
        }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            isInteger = false
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            guard digits(&self) > 0 else { throw error("expected digits in the exponent") }
        }
        let text = unsafe String(decoding: bytes[start..<position], as: UTF8.self)
        if isInteger, let value = Int64(text) { return .integer(value) }
        // Infinity could not be written again.
        guard let value = Double(text), value.isFinite else { throw error("expected a number of at most 1.8e308") }
        return .number(value)
    }
}
