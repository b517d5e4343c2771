internal import Foundation
internal import PinSageKit

/// Keys that requests must carry: read keys for questions, write keys for everything.
///
/// The file has one key a line, `read KEY` or `write KEY`; empty lines and lines that begin with # are skipped.
public struct APIKeys: Sendable {
    /// Shorter keys could be guessed.
    static let shortest = 16

    enum Access: Int, Comparable {
        case read = 1, write

        static func < (left: Access, right: Access) -> Bool { left.rawValue < right.rawValue }
    }

    private var keys: [(access: Access, bytes: [UInt8])] = []

    /// - Throws: `DataError` with the line that is no key.
    public init(contentsOf path: String) throws {
        guard let data = FileManager.default.contents(atPath: path) else { throw DataError("expected a file of API keys, found none", file: path) }
        guard let text = String(validating: data, as: UTF8.self) else { throw DataError("expected UTF-8", file: path) }
        for (number, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let words = line.split { $0 == " " || $0 == "\t" || $0 == "\r" }
            if words.isEmpty || words[0].hasPrefix("#") { continue }
            guard words.count == 2, let access = ["read": Access.read, "write": .write][words[0]] else {
                throw DataError("expected \"read KEY\" or \"write KEY\"", file: path, line: number + 1)
            }
            guard words[1].utf8.count >= Self.shortest else {
                throw DataError("expected a key of \(Self.shortest) characters or more, found \(words[1].utf8.count)", file: path, line: number + 1)
            }
            keys.append((access, Array(words[1].utf8)))
        }
        guard !keys.isEmpty else { throw DataError("expected at least one key, found none", file: path) }
    }

    /// What a request with this Authorization header may do; `nil` for nothing.
    ///
    /// All keys are compared in full, so that the time taken says nothing about how much of a guess was right.
    func access(of authorization: String?) -> Access? {
        let prefix = "bearer "
        guard let authorization, authorization.lowercased().hasPrefix(prefix) else { return nil }
        let given = Array(authorization.utf8.dropFirst(prefix.utf8.count))
        var found: Access?
        for key in keys where Self.isEqual(given, key.bytes) { found = max(found ?? .read, key.access) }
        return found
    }

    @inline(never) private static func isEqual(_ given: [UInt8], _ key: [UInt8]) -> Bool {
        var difference = given.count ^ key.count
        for index in key.indices { difference |= Int((index < given.count ? given[index] : 0) ^ key[index]) }
        return difference == 0
    }
}
