internal import Foundation

extension String {
    /// The text with every character escaped that means something in HTML or SVG, in text and in quoted attributes alike.
    ///
    /// Control characters that XML forbids become the replacement character.
    var escapedForMarkup: String {
        var result = ""
        result.reserveCapacity(utf8.count)
        for scalar in unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            case "\t", "\n", "\r": result.unicodeScalars.append(scalar)
            case _ where scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value): result += "\u{FFFD}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}

/// Numbers as charts and tables print them, the same in every locale.
enum NumberText {
    /// `value` with a fixed number of decimals.
    static func fixed(_ value: Double, _ decimals: Int) -> String {
        guard value.isFinite else { return "–" }
        let text = String(format: "%.\(decimals)f", value)
        return text.hasPrefix("-") && !text.contains(where: { ("1"..."9").contains($0) }) ? String(text.dropFirst()) : text
    }

    /// As short as it can be without losing a tick's position: 0.05, 1, 250, 10k, 2M.
    static func tick(_ value: Double) -> String {
        let size = abs(value)
        if size >= 1_000_000, value.truncatingRemainder(dividingBy: 100_000) == 0 { return trimmed(value / 1_000_000) + "M" }
        if size >= 10_000, value.truncatingRemainder(dividingBy: 100) == 0 { return trimmed(value / 1000) + "k" }
        return trimmed(value)
    }

    private static func trimmed(_ value: Double) -> String {
        var text = fixed(value, 6)
        if text.contains(".") {
            while text.hasSuffix("0") { text.removeLast() }
            if text.hasSuffix(".") { text.removeLast() }
        }
        return text
    }

    /// A count with thin spaces between thousands: 122 490.
    static func count(_ value: Int) -> String {
        let digits = String(value.magnitude)
        var result = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { result += "\u{202F}" }
            result.append(digit)
        }
        return value < 0 ? "-" + result : result
    }
}
