#if canImport(Darwin)
    internal import Darwin
#else
    internal import Glibc
#endif

/// Dense vectors of texts: hashed terms, TF-IDF, and the leading right singular vectors of the fitted texts.
///
/// A text's terms (``TextHashing``) that the fit kept are weighted (1 + ln count) * weight(term), with weight = family weight *
/// ln((texts + 1) / texts with the term)^3; the sparse row is scaled to length 1, multiplied by the (terms, dimension) projection, and scaled to
/// length 1 again. A text without a known term is a row of zeros.
struct TextFeatures: Sendable {
    let hashing: TextHashing
    /// The buckets of the kept terms, ascending: bucket `buckets[c]` is column `c`.
    let buckets: [UInt32]
    /// One for each column.
    let weights: [Float]
    /// Shape (columns, dimension).
    let projection: Matrix
    /// Column of each bucket, -1 where the bucket was not kept.
    private let columns: [Int32]

    var dimension: Int { projection.columns }

    init(hashing: TextHashing, buckets: [UInt32], weights: [Float], projection: Matrix) {
        self.hashing = hashing
        self.buckets = buckets
        self.weights = weights
        self.projection = projection
        var columns = [Int32](repeating: -1, count: hashing.bucketCount)
        for (column, bucket) in buckets.enumerated() { columns[Int(bucket)] = Int32(column) }
        self.columns = columns
    }

    /// What a text's terms are weighted by, and how the singular values enter. Chosen by the hit-rate of the cosine on held-out pairs.
    struct Weighting: Sendable {
        /// By ``TextHashing/Family``.
        var families: [Float] = [1, 1, 0.5]
        /// Exponent of the inverse document frequency. The singular vectors follow the largest entries, which with a plain IDF are the
        /// function words and their parts; cubed, the words that say what a thing is come first. Hit-rate@10 of the cosine on held-out pairs
        /// of a data set of 122,490 links, for 1, 1.5, 2, 3, 4, 5, 6: .060, .070, .084, .103, .105, .095, .094.
        var idfPower = 3.0
        /// The columns of the projection are v * s^power; 0 is V itself (U S), -1 whitens (U). The cosine's hit-rate hardly depends on it.
        var singularValuePower: Float = -0.5
        /// A term is kept when at least this many texts have it.
        var fewestTexts = 2
        /// The singular vectors are fitted to at most this many texts, evenly spread.
        var mostFittedTexts = 1 << 17
    }

    /// - Parameters:
    ///   - catalog: is read twice.
    ///   - terms: the most terms to keep.
    static func fit(
        catalog: any ItemCatalog, hashing: TextHashing = TextHashing(), weighting: Weighting = Weighting(),
        terms: Int, dimension: Int, seed: UInt64, kernels: Kernels, progress: (_ stage: String, _ done: Int, _ total: Int) -> Void
    ) throws -> TextFeatures {
        // First pass: in how many texts each bucket occurs.
        var textsWithBucket = [Int32](repeating: 0, count: hashing.bucketCount)
        var count = 0, filled = 0
        try forEachBatch(of: catalog) { batch in
            for terms in try hashing.counts(ofTexts: batch, threads: kernels.threads) {
                for bucket in terms.buckets { textsWithBucket[Int(bucket)] += 1 }
                if !terms.buckets.isEmpty { filled += 1 }
            }
            count += batch.count
            progress("counting terms", count, 0)
        }
        let kept = mostFrequent(textsWithBucket, atLeast: weighting.fewestTexts, most: terms)
        let weights = kept.map { bucket -> Float in
            let idf = log(Double(filled + 1) / Double(textsWithBucket[Int(bucket)]))
            return Float(pow(idf, weighting.idfPower)) * weighting.families[hashing.family(ofBucket: Int(bucket)).rawValue]
        }
        let unprojected = TextFeatures(hashing: hashing, buckets: kept, weights: weights, projection: Matrix(rows: kept.count, columns: 0))
        // Second pass: the sparse rows that the singular vectors are fitted to.
        let step = max(1, (count + weighting.mostFittedTexts - 1) / weighting.mostFittedTexts)
        var rows = RaggedLists()
        var position = 0
        try forEachBatch(of: catalog) { batch in
            let chosen = batch.indices.filter { (position + $0) % step == 0 }.map { batch[$0] }
            position += batch.count
            try unprojected.appendRows(of: chosen, to: &rows, threads: kernels.threads)
            progress("weighting terms", position, count)
        }
        let svd = try RandomizedSVD(of: rows, columns: kept.count, rank: dimension, seed: seed, kernels: kernels) { done, total in
            progress("singular vectors", done, total)
        }
        var projection = Matrix(rows: kept.count, columns: dimension)
        let scales = svd.singularValues.map { powf($0 / svd.singularValues[0], weighting.singularValuePower) }
        for row in 0..<kept.count {
            for (column, scale) in scales.enumerated() { projection[row, column] = svd.rightVectors[row, column] * scale }
        }
        return TextFeatures(hashing: hashing, buckets: kept, weights: weights, projection: projection)
    }

