internal import Foundation

/// What this process takes of the machine's memory.
enum MemoryUse {
    /// Anonymous memory now, without mapped files, which the system drops when memory is short; `nil` where the system does not say.
    static var anonymousBytes: Int? {
        guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8) else { return nil }
        for line in status.split(separator: "\n") where line.hasPrefix("RssAnon:") {
            return line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 }
        }
        return nil
    }
}
