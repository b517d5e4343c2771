#if canImport(Darwin)
    internal import Darwin
#else
    internal import Glibc
#endif

extension Double {
    /// The natural logarithm.
    var logarithm: Double { log(self) }

    /// This number, which must not be negative, to a power.
    func raised(to exponent: Double) -> Double { pow(self, exponent) }
}

/// Adds up the visits of a long walk, one counter per item of the graph: 4 bytes an item, of which only visited ones are touched.
///
/// For walks of many thousand hops; ``VisitCounter`` is better for a few hundred. One tally belongs to one thread.
@safe final class VisitTally {
    private let counts: UnsafeMutablePointer<UInt32>
    private let itemCount: Int
    /// Whether ``take()`` looks through all counters. Up to this many that is quicker than to keep and sort a list of visited items.
    private let isSmall: Bool
    private var touched: [UInt32] = []
    /// Items that reached the threshold of the current walk.
    private var frequent = 0
    private var engine: (engine: WalkEngine, restart: Double, seed: UInt64)?

    init(itemCount: Int) {
        self.itemCount = itemCount
        isSmall = itemCount <= 1 << 21
        // Zeroed pages come from the system untouched, so that a tally of 1e8 items costs what its walk visits.
        unsafe counts = calloc(max(itemCount, 1), MemoryLayout<UInt32>.stride).bindMemory(to: UInt32.self, capacity: max(itemCount, 1))
    }

    deinit { unsafe free(counts) }

    /// The engine of this thread's Pixie walks, made once.
    func engine(restart: Double, seed: UInt64) -> WalkEngine {
        if let known = engine, known.restart == restart, known.seed == seed { return known.engine }
        let made = WalkEngine(
            configuration: WalkConfiguration(
                walks: PixieRecommender.walksPerRound, walkLength: PixieRecommender.walkLength, restart: restart, neighbors: 1),
            random: CounterRandom(seed: seed, round: 0x7069_7869_65))
        engine = (made, restart, seed)
        return made
    }

    /// Counts visits of items other than `seed`. - Returns: how many items have had at least `threshold` visits since ``take()``.
    func add(_ visits: UnsafePointer<UInt32>, count: Int, seed: UInt32, threshold: Int) -> Int {
        let threshold = UInt32(clamping: threshold)
        if isSmall {
            var reached = 0
            for index in 0..<count {
                let item = unsafe Int(visits[index])
                let visited = unsafe counts[item] &+ 1
                unsafe counts[item] = visited
                reached &+= visited == threshold && item != Int(seed) ? 1 : 0
            }
            unsafe counts[Int(seed)] = 0
            frequent += reached
            return frequent
        }
        for index in 0..<count {
            let item = unsafe visits[index]
            if item == seed { continue }
            let visited = unsafe counts[Int(item)] &+ 1
            unsafe counts[Int(item)] = visited
            if visited == 1 { touched.append(item) }
            if visited == threshold { frequent += 1 }
        }
        return frequent
    }

    /// The visits so far, by ascending row, and starts again from zero.
    func take() -> [(item: UInt32, visits: UInt32)] {
        if isSmall {
            var taken: [(item: UInt32, visits: UInt32)] = []
            for item in 0..<itemCount where unsafe counts[item] != 0 {
                taken.append((UInt32(item), unsafe counts[item]))
                unsafe counts[item] = 0
            }
            frequent = 0
            return taken
        }
        touched.sort()
        let taken = touched.map { unsafe (item: $0, visits: counts[Int($0)]) }
        for item in touched { unsafe counts[Int(item)] = 0 }
        touched.removeAll(keepingCapacity: true)
        frequent = 0
        return taken
    }
}
