internal import Synchronization

/// Another group, and how long this process spent in it: sending, receiving and waiting for ranks that come later.
final class MeteredGroup: TrainingGroup {
    private let base: any TrainingGroup
    private let spent = Mutex(Duration.zero)

    init(_ base: any TrainingGroup) { self.base = base }

    var rank: Int { base.rank }
    var size: Int { base.size }
    /// Seconds spent in all operations so far.
    var seconds: Double { spent.withLock { $0 }.seconds }

    func sum(_ values: inout [Float]) throws { try metered { try base.sum(&values) } }
    func sum(_ values: inout [Double]) throws { try metered { try base.sum(&values) } }
    func gather(_ bytes: [UInt8]) throws -> [[UInt8]] { try metered { try base.gather(bytes) } }
    func broadcast(_ bytes: [UInt8]) throws -> [UInt8] { try metered { try base.broadcast(bytes) } }

    private func metered<R>(_ body: () throws -> R) rethrows -> R {
        guard base.size > 1 else { return try body() }
        let clock = ContinuousClock()
        let start = clock.now
        defer {
            let time = clock.now - start
            spent.withLock { $0 += time }
        }
        return try body()
    }
}
