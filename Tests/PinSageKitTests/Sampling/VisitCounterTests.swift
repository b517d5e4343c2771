import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite("Visit counting")
struct VisitCounterTests {
    /// Counting and sorting, plainly.
    private func reference(_ visits: [UInt32], seed: UInt32, most: Int) -> [(UInt32, UInt32)] {
        var counts: [UInt32: UInt32] = [:]
        for visit in visits where visit != seed { counts[visit, default: 0] += 1 }
        return counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(most).map { ($0.key, $0.value) }
    }

    @Test("equal to counting with a dictionary and sorting", arguments: [0, 1, 2, 63, 64, 65, 200, 5000])
    func equalsReference(size: Int) {
        var random = SplitMix(seed: UInt64(size))
        let counter = VisitCounter(capacity: max(1, size))
        // Ranges of rows: all one item, many ties, mostly distinct, the whole of UInt32; then tight clusters far apart, and hubs.
        var cases: [[UInt32]] = [1, 3, 40, 1_000_000, 1 << 32].map { (range: UInt64) in
            (0..<size).map { _ in UInt32(truncatingIfNeeded: random.next() % range) }
        }
        cases.append((0..<size).map { _ in random.next() % 2 == 0 ? UInt32(random.next() % 3000) : .max - UInt32(random.next() % 3000) })
        cases.append((0..<size).map { _ in UInt32(random.next() % 3 == 0 ? random.next() % 5 : random.next() % 5000) })
        cases.append((0..<size).map { UInt32(size - $0) })
        cases.append((0..<size).map { $0 == 0 ? .max : UInt32(size - $0) })
        for visits in cases {
            for most in [1, 7, 50, 10_000] {
                let seed = visits.first ?? 0
                let out = UnsafeMutablePointer<UInt32>.allocate(capacity: most)
                let counts = UnsafeMutablePointer<UInt32>.allocate(capacity: most)
                defer {
                    out.deallocate()
                    counts.deallocate()
                }
                let (kept, total) = visits.withUnsafeBufferPointer { buffer -> (Int, Int) in
                    guard let base = buffer.baseAddress else { return (0, 0) }
                    return counter.top(most, of: base, count: visits.count, seed: seed, items: out, counts: counts)
                }
                let expected = reference(visits, seed: seed, most: most)
                #expect((0..<kept).map { out[$0] } == expected.map(\.0))
                #expect((0..<kept).map { counts[$0] } == expected.map(\.1))
                #expect(total == expected.reduce(0) { $0 + Int($1.1) })
            }
        }
    }
}
