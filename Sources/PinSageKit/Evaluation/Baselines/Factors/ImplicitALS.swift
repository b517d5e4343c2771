#if canImport(Darwin)
    internal import Darwin
#else
    internal import Glibc
#endif

/// Matrix factorization of implicit feedback by alternating least squares.
///
/// Source:   Hu, Koren, Volinsky 2008, in the form of Rendle, Krichene, Zhang, Koren 2022 ("Revisiting the performance of iALS").
/// Equation: minimise  sum over memberships (c, i) of (1 - p_c . q_i)^2  +  unobserved * sum over all (c, i) of (p_c . q_i)^2
///           + regularization * ( sum_c (n_c + unobserved * N)^exponent |p_c|^2 + sum_i (n_i + unobserved * C)^exponent |q_i|^2 )
///           with n the degrees, by solving for all p exactly, then for all q, and so on. Weights of memberships are not looked at.
/// Numerics: fp32; every sum has a fixed order, so any thread count gives the same bits.
public struct ImplicitALS: Sendable {
    /// Sizes, weights and the penalty of the factorization.
    public struct Configuration: Sendable, Equatable {
        public var factors = 64
        /// Pairs of half-steps.
        public var epochs = 16
        /// The weight of a pair that is no membership beside one that is (alpha_0).
        public var unobserved: Float = 0.1
        public var regularization: Float = 0.003
        /// How the penalty grows with the degree (nu); 1, as the revisited form recommends.
        public var exponent: Float = 1
        /// Standard deviation of the start, times 1 / sqrt(factors).
        public var deviation: Float = 0.1
        public var seed: UInt64 = 1

        public init() {}
    }

    /// - Throws: ``DataError`` when the tables would not fit; ``KernelError`` when a system cannot be solved in fp32.
    /// - Complexity: O(epochs * (edges * factors^2 + (N + C) * factors^3)) time; (N + C) * factors * 4 bytes and factors^2 * 4 a thread.
    public static func train(
        _ graph: Graph, configuration: Configuration, threads: Int, progress: LatentFactors.Progress = { _, _ in }
    ) throws -> LatentFactors {
        let width = (configuration.factors + 7) / 8 * 8
        try LatentFactors.checkMemory("ials", bytes: ((graph.itemCount + graph.collectionCount) * width + threads * width * width) * 4)
        func start(_ rows: Int, _ stream: UInt64) -> Matrix {
            LatentFactors.gaussian(
                rows: rows, columns: configuration.factors, deviation: configuration.deviation / Float(configuration.factors).squareRoot(),
                seed: configuration.seed &+ stream << 32
            ).widened(to: width)
        }
        var items = start(graph.itemCount, 1)
        var collections = start(graph.collectionCount, 2)
        for epoch in 0..<configuration.epochs {
            try solve(graph.collections, other: items, into: &collections, configuration: configuration, threads: threads)
            try solve(graph.items, other: collections, into: &items, configuration: configuration, threads: threads)
            progress(epoch + 1, configuration.epochs)
        }
        return LatentFactors(items: items, collections: collections)
    }

    /// Rows of `table` become the exact minimum for fixed `other`. Columns beyond the factors are 0 in both and stay so.
    static func solve(
        _ adjacency: Graph.Adjacency, other: Matrix, into table: inout Matrix, configuration: Configuration, threads: Int
    ) throws {
        let width = other.columns
        var gram = try gram(of: other, threads: threads)
        for index in gram.indices { gram[index] *= configuration.unobserved }
        let prior = gram
        let all = configuration.unobserved * Float(other.rows)
        try unsafe table.values.withUnsafeMutableBufferPointer { table in
            nonisolated(unsafe) let table = unsafe table  // each row is written by one range
            try parallelFor(adjacency.rowCount, threads: threads, grain: 64) { range in
                var system = LinearSystem(width: width)
                try unsafe other.values.withUnsafeBufferPointer { other in
                    for row in range {
                        let line = unsafe UnsafeMutableBufferPointer(rebasing: table[row * width..<(row + 1) * width])
                        let edges = adjacency.range(of: row)
                        guard !edges.isEmpty else {
                            unsafe line.update(repeating: 0)
                            continue
                        }
                        system.begin(prior)
                        for position in edges {
                            let start = Int(adjacency.targets[position]) * width
                            guard start + width <= other.count else { continue }  // damage in an unverified file
                            unsafe system.add(UnsafeBufferPointer(rebasing: other[start..<start + width]))
                        }
                        system.addToDiagonal(configuration.regularization * powf(Float(edges.count) + all, configuration.exponent))
                        guard system.solve() else {
                            throw KernelError.refused(
                                kernel: "ials", status: "the system of row \(row) is not positive definite; try a larger regularization")
                        }
                        for column in 0..<width { unsafe line[column] = system.solution[column] }
                    }
                }
            }
        }
    }

