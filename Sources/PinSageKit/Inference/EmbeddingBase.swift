/// Embeddings of an earlier state of a dataset, and what changed since.
struct EmbeddingBase {
    let embeddings: Embeddings
    private let fingerprints: StoredArray<UInt64>
    /// Whether every item of the base is still in its row: only then do its fingerprints, which name neighbors by row, say anything.
    private let keepsRows: Bool

    /// - Throws: ``DataError`` when the base was made by another model or settings, or has no fingerprints.
    init(_ path: String, model: PinSageModel, dataset: Dataset, latents: LatentType) throws {
        let artifact = try Artifact.open(path, kind: Embeddings.kind)
        let metadata = artifact.manifest.metadata
        guard artifact.contains("fingerprints"), let made = metadata["model_fingerprint"]?.string else {
            throw DataError("expected embeddings with fingerprints, found none; embed every item once more", file: path)
        }
        guard made == model.fingerprint else {
            throw DataError("the base was made by another model (\(made)) than this one (\(model.fingerprint))", file: path)
        }
        guard metadata["latents"]?.string == latents.rawValue else {
            throw DataError("the base was made with latents in \(metadata["latents"]?.string ?? "f32"), not \(latents.rawValue)", file: path)
        }
        embeddings = try Embeddings(artifact)
        let (fingerprints, shape) = try artifact.array("fingerprints", as: UInt64.self)
        guard shape == [embeddings.count, 2] else {
            throw DataError("expected fingerprints of the shape [\(embeddings.count), 2], found \(shape)", file: path)
        }
        self.fingerprints = fingerprints
        let identifiers = embeddings.identifiers
        keepsRows = identifiers.count <= dataset.items.count && (0..<identifiers.count).allSatisfy { identifiers[$0] == dataset.items[$0] }
    }

    /// The items to embed again, ascending.
    ///
    /// - Parameter includesNeighbors: also those whose vector a whole pass would change because a neighbor, or a neighbor's neighbor, changed.
    func changed(
        _ current: StoredArray<UInt64>, neighborhoods: NeighborhoodFile?, model: PinSageModel, includesNeighbors: Bool
    ) throws -> [Int] {
        let count = current.count / 2
        guard keepsRows else { return Array(0..<count) }
        var inputChanged = [Bool](repeating: false, count: count), changed = inputChanged
        for row in 0..<count {
            let isNew = row >= embeddings.count
            inputChanged[row] = isNew || current[2 * row] != fingerprints[2 * row]
            changed[row] = inputChanged[row] || current[2 * row + 1] != fingerprints[2 * row + 1]
        }
        guard includesNeighbors, let neighborhoods else { return (0..<count).filter { changed[$0] } }
        // What layer k gives for an item changes with its own neighborhood, its own vector below, or a neighbor's vector below.
        var below = inputChanged
        for most in model.neighborsPerLayer {
            var above = changed
            for row in 0..<count where !above[row] {
                let start = row * neighborhoods.width
                for position in start..<start + min(most, neighborhoods.width) {
                    let neighbor = neighborhoods.neighbors[position]
                    if neighbor == NeighborhoodFile.padding { break }
                    if Int(neighbor) < count, below[Int(neighbor)] {
                        above[row] = true
                        break
                    }
                }
                if below[row] { above[row] = true }
            }
            below = above
        }
        return (0..<count).filter { below[$0] }
    }
}

/// Hashes by which a later run sees what changed.
enum Fingerprint {
    /// For each row two words: of its input vector and of its neighborhood.
    static func of(_ rows: Matrix, items: Range<Int>, neighborhoods: NeighborhoodFile?) -> [UInt64] {
        var words: [UInt64] = []
        words.reserveCapacity(2 * items.count)
        let width = rows.columns
        for (row, item) in items.enumerated() {
            let input = unsafe rows.values.withUnsafeBufferPointer { unsafe hash(UnsafeBufferPointer(rebasing: $0[row * width..<(row + 1) * width])) }
            var neighborhood: UInt64 = 0
            if let neighborhoods {
                let range = item * neighborhoods.width..<(item + 1) * neighborhoods.width
                let targets = unsafe neighborhoods.neighbors.withUnsafeBufferPointer { unsafe hash(UnsafeBufferPointer(rebasing: $0[range])) }
                let weights = unsafe neighborhoods.weights.withUnsafeBufferPointer { unsafe hash(UnsafeBufferPointer(rebasing: $0[range])) }
                neighborhood = targets ^ (weights << 1 | weights >> 63)
            }
            words.append(input)
            words.append(neighborhood)
        }
        return words
    }

    private static func hash<Element: StoredElement>(_ values: UnsafeBufferPointer<Element>) -> UInt64 {
        unsafe UnsafeRawBufferPointer(values).withMemoryRebound(to: UInt8.self) { unsafe Identifiers.hash($0) }
    }
}
