import Foundation
import Testing

@testable import PinSageKit

@Suite struct BootstrapTests {
    private func normals(_ count: Int, seed: UInt64) -> [Double] {
        var random = SplitMix64(state: seed)
        return (0..<count).map { _ in
            let (a, b) = (Double(random.next(below: 1 << 30) + 1) / Double(1 << 30), Double(random.next(below: 1 << 30)) / Double(1 << 30))
            return (-2 * log(a)).squareRoot() * cos(2 * .pi * b)
        }
    }

    /// The interval of a mean of n standard normal values is the mean ± 1.96 / sqrt(n), within the noise of 1000 resamples.
    @Test func widthIsThatOfTheMean() throws {
        let values = normals(2_000, seed: 3)
        let interval = try Bootstrap(seed: 5).intervals(of: [values])[0]
        let mean = values.reduce(0, +) / 2_000
        #expect(abs(interval.mean - mean) < 1e-12)
        let half = 1.96 / 2_000.0.squareRoot()
        #expect(abs(interval.high - interval.mean - half) < 0.15 * half)
        #expect(abs(interval.mean - interval.low - half) < 0.15 * half)
    }

    /// Of 200 samples whose true mean is 0, the 95 % interval holds it in 190 on average; fewer than 176 has a probability below 1e-6.
    @Test func coverage() throws {
        let columns = (0..<200).map { normals(60, seed: UInt64(100 + $0)) }
        let covered = try columns.enumerated().count { index, values in
            let interval = try Bootstrap(seed: UInt64(index), resamples: 300).intervals(of: [values])[0]
            return interval.low <= 0 && interval.high >= 0
        }
        #expect(covered >= 176 && covered < 200, "\(covered) of 200")
    }

    /// What is hard for both methods cancels out: the paired interval is far narrower than the two methods' own.
    @Test func differencesArePaired() throws {
        let hard = normals(500, seed: 1), noise = normals(500, seed: 2)
        let better = zip(hard, noise).map { $0 + 0.02 + 0.01 * $1 }
        let bootstrap = Bootstrap(seed: 9)
        let difference = try bootstrap.difference(better, hard)
        #expect(difference.low > 0.015 && difference.high < 0.025)
        let own = try bootstrap.intervals(of: [better])[0]
        #expect(own.high - own.low > 0.1)
    }

    @Test func seedAloneDecides() throws {
        let columns = [normals(333, seed: 4), normals(333, seed: 5)]
        let one = try Bootstrap(seed: 7).intervals(of: columns, threads: 1)
        for threads in [2, 7] { #expect(try Bootstrap(seed: 7).intervals(of: columns, threads: threads) == one) }
        #expect(try Bootstrap(seed: 8).intervals(of: columns, threads: 1) != one)
        // A column's interval does not depend on its neighbors.
        #expect(try Bootstrap(seed: 7).intervals(of: [columns[1]], threads: 1)[0] == one[1])
    }

    @Test func degenerateSamples() throws {
        #expect(try Bootstrap().intervals(of: [[], []]) == Array(repeating: Interval(mean: 0, low: 0, high: 0), count: 2))
        #expect(try Bootstrap().intervals(of: [[0.5]]) == [Interval(mean: 0.5, low: 0.5, high: 0.5)])
        #expect(try Bootstrap().intervals(of: []).isEmpty)
    }

    @Test func drawsAreUniform() {
        // Chi-square over 10 cells of 100,000 draws; 36.0 has a probability of 4e-5 with 9 degrees of freedom, and the seed is fixed.
        var random = SplitMix64(state: 12), counts = [Int](repeating: 0, count: 10)
        for _ in 0..<100_000 { counts[random.next(below: 10)] += 1 }
        let chiSquare = counts.reduce(0.0) { $0 + Double(($1 - 10_000) * ($1 - 10_000)) / 10_000 }
        #expect(chiSquare < 36)
    }
}
