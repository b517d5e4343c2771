/// The difference between two methods over the same queries, with its paired interval.
///
/// An interval above 0 says that the first method is better on more than the luck of the draw of queries.
public struct PairedDifference: Sendable, Equatable {
    public let method: String
    public let other: String
    public let metric: EvaluationMetric
    /// Of `method` minus `other`.
    public let interval: Interval
}

/// What an evaluation found: every method's figures with intervals, and differences to the first method.
public struct EvaluationResult: Sendable {
    /// One method's ranks and figures.
    public struct Method: Sendable {
        public let name: String
        /// What is to be said of it: its parameter, its similarity.
        public let note: String?
        public let parameter: Double?
        public let ranks: QueryRanks
        /// Parallel to ``EvaluationResult/metrics``.
        public fileprivate(set) var intervals: [Interval]

        public init(name: String, note: String? = nil, parameter: Double? = nil, ranks: QueryRanks) {
            self.name = name
            self.note = note
            self.parameter = parameter
            self.ranks = ranks
            intervals = []
        }
    }

    public let task: EvaluationTask
    public let cutoffs: [Int]
    public let metrics: [EvaluationMetric]
    public let methods: [Method]
    /// The first method minus each other, metric by metric; empty for one method.
    public let differences: [PairedDifference]

    /// - Parameters:
    ///   - methods: the one in question first, then what it is compared with.
    ///   - cutoffs: the K of the measures, e.g. 10, 50, 500.
    public init(
        task: EvaluationTask, methods: [Method], cutoffs: [Int], bootstrap: Bootstrap = Bootstrap(), threads: Int = 1
    ) throws {
        self.task = task
        self.cutoffs = cutoffs
        let metrics = EvaluationMetric.all(at: cutoffs)
        self.metrics = metrics
        let values = methods.map { method in metrics.map { method.ranks.values(of: $0) } }
        var columns = values.flatMap(\.self)
        for other in values.dropFirst() {
            for index in metrics.indices { columns.append(zip(values[0][index], other[index]).map { $0 - $1 }) }
        }
        let intervals = try bootstrap.intervals(of: columns, threads: threads)
        self.methods = methods.enumerated().map { index, method in
            var method = method
            method.intervals = Array(intervals[index * metrics.count..<(index + 1) * metrics.count])
            return method
        }
        var differences: [PairedDifference] = []
        var next = methods.count * metrics.count
        for other in methods.dropFirst() {
            for metric in metrics {
                differences.append(PairedDifference(method: methods[0].name, other: other.name, metric: metric, interval: intervals[next]))
                next += 1
            }
        }
        self.differences = differences
    }

    /// The figure of a method; `nil` for a name or measure that was not evaluated.
    public func interval(of metric: EvaluationMetric, method name: String) -> Interval? {
        guard let index = metrics.firstIndex(of: metric), let method = methods.first(where: { $0.name == name }) else { return nil }
        return method.intervals[index]
    }

    /// The difference between the first method and another.
    public func difference(_ metric: EvaluationMetric, to other: String) -> PairedDifference? {
        differences.first { $0.metric == metric && $0.other == other }
    }
}

