/// Random numbers that are a function of where they are used, not of who asked first: `f(seed, item, walk, step)`.
///
/// There is no state, so any thread may compute any number, and a walk is the same on one thread, on seven, alone or in a batch.
/// A generator per thread, as other samplers have it, changes every walk with the thread count.
///
/// How: seed and round are mixed into a key, key and item into the start of the item's stream, and the number at (walk, step) is the
/// SplitMix64 finalizer (Steele, Lea, Flood 2014) of `start + (walk * 2^32 + step) * golden`. The finalizer is a bijection whose
/// output passes BigCrush on a counter; two items' streams start at unrelated places of the 2^64 ring.
///
///     let random = CounterRandom(seed: 7)
///     let word = random.stream(of: 12)[walk: 3, step: 0]
public struct CounterRandom: Sendable, Hashable {
    let key: UInt64

    /// - Parameters:
    ///   - seed: the user's seed.
    ///   - round: a counter of redraws, e.g. the epoch: another round gives independent numbers for the same seed.
    public init(seed: UInt64, round: UInt64 = 0) {
        key = Self.mixed(Self.mixed(seed &+ Self.golden) ^ (round &* 0xD1B5_4A32_D192_ED03))
    }

    /// 2^64 divided by the golden ratio, odd: the step of SplitMix64.
    static var golden: UInt64 { 0x9E37_79B9_7F4A_7C15 }

    /// What the counter of a walk's first step is more than that of the walk before.
    static var nextWalk: UInt64 { golden << 32 }

    /// The SplitMix64 finalizer: a bijection of 64-bit words in which every output bit depends on every input bit.
    @inline(__always) static func mixed(_ word: UInt64) -> UInt64 {
        var z = word
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// The numbers that belong to one item (or query, pair, epoch: whatever the caller counts).
    public struct Stream: Sendable, Hashable {
        let start: UInt64

        @inline(__always) init(start: UInt64) { self.start = start }

        /// 64 uniform random bits. - Complexity: O(1), three multiplications
        @inline(__always) public subscript(walk walk: Int, step step: Int) -> UInt64 {
            CounterRandom.mixed(counter(walk: walk, step: step))
        }

        /// What is mixed into the word at (walk, step); the counter of the next step is `golden` more.
        @inline(__always) func counter(walk: Int, step: Int) -> UInt64 {
            let place = UInt64(truncatingIfNeeded: walk) << 32 | UInt64(truncatingIfNeeded: step)
            return start &+ place &* CounterRandom.golden
        }
    }

    /// The stream of one item.
    @inline(__always) public func stream(of item: UInt64) -> Stream {
        Stream(start: Self.mixed(key ^ Self.mixed(item &+ Self.golden)))
    }

    /// `f(seed, item, walk, step)`: 64 uniform random bits.
    public func word(item: UInt64, walk: Int, step: Int) -> UInt64 { stream(of: item)[walk: walk, step: step] }

    /// Draws one of `0 ..< bound` from a word and gives back what is left of the word's randomness.
    ///
    /// The high half of `word * bound` is the draw and the low half, again 64 bits, serves for the next draw: several small draws
    /// cost one word. Each value's probability is within 2^-64 of 1 / bound, and a draw after draws below b1, b2, ... within
    /// b1 * b2 * ... / 2^64 (relative) of uniform given the earlier ones: 5e-6 for two draws at degree 1e7. That is why there is no rejection.
    ///
    /// - Parameter bound: 0 gives the draw 0.
    @inline(__always) public static func draw(below bound: UInt64, from word: UInt64) -> (value: UInt64, rest: UInt64) {
        let product = word.multipliedFullWidth(by: bound)
        return (product.high, product.low)
    }

    /// The words below this threshold are a share `probability` of all words.
    ///
    /// Probability 1 gives `UInt64.max`, which one word in 2^64 is not below.
    public static func threshold(_ probability: Double) -> UInt64 {
        guard probability > 0 else { return 0 }
        let scaled = probability * 0x1p64
        return scaled >= 0x1p64 ? .max : UInt64(scaled)
    }

    /// A permutation of `0 ..< count` (Fisher-Yates), the same for the same stream.
    static func permutation(of count: Int, stream: Stream) -> [UInt32] {
        var order = (0..<count).map { UInt32($0) }
        for last in stride(from: count - 1, to: 0, by: -1) {
            order.swapAt(last, Int(draw(below: UInt64(last + 1), from: stream[walk: 0, step: last]).value))
        }
        return order
    }
}
