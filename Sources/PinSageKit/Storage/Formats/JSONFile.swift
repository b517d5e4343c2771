internal import Foundation

/// JSON documents of `Codable` values in artifact files.
enum JSONFile {
    static func text(of value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
    }

    /// - Throws: ``DataError`` naming the file and what is wrong in it.
    static func read<Value: Decodable>(_ type: Value.Type, from path: String) throws -> Value {
        let data: Data
        do { data = try Data(contentsOf: URL(fileURLWithPath: path)) } catch {
            throw DataError("expected a readable JSON file, found: \(error.localizedDescription)", file: path)
        }
        return try decode(type, from: data, file: path)
    }

    static func read<Value: Decodable>(_ type: Value.Type, from file: MappedFile) throws -> Value {
        try decode(type, from: unsafe file.withUnsafeBytes { unsafe Data($0) }, file: file.path)
    }

    /// A value of a document that is parsed already.
    static func decode<Value: Decodable>(_ type: Value.Type, from value: JSONValue, file: String) throws -> Value {
        try decode(type, from: Data(value.serialized().utf8), file: file)
    }

    private static func decode<Value: Decodable>(_ type: Value.Type, from data: Data, file: String) throws -> Value {
        do { return try JSONDecoder().decode(type, from: data) } catch let error as DecodingError {
            throw DataError(message(of: error), file: file)
        }
    }

    /// What is wrong and where, without the names of our types.
    private static func message(of error: DecodingError) -> String {
        func place(_ path: [any CodingKey]) -> String { path.map(\.stringValue).joined(separator: ".") }
        switch error {
        case .keyNotFound(let key, let context): return "expected a value for \"\(place(context.codingPath + [key]))\", found none"
        case .typeMismatch(let type, let context):
            return "expected \(kind(of: type)) for \"\(place(context.codingPath))\", found another kind of value"
        case .valueNotFound(let type, let context): return "expected \(kind(of: type)) for \"\(place(context.codingPath))\", found null"
        // Foundation says no more of a fraction where a whole number belongs.
        case .dataCorrupted(let context) where context.codingPath.isEmpty:
            return "expected JSON whose numbers fit (no fraction for a whole number), found: \(context.debugDescription)"
        case .dataCorrupted(let context): return "found a value for \"\(place(context.codingPath))\" that it cannot have: \(context.debugDescription)"
        @unknown default: return "expected other JSON: \(error)"
        }
    }

    private static func kind(of type: any Any.Type) -> String {
        switch type {
        case is Bool.Type: "true or false"
        case is String.Type: "a text"
        case is any BinaryInteger.Type: "a whole number"
        case is any BinaryFloatingPoint.Type: "a number"
        case is [Any].Type: "a list"
        default: "an object"
        }
    }
}
