/// Formats that other programs read embeddings in.
public enum ExportFormat: String, CaseIterable, Sendable {
    /// A NumPy array (items, dimension) of float32, and the identifiers beside it in `FILE.ids.txt`, one a line. ``Embeddings/open(_:)`` reads it.
    case npy
    /// Tab-separated: a header, then identifier and numbers.
    case tsv
    /// The text format of word2vec: counts in the first line, then identifier and numbers, separated by spaces.
    case word2vec
    /// One JSON object a line: `{"item": ..., "vector": [...]}`.
    case jsonl
    /// A SQLite database with a table `embeddings(row, item, vector)`, vectors as little-endian float32. PinSageCatalog writes it.
    case sqlite
}

extension Embeddings {
    /// Writes the embeddings in a format that is a file of text or an array; it appears under its name when it is complete.
    ///
    /// Numbers are written with as many digits as give the same float when they are read. In tsv, word2vec and id lists, control characters in an
    /// identifier become `%` and two hexadecimal digits, and so do spaces in word2vec: those formats cannot hold them.
    ///
    /// - Parameter progress: called with the items written so far.
    /// - Throws: ``DataError`` when the file cannot be written; ``ConfigurationError`` for ``ExportFormat/sqlite``, which is not written here.
    public func export(as format: ExportFormat, to path: String, threads: Int, progress: (Int) -> Void = { _ in }) throws {
        switch format {
        case .sqlite: throw ConfigurationError("sqlite is written by PinSageCatalog")
        case .npy:
            // Without old identifiers while the array changes: a killed export must not leave two files of different embeddings.
            let names = Self.identifiersPath(of: path)
            if FileSystem.kind(of: names)?.kind == .file { try FileSystem.remove(names) }
            try Npy.write(vectors, shape: [count, dimension], to: path)
            try writeLines(to: names, header: nil, threads: threads, progress: progress) { Self.field(identifiers[$0], spaces: false) }
        case .tsv:
            let header = "item\t" + (0..<dimension).map { "v\($0)" }.joined(separator: "\t")
            try writeLines(to: path, header: header, threads: threads, progress: progress) { row in
                Self.field(identifiers[row], spaces: false) + numbers(of: row, separator: "\t", first: "\t")
            }
        case .word2vec:
            try writeLines(to: path, header: "\(count) \(dimension)", threads: threads, progress: progress) { row in
                Self.field(identifiers[row], spaces: true) + numbers(of: row, separator: " ", first: " ")
            }
        case .jsonl:
            // JSON has no numbers that are not finite.
            try requireFinite()
            try writeLines(to: path, header: nil, threads: threads, progress: progress) { row in
                "{\"item\":\(JSONValue.string(identifiers[row]).serialized()),\"vector\":[\(numbers(of: row, separator: ",", first: ""))]}"
            }
        }
    }

    private func numbers(of row: Int, separator: String, first: String) -> String {
        var text = ""
        text.reserveCapacity(dimension * 12)
        for column in 0..<dimension {
            text += column == 0 ? first : separator
            text += vectors[row * dimension + column].description
        }
        return text
    }

    private func writeLines(
        to path: String, header: String?, threads: Int, progress: (Int) -> Void, _ line: @Sendable (Int) -> String
    ) throws {
        try FileSystem.replaceFile(path) { temporary in
            let file = try OutputFile(temporary)
            if let header { try file.write(header + "\n") }
            for start in stride(from: 0, to: count, by: 4096) {
                let end = min(start + 4096, count)
                for text in try parallelMap(end - start, threads: threads, grain: 256, { $0.map { line(start + $0) } }) {
                    try file.write(text + "\n")
                }
                progress(end)
            }
            try file.close()
        }
    }

    /// An identifier without what would end it early.
    private static func field(_ identifier: String, spaces: Bool) -> String {
        func breaks(_ byte: UInt8) -> Bool { byte < 0x20 || byte == 0x7f || (spaces && byte == 0x20) }
        guard identifier.utf8.contains(where: breaks) else { return identifier }
        var bytes: [UInt8] = []
        for byte in identifier.utf8 {
            if breaks(byte) {
                bytes += Array("%\(byte < 16 ? "0" : "")\(String(byte, radix: 16, uppercase: true))".utf8)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
