internal import GRDB
internal import PinSageKit

/// A condition on the metadata of items, as people write it: `language = "go" and (stars >= 100 or has license)`.
///
///     filter     = and-list { "or" and-list }
///     and-list   = term { "and" term }
///     term       = "not" term | "(" filter ")" | "has" NAME | "words" TEXT | NAME comparison
///     comparison = ("=" | "!=" | "<" | "<=" | ">" | ">=") (TEXT | NUMBER) | ("~" | "!~") TEXT | ["not"] "in" "(" VALUE { "," VALUE } ")"
///
/// NAME is id, title, url, text or an attribute, between backquotes where it is not letters, digits and _. TEXT stands between double or single
/// quotes, which are doubled inside. Beside a TEXT values are compared as text, beside a NUMBER as numbers (what is none counts as missing).
/// An item without a value satisfies only `!=`, `!~`, `not in` and `not has`. `~` is "contains", without regard to the case of ASCII letters; `words` is
/// the catalog's text search for items that have all of the words.
///
/// A filter is compiled to SQL in which every name is one of the catalog's columns and every value is bound, never text of the statement.
public struct CatalogFilter: Sendable, Hashable {
    /// One comparison.
    enum Operator: String, Sendable, Hashable {
        case equal = "=", unequal = "!=", less = "<", lessOrEqual = "<=", greater = ">", greaterOrEqual = ">="
        case contains = "~", lacks = "!~"
    }

    enum Value: Sendable, Hashable {
        case text(String)
        case number(Double)
    }

    indirect enum Node: Sendable, Hashable {
        case all([Node])
        case any([Node])
        case not(Node)
        case has(String)
        case words(String)
        case compare(String, Operator, Value)
        case among(String, [Value])
    }

    let root: Node
    /// The filter as it was written.
    public let text: String

    /// The most comparisons in a filter and the deepest nesting.
    static let mostTerms = 256, mostDepth = 32

    /// - Throws: `DataError` that says what was expected and found at which character.
    public init(parsing text: String) throws {
        var parser = try FilterParser(text)
        root = try parser.parse()
        self.text = text
    }

    /// A condition for WHERE on table items, and the values that it binds.
    ///
    /// - Throws: `DataError` for a name that is no column.
    func compiled(columns: [String]) throws -> (sql: String, values: [Value]) {
        var values: [Value] = []
        func column(_ name: String) throws -> String {
            guard columns.contains(name) else {
                throw DataError("filter: expected one of \(columns.prefix(50).joined(separator: ", ")), found \"\(name)\"")
            }
            return CatalogSchema.quoted(name)
        }
        // Numbers are what begins as one; CAST would read 0 from any other text.
        func numeric(_ column: String) -> String {
            "CASE WHEN \(column) GLOB '[-+.0-9]*' AND \(column) GLOB '*[0-9]*' THEN CAST(\(column) AS REAL) END"
        }
        func sql(_ node: Node) throws -> String {
            switch node {
            case .all(let nodes): return "(" + (try nodes.map(sql)).joined(separator: " AND ") + ")"
            case .any(let nodes): return "(" + (try nodes.map(sql)).joined(separator: " OR ") + ")"
            case .not(let node): return "NOT (\(try sql(node)))"
            case .has(let name): return "\(try column(name)) IS NOT NULL"
            case .words(let text):
                let words = text.split { !($0.isLetter || $0.isNumber) }.prefix(32).map { "\"\($0)\"" }
                guard !words.isEmpty else { throw DataError("filter: expected words in \"\(text)\"") }
                values.append(.text(words.joined(separator: " ")))
                return "row IN (SELECT rowid FROM items_search WHERE items_search MATCH ?)"
            case .compare(let name, let comparison, let value):
                let column = try column(name)
                values.append(value)
                switch (comparison, value) {
                case (.contains, _): return "coalesce(instr(lower(\(column)), lower(?)) > 0, 0)"
                case (.lacks, _): return "coalesce(instr(lower(\(column)), lower(?)) = 0, 1)"
                case (.unequal, .text): return "\(column) IS NOT ?"
                case (.unequal, .number): return "coalesce(\(numeric(column)) != ?, 1)"
                case (_, .text): return "coalesce(\(column) \(comparison.rawValue) ?, 0)"
                case (_, .number): return "coalesce(\(numeric(column)) \(comparison.rawValue) ?, 0)"
                }
            case .among(let name, let candidates):
                return "(" + (try candidates.map { try sql(.compare(name, .equal, $0)) }).joined(separator: " OR ") + ")"
            }
        }
        return (try sql(root), values)
    }
}

