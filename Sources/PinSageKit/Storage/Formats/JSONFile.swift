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

    /// A value of a document that is parsed already.
    static func decode<Value: Decodable>(_ type: Value.Type, from value: JSONValue, file: String) throws -> Value {
        try decode(type, from: Data(value.serialized().utf8), file: file)
    }

    private static func decode<Value: Decodable>(_ type: Value.Type, from data: Data, file: String) throws -> Value {
        do { return try JSONDecoder().decode(type, from: data) } catch let error as DecodingError {
            throw DataError("expected \(type) as JSON, found: \(error)", file: file)
        }
    }
}
