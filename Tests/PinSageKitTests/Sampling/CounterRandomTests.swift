import Testing

@testable import PinSageKit

@Suite("Counter-based random numbers")
struct CounterRandomTests {
    @Test("a number is a function of seed, round, item, walk and step, and changes with each")
    func function() {
        let random = CounterRandom(seed: 7, round: 3)
        let word = random.word(item: 5, walk: 2, step: 1)
        #expect(CounterRandom(seed: 7, round: 3).stream(of: 5)[walk: 2, step: 1] == word)
        let others = [
            CounterRandom(seed: 8, round: 3).word(item: 5, walk: 2, step: 1), CounterRandom(seed: 7, round: 4).word(item: 5, walk: 2, step: 1),
            random.word(item: 6, walk: 2, step: 1), random.word(item: 5, walk: 3, step: 1), random.word(item: 5, walk: 2, step: 2),
            random.word(item: 5, walk: 1, step: 2),
        ]
        #expect(!others.contains(word))
        #expect(Set(others).count == others.count)
        // Pinned: results of older versions must stay reproducible.
        #expect(CounterRandom(seed: 0).word(item: 0, walk: 0, step: 0) == CounterRandomTests.pinned)
    }

    private static let pinned: UInt64 = 4_458_395_585_251_670_455

    @Test("no number occurs twice among 200,000 of neighboring seeds, items, walks and steps")
    func distinct() {
        var words: Set<UInt64> = []
        for seed in 0..<4 as Range<UInt64> {
            for item in 0..<50 as Range<UInt64> {
                let stream = CounterRandom(seed: seed).stream(of: item)
                for walk in 0..<100 { for step in 0..<10 { words.insert(stream[walk: walk, step: step]) } }
            }
        }
        #expect(words.count == 200_000)  // a chance coincidence: 4e10 / 2^65 = 1e-9
    }

    @Test("draws below a bound are uniform, also the second one from the same word (chi-square, false alarm 1e-6)")
    func uniform() {
        let stream = CounterRandom(seed: 1).stream(of: 0)
        let trials = 210_000
        var cells = [Int](repeating: 0, count: 21)
        for trial in 0..<trials {
            let (first, rest) = CounterRandom.draw(below: 3, from: stream[walk: trial, step: 0])
            cells[Int(first) * 7 + Int(CounterRandom.draw(below: 7, from: rest).value)] += 1
        }
        let expected = Double(trials) / 21
        let statistic = cells.reduce(0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
        #expect(statistic < 66.5, "chi-square with 20 degrees of freedom: \(statistic)")
    }

    @Test("thresholds")
    func thresholds() {
        #expect(CounterRandom.threshold(0) == 0)
        #expect(CounterRandom.threshold(0.5) == 1 << 63)
        #expect(CounterRandom.threshold(1) == .max)
        #expect(CounterRandom.draw(below: 0, from: .max).value == 0)
        #expect(CounterRandom.draw(below: 1, from: .max).value == 0)
        #expect(CounterRandom.draw(below: .max, from: .max).value == UInt64.max - 1)
    }

    @Test("permutations are permutations")
    func permutation() {
        for count in [0, 1, 2, 100] {
            let order = CounterRandom.permutation(of: count, stream: CounterRandom(seed: 1).stream(of: 2))
            #expect(order.sorted() == (0..<count).map { UInt32($0) })
        }
    }

    @Test("scrambled rows are a bijection with its inverse")
    func scrambler() {
        for word in [0, .max, 0x1234_5678_9ABC_DEF0] as [UInt64] {
            let names = RowScrambler(word: word)
            var seen: Set<UInt32> = []
            for row in (0..<1000 as Range<UInt32>).map({ $0 }) + [.max, .max - 1, 1 << 31] {
                #expect(names.row(names.scrambled(row)) == row)
                seen.insert(names.scrambled(row))
            }
            #expect(seen.count == 1003)
        }
    }
}
