internal import Foundation

/// A line chart as one inline SVG element: no script, no network, colours from the page (light and dark).
///
/// Series are told apart by colour, by dash beyond the first, and by a label at the end of each line, so the chart is readable in
/// print and without colour vision.
///
///     let chart = LineChart(title: "Hit-rate", xLabel: "K", yLabel: "share", xScale: .logarithmic,
///                           series: [.init(name: "trained", points: [(1, 0.02), (10, 0.2), (100, 0.5)])])
///     let svg = chart.svg()
public struct LineChart: Sendable {
    /// How positions follow from values.
    public enum Scale: Sendable {
        case linear
        /// Base 10; points at or below 0 are left out.
        case logarithmic
    }

    /// One line.
    public struct Series: Sendable {
        public var name: String
        /// By ascending x. Points that are not finite are left out.
        public var points: [(x: Double, y: Double)]
        /// Drawn thicker and on top.
        public var isEmphasized: Bool
        /// The palette position; by default the position in the chart.
        public var color: Int?

        public init(name: String, points: [(x: Double, y: Double)], isEmphasized: Bool = false, color: Int? = nil) {
            self.name = name
            self.points = points
            self.isEmphasized = isEmphasized
            self.color = color
        }
    }

    public var title: String
    public var xLabel: String
    public var yLabel: String
    public var xScale: Scale
    public var yScale: Scale
    public var series: [Series]
    /// A fixed range of y; `nil` takes the data's, from 0 where it is near.
    public var yRange: ClosedRange<Double>?

    public init(
        title: String, xLabel: String, yLabel: String, xScale: Scale = .linear, yScale: Scale = .linear, series: [Series],
        yRange: ClosedRange<Double>? = nil
    ) {
        self.title = title
        self.xLabel = xLabel
        self.yLabel = yLabel
        self.xScale = xScale
        self.yScale = yScale
        self.series = series
        self.yRange = yRange
    }

    /// The number of colours that the page's style sheet names.
    public static let paletteSize = 8

    private static let width = 760.0, height = 400.0
    private static let left = 58.0, right = 132.0, top = 14.0, bottom = 46.0

    /// The chart as an `<svg>` element for a page whose style sheet is `ReportPage.style`.
    public func svg() -> String {
        let drawn = series.map { line in
            line.points.filter { $0.x.isFinite && $0.y.isFinite && (xScale == .linear || $0.x > 0) && (yScale == .linear || $0.y > 0) }
        }
        let xAxis = Axis(values: drawn.flatMap { $0.map(\.x) }, scale: xScale, fixed: nil, startsAtZero: false)
        let yAxis = Axis(values: drawn.flatMap { $0.map(\.y) }, scale: yScale, fixed: yRange, startsAtZero: true)
        let (plotRight, plotBottom) = (Self.width - Self.right, Self.height - Self.bottom)
        func x(_ value: Double) -> Double { Self.left + xAxis.position(value) * (plotRight - Self.left) }
        func y(_ value: Double) -> Double { plotBottom - yAxis.position(value) * (plotBottom - Self.top) }
        func text(_ value: Double) -> String { NumberText.fixed(value, 1) }

        var svg = """
            <svg class="chart" viewBox="0 0 \(Int(Self.width)) \(Int(Self.height))" role="img" aria-label="\(title.escapedForMarkup)">\n
            """
        svg += "<g class=\"grid\">"
        for tick in yAxis.ticks {
            svg += "<line x1=\"\(text(Self.left))\" x2=\"\(text(plotRight))\" y1=\"\(text(y(tick)))\" y2=\"\(text(y(tick)))\"/>"
        }
        svg += "</g>\n<g class=\"axis\">"
        svg += "<line x1=\"\(text(Self.left))\" x2=\"\(text(plotRight))\" y1=\"\(text(plotBottom))\" y2=\"\(text(plotBottom))\"/>"
        for tick in yAxis.ticks {
            svg += "<text x=\"\(text(Self.left - 8))\" y=\"\(text(y(tick) + 4))\" text-anchor=\"end\">\(NumberText.tick(tick))</text>"
        }
        for tick in xAxis.ticks {
            svg += "<line x1=\"\(text(x(tick)))\" x2=\"\(text(x(tick)))\" y1=\"\(text(plotBottom))\" y2=\"\(text(plotBottom + 5))\"/>"
            svg += "<text x=\"\(text(x(tick)))\" y=\"\(text(plotBottom + 19))\" text-anchor=\"middle\">\(NumberText.tick(tick))</text>"
        }
        svg += "<text class=\"label\" x=\"\(text((Self.left + plotRight) / 2))\" y=\"\(text(Self.height - 8))\" text-anchor=\"middle\">"
        svg += "\(xLabel.escapedForMarkup)</text>"
        svg += "<text class=\"label\" transform=\"translate(14 \(text((Self.top + plotBottom) / 2))) rotate(-90)\" text-anchor=\"middle\">"
        svg += "\(yLabel.escapedForMarkup)</text></g>\n"

        // Emphasised lines last, so that they lie on top.
        let order = series.indices.sorted { (series[$0].isEmphasized ? 1 : 0, $0) < (series[$1].isEmphasized ? 1 : 0, $1) }
        for index in order {
            let points = drawn[index]
            guard let first = points.first else { continue }
            var path = "M\(text(x(first.x))) \(text(y(first.y)))"
            for point in points.dropFirst() { path += "L\(text(x(point.x))) \(text(y(point.y)))" }
            let name = series[index].name.escapedForMarkup
            svg += "<g class=\"s\(color(index))\(series[index].isEmphasized ? " strong" : "")\">"
            svg += "<path class=\"line\(dash(index))\" d=\"\(path)\"/>"
            if points.count <= 40 {
                for point in points {
                    svg += "<circle cx=\"\(text(x(point.x)))\" cy=\"\(text(y(point.y)))\" r=\"2.6\"><title>\(name): "
                    svg += "\(NumberText.tick(point.x)), \(NumberText.fixed(point.y, 4))</title></circle>"
                }
            }
            svg += "</g>\n"
        }
        let ends = drawn.enumerated().compactMap { index, points in points.last.map { (index, y($0.y), x($0.x)) } }
        for (index, place) in Self.spread(ends.map { ($0.0, $0.1) }, within: Self.top + 6...plotBottom) {
            let end = ends.first { $0.0 == index }.map { ($0.1, $0.2) } ?? (place, plotRight)
            svg += "<g class=\"s\(color(index))\(series[index].isEmphasized ? " strong" : "")\">"
            svg += "<path class=\"lead\" d=\"M\(text(end.1 + 3)) \(text(end.0))L\(text(plotRight + 12)) \(text(place))\"/>"
            svg +=
                "<text class=\"name\" x=\"\(text(plotRight + 16))\" y=\"\(text(place + 4))\">\(Self.short(series[index].name).escapedForMarkup)</text></g>\n"
        }
        if drawn.allSatisfy(\.isEmpty) {
            svg +=
                "<text class=\"label\" x=\"\(text((Self.left + plotRight) / 2))\" y=\"\(text(Self.height / 2))\" text-anchor=\"middle\">no data</text>"
        }
        return svg + "</svg>"
    }

