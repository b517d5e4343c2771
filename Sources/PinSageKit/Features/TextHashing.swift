internal import Synchronization

/// How texts become sparse vectors: which n-grams are counted and which buckets they are hashed into.
///
/// Three families of terms are counted: words, pairs of neighboring words, and character n-grams of " word " (spaces included, so
/// that beginnings and ends of words differ from their middles). Each family has its own range of `2^bucketBits` buckets. Words are
/// what `TextTokens` says they are.
///
/// Hash: FNV-1a over the UTF-8 bytes of the term, 64 bits, started from `seed` and the family, finished with the fmix64 step of
/// MurmurHash3; the bucket is the top `bucketBits` bits. It is part of the file format: the same text has the same buckets on every
/// machine and in every later version.
public struct TextHashing: Codable, Sendable, Equatable {
    /// Families of terms, in the order of their bucket ranges.
    public enum Family: Int, CaseIterable, Sendable, Codable {
        case word, wordPair, characters
    }

    /// Shortest and longest character n-grams, in Unicode scalars; a longest one of 0 counts none. Four alone: 3 to 5 together cost three
    /// times as much and found no more related items.
    public var shortestCharacters: Int
    public var longestCharacters: Int
    /// Whether pairs of neighboring words of one field are counted.
    public var wordPairs: Bool
    /// Buckets per family, as a power of two: 1...28.
    public var bucketBits: Int
    public var seed: UInt64

    public init(
        shortestCharacters: Int = 4, longestCharacters: Int = 4, wordPairs: Bool = true, bucketBits: Int = 19, seed: UInt64 = 0x5053_4B49
    ) {
        self.shortestCharacters = shortestCharacters
        self.longestCharacters = longestCharacters
        self.wordPairs = wordPairs
        self.bucketBits = bucketBits
        self.seed = seed
    }

    /// One past the largest bucket.
    public var bucketCount: Int { Family.allCases.count << bucketBits }

    /// The family whose range `bucket` is in.
    public func family(ofBucket bucket: Int) -> Family { Family(rawValue: bucket >> bucketBits) ?? .characters }

    /// The terms of one text: its distinct buckets, ascending, and how often each occurs.
    public struct Counts: Sendable, Equatable {
        public var buckets: [UInt32] = []
        public var counts: [UInt32] = []
    }

    /// The hashed terms of a text of several fields (title, body); no word pair crosses a field boundary.
    ///
    /// - Complexity: O(length x n-gram lengths), plus sorting the terms.
    public func counts(of fields: [String]) -> Counts {
        var scratch = Scratch()
        return counts(of: fields, scratch: &scratch)
    }

    /// Space that is reused for text after text.
    struct Scratch {
        var tokens = TextTokens()
        var terms: [UInt32] = []
    }

    func counts(of fields: [String], scratch: inout Scratch) -> Counts {
        scratch.tokens.fill(fields: fields)
        scratch.terms.removeAll(keepingCapacity: true)
        collectTerms(scratch.tokens, into: &scratch.terms)
        scratch.terms.sort()
        var result = Counts()
        result.buckets.reserveCapacity(scratch.terms.count)
        result.counts.reserveCapacity(scratch.terms.count)
        var last: UInt32?
        for term in scratch.terms {
            if term == last {
                result.counts[result.counts.count - 1] += 1
            } else {
                result.buckets.append(term)
                result.counts.append(1)
                last = term
            }
        }
        return result
    }

    /// The hashed terms of many texts, in order, the same for any thread count.
    func counts(ofTexts texts: [[String]], threads: Int) throws -> [Counts] {
        let grain = 256
        let chunks = Mutex<[Int: [Counts]]>([:])
        try parallelFor(texts.count, threads: threads, grain: grain) { range in
            var scratch = Scratch()
            let part = range.map { counts(of: texts[$0], scratch: &scratch) }
            chunks.withLock { $0[range.lowerBound] = part }
        }
        var all: [Counts] = []
        all.reserveCapacity(texts.count)
        chunks.withLock { parts in
            for start in parts.keys.sorted() { all.append(contentsOf: parts[start] ?? []) }
        }
        return all
    }

    private func collectTerms(_ tokens: TextTokens, into terms: inout [UInt32]) {
        let starts = Family.allCases.map { Self.start(seed: seed, family: $0) }
        let shift = UInt64(64 - bucketBits)
        unsafe tokens.bytes.withUnsafeBufferPointer { bytes in
            unsafe tokens.scalars.withUnsafeBufferPointer { scalars in
                for (index, word) in tokens.words.enumerated() {
                    let first = Int(word.lowerBound), end = Int(word.upperBound)
                    let wordEnd = unsafe Int(scalars[end])
                    let hash = unsafe Self.hash(bytes, Int(scalars[first])..<wordEnd, from: starts[0])
                    terms.append(UInt32(Self.finished(hash) >> shift))
                    if wordPairs, index > 0, !tokens.fieldStarts.contains(index) {
                        let before = unsafe Int(scalars[Int(tokens.words[index - 1].lowerBound)])
                        let pair = unsafe Self.hash(bytes, before..<wordEnd, from: starts[1])
                        terms.append(UInt32(1 << bucketBits) + UInt32(Self.finished(pair) >> shift))
                    }
                    guard longestCharacters >= shortestCharacters, longestCharacters > 0 else { continue }
                    // " word ": the spaces beside a word are scalars first - 1 and end.
                    let base = UInt32(2 << bucketBits)
                    for start in (first - 1)...end {
                        var running = starts[2]
                        var scalar = start
                        let last = min(start + longestCharacters, end + 1)
                        while scalar < last {
                            running = unsafe Self.hash(bytes, Int(scalars[scalar])..<Int(scalars[scalar + 1]), from: running)
                            scalar += 1
                            if scalar - start >= shortestCharacters { terms.append(base + UInt32(Self.finished(running) >> shift)) }
                        }
                    }
                }
            }
        }
    }

    private static func start(seed: UInt64, family: Family) -> UInt64 {
        0xCBF2_9CE4_8422_2325 ^ finished(seed &+ UInt64(family.rawValue) &* 0x9E37_79B9_7F4A_7C15)
    }

    @inline(__always) private static func hash(_ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, from start: UInt64) -> UInt64 {
        var hash = start
        for position in range { hash = unsafe (hash ^ UInt64(bytes[position])) &* 0x0000_0100_0000_01B3 }
        return hash
    }

    @inline(__always) static func finished(_ value: UInt64) -> UInt64 {
        var mixed = value
        mixed ^= mixed >> 33
        mixed &*= 0xFF51_AFD7_ED55_8CCD
        mixed ^= mixed >> 33
        mixed &*= 0xC4CE_B9FE_1A85_EC53
        mixed ^= mixed >> 33
        return mixed
    }
}
