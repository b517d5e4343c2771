import Foundation
import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite struct ReportTests {
    private func result(_ ranks: [[[Double]]]) throws -> EvaluationResult {
        let queries = ranks[0].map { _ in EvaluationQuery(items: [ItemID(0)], positives: [ItemID(1)], excluded: [ItemID(0)]) }
        let task = EvaluationTask(kind: .pairs, itemCount: 100, queries: queries)
        let names = ["embeddings", "content", "<b>&\"'"]
        let methods = ranks.enumerated().map { EvaluationResult.Method(name: names[$0], ranks: QueryRanks($1)) }
        return try EvaluationResult(task: task, methods: methods, cutoffs: [10, 50])
    }

    private let model: [[Double]] = [[1], [2], [8], [30]]
    private let worse: [[Double]] = [[2], [20], [80], [90]]

    @Test func jsonIsFlat() throws {
        let json = try result([model, worse]).json(hasModel: true)
        #expect(json["hit_rate@10"]?.double == 0.75)
        #expect(json["hit_rate@50"]?.double == 1)
        #expect(json["mrr"]?.double == (1 + 0.5 + 0.125 + 1.0 / 30) / 4)
        #expect(json["scaled_mrr"]?.double == 1)
        for key in ["recall@10", "ndcg@50", "mrr"] {
            let (low, mean, high) = (json[key + "_low"]?.double ?? 2, json[key]?.double ?? 1, json[key + "_high"]?.double ?? 0)
            #expect(low <= mean && mean <= high, "\(key)")
        }
        #expect(json["baselines"]?["content"]?["hit_rate@10"]?.double == 0.25)
        #expect(json["differences"]?["content"]?["hit_rate@10"]?.double == 0.5)
        #expect(json["queries"]?.int == 4)
    }

    @Test func baselinesAloneHaveNoFlatFigures() throws {
        let json = try result([model, worse]).json(hasModel: false)
        #expect(json["mrr"] == nil && json["differences"] == nil)
        #expect(json["baselines"]?["embeddings"]?["mrr"] != nil)
    }

    @Test func pairedDifference() throws {
        let found = try #require(try result([model, worse]).difference(.hitRate(50), to: "content"))
        #expect(found.interval.mean == 0.5 && found.method == "embeddings")
    }

    @Test func tableIsAligned() throws {
        let lines = try result([model, worse]).table(hasModel: true).split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines[0].hasPrefix("method") && lines[0].contains("hit@10"))
        let end = { (line: Substring, text: String) in line.range(of: text).map { line.distance(from: line.startIndex, to: $0.upperBound) } }
        #expect(end(lines[0], "hit@10") == end(lines[1], "0.7500"))
        #expect(lines.contains { $0.contains("+0.5000") })
    }

    @Test func everythingIsEscaped() throws {
        let evil = "<script>alert('x')</script>&\"\u{1}"
        let page = ReportPage(
            title: evil, subtitle: evil,
            sections: [
                .init(
                    evil,
                    [
                        .text(evil), .note(evil), .code(evil), .facts([(evil, evil)]),
                        .table(.init(columns: [evil], rows: [[.init(evil, detail: evil)]])),
                        .chart(LineChart(title: evil, xLabel: evil, yLabel: evil, series: [.init(name: evil, points: [(1, 1), (2, 2)])])),
                        .neighbors([.init(title: evil, detail: evil, neighbors: [.init(title: evil, detail: evil, score: 1)])]),
                    ])
            ])
        let html = page.html()
        #expect(!html.contains("<script") && !html.contains("\u{1}") && !html.contains("alert('x')"))
        #expect(html.contains("&lt;script&gt;"))
        try checkXML(html)
    }

    /// Everything between the document's style sheet and its end is well-formed XML, so no browser has to guess.
    private func checkXML(_ html: String) throws {
        let body = try #require(
            html.range(of: "<main>").flatMap { start in
                html.range(of: "</main>").map { String(html[start.lowerBound..<$0.upperBound]) }
            })
        let folder = try TemporaryFolder()
        let path = try folder.write("page.xml", body)
        var depth: [Substring] = []
        // Tags must nest; attributes hold no markup since every text is escaped.
        for part in body.split(separator: "<", omittingEmptySubsequences: true) where part.contains(">") {
            let tag = part.prefix { $0 != ">" }
            if tag.hasPrefix("/") {
                #expect(depth.popLast() == tag.dropFirst(), "in \(path)")
            } else if !tag.hasSuffix("/") {
                depth.append(tag.prefix { $0 != " " && $0 != "\n" })
            }
        }
        #expect(depth.isEmpty)
    }

    @Test func reportHasNoOutsideReferences() throws {
        let html = EvaluationReport(title: "Evaluation", result: try result([model, worse, worse]), hasModel: true).html()
        for reference in ["http:", "https:", "src=", "url(", "@import", "<script"] { #expect(!html.contains(reference), "\(reference)") }
        #expect(html.contains("prefers-color-scheme: dark") && html.contains("<svg") && html.contains("0.7500"))
        try checkXML(html)
    }

    @Test(arguments: [LineChart.Scale.linear, .logarithmic])
    func chartsTakeAnyPoints(scale: LineChart.Scale) {
        let odd: [(x: Double, y: Double)] = [(0, 1), (1, .nan), (2, .infinity), (3, -1), (10, 5), (1e6, 5)]
        for points in [[], [(1, 1)], [(5, 5), (5, 5)], odd] as [[(x: Double, y: Double)]] {
            let svg = LineChart(title: "t", xLabel: "x", yLabel: "y", xScale: scale, yScale: scale, series: [.init(name: "s", points: points)]).svg()
            #expect(!svg.contains("nan") && !svg.contains("inf"), "\(points)")
            #expect(svg.contains("<svg") && svg.hasSuffix("</svg>"))
        }
    }

    @Test func ticksAreRound() {
        let linear = Axis(values: [0.03, 0.47], scale: .linear, fixed: nil, startsAtZero: true)
        #expect(linear.low == 0 && linear.high == 0.5)
        #expect(linear.ticks.map(NumberText.tick) == ["0", "0.1", "0.2", "0.3", "0.4", "0.5"])
        let decades = Axis(values: [1, 1000], scale: .logarithmic, fixed: nil, startsAtZero: false)
        #expect(decades.ticks.map { $0.rounded() } == [1, 10, 100, 1000])
        #expect(abs(decades.position(10) - 1.0 / 3) < 1e-12)
    }

    @Test func labelsDoNotOverlap() {
        let placed = LineChart.spread([(0, 50), (1, 51), (2, 200), (3, 52), (4, 201)], within: 10...200)
        for (above, below) in zip(placed, placed.dropFirst()) { #expect(below.1 - above.1 >= 14.999) }
        #expect(placed.allSatisfy { $0.1 <= 200 })
        #expect(placed.map(\.0) == [0, 1, 3, 2, 4])
    }

    @Test func numbers() {
        #expect(NumberText.fixed(-0.00001, 3) == "0.000")
        #expect(NumberText.fixed(.nan, 3) == "–")
        #expect(NumberText.tick(25_000) == "25k" && NumberText.tick(0.25) == "0.25" && NumberText.tick(3_000_000) == "3M")
        #expect(NumberText.count(1_234_567) == "1\u{202F}234\u{202F}567")
    }

    @Test func lossCurveIsAveraged() {
        let chart = EvaluationReport.lossChart((0..<1_000).map { (step: $0, loss: Double($0 % 2)) })
        #expect(chart.series[0].points.count == 200)
        #expect(chart.series[0].points.allSatisfy { $0.y > 0.3 && $0.y < 0.7 })
    }

    @Test func curveSteps() {
        let steps = EvaluationReport.steps(upTo: 1000)
        #expect(steps.first == 1 && steps.last == 1000)
        #expect(zip(steps, steps.dropFirst()).allSatisfy { $0 < $1 })
        #expect(EvaluationReport.steps(upTo: 1) == [1])
    }
}
