/// What an ablation found: Table 1, Table 4 and Table 3 of the paper on one dataset.
public struct AblationResult: Sendable {
    /// One row of a table.
    public struct Row: Sendable {
        public let name: String
        public let summary: String
        /// One for each seed, tested.
        let runs: [AblationRun.Record]
        /// The runs that chose the learning rate.
        let trials: [AblationRun.Record]
        /// Means over questions and seeds with bootstrap intervals over questions, parallel to ``AblationResult/metrics``.
        public internal(set) var figures: [Interval] = []
        /// Of PinSage minus this row; empty in PinSage's own row and where it was not run.
        public internal(set) var differences: [Interval] = []

        init(name: String, summary: String, runs: [AblationRun.Record], trials: [AblationRun.Record]) {
            self.name = name
            self.summary = summary
            self.runs = runs
            self.trials = trials
        }

        /// The chosen learning rate; `nil` for an untrained row.
        public var learningRate: Float? { runs.first?.learningRate }
        /// Training time of one run in seconds, without preparation and validation.
        public var seconds: Double? { runs.first?.seconds }

        /// A measure of each question, in the mean over seeds.
        func values(of metric: EvaluationMetric) -> [Double] {
            let perSeed = runs.map { ($0.ranks ?? []).map { metric.value(ranks: CollectionOfOne($0)) } }
            guard let first = perSeed.first else { return [] }
            return first.indices.map { question in perSeed.reduce(0) { $0 + $1[question] } / Double(perSeed.count) }
        }

        /// A measure of each seed.
        func means(of metric: EvaluationMetric) -> [Double] {
            runs.map { run in
                let values = (run.ranks ?? []).map { metric.value(ranks: CollectionOfOne($0)) }
                return values.reduce(0, +) / Double(max(values.count, 1))
            }
        }
    }

    public let plan: AblationPlan
    let base: TrainingOptions
    public let testQueries: Int
    public let validationQueries: Int
    public let candidates: Double
    public let metrics: [EvaluationMetric]
    /// Table 1.
    public let rows: [Row]
    /// Table 4: neighbors T against time.
    public let neighborRows: [Row]
    /// Table 3: minibatch size against time.
    public let batchRows: [Row]

    init(
        plan: AblationPlan, base: TrainingOptions, test: EvaluationTask, validationQueries: Int, rows: [Row], neighborRows: [Row], batchRows: [Row],
        threads: Int
    ) throws {
        self.plan = plan
        self.base = base
        testQueries = test.queries.count
        self.validationQueries = validationQueries
        candidates = test.meanCandidateCount
        let metrics = plan.cutoffs.sorted().map(EvaluationMetric.hitRate) + [.reciprocalRank, .scaledReciprocalRank]
        self.metrics = metrics
        let own = rows.first { $0.name == AblationPlan.Row.pinsage.rawValue }
        let ownValues = own.map { row in metrics.map(row.values) }
        // One draw of questions for every row, so that differences are paired.
        var columns: [[Double]] = []
        for row in rows + neighborRows + batchRows {
            let values = metrics.map(row.values)
            columns += values
            if let ownValues { columns += zip(ownValues, values).map { zip($0, $1).map { $0 - $1 } } }
        }
        let intervals = try Bootstrap(seed: plan.splitSeed).intervals(of: columns, threads: threads)
        var next = 0
        func filled(_ list: [Row]) -> [Row] {
            list.map { row in
                var row = row
                row.figures = Array(intervals[next..<next + metrics.count])
                next += metrics.count
                guard own != nil else { return row }
                if row.name != own?.name { row.differences = Array(intervals[next..<next + metrics.count]) }
                next += metrics.count
                return row
            }
        }
        self.rows = filled(rows)
        self.neighborRows = filled(neighborRows)
        self.batchRows = filled(batchRows)
    }

    // MARK: JSON

