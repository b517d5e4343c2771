/// Progress on standard error: one line that changes, with rate and time left, on a terminal; a plain line now and then otherwise.
final class ProgressBar {
    private let label: String
    private let unit: String
    private let isTerminal: Bool
    private let isShown: Bool
    private let clock = ContinuousClock()
    private let start: ContinuousClock.Instant
    private var lastShown: ContinuousClock.Instant
    private var width = 0

    /// - Parameters:
    ///   - label: what is being done: "importing".
    ///   - unit: what is counted: "edges".
    ///   - isShown: false shows nothing at all, for --quiet.
    init(_ label: String, unit: String, isShown: Bool = true, isTerminal: Bool = Terminal.isErrorTerminal) {
        self.label = label
        self.unit = unit
        self.isShown = isShown
        self.isTerminal = isTerminal
        start = clock.now
        // The first plain line comes after a while, the first change of a terminal's line at once.
        lastShown = isTerminal ? clock.now - .seconds(1) : clock.now
    }

    /// - Parameters:
    ///   - count: units so far.
    ///   - fraction: of the whole, from 0 to 1; `nil` when it is not known.
    ///   - note: what else is to be seen at the moment, at the line's end.
    func update(count: Int, fraction: Double?, note: @autoclosure () -> String = "") {
        guard isShown else { return }
        let now = clock.now
        guard lastShown.duration(to: now) >= (isTerminal ? .milliseconds(100) : .seconds(10)) else { return }
        lastShown = now
        var line = ProgressBar.line(
            label: label, unit: unit, count: count, fraction: fraction, seconds: start.duration(to: now) / .seconds(1), isTerminal: isTerminal)
        let note = note()
        if !note.isEmpty { line += ", " + note }
        if isTerminal {
            Terminal.write("\r" + line + String(repeating: " ", count: max(0, width - line.count)), to: 2)
            width = line.count
        } else {
            Terminal.error(line)
        }
    }

    /// Takes the line away, so that messages and results start on a clean one.
    func finish() {
        if isTerminal && width > 0 { Terminal.write("\r" + String(repeating: " ", count: width) + "\r", to: 2) }
        width = 0
    }

    static func line(label: String, unit: String, count: Int, fraction: Double?, seconds: Double, isTerminal: Bool) -> String {
        var text = label
        if let fraction {
            if isTerminal {
                let filled = Int((min(max(fraction, 0), 1) * 20).rounded())
                text += " [" + String(repeating: "#", count: filled) + String(repeating: ".", count: 20 - filled) + "]"
            }
            text += " \(Int(fraction * 100)) %"
        }
        text += "  \(Terminal.count(count)) \(unit)"
        if seconds > 0 && count > 0 { text += ", \(Terminal.count(Int(Double(count) / seconds))) \(unit)/s" }
        if let fraction, fraction > 0.01, fraction < 1 { text += ", \(Terminal.duration(seconds * (1 - fraction) / fraction)) left" }
        return text
    }
}
