/// Data that cannot be used: a file that is missing, damaged, malformed or of the wrong kind or shape.
///
/// The message says what was expected and what was found; `file`, `line` and `column` say where, as far as it is known.
/// `pinsage-cli` exits with 65 on it.
public struct DataError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was expected and what was found.
    public var message: String
    /// The path of the file, or "standard input".
    public var file: String?
    /// The line in a text file, from 1; a quoted field with line breaks spans several.
    public var line: Int?
    /// The position in the line in bytes, from 1.
    public var column: Int?

    public init(_ message: String, file: String? = nil, line: Int? = nil, column: Int? = nil) {
        self.message = message
        self.file = file
        self.line = line
        self.column = column
    }

    /// `FILE:LINE:COLUMN: MESSAGE`, without the parts that are not known.
    public var description: String {
        var place = ""
        if let file { place += file + ":" }
        if let line { place += "\(line):" }
        if let column { place += "\(column):" }
        return place.isEmpty ? message : "\(place) \(message)"
    }
}
