import Foundation
import PinSageKit

/// How many neighborhoods and steps a second: `bench --walks GRAPH`.
///
/// GRAPH is a dataset, or a file of little-endian int32 pairs (item, collection) that ends in .i32. Figures are the median and the best of several
/// repetitions; on a machine that others use too, compare those by processor time. Seeds are spread over all items.
struct WalkRates {
    var path: String
    var isResident: Bool
    var threads: [Int]
    var seeds: Int
    var repetitions: Int

    func run() throws {
        let clock = ContinuousClock(), start = clock.now
        let graph = path.hasSuffix(".i32") ? try Self.pairs(path) : try Dataset.open(path, resident: isResident).graph
        let seconds = start.duration(to: clock.now) / .seconds(1)
        print(
            "\(graph.itemCount) items, \(graph.collectionCount) collections, \(graph.edgeCount) edges, \(isResident ? "resident" : "as it is"), "
                + String(format: "opened in %.4f s", seconds))
        guard graph.itemCount > 0 else { throw DataError("expected a graph with items", file: path) }
        // Consecutive multiples of a number near the golden section of the count: spread evenly, each item once or nearly so.
        let step = Int(Double(graph.itemCount) * 0.618) | 1
        let items = (0..<seeds).map { ItemID(($0 * step) % graph.itemCount) }
        for count in threads {
            let neighborhoods = try NeighborhoodSampler(graph: graph, configuration: WalkConfiguration(), seed: 1)
            try report("importance neighborhoods, 100 walks x 2 hops, 0.5, T 50", threads: count, per: items.count, "k items/s", 1e3) {
                _ = try neighborhoods.neighborhoods(of: items, threads: count)
            }
            for (walks, length) in [(50, 1), (1, 50)] {
                let raw = try RandomWalks(
                    graph: graph, configuration: WalkConfiguration(walks: walks, walkLength: length, restart: 0), seed: 1)
                // A hop is two steps: item to collection, collection to item.
                try report("raw walks of \(2 * length) steps, \(walks) from each item", threads: count, per: 100 * items.count, "M steps/s", 1e6) {
                    _ = try raw.visits(from: items, threads: count)
                }
            }
        }
    }

    private func report(_ what: String, threads: Int, per work: Int, _ unit: String, _ scale: Double, _ body: () throws -> Void) throws {
        try body()
        var seconds: [Double] = [], processorSeconds: [Double] = []
        let wall = ContinuousClock()
        for _ in 0..<repetitions {
            let start = wall.now, processor = clock()
            try body()
            seconds.append(start.duration(to: wall.now) / .seconds(1))
            processorSeconds.append(Double(clock() - processor) / Double(CLOCKS_PER_SEC))
        }
        seconds.sort()
        processorSeconds.sort()
        let rate = { (all: [Double]) in Double(work) / all[all.count / 2] / scale }
        print(
            String(
                format: "%d threads  %9.1f  (best %9.1f, a processor second %9.1f)  ", threads, rate(seconds), rate([seconds[0]]),
                rate(processorSeconds))
                + "\(unit)  \(what)")
    }

    /// Reads the pairs file of the peers' walk benchmark.
    private static func pairs(_ path: String) throws -> Graph {
        let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        guard bytes.count % 8 == 0, !bytes.isEmpty else { throw DataError("expected pairs of int32, found \(bytes.count) bytes", file: path) }
        var items: [UInt32] = [], collections: [UInt32] = []
        items.reserveCapacity(bytes.count / 8)
        collections.reserveCapacity(bytes.count / 8)
        unsafe bytes.withUnsafeBytes { raw in
            for position in stride(from: 0, to: raw.count, by: 8) {
                items.append(unsafe UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: position, as: UInt32.self)))
                collections.append(unsafe UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: position + 4, as: UInt32.self)))
            }
        }
        return try GraphBuilder.graph(
            itemCount: Int(items.max() ?? 0) + 1, collectionCount: Int(collections.max() ?? 0) + 1, items: items, collections: collections)
    }
}
