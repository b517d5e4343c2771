internal import PinSageKit

/// Reads Debian control data ("deb822"): stanzas of `Name: value` lines, divided by blank lines, with continuation lines that start with a
/// space or a tab. Packages files, what `apt-cache dumpavail` prints and the demo's snapshot are all of this form.
///
/// Field names are compared without regard to case. Bytes that are not UTF-8 become U+FFFD: package lists come from many hands, and a
/// maintainer's misspelt name is no reason to refuse an archive.
struct DebianStanzas {
    /// The fields of one stanza that were asked for. A value's continuation lines follow its first after a newline, without their indentation.
    struct Stanza {
        /// The line on which the stanza starts, from 1.
        var line = 0
        fileprivate(set) var fields: [String: String] = [:]

        /// - Parameter name: in lowercase.
        subscript(name: String) -> String? { fields[name] }
    }

    /// Calls `body` with every stanza of `bytes`, in order.
    ///
    /// - Parameters:
    ///   - wanted: the field names to keep, in lowercase; the rest is skipped without being decoded.
    ///   - file: named in errors.
    /// - Throws: `DataError` with the line for a line that is neither a field nor a continuation.
    /// - Complexity: O(bytes)
    static func forEach(in bytes: [UInt8], wanted: Set<String>, file: String, _ body: (Stanza) throws -> Void) throws {
        var stanza = Stanza()
        var current: String?
        var isOpen = false  // between the first line of a stanza and the blank line after it
        var line = 0
        var start = bytes.startIndex
        while start < bytes.endIndex {
            let newline = bytes[start...].firstIndex(of: 0x0A) ?? bytes.endIndex
            var end = newline
            if end > start, bytes[end - 1] == 0x0D { end -= 1 }
            line += 1
            defer { start = newline + 1 }
            let text = bytes[start..<end]
            guard text.contains(where: { $0 != 0x20 && $0 != 0x09 }) else {
                if isOpen { try body(stanza) }
                stanza = Stanza()
                current = nil
                isOpen = false
                continue
            }
            if text.first == 0x23 { continue }  // a comment
            if text.first == 0x20 || text.first == 0x09 {
                guard isOpen else {
                    throw DataError("expected a field, found a continuation line at the start of a stanza", file: file, line: line, column: 1)
                }
                if let current { stanza.fields[current, default: ""] += "\n" + trimmed(text) }
                continue
            }
            guard let colon = text.firstIndex(of: 0x3A), colon > text.startIndex else {
                let found = String(decoding: text.prefix(40), as: UTF8.self)
                throw DataError("expected 'Field: value', found '\(found)'", file: file, line: line, column: 1)
            }
            if !isOpen { stanza.line = line }
            isOpen = true
            let name = lowercased(text[..<colon])
            if wanted.contains(name) {
                current = name
                stanza.fields[name] = trimmed(text[(colon + 1)...])
            } else {
                current = nil
            }
        }
        if isOpen { try body(stanza) }
    }

    private static func lowercased(_ name: ArraySlice<UInt8>) -> String {
        String(decoding: name.map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }, as: UTF8.self)
    }

    private static func trimmed(_ text: ArraySlice<UInt8>) -> String {
        guard let first = text.firstIndex(where: { $0 != 0x20 && $0 != 0x09 }), let last = text.lastIndex(where: { $0 != 0x20 && $0 != 0x09 }) else {
            return ""
        }
        return String(decoding: text[first...last], as: UTF8.self)
    }
}
