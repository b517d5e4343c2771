internal import Dispatch
internal import Synchronization

/// Runs `body` on ranges that cover `0 ..< count`, on at most `threads` threads at once, and returns when all are done.
///
/// Ranges of `grain` elements are handed out as threads become free, so uneven work balances. Results must not depend on which
/// thread runs which range; the first error by position is thrown after every started range has ended.
public func parallelFor(
    _ count: Int, threads: Int, grain: Int, _ body: @Sendable (Range<Int>) throws -> Void
) throws {
    precondition(grain > 0, "a grain of \(grain)")
    let ranges = (count + grain - 1) / grain
    let workers = min(threads, ranges)
    if workers <= 1 {
        if count > 0 { try body(0..<count) }
        return
    }
    let next = Atomic<Int>(0)
    let failure = Mutex<(position: Int, error: any Error)?>(nil)
    DispatchQueue.concurrentPerform(iterations: workers) { _ in
        while true {
            let index = next.add(1, ordering: .relaxed).oldValue
            guard index < ranges else { return }
            let start = index * grain
            do {
                try body(start..<min(start + grain, count))
            } catch {
                failure.withLock { first in
                    if let known = first, known.position < start { return }
                    first = (start, error)
                }
                next.store(ranges, ordering: .relaxed)
            }
        }
    }
    if let failed = failure.withLock({ $0 }) { throw failed.error }
}
