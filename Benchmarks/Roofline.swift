import Foundation

extension Report {
    /// A page without scripts: the roofline plot as inline SVG, and every result as a table.
    var html: String {
        let rows = results.map { r in
            "<tr><td>\(escaped(r.case))</td><td>\(r.isa)</td><td>\(r.threads)</td><td>\(String(format: "%.6f", r.seconds))</td>"
                + "<td>\(String(format: "%.2f", r.gbps))</td><td>\(String(format: "%.2f", r.gflops))</td>"
                + "<td>\(String(format: "%.1f", r.percent))</td><td>\(r.limit)</td><td>\(escaped(r.shape))</td></tr>"
        }
        return """
            <!DOCTYPE html>
            <html lang="en"><head><meta charset="utf-8"><title>PinSageKit kernels</title>
            <style>body{font:14px/1.4 system-ui,sans-serif;margin:2em auto;max-width:1100px;color:#222}table{border-collapse:collapse}
            td,th{padding:2px 10px;text-align:right;border-bottom:1px solid #ddd}td:first-child,th:first-child,td:last-child{text-align:left}</style>
            </head><body>
            <h1>PinSageKit kernels</h1>
            <p>\(escaped(machine.processor)), \(machine.cores) cores, \(machine.instructionSet); BLAS \(escaped(machine.blasConfiguration))</p>
            \(roofline)
            <table><tr><th>case</th><th>isa</th><th>threads</th><th>seconds</th><th>GB/s</th><th>GFLOP/s</th><th>percent</th><th>of</th><th>shape</th></tr>
            \(rows.joined(separator: "\n"))
            </table></body></html>

            """
    }

    private func escaped(_ text: String) -> String {
        text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;").replacingOccurrences(of: ">", with: "&gt;")
    }

    /// GFLOP/s over operations per byte, both logarithmic: a case's height is bounded by the slope of its memory limit and the flat product
    /// limit. Only the most threads are drawn, or the points of one case would hide one another.
    private var roofline: String {
        let threads = results.map(\.threads).max() ?? 1
        let points = results.filter { $0.threads == threads && $0.flops > 0 && $0.isa != "swift" && $0.bytes > 0 }
        let width = 1000.0, height = 520.0, margin = 60.0
        let intensities = points.map { Double($0.flops) / Double($0.bytes) } + [0.1, 100]
        let peak = max(1, limits.filter { $0.unit == "GFLOP/s" }.map(\.rate).max() ?? 1)
        let low = floor(log10(intensities.min() ?? 0.1)), high = ceil(log10(intensities.max() ?? 100))
        let top = ceil(log10(peak)), bottom = min(-1, floor(log10(points.map(\.gflops).min() ?? 0.1)))
        func x(_ intensity: Double) -> Double { margin + (log10(intensity) - low) / (high - low) * (width - 2 * margin) }
        func y(_ rate: Double) -> Double { height - margin - (log10(rate) - bottom) / (top - bottom) * (height - 2 * margin) }
        func text(_ x: Double, _ y: Double, _ content: String, _ extra: String = "") -> String {
            "<text x=\"\(Int(x))\" y=\"\(Int(y))\" font-size=\"11\" \(extra)>\(escaped(content))</text>"
        }
        var parts = [
            "<svg viewBox=\"0 0 \(Int(width)) \(Int(height))\" role=\"img\" aria-label=\"roofline plot\" xmlns=\"http://www.w3.org/2000/svg\">"
        ]
        for power in Int(low)...Int(high) {
            let at = x(pow(10, Double(power)))
            parts.append("<line x1=\"\(at)\" y1=\"\(margin)\" x2=\"\(at)\" y2=\"\(height - margin)\" stroke=\"#eee\"/>")
            parts.append(text(at - 8, height - margin + 16, "1e\(power)"))
        }
        for power in Int(bottom)...Int(top) {
            let at = y(pow(10, Double(power)))
            parts.append("<line x1=\"\(margin)\" y1=\"\(at)\" x2=\"\(width - margin)\" y2=\"\(at)\" stroke=\"#eee\"/>")
            parts.append(text(18, at + 4, "1e\(power)"))
        }
        parts.append(text(width / 2 - 60, height - 14, "operations per byte"))
        parts.append(text(18, 30, "GFLOP/s, \(threads) threads"))
        for limit in limits where limit.threads == threads && limit.rate > 0 {
            // From the left edge up to where the slope meets the flat product limit.
            let start = pow(10, low), flat = limit.unit == "GFLOP/s"
            let bend = flat ? start : min(pow(10, high), peak / limit.rate)
            let from = flat ? (x(start), y(limit.rate)) : (x(start), y(max(limit.rate * start, pow(10, bottom))))
            let to = flat ? (x(pow(10, high)), y(limit.rate)) : (x(bend), y(min(peak, limit.rate * bend)))
            parts.append("<line x1=\"\(from.0)\" y1=\"\(from.1)\" x2=\"\(to.0)\" y2=\"\(to.1)\" stroke=\"#888\" stroke-dasharray=\"4 3\"/>")
            parts.append(text(to.0 - (flat ? 110 : 0), to.1 - 5, limit.limit, "fill=\"#666\""))
        }
        let colors = ["scalar": "#999", "avx2": "#1f77b4", "avx512": "#2ca02c", "neon": "#9467bd"]
        for point in points {
            let at = (x(Double(point.flops) / Double(point.bytes)), y(max(point.gflops, pow(10, bottom))))
            let title = "\(point.case) \(point.isa): \(String(format: "%.1f", point.gflops)) GFLOP/s, \(String(format: "%.1f", point.gbps)) GB/s"
            parts.append(
                "<circle cx=\"\(at.0)\" cy=\"\(at.1)\" r=\"4\" fill=\"\(colors[point.isa] ?? "#d62728")\"><title>\(escaped(title))</title></circle>")
            if point.isa == machine.instructionSet { parts.append(text(at.0 + 6, at.1 + 3, point.case)) }
        }
        parts.append("</svg>")
        return parts.joined(separator: "\n")
    }
}