    private func color(_ index: Int) -> Int { (series[index].color ?? index) % Self.paletteSize }
    private func dash(_ index: Int) -> String {
        let position = series[index].color ?? index
        return series[index].isEmphasized || position == 0 ? "" : " d\(position % 4)"
    }

    private static func short(_ name: String) -> String { name.count <= 17 ? name : name.prefix(16) + "…" }

    /// Moves labels apart until each has 15 units of its own, keeping their order and staying near their lines.
    static func spread(_ labels: [(Int, Double)], within range: ClosedRange<Double>) -> [(Int, Double)] {
        let gap = 15.0
        var placed = labels.sorted { ($0.1, $0.0) < ($1.1, $1.0) }
        for index in placed.indices.dropFirst() where placed[index].1 < placed[index - 1].1 + gap { placed[index].1 = placed[index - 1].1 + gap }
        var limit = range.upperBound
        for index in placed.indices.reversed() {
            if placed[index].1 > limit { placed[index].1 = limit }
            limit = placed[index].1 - gap
        }
        return placed
    }
}

/// One axis: its range and its round tick values.
struct Axis {
    let low: Double
    let high: Double
    let scale: LineChart.Scale
    let ticks: [Double]

    init(values: [Double], scale: LineChart.Scale, fixed: ClosedRange<Double>?, startsAtZero: Bool) {
        self.scale = scale
        var low = fixed?.lowerBound ?? values.min() ?? 0
        var high = fixed?.upperBound ?? values.max() ?? 1
        switch scale {
        case .logarithmic:
            low = low > 0 ? low : 1
            if high <= low { high = low * 10 }
            let first = Int(log10(low).rounded(.down)), last = Int(log10(high).rounded(.up))
            // One to three ticks a decade, by how many decades there are.
            let steps: [Double] = last - first <= 2 ? [1, 2, 5] : [1]
            ticks = (first...last).flatMap { decade in steps.map { $0 * pow(10, Double(decade)) } }
                .filter { $0 >= low * 0.999 && $0 <= high * 1.001 }
        case .linear:
            if fixed == nil, startsAtZero, low > 0, low < 0.6 * high { low = 0 }
            if high <= low { high = low + (low == 0 ? 1 : abs(low) * 0.1) }
            let raw = (high - low) / 5
            let magnitude = pow(10, log10(raw).rounded(.down))
            let step = [1, 2, 2.5, 5, 10].map { $0 * magnitude }.first { $0 >= raw * 0.999 } ?? raw
            if fixed == nil {
                if startsAtZero { low = (low / step + 1e-9).rounded(.down) * step }
                if startsAtZero { high = (high / step - 1e-9).rounded(.up) * step }
            }
            let start = Int((low / step - 1e-9).rounded(.up)), end = Int((high / step + 1e-9).rounded(.down))
            ticks = start <= end ? (start...end).map { Double($0) * step } : []
        }
        self.low = low
        self.high = high
    }

    /// 0 at the low end, 1 at the high end.
    func position(_ value: Double) -> Double {
        switch scale {
        case .linear: min(max((value - low) / (high - low), 0), 1)
        case .logarithmic: min(max((log10(value) - log10(low)) / (log10(high) - log10(low)), 0), 1)
        }
    }
}
