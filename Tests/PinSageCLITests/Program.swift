import Foundation
import PinSageTestSupport
import Testing

/// The built program, which stands beside the test bundle.
let program = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().appendingPathComponent("pinsage-cli")

/// Runs the built program to its end.
func pinsage(_ arguments: String..., input: String? = nil) throws -> ProgramResult { try pinsage(arguments, input: input) }

func pinsage(_ arguments: [String], input: String? = nil) throws -> ProgramResult {
    try #require(try run(program.path, arguments, input: input), "there is no \(program.path)")
}

/// The built program, started; without output, or with errors to `errors`.
func startPinsage(_ arguments: [String], errors: Any? = nil) throws -> Process {
    let process = Process()
    process.executableURL = program
    process.arguments = arguments
    process.standardOutput = FileHandle.nullDevice
    process.standardError = errors ?? FileHandle.nullDevice
    try process.run()
    return process
}

/// Starts the program again and again and kills it with SIGKILL at random moments, each later than the last by about `step` seconds, until
/// it gets through or was killed 40 times; then it runs to its end.
///
/// - Parameter arguments: of the run after so many kills.
func killRepeatedly(step: Double, seed: UInt64, _ arguments: (_ kills: Int) -> [String]) throws {
    var random = SplitMix(seed: seed)
    var kills = 0, finished = false
    while !finished && kills < 40 {
        let process = try startPinsage(arguments(kills))
        Thread.sleep(forTimeInterval: 0.02 + Double(kills) * step + Double(random.next() % 100) / 1000)
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        process.waitUntilExit()
        if process.terminationReason == .exit {
            // What a killed run left must never be in the next one's way.
            guard process.terminationStatus == 0 else { break }
            finished = true
        } else {
            kills += 1
        }
    }
    #expect(kills > 0)
    let last = try pinsage(arguments(kills))
    #expect(last.status == 0, "after \(kills) kills: \(last.errors)")
}