extension EvaluationResult {
    /// The document of `evaluate --json`: the first method's figures flat, when it is no baseline; every baseline under `baselines/NAME`, and
    /// the paired differences to it under `differences/NAME`.
    ///
    /// - Parameter hasModel: whether the first method is the model in question and not a baseline.
    public func json(hasModel: Bool) -> JSONValue {
        var document: [String: JSONValue] = [
            "queries": JSONValue(task.queries.count), "task": .string(task.kind.rawValue),
            "positives": JSONValue(task.queries.reduce(0) { $0 + $1.positives.count + $1.unknownPositives }),
            "mean_candidates": JSONValue(task.meanCandidateCount),
            "dropped": [
                "duplicates": JSONValue(task.dropped.duplicates), "members": JSONValue(task.dropped.members),
                "outside": JSONValue(task.dropped.outside), "queries": JSONValue(task.dropped.queries),
                "unknown_answers": JSONValue(task.dropped.unknownAnswers), "unknown_collections": JSONValue(task.dropped.unknownCollections),
            ],
        ]
        var baselines: [String: JSONValue] = [:]
        for (index, method) in methods.enumerated() {
            var figures: [String: JSONValue] = [:]
            for (metric, interval) in zip(metrics, method.intervals) { Self.add(interval, metric.key, to: &figures) }
            if index == 0, hasModel {
                document.merge(figures) { $1 }
            } else {
                if let parameter = method.parameter { figures["parameter"] = JSONValue(parameter) }
                baselines[method.name] = .object(figures)
            }
        }
        if !baselines.isEmpty { document["baselines"] = .object(baselines) }
        if hasModel, !differences.isEmpty {
            var byMethod: [String: [String: JSONValue]] = [:]
            for difference in differences { Self.add(difference.interval, difference.metric.key, to: &byMethod[difference.other, default: [:]]) }
            document["differences"] = .object(byMethod.mapValues { .object($0) })
        }
        return .object(document)
    }

    private static func add(_ interval: Interval, _ key: String, to object: inout [String: JSONValue]) {
        object[key] = JSONValue(interval.mean)
        object[key + "_low"] = JSONValue(interval.low)
        object[key + "_high"] = JSONValue(interval.high)
    }

    /// The measures that a table for people has room for: a pairs file's recall is its hit-rate.
    var shownMetrics: [EvaluationMetric] {
        let hasSeveral = task.queries.contains { $0.positives.count + $0.unknownPositives > 1 }
        if hasSeveral {
            return cutoffs.map(EvaluationMetric.recall) + cutoffs.map(EvaluationMetric.ndcg) + cutoffs.map(EvaluationMetric.hitRate) + [
                .reciprocalRank
            ]
        }
        return cutoffs.map(EvaluationMetric.hitRate) + (cutoffs.first { $0 > 1 }.map { [.ndcg($0)] } ?? []) + [
            .reciprocalRank, .scaledReciprocalRank,
        ]
    }

    /// Aligned columns for a terminal: figures, their intervals below, and the differences to the first method.
    public func table(hasModel: Bool) -> String {
        let shown = shownMetrics
        let positions = shown.compactMap { metric in metrics.firstIndex(of: metric) }
        var rows = [["method"] + shown.map(\.title)]
        for method in methods {
            rows.append([method.name] + positions.map { NumberText.fixed(method.intervals[$0].mean, 4) })
            rows.append([""] + positions.map { Self.range(method.intervals[$0]) })
        }
        var text = Self.aligned(rows)
        if hasModel, methods.count > 1 {
            text += "\n\n\(methods[0].name) minus each (paired):\n"
            var rows: [[String]] = [["method"] + shown.map(\.title)]
            for other in methods.dropFirst() {
                let found = shown.compactMap { difference($0, to: other.name)?.interval }
                rows.append([other.name] + found.map { Self.signed($0.mean) })
                rows.append([""] + found.map { Self.range($0) })
            }
            text += Self.aligned(rows)
        }
        return text
    }

    private static func signed(_ value: Double) -> String { (value >= 0 ? "+" : "") + NumberText.fixed(value, 4) }

    static func range(_ interval: Interval) -> String { "\(short(interval.low))–\(short(interval.high))" }

    private static func short(_ value: Double) -> String {
        let text = NumberText.fixed(value, 3)
        return text.hasPrefix("0.") ? String(text.dropFirst()) : text.hasPrefix("-0.") ? "-" + text.dropFirst(2) : text
    }

    /// Left-aligned names, right-aligned figures.
    static func aligned(_ rows: [[String]]) -> String {
        let widths = (rows.first ?? []).indices.map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                line += column == 0 ? cell + padding : "  " + padding + cell
            }
            while line.last == " " { line.removeLast() }
            return line
        }.joined(separator: "\n")
    }
}