    /// The whole result: every row with its figures, intervals, seeds, tuning runs, time and similarities.
    public func json() throws -> JSONValue {
        func json(_ interval: Interval, _ key: String, into object: inout [String: JSONValue]) {
            object[key] = JSONValue(interval.mean)
            object[key + "_low"] = JSONValue(interval.low)
            object[key + "_high"] = JSONValue(interval.high)
        }
        func json(_ row: Row) -> JSONValue {
            var object: [String: JSONValue] = ["name": .string(row.name), "summary": .string(row.summary)]
            for (metric, figure) in zip(metrics, row.figures) { json(figure, metric.key, into: &object) }
            if !row.differences.isEmpty {
                var differences: [String: JSONValue] = [:]
                for (metric, figure) in zip(metrics, row.differences) { json(figure, metric.key, into: &differences) }
                object["pinsage_minus_this"] = .object(differences)
            }
            if let rate = row.learningRate { object["learning_rate"] = JSONValue(Double("\(rate)") ?? 0) }
            object["seeds"] = .array(
                row.runs.map { run in
                    var seed: [String: JSONValue] = ["seed": .string("\(run.seed)")]
                    for metric in metrics {
                        let values = (run.ranks ?? []).map { metric.value(ranks: CollectionOfOne($0)) }
                        seed[metric.key] = JSONValue(values.reduce(0, +) / Double(max(values.count, 1)))
                    }
                    if let validation = run.validation { seed["validation"] = JSONValue(validation) }
                    if let steps = run.steps { seed["steps"] = JSONValue(steps) }
                    if let pairs = run.pairs { seed["pairs_per_epoch"] = JSONValue(pairs) }
                    if let each = run.secondsPerStep { seed["seconds_per_step"] = JSONValue(each) }
                    if let seconds = run.seconds { seed["training_seconds"] = JSONValue(seconds) }
                    if let share = run.producedShare { seed["produced_share"] = JSONValue(share) }
                    if let share = run.waitedShare { seed["waited_share"] = JSONValue(share) }
                    if let spread = run.spread {
                        seed["similarity_mean"] = JSONValue(spread.mean)
                        seed["similarity_deviation"] = JSONValue(spread.deviation)
                        seed["similarity_excess_kurtosis"] = JSONValue(spread.excessKurtosis)
                    }
                    return .object(seed)
                })
            object["tuning"] = .array(
                row.trials.map {
                    ["learning_rate": JSONValue(Double("\($0.learningRate ?? 0)") ?? 0), "validation": JSONValue($0.validation ?? 0)]
                })
            return .object(object)
        }
        return [
            "rows": .array(rows.map(json)), "neighbors": .array(neighborRows.map(json)), "batch_sizes": .array(batchRows.map(json)),
            "test_queries": JSONValue(testQueries), "validation_queries": JSONValue(validationQueries), "mean_candidates": JSONValue(candidates),
            "plan": try JSONValue(parsing: Array(JSONFile.text(of: plan).utf8)),
            "settings": try JSONValue(parsing: Array(JSONFile.text(of: base).utf8)),
        ]
    }

    // MARK: Tables

    /// Cells with a figure and, where there is one, its interval.
    private typealias Cell = ReportPage.Table.Cell

    private func figureCells(_ row: Row, among rows: [Row]) -> [Cell] {
        metrics.indices.map { index in
            let best = rows.map { $0.figures[index].mean }.max() ?? 0
            let figure = row.figures[index]
            return Cell(NumberText.fixed(figure.mean, 4), detail: EvaluationResult.range(figure), isBest: figure.mean == best && best > 0)
        }
    }

    private func number(_ value: Double?, _ decimals: Int) -> String { value.map { NumberText.fixed($0, decimals) } ?? "" }

    private var figureTable: ReportPage.Table {
        ReportPage.Table(
            columns: ["method"] + metrics.map(\.title) + ["kurtosis", "rate", "minutes"], rows: rows.map(figureRow),
            emphasizedRows: Set(rows.indices.filter { rows[$0].name == AblationPlan.Row.pinsage.rawValue }))
    }

    private func figureRow(_ row: Row) -> [Cell] {
        var summary = row.summary
        if let metric = metrics.first, row.runs.count > 1 {
            let bySeed = row.means(of: metric).map { NumberText.fixed($0, 4) }.joined(separator: " ")
            summary += "; \(metric.title) by seed: \(bySeed)"
        }
        var cells = [Cell(row.name, detail: summary)]
        cells += figureCells(row, among: rows)
        cells.append(Cell(number(row.runs.first?.spread?.excessKurtosis, 2)))
        cells.append(Cell(row.learningRate.map { "\($0)" } ?? ""))
        cells.append(Cell(minutes(row)))
        return cells
    }

    private func minutes(_ row: Row) -> String { number(row.seconds.map { $0 / 60 }, 1) }

