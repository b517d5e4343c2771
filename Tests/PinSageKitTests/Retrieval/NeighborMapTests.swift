import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite struct NeighborMapTests {
    /// Points around 20 centers in 16 dimensions, whose first two principal axes can keep but a few apart.
    private func clusters(_ count: Int, seed: UInt64 = 3) throws -> (embeddings: Embeddings, cluster: [Int]) {
        let centers = TinyGraphs.matrix(rows: 20, columns: 16, seed: seed), noise = TinyGraphs.matrix(rows: count, columns: 16, seed: seed + 1)
        var matrix = Matrix(rows: count, columns: 16)
        for row in 0..<count { for column in 0..<16 { matrix[row, column] = centers[row % 20, column] + 0.25 * noise[row, column] } }
        let vectors = try Kernels(threads: 1).normalized(StoredArray(matrix.values), width: 16)
        let embeddings = try Embeddings(
            identifiers: Identifiers((0..<count).map { "i\($0)" }), vectors: vectors, dimension: 16, isNormalized: true)
        return (embeddings, (0..<count).map { $0 % 20 })
    }

    /// The mean share of an item's ten nearest on the plane that are among its ten nearest by embedding.
    private func kept(_ places: [Float], axes: Int, _ embeddings: Embeddings) throws -> Double {
        let count = embeddings.count
        let index = ExactIndex(embeddings: embeddings, kernels: try Kernels(threads: 1))
        let nearest = try index.neighbors(
            of: Matrix(rows: count, columns: embeddings.dimension, values: Array(embeddings.vectors)), k: 11, excluding: [])
        var sum = 0
        for row in 0..<count {
            let distances = (0..<count).map { other -> (Float, Int) in
                let x = places[axes * row] - places[axes * other], y = places[axes * row + 1] - places[axes * other + 1]
                return (other == row ? .infinity : x * x + y * y, other)
            }
            let near = Set(distances.sorted { $0 < $1 }.prefix(10).map(\.1))
            sum += nearest[row].filter { near.contains(Int($0.item.row)) }.count
        }
        return Double(sum) / Double(10 * count)
    }

    /// Of how many items the one nearest on the plane is of the same cluster.
    private func nearestIsAlike(_ places: [Float], _ cluster: [Int]) -> Int {
        var same = 0
        for row in cluster.indices {
            var best = (distance: Float.infinity, other: -1)
            for other in cluster.indices where other != row {
                let x = places[2 * row] - places[2 * other], y = places[2 * row + 1] - places[2 * other + 1]
                if x * x + y * y < best.distance { best = (x * x + y * y, other) }
            }
            if cluster[best.other] == cluster[row] { same += 1 }
        }
        return same
    }

    @Test func keepsNeighborsBetterThanThePrincipalAxes() throws {
        let (embeddings, cluster) = try clusters(800)
        let index = ExactIndex(embeddings: embeddings, kernels: try Kernels(threads: 2))
        let map = try NeighborMap(of: index, threads: 2)
        let linear = try PrincipalProjection(of: embeddings, limit: 800).places(of: embeddings, threads: 1)
        let places = Array(map.coordinates)
        let (ours, theirs) = (try kept(places, axes: 2, embeddings), try kept(linear, axes: 2, embeddings))
        // Clusters of 40 without a shape: whoever keeps them apart and nothing else keeps a quarter.
        #expect(ours > 0.4 && ours > 1.4 * theirs, "kept \(ours), by the principal axes \(theirs)")
        let (same, linearSame) = (nearestIsAlike(places, cluster), nearestIsAlike(linear, cluster))
        #expect(same > 780 && same > linearSame, "\(same) of 800, by the principal axes \(linearSame)")
        #expect(places.allSatisfy { $0.isFinite && $0.magnitude < 200 })
    }

    @Test func isTheSameOnAnyNumberOfThreads() throws {
        let (embeddings, _) = try clusters(5000)
        var configuration = NeighborMap.Configuration()
        configuration.epochs = 20
        let maps = try [1, 2, 7].map { threads in
            try NeighborMap(
                of: ExactIndex(embeddings: embeddings, kernels: Kernels(threads: threads)), configuration: configuration, threads: threads)
        }
        #expect(maps.allSatisfy { Array($0.coordinates) == Array(maps[0].coordinates) && Array($0.shades) == Array(maps[0].shades) })
        configuration.seed = 2
        let other = try NeighborMap(of: ExactIndex(embeddings: embeddings, kernels: Kernels()), configuration: configuration, threads: 2)
        #expect(Array(other.coordinates) != Array(maps[0].coordinates))
    }

    @Test func membershipsSumToTheLogarithm() {
        let shares = MembershipGraph.memberships([0.9, 0.8, 0.75, 0.5, 0.1, -0.2, -0.2, -0.3])
        #expect(shares[0] == 1 && abs(shares.reduce(0, +) - 3) < 1e-4)
        #expect(zip(shares, shares.dropFirst()).allSatisfy { $0 >= $1 })
        #expect(MembershipGraph.memberships([0.5, 0.5, 0.5]) == [1, 1, 1] && MembershipGraph.memberships([0.1]) == [1])
    }

    /// Duplicates, one item, none, one dimension: places are finite, and duplicates part.
    @Test func survivesWhatIsDegenerate() throws {
        let kernels = try Kernels(threads: 2)
        for (count, width) in [(0, 4), (1, 4), (2, 4), (60, 1), (60, 4)] {
            let embeddings = try Embeddings(
                identifiers: Identifiers((0..<count).map { "i\($0)" }), vectors: StoredArray([Float](repeating: 0.5, count: count * width)),
                dimension: width, isNormalized: false)
            let map = try NeighborMap(of: ExactIndex(embeddings: embeddings, kernels: kernels), threads: 2)
            #expect(map.coordinates.count == 2 * count && map.coordinates.allSatisfy(\.isFinite) && map.shades.allSatisfy(\.isFinite))
            let places = (0..<count).map { row -> [Float] in [map.coordinates[2 * row], map.coordinates[2 * row + 1]] }
            #expect(Set(places).count == count)
        }
    }

    @Test func isWrittenAndOpened() throws {
        let folder = try TemporaryFolder()
        let (embeddings, _) = try clusters(100)
        try embeddings.write(to: folder["v"])
        let index = ExactIndex(embeddings: try Embeddings.open(folder["v"]), kernels: try Kernels(threads: 1))
        var configuration = NeighborMap.Configuration()
        configuration.epochs = 5
        let map = try NeighborMap(of: index, configuration: configuration, threads: 1)
        try map.write(to: folder["m"])
        let opened = try NeighborMap.open(folder["m"])
        #expect(Array(opened.coordinates) == Array(map.coordinates) && Array(opened.shades) == Array(map.shades))
        #expect(opened.vectorsChecksum != nil && opened.vectorsChecksum == index.embeddings.vectorsChecksum && opened.identifiers[7] == "i7")
        #expect(throws: DataError.self) { try NeighborMap.open(folder["v"]) }
        // The index keeps the vectors' bytes, so a map of the one is a map of the other.
        try index.write(to: folder["x"])
        #expect(try StoredIndex.open(folder["x"], kernels: Kernels()).embeddings.vectorsChecksum == opened.vectorsChecksum)
        configuration.neighbors = 1
        #expect(throws: ConfigurationError.self) { try NeighborMap(of: index, configuration: configuration, threads: 1) }
    }
}
