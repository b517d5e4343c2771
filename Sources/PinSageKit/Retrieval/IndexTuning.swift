/// Measures kinds of index and their settings on the user's own vectors, and picks one for a recall and a latency.
///
/// Items serve as queries, and are not counted among their own neighbors; the truth is the exact index's. Times are those of this machine, in this hour:
/// the choice may differ from run to run, what is chosen is built as always.
public struct IndexTuning: Sendable {
    /// What is asked for.
    public struct Goal: Sendable, Hashable {
        /// The least share of the true k nearest.
        public var recall: Double
        /// The most milliseconds of a query, for 99 of 100; `nil` is as fast as it gets.
        public var milliseconds: Double?
        public var k: Int

        public init(recall: Double = 0.95, milliseconds: Double? = nil, k: Int = 10) {
            self.recall = recall
            self.milliseconds = milliseconds
            self.k = k
        }

        /// - Throws: ``ConfigurationError`` that names the first value outside its range.
        public func validate() throws {
            guard recall > 0, recall <= 1 else { throw ConfigurationError("recall is \(recall), expected more than 0 and at most 1") }
            if let milliseconds, !(milliseconds > 0) { throw ConfigurationError("milliseconds is \(milliseconds), expected more than 0") }
            guard 1...10_000 ~= k else { throw ConfigurationError("k is \(k), expected 1 to 10000") }
        }
    }

    /// One setting of one index, measured.
    public struct Measurement: Sendable {
        public var kind: String
        /// As the command line would have it, e.g. `--storage int8 --ef 64`.
        public var settings: String
        public var recall: Double
        /// Single queries, one after the other.
        public var medianMilliseconds: Double
        public var p99Milliseconds: Double
        /// All queries in one batch.
        public var queriesPerSecond: Double
        public var buildSeconds: Double
        public var index: any NearestNeighborIndex
    }

    public var goal: Goal
    /// Every measurement, kind by kind, with rising recall.
    public private(set) var measurements: [Measurement] = []

    public init(goal: Goal) throws {
        try goal.validate()
        self.goal = goal
    }

    /// How many items ask.
    static let asked = 200

    /// Builds and measures exact, hnsw and lsh indexes.
    ///
    /// - Parameter progress: called with what is measured next.
    /// - Throws: as the builds do.
    public mutating func run(_ embeddings: Embeddings, kernels: Kernels, progress: (String) -> Void = { _ in }) throws {
        measurements = []
        let count = embeddings.count
        guard count > 0 else { return }
        let asked = min(Self.asked, count)
        let items = (0..<asked).map { ItemID($0 * count / asked) }
        let queries = Matrix(rows: asked, columns: embeddings.dimension, values: items.flatMap { embeddings[$0] })
        let exact = ExactIndex(embeddings: embeddings, kernels: kernels)
        progress(ExactIndex.name)
        let truth = try exact.neighbors(of: queries, k: goal.k + 1, excluding: []).enumerated().map { row, found in
            Set(found.filter { $0.item != items[row] }.prefix(goal.k).map(\.item))
        }
        func measure(_ index: any NearestNeighborIndex, _ kind: String, _ settings: String, build: Double, _ search: (Matrix) throws -> [[Neighbor]])
            throws
        {
            let clock = ContinuousClock()
            var batch = Double.infinity
            var found: [[Neighbor]] = []
            for _ in 0..<3 {
                let start = clock.now
                found = try search(queries)
                batch = min(batch, start.duration(to: clock.now) / .seconds(1))
            }
            var hits = 0, all = 0
            for (row, answers) in found.enumerated() {
                hits += answers.filter { $0.item != items[row] }.prefix(goal.k).count { truth[row].contains($0.item) }
                all += truth[row].count
            }
            var single: [Double] = []
            for row in 0..<asked {
                let query = queries.rows(row..<row + 1), start = clock.now
                _ = try search(query)
                single.append(start.duration(to: clock.now) / .milliseconds(1))
            }
            single.sort()
            measurements.append(
                Measurement(
                    kind: kind, settings: settings,
                    recall: Double(hits) / Double(max(all, 1)), medianMilliseconds: single[asked / 2], p99Milliseconds: single[asked * 99 / 100],
                    queriesPerSecond: Double(asked) / max(batch, 1e-9), buildSeconds: build, index: index))
        }
        let k = goal.k
        try measure(exact, ExactIndex.name, "--storage f32", build: 0) { try exact.neighbors(of: $0, k: k + 1, excluding: []) }
        let clock = ContinuousClock(), start = clock.now
        let coded = try ExactIndex.build(embeddings, storage: .int8, kernels: kernels)
        try measure(coded, ExactIndex.name, "--storage int8", build: start.duration(to: clock.now) / .seconds(1)) {
            try coded.neighbors(of: $0, k: k + 1, excluding: [])
        }
        for storage in [IndexStorage.int8, .f32] {
            progress("\(HNSWIndex.name) \(storage.rawValue)")
            let clock = ContinuousClock(), start = clock.now
            let graph = try HNSWIndex.build(embeddings, configuration: HNSWConfiguration(storage: storage), kernels: kernels)
            let seconds = start.duration(to: clock.now) / .seconds(1)
            for ef in [16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512] where ef > k {
                try measure(graph.replacing(ef: ef), HNSWIndex.name, "--storage \(storage.rawValue) --ef \(ef)", build: seconds) {
                    try graph.neighbors(of: $0, k: k + 1, ef: ef)
                }
                // More would only be slower.
                if let last = measurements.last, last.recall >= max(goal.recall, 0.999) { break }
            }
        }
        for recall in [0.8, 0.9, 0.95, 0.98] {
            progress("\(LSHIndex.name) for recall \(recall)")
            let clock = ContinuousClock(), start = clock.now
            let hashed = try LSHIndex.build(embeddings, configuration: LSHConfiguration(recall: recall), kernels: kernels)
            let parameters = hashed.parameters
            try measure(
                hashed, LSHIndex.name,
                "--bits \(parameters.bits) --tables \(parameters.tables) --visits \(parameters.visits) --candidates \(parameters.candidates)",
                build: start.duration(to: clock.now) / .seconds(1)
            ) { try hashed.neighbors(of: $0, k: k + 1, excluding: []) }
            if let last = measurements.last, last.recall >= goal.recall { break }
        }
    }

    /// The measurement that was chosen: of those that reach the recall and the latency the one with the lowest median; where none is fast enough, the
    /// fastest that reaches the recall. `nil` before ``run(_:kernels:progress:)`` and for no items.
    public var choice: Measurement? {
        let right = measurements.filter { $0.recall >= goal.recall }
        let quick = right.filter { $0.p99Milliseconds <= goal.milliseconds ?? .infinity }
        return (quick.isEmpty ? right : quick).min { $0.medianMilliseconds < $1.medianMilliseconds }
    }

    /// Whether the choice is fast enough.
    public var isMet: Bool { choice.map { $0.p99Milliseconds <= goal.milliseconds ?? .infinity } ?? false }
}
