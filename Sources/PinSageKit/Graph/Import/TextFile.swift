/// Whole text files, for readers of formats that are parsed in memory.
public enum TextFile {
    /// All bytes of a file, or of standard input (`-`); gzip is recognised by its first bytes and unpacked.
    ///
    /// - Parameter limit: more bytes than this, unpacked, are refused: a small .gz can hold any amount of zeros.
    /// - Throws: ``DataError`` for a file that cannot be read, is too long, or is damaged gzip.
    public static func bytes(of path: String, limit: Int = 1 << 31) throws -> [UInt8] {
        let source = try TextSource(path)
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = try unsafe chunk.withUnsafeMutableBytes { buffer in try unsafe source.read(into: buffer) }
            bytes.append(contentsOf: chunk[..<count])
            guard bytes.count <= limit else { throw DataError("expected at most \(limit) bytes of text, found more", file: source.name) }
            if count < chunk.count { return bytes }
        }
    }
}
