internal import Synchronization

/// The results of `body` on ranges that cover `0 ..< count`, in order; see ``parallelFor(_:threads:grain:_:)``.
///
/// - Parameter body: gives one element per position of its range.
func parallelMap<Element: Sendable>(
    _ count: Int, threads: Int, grain: Int, _ body: @Sendable (Range<Int>) throws -> [Element]
) throws -> [Element] {
    let parts = Mutex<[(start: Int, elements: [Element])]>([])
    try parallelFor(count, threads: threads, grain: grain) { range in
        let elements = try body(range)
        precondition(elements.count == range.count, "\(elements.count) results for \(range)")
        parts.withLock { $0.append((range.lowerBound, elements)) }
    }
    return parts.withLock { $0.sorted { $0.start < $1.start }.flatMap(\.elements) }
}
