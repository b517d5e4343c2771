/// The leading singular triplets of a sparse matrix, by random projection.
///
/// Source:   Halko, Martinsson and Tropp 2011, "Finding structure with randomness", algorithms 4.4 (subspace iteration) and 5.1.
/// Equation: A ~ U diag(S) V', with U and V orthonormal, S descending.
/// Shapes:   A (N,M) as lists of (column, value); V (M,rank); S (rank).
/// Cost:     2 (1 + powerIterations) passes over A of nonzeros x (rank + oversampling) multiplications each.
///
/// Between passes the basis is made orthonormal from the eigenvectors of its Gram matrix, twice (Stathopoulos and Wu 2002): unlike
/// Cholesky, that also holds for a basis of deficient rank, whose missing directions become zero columns.
public struct RandomizedSVD: Sendable {
    /// Descending, never negative. Fewer than the rank asked for where A has no more.
    public let singularValues: [Float]
    /// Right singular vectors: column `j` belongs to `singularValues[j]`. Shape (M,rank). The element of largest magnitude is positive.
    public let rightVectors: Matrix

    /// - Parameters:
    ///   - lists: the rows of A; targets are columns in `0 ..< columns`.
    ///   - rank: how many triplets; fewer come back where A has fewer rows, columns or non-zero singular values.
    ///   - oversampling: extra random directions that are dropped in the end.
    ///   - powerIterations: more of them separate singular values that decay slowly, as those of text do.
    /// - Throws: ``KernelError``; also when a target is outside `0 ..< columns`.
    public init(
        of lists: RaggedLists, columns: Int, rank: Int, oversampling: Int = 16, powerIterations: Int = 2, seed: UInt64, kernels: Kernels,
        progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
    ) throws {
        let rows = lists.rowCount
        let width = min(rank + oversampling, rows, columns)
        guard width > 0, rank > 0, !lists.targets.isEmpty else {
            singularValues = []
            rightVectors = Matrix(rows: columns, columns: 0)
            return
        }
        let total = 2 * (powerIterations + 1)
        progress(0, total)
        let turned = try Self.transposed(lists, columns: columns)
        var basis = try kernels.pooled(Self.randomDirections(rows: columns, columns: width, seed: seed), lists: lists)
        progress(1, total)
        for step in 0..<powerIterations {
            let right = try Self.orthonormalized(kernels.pooled(Self.orthonormalized(basis, kernels), lists: turned), kernels)
            progress(2 * step + 2, total)
            basis = try kernels.pooled(right, lists: lists)
            progress(2 * step + 3, total)
        }
        // B' = A' Q (M, width); the eigenvectors of B B' = (B')' B' turn Q into U, and B' into V S.
        let projected = try kernels.pooled(Self.orthonormalized(basis, kernels), lists: turned)
        progress(total, total)
        let gram = try kernels.product(projected, transposed: true, projected)
        let (values, vectors) = try kernels.symmetricEigen(Self.symmetric(gram), order: width)
        // Below this share of the largest, the square of a singular value is rounding noise of the float Gram matrix.
        let floor = (values.first ?? 0) * 1e-6
        let kept = min(rank, values.prefix { $0 > floor && $0 > 0 }.count)
        singularValues = values.prefix(kept).map { Float($0.squareRoot()) }
        var turn = Matrix(rows: width, columns: kept)
        for column in 0..<kept {
            for row in 0..<width { turn[row, column] = Float(vectors[column * width + row] / values[column].squareRoot()) }
        }
        var right = try kernels.product(projected, turn)
        Self.fixSigns(&right)
        rightVectors = right
    }

    /// A' as lists, columns ascending within a list. - Complexity: O(nonzeros + columns)
    static func transposed(_ lists: RaggedLists, columns: Int) throws(KernelError) -> RaggedLists {
        var offsets = [Int64](repeating: 0, count: columns + 1)
        for target in lists.targets {
            guard target >= 0, Int(target) < columns else { throw .shapeMismatch("column \(target) of a matrix of \(columns) columns") }
            offsets[Int(target) + 1] += 1
        }
        for column in 0..<columns { offsets[column + 1] += offsets[column] }
        var next = offsets
        var targets = [Int32](repeating: 0, count: lists.targets.count)
        var weights = [Float](repeating: 0, count: lists.targets.count)
        for row in 0..<lists.rowCount {
            for slot in lists.range(of: row) {
                let column = Int(lists.targets[slot])
                let place = Int(next[column])
                next[column] += 1
                targets[place] = Int32(row)
                weights[place] = lists.weights[slot]
            }
        }
        return RaggedLists(offsets: offsets, targets: targets, weights: weights)
    }

    /// An orthonormal basis of the columns' span; directions that the columns do not span are zero columns.
    static func orthonormalized(_ x: Matrix, _ kernels: Kernels) throws -> Matrix {
        var basis = x
        for _ in 0..<2 {
            let gram = try symmetric(kernels.product(basis, transposed: true, basis))
            let order = basis.columns
            let (values, vectors) = try kernels.symmetricEigen(gram, order: order)
            let floor = (values.first ?? 0) * 1e-10
            var turn = Matrix(rows: order, columns: order)
            for column in 0..<order where values[column] > floor && values[column] > 0 {
                let scale = 1 / values[column].squareRoot()
                for row in 0..<order { turn[row, column] = Float(vectors[column * order + row] * scale) }
            }
            basis = try kernels.product(basis, turn)
        }
        return basis
    }

    private static func symmetric(_ gram: Matrix) -> [Double] {
        let order = gram.rows
        var result = [Double](repeating: 0, count: order * order)
        for row in 0..<order {
            for column in 0..<order { result[row * order + column] = (Double(gram[row, column]) + Double(gram[column, row])) / 2 }
        }
        return result
    }

    /// Independent numbers, uniform in -1..<1; element `i` depends on the seed and `i` alone. Uniform instead of the paper's normal numbers:
    /// the range finder asks only for independent directions, and these need no logarithm, so they are the same on every machine.
    static func randomDirections(rows: Int, columns: Int, seed: UInt64) -> Matrix {
        Matrix(
            rows: rows, columns: columns,
            values: (0..<rows * columns).map { position in
                let bits = TextHashing.finished(seed &+ UInt64(position + 1) &* 0x9E37_79B9_7F4A_7C15)
                return Float(Int64(bits >> 40) - (1 << 23)) / Float(1 << 23)
            })
    }

    /// A singular vector is known up to its sign; this choice makes the result a function of the matrix.
    private static func fixSigns(_ x: inout Matrix) {
        for column in 0..<x.columns {
            var largest: Float = 0
            for row in 0..<x.rows where abs(x[row, column]) > abs(largest) { largest = x[row, column] }
            guard largest < 0 else { continue }
            for row in 0..<x.rows { x[row, column] = -x[row, column] }
        }
    }
}
