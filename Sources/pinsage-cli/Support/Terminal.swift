internal import PinSageKit
#if canImport(Darwin)
    internal import Darwin
#else
    internal import Glibc
#endif

/// Standard output for results, standard error for everything else.
enum Terminal {
    static var isErrorTerminal: Bool { isatty(2) == 1 }

    /// Whether messages may be colored: on a terminal that can, unless NO_COLOR is set (https://no-color.org).
    private static let isColored: Bool = {
        guard isErrorTerminal, let terminal = setting("TERM"), terminal != "dumb" else { return false }
        return setting("NO_COLOR") == nil
    }()

    /// A variable of the environment that is not empty.
    private static func setting(_ name: String) -> String? {
        guard let value = unsafe getenv(name), unsafe value.pointee != 0 else { return nil }
        return unsafe String(cString: value)
    }

    /// A line on standard error; what it begins with ("error:", "warning:") is red or yellow where ``isColored``.
    static func error(_ line: String) {
        for (prefix, color) in [("error:", 31), ("warning:", 33)] where isColored && line.hasPrefix(prefix) {
            return write("\u{1b}[1;\(color)m\(prefix)\u{1b}[0m\(line.dropFirst(prefix.count))\n", to: 2)
        }
        write(line + "\n", to: 2)
    }

    static func result(_ text: String) { write(text.hasSuffix("\n") ? text : text + "\n", to: 1) }

    static func result(_ value: JSONValue) { result(value.serialized(indented: true)) }

    static func write(_ text: String, to descriptor: Int32) {
        var text = text
        text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while rest.count > 0 {
                #if canImport(Darwin)
                    let written = unsafe Darwin.write(descriptor, rest.baseAddress, rest.count)
                #else
                    let written = unsafe Glibc.write(descriptor, rest.baseAddress, rest.count)
                #endif
                if written < 0 && errno == EINTR { continue }
                guard written > 0 else {
                    // A result that cannot be delivered is a failure; a message that cannot must not hide the result.
                    if descriptor == 1 {
                        let reason = unsafe String(cString: strerror(errno))
                        error("error: the result cannot be written to standard output: \(reason)")
                        exit(1)
                    }
                    return
                }
                unsafe rest = UnsafeRawBufferPointer(rebasing: rest[written...])
            }
        }
    }

    /// A name as one line of text: control characters, which might steer the terminal or break a table, are shown escaped.
    static func line(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else { return text }
        return text.unicodeScalars.map { $0.properties.generalCategory == .control ? $0.escaped(asASCII: true) : String($0) }.joined()
    }

    /// Columns of names and values for people.
    static func table(_ rows: [(String, String)]) -> String {
        let width = rows.map(\.0.count).max() ?? 0
        return rows.map { $0.0 + String(repeating: " ", count: width - $0.0.count + 2) + $0.1 }.joined(separator: "\n")
    }

    /// A count with separators: 1,234,567.
    static func count(_ value: Int) -> String {
        let digits = String(value.magnitude)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0 && (digits.count - index) % 3 == 0 { text += "," }
            text.append(digit)
        }
        return value < 0 ? "-" + text : text
    }

    /// A count of things: 1 epoch, 2 epochs.
    static func count(_ value: Int, _ singular: String, _ plural: String? = nil) -> String {
        count(value) + " " + (value == 1 ? singular : plural ?? singular + "s")
    }

    /// A length in bytes for people: 1.5 GiB.
    static func bytes(_ value: Int) -> String {
        var amount = Double(value)
        for unit in ["bytes", "KiB", "MiB", "GiB"] {
            if amount < 1024 { return unit == "bytes" ? "\(value) bytes" : "\((amount * 10).rounded() / 10) \(unit)" }
            amount /= 1024
        }
        return "\((amount * 10).rounded() / 10) TiB"
    }

    /// A duration for people: 42 s, 3 min 5 s, 2 h 10 min.
    static func duration(_ seconds: Double) -> String {
        let whole = Int(min(max(seconds, 0), 1e9).rounded())
        if whole < 60 { return "\(whole) s" }
        if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
        return "\(whole / 3600) h \(whole % 3600 / 60) min"
    }
}
