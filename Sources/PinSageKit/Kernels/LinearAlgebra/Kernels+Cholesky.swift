internal import COpenBLAS

extension Kernels {
    /// Replaces a symmetric positive definite matrix by its inverse, through LAPACK's Cholesky factor.
    ///
    /// Shapes: a (N,N); only its lower triangle is read.
    /// - Throws: ``KernelError/shapeMismatch(_:)``, and ``KernelError/refused(kernel:status:)`` when it is not positive definite in
    ///   float32; `a` is then half factored and useless.
    /// - Complexity: O(N³) on one thread (see ps_blas.h), no allocation.
    public func invertPositiveDefinite(_ a: inout Matrix) throws(KernelError) {
        guard a.rows == a.columns, let size = Int32(exactly: a.rows) else { throw .shapeMismatch("invertPositiveDefinite: \(a.shape)") }
        guard size > 0 else { return }
        var (n, info) = (size, Int32(0))
        // Row-major lower is column-major upper.
        var triangle: CChar = 85  // "U"
        let failed: String? = unsafe a.values.withUnsafeMutableBufferPointer { values in
            unsafe spotrf_(&triangle, &n, values.baseAddress, &n, &info)
            guard info == 0 else { return "not positive definite at row \(info)" }
            var order = n
            unsafe spotri_(&triangle, &n, values.baseAddress, &order, &info)
            guard info == 0 else { return "singular at row \(info)" }
            // LAPACK wrote one triangle; blocks keep the mirrored reads in cache.
            let (count, block) = (Int(size), 64)
            for top in stride(from: 0, to: count, by: block) {
                for left in stride(from: 0, through: top, by: block) {
                    for row in top..<min(top + block, count) {
                        for column in left..<min(left + block, row) {
                            unsafe values[column * count + row] = values[row * count + column]
                        }
                    }
                }
            }
            return nil
        }
        if let failed { throw .refused(kernel: "cholesky", status: failed) }
    }
}