    private var differenceTable: ReportPage.Table {
        ReportPage.Table(
            columns: ["PinSage minus"] + metrics.map(\.title),
            rows: rows.filter { !$0.differences.isEmpty }.map { row in
                [Cell(row.name)]
                    + row.differences.map { difference in
                        Cell(
                            (difference.mean > 0 ? "+" : "") + NumberText.fixed(difference.mean, 4), detail: EvaluationResult.range(difference),
                            isBest: difference.low > 0)
                    }
            })
    }

    private func timeTable(_ first: String, _ rows: [Row]) -> ReportPage.Table {
        ReportPage.Table(
            columns: [first] + metrics.map(\.title) + ["ms a step", "steps", "minutes"],
            rows: rows.map { row in
                var cells = [Cell(row.name)]
                cells += figureCells(row, among: rows)
                cells.append(Cell(number(row.runs.first?.secondsPerStep.map { $0 * 1000 }, 1)))
                cells.append(Cell(row.runs.first?.steps.map { "\($0)" } ?? ""))
                cells.append(Cell(minutes(row)))
                return cells
            })
    }

    private var tuningTable: ReportPage.Table {
        ReportPage.Table(
            columns: ["validation (hit@10 + MRR)"] + plan.learningRates.map { "rate \($0)" },
            rows: rows.filter { !$0.trials.isEmpty }.map { row in
                let best = row.trials.compactMap(\.validation).max()
                return [Cell(row.name)] + row.trials.map { Cell(number($0.validation, 4), isBest: $0.validation == best) }
            })
    }

    private var sections: [ReportPage.Section] {
        let seeds = plan.seeds.count > 1 ? " and \(plan.seeds.count) seeds" : ""
        let note =
            "Means over questions\(seeds) with 95 % bootstrap intervals over questions. Kurtosis: excess kurtosis of the cosine "
            + "similarities of random pairs of items. Minutes: training of one run, without preparation and validation."
        var sections = [ReportPage.Section("Table 1: methods", [.table(figureTable), .note(note)])]
        if rows.contains(where: { !$0.differences.isEmpty }) {
            sections.append(.init("Differences", [.table(differenceTable), .note("Paired over questions. Bold: an interval above 0.")]))
        }
        if !neighborRows.isEmpty {
            sections.append(.init("Table 4: neighbors T against time", [.table(timeTable("PinSage with", neighborRows))]))
        }
        if !batchRows.isEmpty {
            sections.append(.init("Table 3: minibatch size against time", [.table(timeTable("PinSage with", batchRows))]))
        }
        let protocolText =
            "\(NumberText.count(testQueries)) test questions, about \(NumberText.count(Int(candidates.rounded()))) candidates each; "
            + "\(NumberText.count(validationQueries)) validation questions choose the epoch and the learning rate. Every trained row has "
            + "the same budget: \(plan.learningRates.count) runs, of which validation chooses the rate, and one run for each further seed. "
            + "Rows of Tables 3 and 4 take PinSage's rate. Seeds: \(plan.seeds.map { "\($0)" }.joined(separator: ", "))."
        sections.append(.init("Protocol", [.text(protocolText), .table(tuningTable)]))
        return sections
    }

    /// A page of its own, without anything from elsewhere.
    public var page: ReportPage {
        ReportPage(title: "Ablation", subtitle: "The rows of PinSage's Tables 1, 3 and 4 on one dataset", sections: sections)
    }

    /// The same tables as Markdown.
    public var markdown: String {
        var text = "# Ablation\n"
        for section in sections {
            text += "\n## \(section.title)\n"
            for block in section.blocks {
                switch block {
                case .table(let table):
                    text += "\n| " + table.columns.joined(separator: " | ") + " |\n" + String(repeating: "|---", count: table.columns.count) + "|\n"
                    for row in table.rows {
                        let cells = row.enumerated().map { index, cell in
                            let main = cell.isBest ? "**\(cell.text)**" : cell.text
                            return main + (cell.detail.map { index == 0 ? ": \($0)" : " (\($0))" } ?? "")
                        }
                        text += "| " + cells.joined(separator: " | ") + " |\n"
                    }
                case .text(let line), .note(let line): text += "\n\(line)\n"
                default: break
                }
            }
        }
        return text
    }

    /// Writes ablation.json, ablation.html and ablation.md. - Throws: ``DataError`` when a file cannot be written.
    public func write(to directory: String) throws {
        let document = try json().serialized(indented: true)
        try TextFile.write(to: directory + "/ablation.json") { file in try file.write(document + "\n") }
        try TextFile.write(to: directory + "/ablation.md") { file in try file.write(markdown) }
        try page.write(to: directory + "/ablation.html")
    }
}
