/// What stands behind the `?` of a request: names with one value each.
struct QueryParameters: Sendable {
    private var values: [(name: String, value: String)] = []

    /// - Throws: ``Problem`` 400 for what is not percent-encoded UTF-8, and for a name that occurs twice.
    init(_ query: Substring.UTF8View) throws(Problem) {
        for pair in query.split(separator: UInt8(ascii: "&")) {
            let end = pair.firstIndex(of: UInt8(ascii: "=")) ?? pair.endIndex
            guard let name = percentDecoded(pair[..<end], plusIsSpace: true),
                let value = percentDecoded(pair[end...].dropFirst(), plusIsSpace: true)
            else { throw .badRequest("expected percent-encoded UTF-8 in the query") }
            guard self[name] == nil else { throw .badRequest("expected \(name) once, found it twice") }
            values.append((name, value))
        }
    }

    subscript(name: String) -> String? { values.first { $0.name == name }?.value }

    /// - Throws: ``Problem`` 400 naming the first parameter that is not among `known`: a misspelt filter must not answer unfiltered.
    func allow(_ known: String...) throws(Problem) {
        if let other = values.first(where: { !known.contains($0.name) }) {
            throw .badRequest(
                "expected " + (known.isEmpty ? "no parameters" : "the parameters \(known.joined(separator: ", "))") + ", found \"\(other.name)\"")
        }
    }

    func integer(_ name: String, in range: ClosedRange<Int>) throws(Problem) -> Int? {
        guard let text = self[name] else { return nil }
        guard let value = Int(text), range.contains(value) else {
            throw .badRequest("expected \(name) to be a whole number from \(range.lowerBound) to \(range.upperBound), found \"\(text)\"")
        }
        return value
    }

    func fraction(_ name: String) throws(Problem) -> Float? {
        guard let text = self[name] else { return nil }
        guard let value = Float(text), (0...1).contains(value) else {
            throw .badRequest("expected \(name) to be a number from 0 to 1, found \"\(text)\"")
        }
        return value
    }

    func flag(_ name: String) throws(Problem) -> Bool {
        switch self[name] {
        case nil, "0", "false": return false
        case "1", "true", "": return true
        case let text?: throw .badRequest("expected \(name) to be true or false, found \"\(text)\"")
        }
    }
}