extension CatalogFilter {
    /// The rows of table items that satisfy the filter, ascending.
    func rows(attributes: [String], in db: Database) throws -> [Int] {
        let (condition, values) = try compiled(columns: CatalogSchema.fixedColumns.dropFirst() + attributes)
        let statement = try db.cachedStatement(sql: "SELECT row FROM items WHERE \(condition) ORDER BY row")
        let arguments = values.map { value in
            switch value {
            case .text(let text): text.databaseValue
            case .number(let number): number.databaseValue
            }
        }
        return try Int.fetchAll(statement, arguments: StatementArguments(arguments))
    }
}

/// Reads a ``CatalogFilter``.
private struct FilterParser {
    private enum Token: Equatable {
        case name(String)
        case quotedName(String)
        case text(String)
        case number(Double)
        case symbol(String)
        case end

        var description: String {
            switch self {
            case .name(let name), .symbol(let name): "\"\(name)\""
            case .quotedName(let name): "`\(name)`"
            case .text(let text): "the text \"\(text.prefix(40))\""
            case .number(let number): "the number \(number)"
            case .end: "the end"
            }
        }
    }

    private var tokens: [(token: Token, place: Int)] = []
    private var position = 0
    private var terms = 0

    init(_ text: String) throws {
        let characters = Array(text.unicodeScalars)
        var place = 0
        func isName(_ scalar: Unicode.Scalar) -> Bool { scalar == "_" || scalar.properties.isAlphabetic || "0"..."9" ~= scalar }
        while place < characters.count {
            let start = place
            let scalar = characters[place]
            place += 1
            if scalar.properties.isWhitespace { continue }
            switch scalar {
            case "\"", "'", "`":
                var content = String.UnicodeScalarView()
                while true {
                    guard place < characters.count else { throw Self.error("expected a closing \(scalar), found the end", start) }
                    if characters[place] == scalar {
                        place += 1
                        guard place < characters.count, characters[place] == scalar else { break }
                    }
                    content.append(characters[place])
                    place += 1
                }
                guard !content.contains("\0") else { throw Self.error("expected text, found a NUL character", start) }
                tokens.append((scalar == "`" ? .quotedName(String(content)) : .text(String(content)), start))
            case "(", ")", ",", "=", "~": tokens.append((.symbol(String(scalar)), start))
            case "<", ">", "!":
                var symbol = String(scalar)
                if place < characters.count, characters[place] == "=" || scalar == "!" && characters[place] == "~" {
                    symbol.unicodeScalars.append(characters[place])
                    place += 1
                }
                guard symbol != "!" else { throw Self.error("expected != or !~, found \"!\"", start) }
                tokens.append((.symbol(symbol), start))
            case "-", "+", ".", "0"..."9":
                while place < characters.count, isName(characters[place]) || ".+-".unicodeScalars.contains(characters[place]) { place += 1 }
                let digits = String(String.UnicodeScalarView(characters[start..<place]))
                guard let number = Double(digits), number.isFinite else {
                    throw Self.error("expected a number, found \"\(digits.prefix(40))\" (texts stand in quotes)", start)
                }
                tokens.append((.number(number), start))
            case _ where isName(scalar):
                while place < characters.count, isName(characters[place]) { place += 1 }
                tokens.append((.name(String(String.UnicodeScalarView(characters[start..<place]))), start))
            default: throw Self.error("expected a condition, found \"\(scalar)\"", start)
            }
        }
        tokens.append((.end, characters.count))
    }

