public import PinSageKit

/// Small graphs and features with a seed, for tests.
public enum TinyGraphs {
    /// A random bipartite graph in which every item has at least one edge.
    public static func random(items: Int, collections: Int, edgesPerItem: Int, seed: UInt64) -> Graph {
        var random = SplitMix(seed: seed)
        var pairs: Set<[Int]> = []
        for item in 0..<items { for _ in 0..<edgesPerItem { pairs.insert([item, Int(random.next() % UInt64(collections))]) } }
        return graph(items: items, collections: collections, edges: pairs.map { ($0[0], $0[1]) })
    }

    /// A graph of these edges.
    public static func graph(items: Int, collections: Int, edges: [(item: Int, collection: Int)]) -> Graph {
        func adjacency(rows: Int, _ list: [(Int, Int)]) -> Graph.Adjacency {
            let sorted = list.sorted { $0 < $1 }
            var offsets = [Int64](repeating: 0, count: rows + 1)
            for (row, _) in sorted { offsets[row + 1] += 1 }
            for row in 0..<rows { offsets[row + 1] += offsets[row] }
            return Graph.Adjacency(offsets: StoredArray(offsets), targets: StoredArray(sorted.map { UInt32($0.1) }))
        }
        return Graph(
            items: adjacency(rows: items, edges.map { ($0.item, $0.collection) }),
            collections: adjacency(rows: collections, edges.map { ($0.collection, $0.item) }))
    }

    /// Uniform values in -1 ..< 1.
    public static func matrix(rows: Int, columns: Int, seed: UInt64) -> Matrix {
        var random = SplitMix(seed: seed)
        return Matrix(rows: rows, columns: columns, values: (0..<rows * columns).map { _ in random.signedUnit() })
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014), for tests that need numbers with a seed.
public struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// Uniform in -1 ..< 1.
    public mutating func signedUnit() -> Float { Float(next() >> 40) * 0x1p-23 - 1 }
}
