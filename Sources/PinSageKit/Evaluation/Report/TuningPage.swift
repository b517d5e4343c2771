extension IndexTuning {
    /// The measurements as a page: a curve for each kind, a table, and what was chosen.
    public func page(of name: String) -> ReportPage {
        let names = measurements.map { measured in
            measured.kind == HNSWIndex.name ? "\(measured.kind) \(measured.settings.split(separator: " ").dropFirst().first ?? "")" : measured.kind
        }
        var order: [String] = []
        for name in names where !order.contains(name) { order.append(name) }
        let series = order.map { name in
            LineChart.Series(
                name: name,
                points: measurements.indices.filter { names[$0] == name }.map { (measurements[$0].recall, measurements[$0].queriesPerSecond) }
                    .sorted { $0.0 < $1.0 })
        }
        let chosen = choice
        let rows = measurements.map { measured in
            [
                ReportPage.Table.Cell("\(measured.kind) \(measured.settings)"), .init(NumberText.fixed(measured.recall, 4)),
                .init(NumberText.fixed(measured.queriesPerSecond, 0)), .init(NumberText.fixed(measured.medianMilliseconds, 3)),
                .init(NumberText.fixed(measured.p99Milliseconds, 3)), .init(NumberText.fixed(measured.buildSeconds, 1)),
            ]
        }
        let place = measurements.firstIndex { $0.kind == chosen?.kind && $0.settings == chosen?.settings }
        return ReportPage(
            title: "Nearest-neighbor indexes", subtitle: name,
            sections: [
                ReportPage.Section(
                    "Recall and speed",
                    [
                        .chart(
                            LineChart(
                                title: "Queries per second by recall@\(goal.k)", xLabel: "recall@\(goal.k)", yLabel: "queries/s",
                                yScale: .logarithmic,
                                series: series)),
                        .table(
                            ReportPage.Table(
                                columns: ["index", "recall@\(goal.k)", "queries/s", "one query: median ms", "p99 ms", "build s"], rows: rows,
                                emphasizedRows: place.map { [$0] } ?? [])),
                        .note(
                            "Items as queries, not counted among their own neighbors. Queries per second: the best of three batches; single queries one after "
                                + "the other. The tinted row was chosen for recall \(goal.recall)"
                                + (goal.milliseconds.map { " and \($0) ms" } ?? "") + "."),
                    ])
            ])
    }
}
