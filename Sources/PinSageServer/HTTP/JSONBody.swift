internal import PinSageKit

/// The members of a request's JSON object, taken one by one; what nobody took is an error, so that a misspelt name is not passed over.
struct JSONBody {
    private var members: [String: JSONValue]
    private let place: String

    /// - Throws: ``Problem`` 415 for another type, 400 for what is no JSON object.
    init(_ call: HTTPCall) throws(Problem) {
        // Demanding this type also keeps pages of other origins out: a browser asks before it sends such a body, and is refused.
        let type = call.contentType?.lowercased().prefix { $0 != ";" }.filter { $0 != " " }
        guard type == "application/json" else {
            throw Problem(415, "expected a body of Content-Type application/json, found \"\(call.contentType?.prefix(100) ?? "")\"")
        }
        let value: JSONValue
        do { value = try JSONValue(parsing: call.body) } catch { throw .badRequest("the body is no JSON: \(error)") }
        try self.init(value, place: "the body")
    }

    /// - Parameter place: what the value is, for messages.
    init(_ value: JSONValue, place: String) throws(Problem) {
        guard let members = value.object else { throw .badRequest("expected \(place) to be a JSON object") }
        self.members = members
        self.place = place
    }

    /// A member as it is; `nil` where there is none. `null` is a value, and of no type that is asked for.
    mutating func take(_ name: String) -> JSONValue? { members.removeValue(forKey: name) }

    private func wrong(_ name: String, _ expected: String) -> Problem { .badRequest("expected \"\(name)\" of \(place) to be \(expected)") }

    mutating func text(_ name: String, longest: Int = RequestLimits.textLength) throws(Problem) -> String? {
        guard let value = take(name) else { return nil }
        guard let text = value.string, text.count <= longest else { throw wrong(name, "a text of at most \(longest) characters") }
        // SQLite's C interface and most of the world end a text there.
        guard !text.utf8.contains(0) else { throw wrong(name, "a text without NUL characters") }
        return text
    }

    mutating func integer(_ name: String, in range: ClosedRange<Int>) throws(Problem) -> Int? {
        guard let value = take(name) else { return nil }
        guard let number = value.int, range.contains(number) else {
            throw wrong(name, "a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    mutating func fraction(_ name: String) throws(Problem) -> Float? {
        guard let value = take(name) else { return nil }
        guard let number = value.double, (0...1).contains(number) else { throw wrong(name, "a number from 0 to 1") }
        return Float(number)
    }

    mutating func flag(_ name: String) throws(Problem) -> Bool? {
        guard let value = take(name) else { return nil }
        guard let flag = value.bool else { throw wrong(name, "true or false") }
        return flag
    }

    mutating func list(_ name: String, longest: Int) throws(Problem) -> [JSONValue]? {
        guard let value = take(name) else { return nil }
        guard let list = value.array, list.count <= longest else { throw wrong(name, "a list of at most \(longest) values") }
        return list
    }

    mutating func texts(_ name: String, longest: Int) throws(Problem) -> [String]? {
        guard let list = try list(name, longest: longest) else { return nil }
        var texts: [String] = []
        for value in list {
            guard let text = value.string else { throw wrong(name, "a list of texts") }
            texts.append(text)
        }
        return texts
    }

    /// One of the names of an enumeration.
    mutating func choice<Choice: RawRepresentable & CaseIterable>(_ name: String) throws(Problem) -> Choice? where Choice.RawValue == String {
        guard let value = take(name) else { return nil }
        guard let choice = value.string.flatMap(Choice.init) else {
            throw wrong(name, "one of \(Choice.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return choice
    }

    /// - Throws: ``Problem`` 400 when something is left that nobody took.
    func finish() throws(Problem) {
        if let other = members.keys.min() { throw .badRequest("found \"\(other.prefix(100))\" in \(place), which means nothing there") }
    }
}
