internal import COpenBLAS

extension Kernels {
    /// Eigenvalues and eigenvectors of a small symmetric matrix, by LAPACK's dsyev.
    ///
    /// - Parameter matrix: `order * order` elements; only one triangle is read, so it must be symmetric.
    /// - Returns: the eigenvalues in descending order, and vector `j` at `vectors[j * order ..< (j + 1) * order]`, of unit length. The sign of
    ///   a vector is LAPACK's choice.
    /// - Throws: ``KernelError/shapeMismatch(_:)`` for a wrong element count, ``KernelError/refused(kernel:status:)`` when the iteration does
    ///   not converge, as with NaN in the matrix.
    /// - Complexity: O(order^3)
    public func symmetricEigen(_ matrix: [Double], order: Int) throws(KernelError) -> (values: [Double], vectors: [Double]) {
        guard matrix.count == order * order, order <= 1 << 14 else {
            throw .shapeMismatch("symmetricEigen: \(matrix.count) elements for order \(order)")
        }
        guard order > 0 else { return ([], []) }
        guard matrix.allSatisfy(\.isFinite) else { throw .refused(kernel: "symmetricEigen", status: "NOT_FINITE") }
        var size = Int32(order), info: Int32 = 0
        var workSize = Int32(max(1, 34 * order))  // 3n - 1 at least; LAPACK's blocked form wants (block + 2) n, block = 32
        var vectors = matrix
        var values = [Double](repeating: 0, count: order)
        var work = [Double](repeating: 0, count: Int(workSize))
        var job: CChar = 0x56, triangle: CChar = 0x55  // "V" with vectors, "U" upper
        unsafe dsyev_(&job, &triangle, &size, &vectors, &size, &values, &work, &workSize, &info)
        guard info == 0 else { throw .refused(kernel: "symmetricEigen", status: "dsyev info \(info)") }
        // LAPACK answers in ascending order, vector j in column j of a column-major matrix: row j of ours.
        var descending = [Double]()
        descending.reserveCapacity(matrix.count)
        for row in stride(from: order - 1, through: 0, by: -1) { descending.append(contentsOf: vectors[row * order..<(row + 1) * order]) }
        return (values.reversed(), descending)
    }
}
