internal import Foundation

/// The HTML report of an evaluation: the table of methods, hit-rate curves, differences, and whatever sections a caller adds.
public struct EvaluationReport: Sendable {
    public var title: String
    public var subtitle: String?
    public var result: EvaluationResult
    /// Whether the first method is the model in question.
    public var hasModel: Bool
    /// Names and values that say what was evaluated on what.
    public var facts: [(name: String, value: String)]
    /// Shown between the figures and the formulas: loss curves, neighbor lists.
    public var sections: [ReportPage.Section]

    public init(
        title: String, subtitle: String? = nil, result: EvaluationResult, hasModel: Bool, facts: [(name: String, value: String)] = [],
        sections: [ReportPage.Section] = []
    ) {
        self.title = title
        self.subtitle = subtitle
        self.result = result
        self.hasModel = hasModel
        self.facts = facts
        self.sections = sections
    }

    public var page: ReportPage {
        var sections = [
            ReportPage.Section("Methods", methodBlocks), ReportPage.Section("Curves", [.chart(Self.hitRateChart(of: result, hasModel: hasModel))]),
        ]
        sections += self.sections
        sections.append(ReportPage.Section("How the figures are made", [.facts(taskFacts), .code(EvaluationMetric.formulas)]))
        return ReportPage(title: title, subtitle: subtitle, sections: sections)
    }

    /// The report as one page of HTML.
    public func html() -> String { page.html() }

    private var taskFacts: [(name: String, value: String)] {
        let task = result.task
        var facts: [(name: String, value: String)] = [
            ("Queries", NumberText.count(task.queries.count)),
            ("Answers", NumberText.count(task.queries.reduce(0) { $0 + $1.positives.count + $1.unknownPositives })),
            ("Candidates a query, on average", NumberText.count(Int(task.meanCandidateCount.rounded()))),
        ]
        if task.dropped.answers > 0 {
            facts.append(
                (
                    "Answers left out",
                    "\(task.dropped.members) part of their question, \(task.dropped.duplicates) repeated, \(task.dropped.outside) no candidates"
                ))
        }
        if task.dropped.unknownAnswers > 0 {
            facts.append(("Answers that are no items, counted as not found", NumberText.count(task.dropped.unknownAnswers)))
        }
        return self.facts + facts
    }

    private var methodBlocks: [ReportPage.Block] {
        var blocks: [ReportPage.Block] = [.table(Self.methodTable(of: result, hasModel: hasModel))]
        blocks.append(.note("Means over queries with 95 % bootstrap intervals below. Bold: the best of a column."))
        if hasModel, result.methods.count > 1 {
            blocks.append(
                .text(
                    "By how much \(result.methods[0].name) is above each other method, query by query. An interval above 0 is more than luck of the draw."
                ))
            blocks.append(.table(Self.differenceTable(of: result)))
        }
        return blocks
    }

    /// Every method's figures with intervals.
    public static func methodTable(of result: EvaluationResult, hasModel: Bool) -> ReportPage.Table {
        let shown = result.shownMetrics
        let best = shown.map { metric in result.methods.compactMap { result.interval(of: metric, method: $0.name)?.mean }.max() ?? 0 }
        let rows = result.methods.map { method in
            [ReportPage.Table.Cell(method.name, detail: method.note)]
                + zip(shown, best).map { metric, best in
                    let interval = result.interval(of: metric, method: method.name) ?? Interval(mean: 0, low: 0, high: 0)
                    return ReportPage.Table.Cell(
                        NumberText.fixed(interval.mean, 4), detail: EvaluationResult.range(interval),
                        isBest: result.methods.count > 1 && interval.mean == best && best > 0)
                }
        }
        return ReportPage.Table(
            columns: ["method"] + shown.map(\.title), rows: rows, emphasizedRows: hasModel ? [0] : [], colors: Array(result.methods.indices))
    }

    private static func differenceTable(of result: EvaluationResult) -> ReportPage.Table {
        let shown = result.shownMetrics
        let rows = result.methods.dropFirst().map { method in
            [ReportPage.Table.Cell("over \(method.name)")]
                + shown.compactMap { metric in
                    result.difference(metric, to: method.name).map { found in
                        let mean = found.interval.mean
                        return ReportPage.Table.Cell(
                            (mean > 0 ? "+" : "") + NumberText.fixed(mean, 4), detail: EvaluationResult.range(found.interval),
                            isBest: found.interval.low > 0)
                    }
                }
        }
        return ReportPage.Table(columns: ["difference"] + shown.map(\.title), rows: rows, colors: Array(result.methods.indices.dropFirst()))
    }

    /// Hit-rate@K of every method over K on a logarithmic axis.
    public static func hitRateChart(of result: EvaluationResult, hasModel: Bool) -> LineChart {
        let most = max(1, min(Int(result.task.meanCandidateCount), max(1000, result.cutoffs.max() ?? 0)))
        let cutoffs = steps(upTo: most)
        let series = result.methods.enumerated().map { index, method in
            LineChart.Series(
                name: method.name, points: zip(cutoffs, method.ranks.hitRates(at: cutoffs)).map { (Double($0), $1) },
                isEmphasized: hasModel && index == 0, color: index)
        }
        return LineChart(
            title: "Hit-rate@K: share of queries with an answer among the first K", xLabel: "K", yLabel: "hit-rate@K", xScale: .logarithmic,
            series: series)
    }

    /// About 20 whole numbers a decade, ascending.
    static func steps(upTo most: Int) -> [Int] {
        var steps: [Int] = []
        var exponent = 0.0
        while true {
            let value = Int(pow(10, exponent).rounded())
            if value >= most { break }
            if steps.last != value { steps.append(value) }
            exponent += 0.05
        }
        return steps + [most]
    }

    /// Loss over steps.
    ///
    /// - Parameter points: step and loss; averaged to at most 200 points, so that the curve and not its noise is seen.
    public static func lossChart(_ points: [(step: Int, loss: Double)], title: String = "Training loss") -> LineChart {
        let group = max(1, (points.count + 199) / 200)
        let averaged = stride(from: 0, to: points.count, by: group).map { start -> (x: Double, y: Double) in
            let part = points[start..<min(start + group, points.count)]
            return (Double(part.last?.step ?? 0), part.reduce(0) { $0 + $1.loss } / Double(part.count))
        }
        return LineChart(title: title, xLabel: "step", yLabel: "loss", series: [LineChart.Series(name: "loss", points: averaged, isEmphasized: true)])
    }
}
