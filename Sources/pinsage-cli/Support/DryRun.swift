internal import ArgumentParser
internal import Foundation
internal import PinSageKit

/// What every command has that writes to, or in place of, something that may be there already.
struct WritingOptions: ParsableArguments {
    @Flag(help: "Check the input, say what would be written or replaced, and write nothing.")
    var dryRun = false
}

/// What a command would do to a path, for --dry-run.
struct DryRun {
    private let path: String
    private let kind: String
    private let isThere: Bool
    private let bytes: Int?

    /// An artifact.
    ///
    /// - Throws: ``DataError`` for something in the way that will not be replaced, as the command itself would.
    init(of path: String, kind: String) throws {
        self.path = path
        self.kind = kind
        isThere = FileManager.default.fileExists(atPath: path)
        guard isThere else {
            bytes = 0
            return
        }
        try ArtifactWriter.check(path, kind: kind)
        bytes = try Artifact.open(path).manifest.files.values.reduce(0) { $0 + $1.bytes }
    }

    /// A file or folder of results that is no artifact.
    init(ofFile path: String, kind: String = "file") {
        self.path = path
        self.kind = kind
        isThere = FileManager.default.fileExists(atPath: path)
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        // What a folder says of itself is not the size of what is in it.
        bytes = attributes?[.type] as? FileAttributeType == .typeRegular ? attributes?[.size] as? Int : nil
    }

    /// - Parameter counts: what the command would report, by the names of its --json.
    func show(_ counts: KeyValuePairs<String, Int> = [:], json: Bool) {
        if json {
            var result: [String: JSONValue] = [
                "dry_run": true, "output": .string(path), "kind": .string(kind), "replaces": .bool(isThere),
                "replaced_bytes": bytes.map { JSONValue($0) } ?? .null,
            ]
            for (name, count) in counts { result[name] = JSONValue(count) }
            Terminal.result(.object(result))
            return
        }
        let size = bytes.map { " of " + Terminal.bytes($0) } ?? ""
        var rows = [("would write", path), ("kind", kind), ("in place of", isThere ? "one that is there\(size)" : "nothing")]
        for (name, count) in counts { rows.append((name.replacingOccurrences(of: "_", with: " "), Terminal.count(count))) }
        rows.append(("done", "nothing (--dry-run)"))
        Terminal.result(Terminal.table(rows))
    }

    /// Lets `body` work on a path beside `output`, and leaves nothing of it.
    static func beside<Result>(_ output: String, _ body: (_ path: String) throws -> Result) throws -> Result {
        var stem = output
        while stem.hasSuffix("/") { stem.removeLast() }
        let path = "\(stem).dry-run-\(ProcessInfo.processInfo.processIdentifier)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try body(path)
    }
}
