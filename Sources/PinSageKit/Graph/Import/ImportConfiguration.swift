/// The forms that edges come in.
public enum EdgeFormat: String, Sendable, Codable, CaseIterable {
    /// Tab-separated with a header line; no quoting.
    case tsv
    /// Comma-separated with a header line, quoted as in RFC 4180.
    case csv
    /// One JSON object on each line.
    case jsonl
    /// `collection item item ...` on each line, separated by spaces or tabs, without header.
    case adjacency
}

/// How text becomes a dataset.
public struct ImportConfiguration: Sendable, Codable, Hashable {
    /// `nil` takes what the edges file's name says, tab-separated when it says nothing.
    public var format: EdgeFormat?
    public var itemColumn = "item"
    public var collectionColumn = "collection"
    /// Seconds since 1970 or ISO 8601, empty where unknown. The column need not exist under its default name.
    public var timeColumn = "time"
    /// Positive numbers, empty for 1. The column need not exist under its default name.
    public var weightColumn = "weight"
    /// Whether edges may name items that the items file does not have; otherwise that is an error.
    public var allowsMissingItems = false
    /// The most threads that run at once; `nil` takes every core.
    public var threads: Int?
    /// About how many bytes of memory to use for edges before they are sorted on disk; identifiers come on top.
    public var memory = 4 << 30

    public init() {}

    /// - Throws: ``DataError`` for settings that contradict each other.
    public func validate() throws {
        let columns = [itemColumn, collectionColumn, timeColumn, weightColumn]
        guard !columns.contains("") else { throw DataError("expected column names, found an empty one") }
        guard Set(columns).count == columns.count else {
            throw DataError("expected four different columns, found \(columns.joined(separator: ", "))")
        }
        guard threads ?? 1 > 0 else { throw DataError("expected at least one thread, found \(threads ?? 0)") }
        guard memory >= 16 << 20 else { throw DataError("expected at least 16 MiB of memory, found \(memory) bytes") }
    }
}

/// Dense features to import: a `.npy` file of one row for each item.
public struct FeatureSource: Sendable, Hashable {
    public var name: String
    public var path: String
    /// A file of identifiers, one on each line, in the order of the rows; `nil` when the rows are in the order of the items file.
    public var identifiersPath: String?

    public init(name: String, path: String, identifiersPath: String? = nil) {
        self.name = name
        self.path = path
        self.identifiersPath = identifiersPath
    }

    /// Reads `NAME=FILE.npy` or `NAME=FILE.npy:IDS.txt`.
    ///
    /// - Throws: ``DataError`` for another form, or a name that is no file name.
    public init(argument: String) throws {
        guard let equals = argument.firstIndex(of: "=") else {
            throw DataError("expected NAME=FILE.npy or NAME=FILE.npy:IDS.txt, found \"\(argument)\"")
        }
        name = String(argument[..<equals])
        let files = argument[argument.index(after: equals)...]
        if let colon = files.lastIndex(of: ":"), files[..<colon].hasSuffix(".npy") {
            path = String(files[..<colon])
            identifiersPath = String(files[files.index(after: colon)...])
        } else {
            path = String(files)
        }
        let isPlain = name.utf8.allSatisfy { byte in
            UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20 || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || "_-".utf8.contains(byte)
        }
        guard isPlain, !name.isEmpty else { throw DataError("expected a feature name of letters, digits, _ and -, found \"\(name)\"") }
        guard !path.isEmpty, identifiersPath != "" else { throw DataError("expected NAME=FILE.npy or NAME=FILE.npy:IDS.txt, found \"\(argument)\"") }
    }
}

/// How far an import has come.
public struct ImportProgress: Sendable, Hashable {
    /// What is being read or written.
    public enum Stage: String, Sendable { case items, edges, graph, features }
    public var stage: Stage
    /// Rows or edges so far.
    public var count: Int
    /// From 0 to 1; `nil` when the whole is not known, as for a pipe.
    public var fraction: Double?
}
