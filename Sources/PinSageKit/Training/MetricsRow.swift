internal import Foundation

extension TrainingState.MetricsRow {
    /// One line of metrics.jsonl: a flat JSON object with `kind` "step" or "validation".
    var line: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Encoding plain numbers and strings cannot fail.
        guard let data = try? encoder.encode(self) else { preconditionFailure("metrics rows are plain numbers and strings") }
        return String(decoding: data, as: UTF8.self) + "\n"
    }

    /// The rows of a metrics.jsonl. - Throws: ``DataError`` with the line that is damaged.
    public static func read(from path: String) throws -> [TrainingState.MetricsRow] {
        try read(from: MappedFile(path))
    }

    static func read(from file: MappedFile) throws -> [TrainingState.MetricsRow] {
        guard let text = unsafe file.withUnsafeBytes({ unsafe String(validating: $0, as: UTF8.self) }) else {
            throw DataError("expected metrics in UTF-8, found other bytes", file: file.path)
        }
        return try text.split(separator: "\n").enumerated().map { index, line in
            do { return try JSONDecoder().decode(TrainingState.MetricsRow.self, from: Data(line.utf8)) } catch {
                throw DataError("expected a row of metrics, found: \(error)", file: file.path, line: index + 1)
            }
        }
    }

    private enum Kind: String, Codable { case step, validation }
    private enum Key: String, CodingKey { case kind }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        switch self {
        case .step(let step):
            try container.encode(Kind.step, forKey: .kind)
            try step.encode(to: encoder)
        case .validation(let validation):
            try container.encode(Kind.validation, forKey: .kind)
            try validation.encode(to: encoder)
        }
    }

    public init(from decoder: any Decoder) throws {
        switch try decoder.container(keyedBy: Key.self).decode(Kind.self, forKey: .kind) {
        case .step: self = .step(try TrainingEvent.Step(from: decoder))
        case .validation: self = .validation(try TrainingEvent.Validation(from: decoder))
        }
    }
}
