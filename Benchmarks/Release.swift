import ArgumentParser
import Foundation

/// Numbers of a debug build of the Swift layer mean nothing, so such a build hands over to a release build of itself.
enum Release {
    static func runAgain(_ arguments: ArraySlice<String>) throws {
        guard let package = packageDirectory() else {
            throw ValidationError("this is a debug build and its package was not found; run: swift run -c release bench")
        }
        FileHandle.standardError.write(Data("this is a debug build: building and running bench in release\n".utf8))
        // A scratch path of its own: the debug build that `swift run` may still hold must not be waited for.
        let scratch = package + "/.build/bench-release"
        try run(["swift", "build", "-c", "release", "--product", "bench", "--package-path", package, "--scratch-path", scratch], toError: true)
        try run([scratch + "/release/bench"] + arguments, toError: false)
    }

    /// The nearest folder above this executable that holds a Package.swift.
    private static func packageDirectory() -> String? {
        var url = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
        while url.path != "/" {
            url.deleteLastPathComponent()
            if FileManager.default.fileExists(atPath: url.appendingPathComponent("Package.swift").path) { return url.path }
        }
        return nil
    }

    private static func run(_ command: [String], toError: Bool) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        // The build's progress must not mix with results on standard output.
        if toError { process.standardOutput = FileHandle.standardError }
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw ExitCode(process.terminationStatus) }
    }
}
