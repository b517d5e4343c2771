import Foundation

/// One line of the report: a case on one instruction set (or on its Swift twin) with one thread count.
struct Result: Codable {
    var `case`: String
    var family: String
    /// `scalar`, `avx2`, `avx512`, `neon`, or `swift` for the twin.
    var isa: String
    var threads: Int
    /// Median seconds of one call, with the least and the 90th percentile beside it.
    var seconds: Double
    var leastSeconds: Double
    var p90Seconds: Double
    var iterations: Int
    /// Bytes and operations of one call: counted from the shapes, so they never vary.
    var bytes: Int
    var flops: Int
    /// How many of the bytes move in order in a case that random rows bind.
    var streamed: Int
    var gbps: Double
    var gflops: Double
    /// What binds the case, and the share of it that the fastest call reached.
    var limit: String
    var percent: Double
    var shape: String
    /// What one call counted of its own work, on one thread: bytes of workspace, rows scored again.
    var counts: [String: Int]?

    /// What identifies a result in another run.
    var key: String { "\(self.case) \(isa) \(threads)" }
}

/// Everything one run found; what `--json` writes and `--compare` reads.
struct Report: Codable {
    struct Machine: Codable, Equatable {
        var processor: String
        var cores: Int
        var instructionSet: String
        var blas: String
        var blasConfiguration: String
    }
    struct Rate: Codable {
        var limit: String
        var threads: Int
        var rate: Double
        var unit: String
    }

    var schema = 1
    var machine: Machine
    var full: Bool
    var limits: [Rate]
    var results: [Result]

    /// - Throws: what reading or decoding found wrong.
    static func read(_ path: String) throws -> Report {
        try JSONDecoder().decode(Report.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
    }

    func write(_ path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try encoder.encode(self).write(to: URL(fileURLWithPath: path))
    }
}

extension Report {
    /// The table that goes to standard output.
    var table: String {
        var lines = [
            "\(machine.processor), \(machine.cores) cores, best instruction set \(machine.instructionSet)", "BLAS: \(machine.blasConfiguration)", "",
            "limits of this machine, the best of all probes and kernels of this run",
        ]
        for rate in limits {
            lines.append("  \(left(rate.limit, 20)) \(right("\(rate.threads)", 2)) threads \(right(number(rate.rate), 9)) \(rate.unit)")
        }
        let width = max(20, results.map(\.case.count).max() ?? 0)
        lines.append("")
        lines.append(
            "\(left("case", width)) \(left("isa", 7)) thr \(right("median", 10)) \(right("spread", 7)) \(right("GB/s", 8)) \(right("GFLOP/s", 8))"
                + " \(right("percent", 8))  of")
        for r in results {
            let spread = r.iterations == 1 ? "1 run" : number(r.seconds > 0 ? (r.p90Seconds - r.leastSeconds) / r.seconds * 100 : 0) + "%"
            lines.append(
                "\(left(r.case, width)) \(left(r.isa, 7)) \(right("\(r.threads)", 3)) \(right(time(r.seconds), 10)) \(right(spread, 7))"
                    + " \(right(number(r.gbps), 8)) \(right(number(r.gflops), 8)) \(right(number(r.percent) + "%", 8))  \(r.limit)")
        }
        return lines.joined(separator: "\n")
    }

    private func left(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: max(0, width - text.count)) }
    private func right(_ text: String, _ width: Int) -> String { String(repeating: " ", count: max(0, width - text.count)) + text }
    private func number(_ value: Double) -> String { String(format: value < 10 ? "%.2f" : "%.1f", value) }
    private func time(_ seconds: Double) -> String {
        seconds < 1e-3
            ? String(format: "%.1f us", seconds * 1e6) : seconds < 1 ? String(format: "%.2f ms", seconds * 1e3) : String(format: "%.3f s", seconds)
    }

    /// The outcome of comparing this run with an older one.
    struct Comparison {
        var lines: [String] = []
        /// Cases that are slower: how busy the machine is shows in them, so they are for a person to judge.
        var warnings: [String] = []
        /// Counts that grew, and cases that are gone or measure something else: they do not depend on how busy the machine is.
        var failures: [String] = []
    }

    /// Ratios of times, which only warn, and counts, which fail when they grow.
    ///
    /// - Parameters:
    ///   - expects: whether this run was asked for what `old` has: then it must be here.
    ///   - isKnown: whether a case of `old` that was not asked for still exists.
    func compared(with old: Report, expects: (Result) -> Bool, isKnown: (String) -> Bool) -> Comparison {
        var comparison = Comparison()
        guard machine.processor == old.machine.processor, machine.cores == old.machine.cores else {
            comparison.failures.append(
                "the other run was on '\(old.machine.processor)' with \(old.machine.cores) cores, this one on '\(machine.processor)'"
                    + " with \(machine.cores): times of different processors are not compared")
            return comparison
        }
        guard full == old.full else {
            comparison.failures.append("one of the two runs was --full: their sizes differ")
            return comparison
        }
        let here = Set(results.map(\.key))
        for then in old.results where !here.contains(then.key) && (expects(then) || !isKnown(then.case)) {
            comparison.failures.append("\(then.key): was measured then and is not now")
        }
        let before = Dictionary(old.results.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
        var compared = 0
        for now in results {
            guard let then = before[now.key] else {
                comparison.lines.append("\(left(now.key, 56))    new")
                continue
            }
            guard then.shape == now.shape else {
                comparison.failures.append("\(now.key): measures \(now.shape), was \(then.shape)")
                continue
            }
            compared += 1
            if now.bytes > then.bytes { comparison.failures.append("\(now.key): \(now.bytes) bytes, were \(then.bytes)") }
            if now.flops > then.flops { comparison.failures.append("\(now.key): \(now.flops) operations, were \(then.flops)") }
            for (name, count) in (then.counts ?? [:]).sorted(by: { $0.key < $1.key }) {
                guard let counted = now.counts?[name] else {
                    comparison.failures.append("\(now.key): \(name) were counted then and are not now")
                    continue
                }
                if counted > count { comparison.failures.append("\(now.key): \(counted) \(name), were \(count)") }
            }
            let ratio = now.leastSeconds / then.leastSeconds
            if ratio > 1.1 { comparison.warnings.append("\(now.key) takes \(String(format: "%.2f", ratio)) of the old time") }
            let note = ratio > 1.1 ? "  slower" : ratio < 0.9 ? "  faster" : ""
            comparison.lines.append("\(left(now.key, 56)) \(String(format: "%6.2f", ratio)) of the old time\(note)")
        }
        if compared == 0 { comparison.failures.append("no case of this run is in the other one with the same shape") }
        return comparison
    }
}
