internal import CKernels

/// int8 codes of a table, and what bounds the errors of their products; see `ps_knn_quantize_i8`. Shapes: codes (N,E); the others (N).
struct BoundedCodes: Sendable {
    var codes: StoredArray<Int8>
    var scales: StoredArray<Float>
    var residuals: StoredArray<Float>
    var norms: StoredArray<Float>
}

extension Kernels {
    /// Exact top-k by dot product; R = min(k, N) results per query, by score descending, equal scores by lower row first.
    ///
    /// Shapes: queries (Q,E); rows (N,E) flat; ids and scores (Q * R).
    public func topK(
        queries: Matrix, rows: StoredArray<Float>, k: Int
    ) throws(KernelError) -> (ids: [Int64], scores: [Float]) {
        let width = queries.columns
        guard width > 0, rows.count % width == 0, k >= 0 else {
            throw .shapeMismatch("topK: \(k) of queries \(queries.shape) against \(rows.count) values")
        }
        let count = rows.count / width
        let results = min(k, count)
        var ids = [Int64](repeating: 0, count: queries.rows * results)
        var scores = [Float](repeating: 0, count: queries.rows * results)
        try unsafe withContext { context throws(KernelError) in
            var bytes: Int64 = 0
            try unsafe KernelError.check(
                ps_knn_topk_workspace_bytes(context, Int64(count), Int64(width), Int64(queries.rows), Int64(k), &bytes), "knn_topk_workspace")
            var workspace = [UInt8](repeating: 0, count: Int(bytes))
            let status = unsafe rows.withUnsafeBufferPointer { rows in
                unsafe ps_knn_topk_f32(
                    context, queries.values, rows.baseAddress, Int64(count), Int64(width), Int64(queries.rows), Int64(k), &ids, &scores,
                    &workspace, bytes)
            }
            try KernelError.check(status, "knn_topk")
        }
        return (ids, scores)
    }

    /// The results of ``topK(queries:rows:k:)``, bit for bit, by a first pass over int8 codes of the same rows; see `ps_knn_topk_bounded_i8`.
    func topK(
        queries: Matrix, rows: StoredArray<Float>, codes: BoundedCodes, k: Int
    ) throws(KernelError) -> (ids: [Int64], scores: [Float]) {
        let width = queries.columns
        guard width > 0, rows.count % width == 0, codes.codes.count == rows.count, codes.scales.count == rows.count / width, k >= 0 else {
            throw .shapeMismatch("topK: \(k) of queries \(queries.shape) against \(rows.count) values and \(codes.codes.count) codes")
        }
        let count = rows.count / width
        let results = min(k, count)
        var ids = [Int64](repeating: 0, count: queries.rows * results)
        var scores = [Float](repeating: 0, count: queries.rows * results)
        try unsafe withContext { context throws(KernelError) in
            var bytes: Int64 = 0
            try unsafe KernelError.check(
                ps_knn_topk_bounded_workspace_bytes(context, Int64(count), Int64(width), Int64(queries.rows), Int64(k), &bytes),
                "knn_topk_bounded_workspace")
            var workspace = [UInt8](repeating: 0, count: Int(bytes))
            let status = unsafe rows.withUnsafeBufferPointer { rows in
                unsafe codes.codes.withUnsafeBufferPointer { values in
                    unsafe codes.scales.withUnsafeBufferPointer { scales in
                        unsafe codes.residuals.withUnsafeBufferPointer { residuals in
                            unsafe codes.norms.withUnsafeBufferPointer { norms in
                                unsafe ps_knn_topk_bounded_i8(
                                    context, queries.values, rows.baseAddress, values.baseAddress, scales.baseAddress, residuals.baseAddress,
                                    norms.baseAddress, Int64(count), Int64(width), Int64(queries.rows), Int64(k), &ids, &scores, nil,
                                    &workspace, bytes)
                            }
                        }
                    }
                }
            }
            try KernelError.check(status, "knn_topk_bounded")
        }
        return (ids, scores)
    }

