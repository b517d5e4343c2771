internal import CKernels

/// One term of a hashed query: the postings `begin ..< end`, what a row that is among them gets, and the table that the bucket is of.
struct HashTerm: Sendable, Hashable {
    var begin: Int
    var end: Int
    var weight: UInt32
    var table: UInt32
}

/// Random hyperplanes: bit j says whether rows . planes[j] + lift * lifts[j] >= thresholds[j].
struct HashPlanes: Sendable {
    /// (P, E)
    var planes: StoredArray<Float>
    /// (P)
    var lifts: StoredArray<Float>
    /// (P)
    var thresholds: StoredArray<Float>
}

extension Kernels {
    /// The bucket of each row in each table, (N, tables); see `ps_lsh_codes`.
    func hashCodes(
        rows: StoredArray<Float>, width: Int, lifts: [Float]?, planes: HashPlanes, tables: Int, bits: Int
    ) throws(KernelError) -> StoredArray<UInt16> {
        let count = width > 0 ? rows.count / width : 0
        guard width > 0, rows.count % width == 0, lifts.map({ $0.count == count }) ?? true, planes.planes.count == tables * bits * width,
            planes.lifts.count == tables * bits, planes.thresholds.count == tables * bits
        else { throw .shapeMismatch("hashCodes: \(rows.count) values in rows of \(width), \(tables) tables of \(bits) bits") }
        return try unsafe StoredArray<UInt16>(count: count * tables) { codes throws(KernelError) in
            try unsafe withContext { context throws(KernelError) in
                let status = unsafe rows.withUnsafeBufferPointer { rows in
                    unsafe planes.planes.withUnsafeBufferPointer { directions in
                        unsafe planes.lifts.withUnsafeBufferPointer { planeLifts in
                            unsafe planes.thresholds.withUnsafeBufferPointer { thresholds in
                                func run(_ lifts: UnsafePointer<Float>?) -> ps_status {
                                    unsafe ps_lsh_codes(
                                        context, rows.baseAddress, lifts, directions.baseAddress, planeLifts.baseAddress, thresholds.baseAddress,
                                        Int64(count), Int64(width), Int64(tables), Int64(bits), codes.baseAddress)
                                }
                                guard let lifts else { return run(nil) }
                                return unsafe lifts.withUnsafeBufferPointer { unsafe run($0.baseAddress) }
                            }
                        }
                    }
                }
                try KernelError.check(status, "lsh_codes")
            }
        }
    }

    /// Products of one query (E) with every row (N, E) of a flat table; the same bits on any number of threads.
    func products(of query: [Float], rows: StoredArray<Float>) throws(KernelError) -> [Float] {
        guard !query.isEmpty, rows.count % query.count == 0 else {
            throw .shapeMismatch("products: a query of \(query.count) numbers against \(rows.count)")
        }
        let count = rows.count / query.count
        var out = [Float](repeating: 0, count: count)
        try unsafe withContext { context throws(KernelError) in
            let status = unsafe rows.withUnsafeBufferPointer { rows in
                unsafe ps_knn_scores_f32(context, query, rows.baseAddress, nil, Int64(count), Int64(query.count), Int64(count), &out)
            }
            try KernelError.check(status, "knn_scores")
        }
        return out
    }

    /// The scratch memory of ``weakAnd(_:terms:offsets:rows:queries:allowed:k:candidates:workspace:)``.
    func hashWorkspaceBytes(count: Int, mostTerms: Int, candidates: Int) throws(KernelError) -> Int {
        try unsafe withContext { context throws(KernelError) in
            var bytes: Int64 = 0
            try unsafe KernelError.check(
                ps_lsh_search_workspace_bytes(context, Int64(count), Int64(mostTerms), Int64(candidates), &bytes), "lsh_search_workspace")
            return Int(bytes)
        }
    }

    /// The k best of the rows with the largest sums of term weights; see `ps_lsh_search`.
    ///
    /// Shapes: terms of query q at offsets[q] ..< offsets[q + 1]; rows (N, E); queries (Q, E); allowed (N bits) optional. Nobody else may use
    /// the workspace meanwhile.
    func weakAnd(
        _ postings: StoredArray<UInt32>, terms: [HashTerm], offsets: [Int64], rows: StoredArray<Float>, queries: Matrix, allowed: [UInt64]?, k: Int,
        candidates: Int, workspace: GraphWorkspace
    ) throws(KernelError) -> (answers: GraphAnswers, visited: [Int64]) {
        let width = queries.columns, count = width > 0 ? rows.count / width : 0
        guard width > 0, rows.count % width == 0, offsets.count == queries.rows + 1, offsets.last == Int64(terms.count),
            allowed.map({ $0.count == (count + 63) / 64 }) ?? true
        else { throw .shapeMismatch("weakAnd: queries \(queries.shape), \(offsets.count) offsets of \(terms.count) terms") }
        guard workspace.threads == threads else { throw .shapeMismatch("weakAnd: \(threads) threads, a workspace for \(workspace.threads)") }
        let terms = terms.map { ps_lsh_term(begin: Int64($0.begin), end: Int64($0.end), weight: $0.weight, table: $0.table) }
        var ids = [Int64](repeating: 0, count: queries.rows * k)
        var scores = [Float](repeating: 0, count: queries.rows * k)
        var counts = [Int64](repeating: 0, count: queries.rows)
        var visited = counts
        try unsafe withContext { context throws(KernelError) in
            let status = unsafe postings.withUnsafeBufferPointer { postings in
                unsafe rows.withUnsafeBufferPointer { rows in
                    func run(_ allowed: UnsafePointer<UInt64>?) -> ps_status {
                        unsafe ps_lsh_search(
                            context, postings.baseAddress, Int64(postings.count), terms, offsets, rows.baseAddress, queries.values, allowed,
                            Int64(count), Int64(width), Int64(queries.rows), Int64(k), Int64(candidates), &ids, &scores, &counts, &visited,
                            workspace.pointer, Int64(workspace.bytes))
                    }
                    guard let allowed else { return run(nil) }
                    return unsafe allowed.withUnsafeBufferPointer { unsafe run($0.baseAddress) }
                }
            }
            try KernelError.check(status, "lsh_search")
        }
        return (GraphAnswers(ids: ids, scores: scores, counts: counts), visited)
    }
}
