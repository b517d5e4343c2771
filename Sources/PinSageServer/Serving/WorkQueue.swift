internal import Foundation
internal import Synchronization

/// Threads for work that takes milliseconds (SQL, embedding, whole scans), so that it holds up no connection; with a bound on what waits.
///
/// `@unchecked Sendable`: operation queues may be used from any thread, and nothing here is changed after `init` but the atomic.
final class WorkQueue: @unchecked Sendable {
    /// Pieces of work that may run or wait; further ones are refused with 503.
    let limit: Int
    private let operations = OperationQueue()
    private let pending = Atomic<Int>(0)

    init(threads: Int, limit: Int) {
        self.limit = limit
        operations.maxConcurrentOperationCount = threads
        operations.name = "pinsage.work"
    }

    /// What runs or waits now.
    var load: Int { pending.load(ordering: .relaxed) }

    /// Runs `body` on a thread of the queue.
    ///
    /// - Throws: ``Problem`` 503 when too much waits already, and what `body` throws.
    func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        let load = pending.add(1, ordering: .relaxed).newValue
        defer { pending.subtract(1, ordering: .relaxed) }
        guard load <= limit else { throw Problem(503, "the server is busy: \(limit) requests wait already", retryAfter: 1) }
        return try await withCheckedThrowingContinuation { continuation in
            operations.addOperation { continuation.resume(with: Result { try body() }) }
        }
    }
}
