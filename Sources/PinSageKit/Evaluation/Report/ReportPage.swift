internal import Foundation

/// A self-contained HTML page: one file, no script from elsewhere, no network, light and dark.
///
/// Every text is escaped here, so callers hand over plain strings.
public struct ReportPage: Sendable {
    /// One query item and its nearest items.
    public struct NeighborList: Sendable {
        /// An answer: an item and its score.
        public struct Neighbor: Sendable {
            public var title: String
            /// A second line: a description or where the item is from.
            public var detail: String?
            public var score: Double?

            public init(title: String, detail: String? = nil, score: Double? = nil) {
                self.title = title
                self.detail = detail
                self.score = score
            }
        }

        public var title: String
        public var detail: String?
        /// Nearest first.
        public var neighbors: [Neighbor]

        public init(title: String, detail: String? = nil, neighbors: [Neighbor]) {
            self.title = title
            self.detail = detail
            self.neighbors = neighbors
        }
    }

    /// A table; the first column is the row's name.
    public struct Table: Sendable {
        /// A number or a text, and whether it is the best of its column.
        public struct Cell: Sendable {
            public var text: String
            /// Printed small below: an interval.
            public var detail: String?
            /// Printed bold: the best of its column.
            public var isBest: Bool

            public init(_ text: String, detail: String? = nil, isBest: Bool = false) {
                self.text = text
                self.detail = detail
                self.isBest = isBest
            }
        }

        public var columns: [String]
        public var rows: [[Cell]]
        /// Rows printed on a tinted ground: the model among its baselines.
        public var emphasizedRows: Set<Int>
        /// The palette position of each row's mark, as in the charts; empty for none.
        public var colors: [Int]

        public init(columns: [String], rows: [[Cell]], emphasizedRows: Set<Int> = [], colors: [Int] = []) {
            self.columns = columns
            self.rows = rows
            self.emphasizedRows = emphasizedRows
            self.colors = colors
        }
    }

    /// What a section shows, in order.
    public enum Block: Sendable {
        case text(String)
        /// Small print below what it explains.
        case note(String)
        /// Names and values in two columns: settings, sizes, times.
        case facts([(name: String, value: String)])
        case table(Table)
        case chart(LineChart)
        case neighbors([NeighborList])
        /// Commands or output in a fixed pitch.
        case code(String)
    }

    /// A heading with what stands below it.
    public struct Section: Sendable {
        public var title: String
        public var blocks: [Block]

        public init(_ title: String, _ blocks: [Block]) {
            self.title = title
            self.blocks = blocks
        }
    }

    public var title: String
    public var subtitle: String?
    public var sections: [Section]

    public init(title: String, subtitle: String? = nil, sections: [Section]) {
        self.title = title
        self.subtitle = subtitle
        self.sections = sections
    }

    /// The page as one HTML document.
    public func html() -> String {
        var page = """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <title>\(title.escapedForMarkup)</title>
            <style>
            \(Self.style)
            </style>
            </head>
            <body>
            <main>
            <header><h1>\(title.escapedForMarkup)</h1>\n
            """
        if let subtitle { page += "<p class=\"subtitle\">\(subtitle.escapedForMarkup)</p>\n" }
        page += "</header>\n"
        for section in sections {
            page += "<section>\n<h2>\(section.title.escapedForMarkup)</h2>\n"
            for block in section.blocks { page += Self.html(of: block) + "\n" }
            page += "</section>\n"
        }
        return page + "</main>\n</body>\n</html>\n"
    }

    /// Writes the page; it appears under its name when it is complete.
    ///
    /// - Throws: ``DataError`` when the file cannot be written.
    public func write(to path: String) throws {
        try TextFile.write(to: path) { file in try file.write(html()) }
    }

