internal import Foundation

/// A folder that is removed with its owner.
public final class TemporaryFolder {
    public let path: String

    public init() throws {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("pinsage-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// The path of a file in the folder.
    public subscript(name: String) -> String { path + "/" + name }

    /// Writes a text file. - Returns: its path.
    @discardableResult
    public func write(_ name: String, _ text: String) throws -> String { try write(name, Array(text.utf8)) }

    /// Writes a file. - Returns: its path.
    @discardableResult
    public func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        try Data(bytes).write(to: URL(fileURLWithPath: self[name]))
        return self[name]
    }

    /// The bytes of a file.
    public func read(_ name: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(fileURLWithPath: self[name]))) }

    /// The names in the folder, hidden ones too.
    public var names: [String] { (try? FileManager.default.contentsOfDirectory(atPath: path).sorted()) ?? [] }
}

/// A program's status and output.
public struct ProgramResult: Sendable {
    public var status: Int32
    public var output: String
    public var errors: String
}

/// Runs a program to its end.
///
/// - Returns: `nil` when there is no such program.
public func run(_ program: String, _ arguments: [String], input: String? = nil, in directory: String? = nil) throws -> ProgramResult? {
    let folders =
        program.contains("/") ? [""] : (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":").map { $0 + "/" }
    guard let path = folders.map({ $0 + program }).first(where: { FileManager.default.isExecutableFile(atPath: $0) }) else { return nil }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    if let directory { process.currentDirectoryURL = URL(fileURLWithPath: directory) }
    let folder = try TemporaryFolder()
    try folder.write("out", "")
    try folder.write("err", "")
    try folder.write("in", input ?? "")
    process.standardInput = FileHandle(forReadingAtPath: folder["in"])
    process.standardOutput = FileHandle(forWritingAtPath: folder["out"])
    process.standardError = FileHandle(forWritingAtPath: folder["err"])
    try process.run()
    process.waitUntilExit()
    return ProgramResult(
        status: process.terminationStatus, output: String(decoding: try folder.read("out"), as: UTF8.self),
        errors: String(decoding: try folder.read("err"), as: UTF8.self))
}
