internal import Dispatch
internal import Synchronization

/// A first-in first-out queue of at most `capacity` elements between one producer and one consumer thread.
final class BoundedQueue<Element: Sendable>: Sendable {
    private let free = DispatchSemaphore(value: 0)
    private let filled = DispatchSemaphore(value: 0)
    private let state = Mutex<(elements: [Element], failure: (any Error)?, isClosed: Bool)>(([], nil, false))

    init(capacity: Int) {
        precondition(capacity > 0, "a queue of \(capacity)")
        // Signalled up from 0: libdispatch traps when a semaphore is freed below the value that it was made with.
        for _ in 0..<capacity { free.signal() }
    }

    /// Appends an element, waiting while the queue is full.
    /// - Returns: `false` when the consumer has closed the queue; the element is dropped.
    func append(_ element: Element) -> Bool {
        free.wait()
        return state.withLock { state in
            guard !state.isClosed else { return false }
            state.elements.append(element)
            filled.signal()
            return true
        }
    }

    /// Says that no element follows, or why none can.
    func finish(throwing error: (any Error)? = nil) {
        state.withLock { $0.failure = error }
        filled.signal()
    }

    /// The next element, waiting for it; `nil` after the last.
    /// - Throws: what the producer failed with, after the elements before it.
    func next() throws -> Element? {
        filled.wait()
        let (element, failure) = state.withLock { state -> (Element?, (any Error)?) in
            if state.elements.isEmpty { return (nil, state.failure) }
            return (state.elements.removeFirst(), nil)
        }
        if let failure { throw failure }
        if element == nil { filled.signal() } else { free.signal() }
        return element
    }

    /// Tells the producer to stop; elements not yet taken are dropped.
    func close() {
        state.withLock { state in
            state.isClosed = true
            state.elements = []
        }
        free.signal()
    }
}