    private static func html(of block: Block) -> String {
        switch block {
        case .text(let text): return "<p>\(text.escapedForMarkup)</p>"
        case .note(let text): return "<p class=\"note\">\(text.escapedForMarkup)</p>"
        case .code(let text): return "<pre>\(text.escapedForMarkup)</pre>"
        case .facts(let facts):
            let rows = facts.map { "<div><dt>\($0.name.escapedForMarkup)</dt><dd>\($0.value.escapedForMarkup)</dd></div>" }
            return "<dl>\(rows.joined())</dl>"
        case .table(let table): return html(of: table)
        case .chart(let chart):
            return "<figure><figcaption>\(chart.title.escapedForMarkup)</figcaption>\n\(chart.svg())\n</figure>"
        case .neighbors(let lists): return "<div class=\"lists\">\n\(lists.map(html(of:)).joined(separator: "\n"))\n</div>"
        }
    }

    private static func html(of table: Table) -> String {
        var text = "<div class=\"scroll\"><table>\n<thead><tr>"
        for column in table.columns { text += "<th scope=\"col\">\(column.escapedForMarkup)</th>" }
        text += "</tr></thead>\n<tbody>\n"
        for (row, cells) in table.rows.enumerated() {
            text += table.emphasizedRows.contains(row) ? "<tr class=\"own\">" : "<tr>"
            for (column, cell) in cells.enumerated() {
                let tag = column == 0 ? "th" : "td"
                text += column == 0 ? "<th scope=\"row\">" : (cell.isBest ? "<td class=\"best\">" : "<td>")
                if column == 0, table.colors.indices.contains(row) {
                    text += "<span class=\"mark s\(table.colors[row] % LineChart.paletteSize)\"></span>"
                }
                text += "<span>\(cell.text.escapedForMarkup)</span>"
                if let detail = cell.detail { text += "<small>\(detail.escapedForMarkup)</small>" }
                text += "</\(tag)>"
            }
            text += "</tr>\n"
        }
        return text + "</tbody>\n</table></div>"
    }

    private static func html(of list: NeighborList) -> String {
        var text = "<article><h3>\(list.title.escapedForMarkup)</h3>"
        if let detail = list.detail { text += "<p class=\"about\">\(detail.escapedForMarkup)</p>" }
        text += "<ol>"
        for neighbor in list.neighbors {
            text += "<li><div><b>\(neighbor.title.escapedForMarkup)</b>"
            if let detail = neighbor.detail { text += "<small>\(detail.escapedForMarkup)</small>" }
            text += "</div>"
            if let score = neighbor.score { text += "<span class=\"score\">\(NumberText.fixed(score, 3))</span>" }
            text += "</li>"
        }
        return text + "</ol></article>"
    }

