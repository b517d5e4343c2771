import Testing

@testable import PinSageKit

@Suite struct RandomizedSVDTests {
    private let kernels: Kernels

    init() throws { kernels = try Kernels(threads: 2) }

    /// Deterministic values in -1...1.
    private func noise(_ index: Int) -> Double {
        Double(Int64(bitPattern: TextHashing.finished(UInt64(index + 1) &* 0x9E37_79B9_7F4A_7C15)) >> 11) / Double(1 << 52)
    }

    /// A = sum over r of s[r] u_r v_r', with u and v orthonormal by construction (Gram-Schmidt in Double).
    private func matrix(rows: Int, columns: Int, singularValues: [Double]) -> (lists: RaggedLists, right: [[Double]], dense: [[Double]]) {
        func basis(_ length: Int, _ count: Int, _ salt: Int) -> [[Double]] {
            var vectors: [[Double]] = []
            for index in 0..<count {
                var vector = (0..<length).map { noise(salt + index * length + $0) }
                for _ in 0..<2 {
                    for other in vectors {
                        let dot = zip(vector, other).reduce(0) { $0 + $1.0 * $1.1 }
                        vector = zip(vector, other).map { $0 - dot * $1 }
                    }
                }
                let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
                vectors.append(vector.map { $0 / norm })
            }
            return vectors
        }
        let left = basis(rows, singularValues.count, 1), right = basis(columns, singularValues.count, 100_003)
        var dense = Array(repeating: Array(repeating: 0.0, count: columns), count: rows)
        for (index, value) in singularValues.enumerated() {
            for row in 0..<rows { for column in 0..<columns { dense[row][column] += value * left[index][row] * right[index][column] } }
        }
        var lists = RaggedLists()
        for row in dense { lists.append(row.enumerated().map { (target: Int32($0.offset), weight: Float($0.element)) }) }
        return (lists, right, dense)
    }

    @Test(arguments: [(40, 25), (25, 40), (60, 60)])
    func findsTheExactTriplets(_ rows: Int, _ columns: Int) throws {
        let values = [9.0, 7, 4, 3, 2, 1, 0.5, 0.25]
        let (lists, right, _) = matrix(rows: rows, columns: columns, singularValues: values)
        let svd = try RandomizedSVD(of: lists, columns: columns, rank: 5, oversampling: 6, seed: 3, kernels: kernels)
        #expect(svd.rightVectors.rows == columns && svd.rightVectors.columns == 5)
        for index in 0..<5 {
            #expect(abs(Double(svd.singularValues[index]) - values[index]) < 1e-4 * values[0], "value \(index): \(svd.singularValues[index])")
            let dot = (0..<columns).reduce(0.0) { $0 + Double(svd.rightVectors[$1, index]) * right[index][$1] }
            #expect(abs(abs(dot) - 1) < 1e-4, "vector \(index): cosine \(dot)")
            let column = (0..<columns).map { svd.rightVectors[$0, index] }
            #expect(column.max { abs($0) < abs($1) } ?? -1 > 0)
        }
    }

    /// Half of the values cannot be represented by the other half: the projection error is near that of the best rank (Eckart and Young).
    @Test func slowDecayIsNearTheBestApproximation() throws {
        let values = (0..<40).map { 10.0 / Double($0 + 1).squareRoot() }
        let (lists, _, dense) = matrix(rows: 90, columns: 70, singularValues: values)
        let rank = 12
        let svd = try RandomizedSVD(of: lists, columns: 70, rank: rank, seed: 5, kernels: kernels)
        var captured = 0.0
        for row in dense {
            for column in 0..<rank {
                let dot = (0..<70).reduce(0.0) { $0 + row[$1] * Double(svd.rightVectors[$1, column]) }
                captured += dot * dot
            }
        }
        let best = values.prefix(rank).reduce(0) { $0 + $1 * $1 }
        #expect(captured > 0.999 * best && captured < 1.0001 * best, "captured \(captured) of \(best)")
    }

    @Test func deficientRankGivesFewerTriplets() throws {
        let (lists, _, _) = matrix(rows: 30, columns: 20, singularValues: [5, 2])
        let svd = try RandomizedSVD(of: lists, columns: 20, rank: 8, seed: 1, kernels: kernels)
        #expect(svd.singularValues.count == 2)
        #expect(svd.rightVectors.columns == 2)
        #expect(svd.rightVectors.values.allSatisfy { $0.isFinite })
    }

    @Test func degenerateMatrices() throws {
        #expect(try RandomizedSVD(of: RaggedLists(), columns: 0, rank: 4, seed: 1, kernels: kernels).singularValues.isEmpty)
        var empty = RaggedLists()
        empty.append([(target: Int32, weight: Float)]())
        #expect(try RandomizedSVD(of: empty, columns: 3, rank: 4, seed: 1, kernels: kernels).rightVectors.rows == 3)
        var zero = RaggedLists()
        zero.append([(target: 1, weight: 0)])
        #expect(try RandomizedSVD(of: zero, columns: 3, rank: 4, seed: 1, kernels: kernels).singularValues.isEmpty)
        var one = RaggedLists()
        one.append([(target: 1, weight: -3)])
        let svd = try RandomizedSVD(of: one, columns: 3, rank: 4, seed: 1, kernels: kernels)
        #expect(svd.singularValues.count == 1 && abs(svd.singularValues[0] - 3) < 1e-5)
        #expect(abs(svd.rightVectors[1, 0] - 1) < 1e-5)
    }

    @Test func columnsOutsideAreRefused() {
        var lists = RaggedLists()
        lists.append([(target: 3, weight: 1)])
        #expect(throws: KernelError.self) { try RandomizedSVD(of: lists, columns: 3, rank: 1, seed: 1, kernels: kernels) }
    }

    @Test func sameSeedSameBits() throws {
        let (lists, _, _) = matrix(rows: 50, columns: 30, singularValues: (1...20).map { Double(21 - $0) })
        let first = try RandomizedSVD(of: lists, columns: 30, rank: 6, seed: 9, kernels: kernels)
        let second = try RandomizedSVD(of: lists, columns: 30, rank: 6, seed: 9, kernels: kernels)
        #expect(first.rightVectors == second.rightVectors && first.singularValues == second.singularValues)
    }

    @Test func transposing() throws {
        let lists = RaggedLists(offsets: [0, 2, 2, 5], targets: [1, 3, 0, 1, 3], weights: [1, 2, 3, 4, 5])
        let turned = try RandomizedSVD.transposed(lists, columns: 4)
        #expect(turned == RaggedLists(offsets: [0, 1, 3, 3, 5], targets: [2, 0, 2, 0, 2], weights: [3, 1, 4, 2, 5]))
        #expect(try RandomizedSVD.transposed(turned, columns: 3) == lists)
    }

    @Test func symmetricEigenvalues() throws {
        // Eigenvalues of [[2,1],[1,2]] are 3 and 1, with vectors (1,1) and (1,-1).
        let (values, vectors) = try kernels.symmetricEigen([2, 1, 1, 2], order: 2)
        #expect(abs(values[0] - 3) < 1e-12 && abs(values[1] - 1) < 1e-12)
        #expect(abs(vectors[0] - vectors[1]) < 1e-12 && abs(vectors[2] + vectors[3]) < 1e-12)
        #expect(throws: KernelError.self) { try kernels.symmetricEigen([1, 2, 3], order: 2) }
        #expect(throws: KernelError.self) { try kernels.symmetricEigen([.nan, 0, 0, 1], order: 2) }
        #expect(try kernels.symmetricEigen([], order: 0).values.isEmpty)
    }
}
