internal import Dispatch

/// Lets producer and consumer take turns on the same threads.
///
/// Both use every thread while it is their turn, so that `threads` is the most that ever runs at once, no core is set aside for either,
/// and neither's OpenMP team is stretched by the other's work. Turns go round in order of asking.
final class ThreadTurns: Sendable {
    private let turn = DispatchSemaphore(value: 1)

    /// Runs `body` when it is the caller's turn.
    func take<R>(_ body: () throws -> R) rethrows -> R {
        turn.wait()
        defer { turn.signal() }
        return try body()
    }
}