    /// The style sheet of every report: system fonts, a palette that is told apart in both modes and by the colour-blind.
    static let style = """
        :root { --ground: #fbfbf9; --card: #ffffff; --ink: #1d2126; --soft: #5d6670; --rule: #e3e4e0; --own: #eef4fb; --accent: #0b5cad;
          --s0: #0b5cad; --s1: #c2571a; --s2: #2c8a57; --s3: #9a4fb3; --s4: #a88400; --s5: #c23b6b; --s6: #3f8fa8; --s7: #6c6f76; }
        @media (prefers-color-scheme: dark) { :root { --ground: #14171b; --card: #1b1f25; --ink: #e7e9ec; --soft: #9aa4af; --rule: #30363e;
          --own: #1d2b3c; --accent: #7cb7f2; --s0: #7cb7f2; --s1: #f09a62; --s2: #6ccb98; --s3: #cf9be2; --s4: #dcbf4c; --s5: #f08fb0;
          --s6: #7fcbe0; --s7: #a9adb5; } }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
        main { max-width: 1040px; margin: 0 auto; padding: 40px 24px 72px; }
        header { border-bottom: 1px solid var(--rule); padding-bottom: 18px; }
        h1 { font-size: 1.9rem; line-height: 1.2; letter-spacing: -.015em; margin: 0 0 6px; }
        .subtitle { color: var(--soft); margin: 0; font-size: 1.05rem; }
        section { margin-top: 40px; }
        h2 { font-size: 1.25rem; letter-spacing: -.005em; margin: 0 0 12px; }
        p { margin: 0 0 14px; max-width: 72ch; }
        .note { color: var(--soft); font-size: .875rem; }
        .scroll { overflow-x: auto; margin-bottom: 12px; border: 1px solid var(--rule); border-radius: 10px; background: var(--card); }
        table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
        th, td { padding: 9px 12px; text-align: right; white-space: nowrap; vertical-align: top; }
        th:first-child { text-align: left; position: sticky; left: 0; background: var(--card); }
        thead th { font-size: .8rem; font-weight: 600; color: var(--soft); border-bottom: 1px solid var(--rule); }
        tbody th { font-weight: 500; }
        tbody tr + tr > * { border-top: 1px solid var(--rule); }
        tr.own > *, tr.own th:first-child { background: var(--own); }
        tr.own th { font-weight: 650; }
        td small, th small { display: block; white-space: nowrap; color: var(--soft); font-size: .74rem; font-weight: 400; line-height: 1.3; }
        th small { white-space: normal; min-width: 15em; max-width: 22em; }
        td.best > span { font-weight: 700; }
        .mark { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 9px; background: var(--c); }
        .s0 { --c: var(--s0); } .s1 { --c: var(--s1); } .s2 { --c: var(--s2); } .s3 { --c: var(--s3); }
        .s4 { --c: var(--s4); } .s5 { --c: var(--s5); } .s6 { --c: var(--s6); } .s7 { --c: var(--s7); }
        figure { margin: 0 0 16px; padding: 16px 18px 8px; border: 1px solid var(--rule); border-radius: 10px; background: var(--card); }
        figcaption { font-size: .9rem; font-weight: 600; margin-bottom: 8px; }
        .chart { display: block; width: 100%; height: auto; font: 12px system-ui, "Segoe UI", Roboto, sans-serif; }
        .chart .grid line { stroke: var(--rule); }
        .chart .axis line { stroke: var(--soft); stroke-opacity: .6; }
        .chart .axis text { fill: var(--soft); font-variant-numeric: tabular-nums; }
        .chart .label { fill: var(--soft); }
        .chart .line { fill: none; stroke: var(--c); stroke-width: 1.8; stroke-linejoin: round; stroke-linecap: round; }
        .chart .strong .line { stroke-width: 3; }
        .chart .d1 { stroke-dasharray: 7 4; } .chart .d2 { stroke-dasharray: 2 4; } .chart .d3 { stroke-dasharray: 9 3 2 3; }
        .chart circle { fill: var(--c); }
        .chart .lead { fill: none; stroke: var(--c); stroke-opacity: .45; stroke-width: 1; }
        .chart .name { fill: var(--c); font-weight: 500; } .chart .strong .name { font-weight: 700; }
        dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); gap: 14px 22px; margin: 0 0 16px; }
        dt { color: var(--soft); font-size: .8rem; } dd { margin: 0; font-weight: 550; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
        pre { overflow-x: auto; padding: 12px 14px; border: 1px solid var(--rule); border-radius: 10px; background: var(--card);
          font: .84rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
        .lists { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 16px; }
        article { border: 1px solid var(--rule); border-radius: 10px; background: var(--card); padding: 14px 16px 8px; min-width: 0; }
        h3 { margin: 0 0 2px; font-size: 1.02rem; overflow-wrap: anywhere; }
        .about { color: var(--soft); font-size: .84rem; line-height: 1.4; margin: 0 0 8px; }
        ol { list-style: none; counter-reset: place; margin: 8px 0 0; padding: 0; }
        li { counter-increment: place; display: flex; gap: 10px; padding: 6px 0; border-top: 1px solid var(--rule); font-size: .92rem; line-height: 1.35; }
        li::before { content: counter(place); color: var(--soft); width: 1.4em; text-align: right; flex: none; font-variant-numeric: tabular-nums; }
        li div { flex: 1; min-width: 0; overflow-wrap: anywhere; } li b { font-weight: 550; }
        li small { display: block; color: var(--soft); font-size: .78rem; }
        .score { color: var(--soft); font-variant-numeric: tabular-nums; font-size: .84rem; }
        @media print { body { background: #fff; } figure, article, .scroll { break-inside: avoid; } }
        """
}
