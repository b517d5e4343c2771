internal import Foundation

/// Produces minibatches ahead of their use, on a thread of its own, into a bounded queue.
///
/// Source: Ying et al. 2018, section 3.3 (producer-consumer minibatch construction).
final class MinibatchProducer {
    private let queue: BoundedQueue<Minibatch>
    private let ended = DispatchSemaphore(value: 0)

    /// Starts producing the minibatches of `steps`.
    ///
    /// - Parameters:
    ///   - turns: taken for each minibatch; see ``ThreadTurns``.
    ///   - capacity: how many minibatches may wait. Each holds its gathered features.
    init(source: MinibatchSource, steps: Range<Int>, turns: ThreadTurns, capacity: Int = 2) {
        let queue = BoundedQueue<Minibatch>(capacity: capacity)
        self.queue = queue
        let ended = ended
        let thread = Thread {
            defer { ended.signal() }
            do {
                for step in steps {
                    let minibatch = try turns.take { try source.minibatch(step: step) }
                    guard queue.append(minibatch) else { return }
                }
                queue.finish()
            } catch {
                queue.finish(throwing: error)
            }
        }
        thread.name = "pinsage-producer"
        thread.stackSize = 8 << 20
        thread.start()
    }

    /// The next minibatch in order of steps; `nil` after the last.
    func next() throws -> Minibatch? { try queue.next() }

    /// Stops producing and waits until the thread has let go of the source.
    func stop() {
        queue.close()
        ended.wait()
    }
}