    /// The codes that ``topK(queries:rows:codes:k:)`` compares first. Shapes: rows (N,width) flat.
    func boundedCodes(_ rows: StoredArray<Float>, width: Int) throws(KernelError) -> BoundedCodes {
        guard width > 0, rows.count % width == 0 else { throw .shapeMismatch("boundedCodes: \(rows.count) values in rows of \(width)") }
        let count = rows.count / width
        var codes = StoredArray<Int8>([]), residuals = StoredArray<Float>([]), norms = residuals
        let scales = try unsafe StoredArray<Float>(count: count) { scales throws(KernelError) in
            residuals = try unsafe StoredArray<Float>(count: count) { residuals throws(KernelError) in
                norms = try unsafe StoredArray<Float>(count: count) { norms throws(KernelError) in
                    codes = try unsafe StoredArray<Int8>(count: rows.count) { codes throws(KernelError) in
                        try unsafe withContext { context throws(KernelError) in
                            let status = unsafe rows.withUnsafeBufferPointer { rows in
                                unsafe ps_knn_quantize_i8(
                                    context, rows.baseAddress, Int64(count), Int64(width), codes.baseAddress, scales.baseAddress,
                                    residuals.baseAddress, norms.baseAddress)
                            }
                            try KernelError.check(status, "knn_quantize")
                        }
                    }
                }
            }
        }
        return BoundedCodes(codes: codes, scales: scales, residuals: residuals, norms: norms)
    }

    /// Exact top-k among some rows only: R = min(k, C) results per query, ordered as by ``topK(queries:rows:k:)`` and with its scores.
    ///
    /// Shapes: queries (Q,E); rows (N,E) flat; candidates (C), ascending; ids and scores (Q * R).
    public func topK(
        queries: Matrix, rows: StoredArray<Float>, candidates: [Int64], k: Int
    ) throws(KernelError) -> (ids: [Int64], scores: [Float]) {
        let width = queries.columns
        guard width > 0, rows.count % width == 0, k >= 0 else {
            throw .shapeMismatch("topK: \(k) of queries \(queries.shape) against \(rows.count) values")
        }
        let results = min(k, candidates.count)
        var ids: [Int64] = []
        var scores: [Float] = []
        var all = [Float](repeating: 0, count: candidates.count)
        var places = [Int64](repeating: 0, count: results)
        var values = [Float](repeating: 0, count: results)
        try unsafe withContext { context throws(KernelError) in
            for row in 0..<queries.rows {
                let status = unsafe rows.withUnsafeBufferPointer { rows in
                    unsafe ps_knn_scores_f32(
                        context, queries.row(row), rows.baseAddress, candidates, Int64(rows.count / width), Int64(width), Int64(candidates.count),
                        &all)
                }
                try KernelError.check(status, "knn_scores")
                try unsafe KernelError.check(
                    ps_topk_select_f32(context, all, Int64(all.count), 1, Int64(all.count), Int64(k), &places, &values), "topk_select")
                ids += places.map { candidates[Int($0)] }
                scores += values
            }
        }
        return (ids, scores)
    }

    /// Products of queries with the rows of a flat table: out[q,n] = queries[q,:] . rows[first + n,:] for `count` rows from `first`.
    public func scores(
        queries: Matrix, rows: StoredArray<Float>, first: Int, count: Int, into out: inout Matrix
    ) throws(KernelError) {
        let width = queries.columns
        guard width > 0, first >= 0, count >= 0, (first + count) * width <= rows.count else {
            throw .shapeMismatch("scores: queries \(queries.shape) against rows \(first)..<\(first + count) of \(rows.count) values")
        }
        out.reshape(rows: queries.rows, columns: count)
        try unsafe withContext { context throws(KernelError) in
            let status = unsafe rows.withUnsafeBufferPointer { rows in
                unsafe ps_matmul_f32(
                    context, queries.values, Int64(width), 0, rows.baseAddress.map { unsafe $0 + first * width }, Int64(width), 1,
                    Int64(queries.rows), Int64(count), Int64(width), 1, 0, &out.values, Int64(count))
            }
            try KernelError.check(status, "matmul")
        }
    }

    /// For each row of scores how many lie above and exactly at its threshold. Shapes: scores (Q,N); thresholds, above, equal (Q).
    public func countAbove(scores: Matrix, thresholds: [Float]) throws(KernelError) -> (above: [Int64], equal: [Int64]) {
        guard thresholds.count == scores.rows else {
            throw .shapeMismatch("countAbove: scores \(scores.shape), \(thresholds.count) thresholds")
        }
        var above = [Int64](repeating: 0, count: scores.rows)
        var equal = above
        try unsafe withContext { context throws(KernelError) in
            try unsafe KernelError.check(
                ps_knn_count_above_f32(
                    context, scores.values, Int64(scores.columns), thresholds, Int64(scores.rows), Int64(scores.columns), &above, &equal),
                "knn_count_above")
        }
        return (above, equal)
    }
}