    /// X'X, summed in pieces of fixed size and in their order. Shapes: (E, E) row-major.
    private static func gram(of table: Matrix, threads: Int) throws -> [Float] {
        let (width, piece) = (table.columns, 1024)
        let parts = try parallelMap((table.rows + piece - 1) / piece, threads: threads, grain: 1) { range in
            range.map { part in
                var system = LinearSystem(width: width)
                system.begin([Float](repeating: 0, count: width * width))
                unsafe table.values.withUnsafeBufferPointer { values in
                    for row in part * piece..<min((part + 1) * piece, table.rows) {
                        unsafe system.add(UnsafeBufferPointer(rebasing: values[row * width..<(row + 1) * width]))
                    }
                }
                return system.matrix
            }
        }
        var sum = [Float](repeating: 0, count: width * width)
        for part in parts { for index in sum.indices { sum[index] += part[index] } }
        return sum
    }
}

/// One thread's symmetric positive definite system A x = b, of which the lower triangle is kept.
struct LinearSystem {
    /// A multiple of 8, so that whole SIMD vectors need no remainder.
    let width: Int
    private(set) var matrix: [Float]
    private(set) var solution: [Float]

    init(width: Int) {
        precondition(width % 8 == 0, "a width of \(width)")
        self.width = width
        matrix = Array(repeating: 0, count: width * width)
        solution = Array(repeating: 0, count: width)
    }

    /// A = prior, b = 0.
    mutating func begin(_ prior: [Float]) {
        let count = width * width
        unsafe matrix.withUnsafeMutableBufferPointer { matrix in
            unsafe prior.withUnsafeBufferPointer { prior in
                for index in 0..<count { unsafe matrix[index] = prior[index] }
            }
        }
        for column in 0..<width { solution[column] = 0 }
    }

    /// A += x x' (lower triangle, in whole vectors), b += x.
    mutating func add(_ x: UnsafeBufferPointer<Float>) {
        let width = width
        unsafe matrix.withUnsafeMutableBytes { matrix in
            let x = UnsafeRawBufferPointer(x)
            for row in 0..<width {
                let factor = unsafe x.loadUnaligned(fromByteOffset: row * 4, as: Float.self)
                let start = row * width * 4
                var offset = 0
                while offset <= row * 4 {
                    let sum =
                        unsafe matrix.loadUnaligned(fromByteOffset: start + offset, as: SIMD8<Float>.self)
                        + factor * x.loadUnaligned(fromByteOffset: offset, as: SIMD8<Float>.self)
                    unsafe matrix.storeBytes(of: sum, toByteOffset: start + offset, as: SIMD8<Float>.self)
                    offset += 32
                }
            }
        }
        for column in 0..<width { unsafe solution[column] += x[column] }
    }

    mutating func addToDiagonal(_ value: Float) {
        for row in 0..<width { matrix[row * width + row] += value }
    }

    /// Cholesky factor in place, then both triangles. - Returns: `false` when A is not positive definite in fp32.
    mutating func solve() -> Bool {
        let width = width
        return unsafe matrix.withUnsafeMutableBufferPointer { a in
            unsafe solution.withUnsafeMutableBufferPointer { b in
                // Row by row: L[r, c] = (A[r, c] - L[r, ..<c] . L[c, ..<c]) / L[c, c]
                for row in 0..<width {
                    for column in 0...row {
                        let sum = unsafe a[row * width + column] - LinearSystem.dot(a, row * width, column * width, column)
                        if column < row {
                            unsafe a[row * width + column] = sum / a[column * width + column]
                        } else {
                            guard sum > 0, sum.isFinite else { return false }
                            unsafe a[row * width + row] = sum.squareRoot()
                        }
                    }
                }
                for row in 0..<width {
                    var sum = unsafe b[row]
                    for column in 0..<row { unsafe sum -= a[row * width + column] * b[column] }
                    unsafe b[row] = sum / a[row * width + row]
                }
                for row in stride(from: width - 1, through: 0, by: -1) {
                    let value = unsafe b[row] / a[row * width + row]
                    unsafe b[row] = value
                    for column in 0..<row { unsafe b[column] -= value * a[row * width + column] }
                }
                return true
            }
        }
    }

    @inline(__always) private static func dot(_ a: UnsafeMutableBufferPointer<Float>, _ one: Int, _ other: Int, _ count: Int) -> Float {
        let bytes = UnsafeRawBufferPointer(UnsafeBufferPointer(a))
        var sums = SIMD8<Float>.zero
        var index = 0
        while index + 8 <= count {
            unsafe sums +=
                bytes.loadUnaligned(fromByteOffset: (one + index) * 4, as: SIMD8<Float>.self)
                * bytes.loadUnaligned(fromByteOffset: (other + index) * 4, as: SIMD8<Float>.self)
            index += 8
        }
        var sum = sums.sum()
        while index < count {
            unsafe sum += a[one + index] * a[other + index]
            index += 1
        }
        return sum
    }
}
