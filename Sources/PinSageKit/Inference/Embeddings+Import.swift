extension Embeddings {
    /// Maps vectors of any origin: a NumPy file (items, dimension) of float32, with the identifiers of its rows beside it in `FILE.ids.txt`, one a line.
    ///
    /// It is what ``export(as:to:threads:progress:)`` writes as ``ExportFormat/npy``. A `%09` that stands there for a tab stays as it is: nothing says
    /// whether it was one. Whether the vectors have length 1 is found out by reading them; who made them is not known, so that no model is refused for them.
    ///
    /// - Throws: ``DataError`` that names the file, and where it can the line: for another shape or type, for a list of identifiers that is missing, has
    ///   another length or is not UTF-8, and for an identifier that is empty or comes twice.
    /// - Complexity: O(N * dimension), once; the vectors are mapped, and the identifiers in memory.
    init(npy path: String) throws {
        let file = try MappedFile(path)
        let header = try Npy.header(of: file)
        guard header.elementType == .float32 else {
            throw DataError(
                "expected elements of type float32, found \(header.elementType.rawValue); save x.astype(numpy.float32) instead", file: path)
        }
        guard header.shape.count == 2, header.shape[1] > 0 else {
            throw DataError("expected vectors of the shape (items, dimension), found \(Npy.describe(header.shape))", file: path)
        }
        let identifiers = try Self.identifiers(of: path, rows: header.shape[0])
        let vectors = try file.array(at: header.dataOffset, count: header.count, as: Float.self)
        try self.init(
            identifiers: identifiers, vectors: vectors, dimension: header.shape[1],
            isNormalized: Self.areNormalized(vectors, dimension: header.shape[1]))
    }

    /// Where the identifiers of a NumPy file's rows are.
    static func identifiersPath(of path: String) -> String { path + ".ids.txt" }

    private static func identifiers(of vectors: String, rows: Int) throws -> Identifiers {
        let path = identifiersPath(of: vectors)
        guard FileSystem.kind(of: path) != nil else {
            throw DataError("expected the identifiers of the \(rows) rows of \(vectors), one a line, found no such file", file: path)
        }
        var interner = IdentifierInterner(), pieces = TextPieces(), found: [UInt32] = []
        var chunks = ChunkReader(try TextSource(path), isQuoted: false), lines = 0
        while let chunk = try chunks.next() {
            try ChunkReader.check(chunk, name: path)
            lines += chunk.lineCount
            // Lines beyond the rows are counted only: what is wrong is that there are any.
            let wanted = min(chunk.lineCount, rows - interner.count)
            guard wanted > 0 else { continue }
            pieces.removeAll(keepingCapacity: wanted)
            var start = 0
            while pieces.count < wanted, let end = chunk.bytes[start...].firstIndex(of: 0x0a) {
                let last = end > start && chunk.bytes[end - 1] == 0x0d ? end - 1 : end
                guard last > start else {
                    throw DataError("expected an identifier, found an empty line", file: path, line: chunk.firstLine + pieces.count)
                }
                pieces.append(start..<last)
                start = end + 1
            }
            pieces.hash(of: chunk.bytes)
            let first = interner.count
            interner.add(pieces, of: chunk.bytes, rows: &found)
            if let twice = found.indices.first(where: { Int(found[$0]) != first + $0 }) {
                let row = Int(found[twice])
                throw DataError(
                    "expected every identifier once, found \"\(interner[row])\" again, which is in line \(row + 1)", file: path,
                    line: chunk.firstLine + twice)
            }
        }
        guard lines == rows else {
            throw DataError("expected \(rows) identifiers, one for each row of \(vectors), found \(lines)", file: path)
        }
        return interner.identifiers()
    }

    /// Whether every vector has length 1 or 0, as far as rounding to float32 lets them.
    ///
    /// The squares of lengths may be off by 1e-5: 1,000 numbers of which each was rounded give an error of a hundredth of that.
    static func areNormalized(_ vectors: StoredArray<Float>, dimension: Int) -> Bool {
        unsafe vectors.withUnsafeBufferPointer { values in
            for start in stride(from: 0, to: values.count, by: dimension) {
                var square = 0.0
                for position in start..<start + dimension {
                    let value = unsafe Double(values[position])
                    square += value * value
                }
                // The second is false for a NaN, too.
                guard square == 0 || abs(square - 1) <= 1e-5 else { return false }
            }
            return true
        }
    }
}