    private static func error(_ message: String, _ place: Int) -> DataError { DataError("filter: \(message) at character \(place + 1)") }

    private func unexpected(_ expected: String) -> DataError {
        Self.error("expected \(expected), found \(tokens[position].token.description)", tokens[position].place)
    }

    private mutating func take(_ symbol: String) -> Bool {
        switch tokens[position].token {
        case .symbol(symbol): break
        case .name(let name) where name.lowercased() == symbol: break
        default: return false
        }
        position += 1
        return true
    }

    mutating func parse() throws -> CatalogFilter.Node {
        let node = try anyOf(depth: 0)
        guard tokens[position].token == .end else { throw unexpected("\"and\", \"or\" or the end") }
        return node
    }

    private mutating func anyOf(depth: Int) throws -> CatalogFilter.Node {
        var nodes = [try allOf(depth: depth)]
        while take("or") { nodes.append(try allOf(depth: depth)) }
        return nodes.count == 1 ? nodes[0] : .any(nodes)
    }

    private mutating func allOf(depth: Int) throws -> CatalogFilter.Node {
        var nodes = [try term(depth: depth)]
        while take("and") { nodes.append(try term(depth: depth)) }
        return nodes.count == 1 ? nodes[0] : .all(nodes)
    }

    private mutating func term(depth: Int) throws -> CatalogFilter.Node {
        guard depth < CatalogFilter.mostDepth else { throw unexpected("at most \(CatalogFilter.mostDepth) levels of conditions") }
        terms += 1
        guard terms <= CatalogFilter.mostTerms else { throw unexpected("at most \(CatalogFilter.mostTerms) conditions") }
        if take("not") { return .not(try term(depth: depth + 1)) }
        if take("(") {
            let node = try anyOf(depth: depth + 1)
            guard take(")") else { throw unexpected("\")\"") }
            return node
        }
        // "has" and "words" are also possible names: what follows tells.
        if case .name(let name) = tokens[position].token, position + 1 < tokens.count {
            switch (name.lowercased(), tokens[position + 1].token) {
            case ("has", .name), ("has", .quotedName):
                position += 1
                return .has(try self.name())
            case ("words", .text(let text)):
                position += 2
                return .words(text)
            default: break
            }
        }
        return try comparison(of: try name())
    }

    private mutating func name() throws -> String {
        switch tokens[position].token {
        case .name(let name), .quotedName(let name):
            position += 1
            return name
        default: throw unexpected("the name of an attribute")
        }
    }

    private mutating func comparison(of name: String) throws -> CatalogFilter.Node {
        if take("not") {
            guard take("in") else { throw unexpected("\"in\"") }
            return .not(.among(name, try list()))
        }
        if take("in") { return .among(name, try list()) }
        guard case .symbol(let symbol) = tokens[position].token, let comparison = CatalogFilter.Operator(rawValue: symbol) else {
            throw unexpected("=, !=, <, <=, >, >=, ~, !~ or in after \"\(name)\"")
        }
        position += 1
        let value = try value()
        if case .number = value, comparison == .contains || comparison == .lacks {
            position -= 1
            throw unexpected("a text in quotes after \(symbol)")
        }
        return .compare(name, comparison, value)
    }

    private mutating func list() throws -> [CatalogFilter.Value] {
        guard take("(") else { throw unexpected("\"(\"") }
        var values = [try value()]
        while take(",") { values.append(try value()) }
        guard take(")") else { throw unexpected("\",\" or \")\"") }
        guard values.count <= CatalogFilter.mostTerms else { throw unexpected("at most \(CatalogFilter.mostTerms) values") }
        return values
    }

    private mutating func value() throws -> CatalogFilter.Value {
        switch tokens[position].token {
        case .text(let text):
            position += 1
            return .text(text)
        case .number(let number):
            position += 1
            return .number(number)
        default: throw unexpected("a number or a text in quotes")
        }
    }
}