    /// What of a description is text.
    static func fields(_ description: ItemDescription) -> [String] {
        [description.title ?? "", description.text ?? ""]
    }

    /// The vectors of texts, each of length 1 or all zeros. Every row depends on its own text alone, whatever the batch and thread count.
    func vectors(of texts: [[String]], kernels: Kernels) throws -> Matrix {
        var rows = RaggedLists()
        try appendRows(of: texts, to: &rows, threads: kernels.threads)
        guard !buckets.isEmpty else { return Matrix(rows: texts.count, columns: dimension) }
        var vectors = try kernels.pooled(projection, lists: rows)
        for row in 0..<vectors.rows { scaleToLength(1, &vectors.values, row * dimension..<(row + 1) * dimension) }
        return vectors
    }

    func appendRows(of texts: [[String]], to rows: inout RaggedLists, threads: Int) throws {
        for terms in try hashing.counts(ofTexts: texts, threads: threads) {
            let start = rows.targets.count
            for (bucket, count) in zip(terms.buckets, terms.counts) {
                let column = columns[Int(bucket)]
                guard column >= 0 else { continue }
                rows.targets.append(column)
                rows.weights.append((count == 1 ? 1 : 1 + logf(Float(count))) * weights[Int(column)])
            }
            scaleToLength(1, &rows.weights, start..<rows.weights.count)
            rows.offsets.append(Int64(rows.targets.count))
        }
    }

    /// The buckets in at least `atLeast` texts, the `most` most frequent of them (ties: lower bucket), ascending.
    static func mostFrequent(_ counts: [Int32], atLeast: Int, most: Int) -> [UInt32] {
        var found = counts.indices.filter { counts[$0] >= atLeast }
        if found.count > most {
            found.sort { (counts[$1], $0) < (counts[$0], $1) }
            found = found.prefix(most).sorted()
        }
        return found.map { UInt32($0) }
    }

    private static func forEachBatch(of catalog: any ItemCatalog, _ body: ([[String]]) throws -> Void) throws {
        var batch: [[String]] = []
        try catalog.forEachItem { _, description in
            batch.append(fields(description))
            if batch.count == 8192 {
                try body(batch)
                batch.removeAll(keepingCapacity: true)
            }
        }
        if !batch.isEmpty { try body(batch) }
    }
}

/// Scales a part of `values` to a Euclidean length; zeros, and what has no finite length, become zeros.
func scaleToLength(_ length: Float, _ values: inout [Float], _ range: Range<Int>) {
    unsafe values.withUnsafeMutableBufferPointer { values in
        let part = unsafe UnsafeMutableBufferPointer(rebasing: values[range])
        // Several sums at once: one would wait for each addition. Their order is fixed, so that a row has the same bits wherever it is made.
        var sums = SIMD8<Double>()
        let whole = part.count - part.count % sums.scalarCount
        for start in stride(from: 0, to: whole, by: sums.scalarCount) {
            var lanes = SIMD8<Float>()
            for lane in 0..<lanes.scalarCount { unsafe lanes[lane] = part[start + lane] }
            let wide = SIMD8<Double>(lanes)
            sums += wide * wide
        }
        var squares = sums.sum()
        for position in whole..<part.count { unsafe squares += Double(part[position]) * Double(part[position]) }
        // In Double: the inverse of a length above 1e38 is no Float.
        let scale = squares > 0 && squares.isFinite ? Double(length) / squares.squareRoot() : 0
        if scale == 0 { return unsafe part.update(repeating: 0) }
        for position in 0..<part.count { unsafe part[position] = Float(Double(part[position]) * scale) }
    }
}
