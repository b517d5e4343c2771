import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite struct PrincipalProjectionTests {
    private func embeddings(_ matrix: Matrix) throws -> Embeddings {
        try Embeddings(
            identifiers: Identifiers((0..<matrix.rows).map { "i\($0)" }), vectors: StoredArray(matrix.values), dimension: matrix.columns,
            isNormalized: false)
    }

    /// Points on a tilted, stretched plane come out along its axes with their variances.
    @Test func findsThePlane() throws {
        let noise = TinyGraphs.matrix(rows: 500, columns: 3, seed: 4)
        let a: [Float] = [0.6, 0.8, 0, 0, 0], b: [Float] = [0, 0, 0.6, 0, -0.8]
        var matrix = Matrix(rows: 500, columns: 5)
        for row in 0..<500 {
            for column in 0..<5 { matrix[row, column] = 10 * noise[row, 0] * a[column] + 3 * noise[row, 1] * b[column] + 7 }
            matrix[row, 3] += 0.01 * noise[row, 2]
        }
        let projection = PrincipalProjection(of: try embeddings(matrix), limit: 1000)
        #expect(projection.items.count == 500 && projection.shares[0] > 0.85 && abs(projection.shares[0] + projection.shares[1] - 1) < 1e-3)
        let meanA = (0..<500).reduce(Float(0)) { $0 + noise[$1, 0] } / 500
        for row in [0, 17, 499] { #expect(abs(projection.coordinates[row, 0] - 10 * (noise[row, 0] - meanA)) < 0.3) }
    }

    @Test func drawsEvenlyAndSurvivesNothing() throws {
        let projection = PrincipalProjection(of: try embeddings(TinyGraphs.matrix(rows: 100, columns: 4, seed: 1)), limit: 10, axes: 3)
        #expect(projection.items.map(\.row) == [0, 10, 20, 30, 40, 50, 60, 70, 80, 90])
        let items = try embeddings(TinyGraphs.matrix(rows: 100, columns: 4, seed: 1))
        for (row, item) in projection.items.enumerated() {
            #expect(projection.place(of: items[item]) == (0..<3).map { projection.coordinates[row, $0] })
        }
        let flat = PrincipalProjection(of: try embeddings(Matrix(rows: 5, columns: 4)), limit: 10)
        #expect(flat.coordinates.values.allSatisfy { $0 == 0 } && flat.shares == [0, 0])
        #expect(PrincipalProjection(of: try embeddings(Matrix(rows: 0, columns: 4)), limit: 10).items.isEmpty)
    }
}
