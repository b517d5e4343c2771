/// Some consecutive chunks of text on their way through an import. Their memory is used again and again: fresh pages cost more than parsing.
///
/// `@unchecked Sendable`: at any time one task has the batch, or each of its pieces.
final class EdgeBatch: @unchecked Sendable {
    /// One chunk, and what becomes of it.
    final class Piece: @unchecked Sendable {
        fileprivate var chunk: TextChunk?
        fileprivate(set) var edges = ParsedEdges()
        /// The row of each edge's item and collection, once they were looked up.
        var items: [UInt32] = []
        var collections: [UInt32] = []

        fileprivate var failure: (any Error)?

        fileprivate func parse(_ parser: EdgeChunkParser, isFirst: Bool) {
            failure = nil
            do {
                if let chunk = chunk.take() { try parser.parse(chunk, isFirst: isFirst, into: &edges) }
            } catch { failure = error }
        }
    }

    private let storage: [Piece]
    private var count = 0
    /// What is wrong after the pieces; it is thrown when they have been used, so that the first mistake in the file comes first.
    fileprivate var failure: (any Error)?

    fileprivate init(pieces: Int) { storage = (0..<pieces).map { _ in Piece() } }

    /// In the order of the file.
    var pieces: ArraySlice<Piece> { storage[..<count] }

    fileprivate var isEmpty: Bool { count == 0 && failure == nil }

    /// Takes a chunk for the next piece.
    fileprivate func append(_ chunk: TextChunk) {
        storage[count].chunk = chunk
        count += 1
    }

    /// Ends the batch before the first piece that cannot be parsed.
    fileprivate func endBeforeFailure() {
        guard let bad = pieces.firstIndex(where: { $0.failure != nil }) else { return }
        failure = pieces[bad].failure
        count = bad
    }

    /// Reads as many chunks as there is room for.
    fileprivate func fill(_ text: Text) {
        count = 0
        failure = nil
        do {
            while count < storage.count, let chunk = try text.next(reusing: storage[count].edges.takeBytes()) { append(chunk) }
        } catch { failure = error }
    }
}

/// The chunks that were not read yet. `@unchecked Sendable`: one task reads at a time.
private final class Text: @unchecked Sendable {
    private var chunks: ChunkReader
    private var hasFailed = false

    init(_ chunks: ChunkReader) { self.chunks = chunks }

    /// How much of the file was read; `nil` for a pipe.
    var fraction: Double? { chunks.storedBytes.map { $0 == 0 ? 1 : min(1, Double(chunks.storedBytesRead) / Double($0)) } }

    /// The next chunk; `nil` at the end and after a failure.
    func next(reusing buffer: [UInt8] = []) throws -> TextChunk? {
        if hasFailed { return nil }
        do { return try chunks.next(reusing: buffer) } catch {
            hasFailed = true
            throw error
        }
    }
}

/// Reads the edges of one file in steps that overlap: while one batch of chunks is looked up, the next is parsed and the one after that is read.
struct EdgeReader {
    /// The name of the file, for messages.
    let name: String
    private let source: TextSource
    private let format: EdgeFormat
    private let configuration: ImportConfiguration
    private let threads: Int

    /// - Throws: ``DataError`` when there is no readable file.
    init(_ path: String, configuration: ImportConfiguration) throws {
        source = try TextSource(path)
        name = source.name
        format = configuration.format ?? TableFormat(fileName: path).flatMap { EdgeFormat(rawValue: $0.rawValue) } ?? .tsv
        self.configuration = configuration
        threads = configuration.threads ?? Kernels.availableProcessors
    }

    /// - Parameters:
    ///   - lookUp: what to do with each batch once it is parsed; the steps run at once, each on the batches in the order of the file.
    ///   - body: called with each batch after that, from the calling thread, and with how much of the file was read, where that is known.
    /// - Throws: ``DataError`` for the first thing in the file that is wrong, and what the closures throw.
    func forEachBatch(lookUp: [@Sendable (EdgeBatch) throws -> Void] = [], _ body: (EdgeBatch, _ fraction: Double?) throws -> Void) throws {
        let text = Text(ChunkReader(source, isQuoted: format == .csv))
        guard let first = try text.next() else { throw DataError("expected edges, found an empty file", file: name) }
        let parser = try EdgeChunkParser(first: first, name: name, format: format, configuration: configuration)
        let unused = (0..<3).map { _ in EdgeBatch(pieces: max(8, 4 * threads)) }
        unused[1].append(first)
        var (found, parsed, read) = (unused[0], unused[1], unused[2])
        var isFirst = true
        repeat {
            let batches = (found: found, parsed: parsed, read: read, hasHeader: isFirst)
            // The lookups take longest, so they begin first; chunks are small, so that all threads end at about the same time.
            try parallelFor(lookUp.count + 1 + parsed.pieces.count, threads: threads, grain: 1) { range in
                for task in range {
                    let piece = task - lookUp.count - 1
                    if task < lookUp.count {
                        try lookUp[task](batches.found)
                    } else if piece < 0 {
                        batches.read.fill(text)
                    } else {
                        batches.parsed.pieces[piece].parse(parser, isFirst: batches.hasHeader && piece == 0)
                    }
                }
            }
            isFirst = false
            parsed.endBeforeFailure()
            if !found.pieces.isEmpty { try body(found, text.fraction) }
            if let failure = found.failure { throw failure }
            (found, parsed, read) = (parsed, read, found)
        } while !(found.isEmpty && parsed.isEmpty)
    }
}
