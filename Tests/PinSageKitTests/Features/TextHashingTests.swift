import Testing

@testable import PinSageKit

@Suite struct TextHashingTests {
    private func words(_ fields: String...) -> [String] {
        var tokens = TextTokens()
        tokens.fill(fields: fields)
        return tokens.words.map { word in
            let start = Int(tokens.scalars[Int(word.lowerBound)]), end = Int(tokens.scalars[Int(word.upperBound)])
            return String(decoding: tokens.bytes[start..<end], as: UTF8.self)
        }
    }

    @Test(arguments: [
        ("PostgreSQL 15: object-relational SQL database", ["postgresql", "15", "object", "relational", "sql", "database"]),
        ("lib/libstdc++6 in C++, C# & F#", ["lib", "libstdc++6", "in", "c++", "c#", "f#"]),
        ("a+b #hashtag C#Script", ["a", "b", "hashtag", "c", "script"]),
        ("", []), ("  \t\n--- ... ", []),
        ("GRÖSSE Straße ÉCOLE", ["grösse", "straße", "école"]),
        ("ΣΊΣΥΦΟΣ Привет", ["σίσυφοσ", "привет"]),
        ("日本語のテキスト", ["日", "本", "語", "のテキスト"]),
        ("soft\u{AD}hyphen zero\u{200D}join", ["softhyphen", "zerojoin"]),
        ("e\u{301}tude \u{301}x", ["e\u{301}tude", "x"]),
        ("don't stop👍🏽now", ["don", "t", "stop", "now"]),
        ("\u{0}a\u{0}", ["a"]),
    ])
    func tokenizes(_ text: String, _ expected: [String]) {
        #expect(words(text) == expected)
    }

    @Test func fieldsAreSeparate() {
        #expect(words("One two", "Three") == ["one", "two", "three"])
        let hashing = TextHashing(longestCharacters: 0)
        // Three words, and the pair "one two": "two three" crosses the boundary.
        #expect(hashing.counts(of: ["one two", "three"]).buckets.count == 4)
        #expect(hashing.counts(of: ["one two three"]).buckets.count == 5)
        #expect(hashing.counts(of: ["", "one two three"]) == hashing.counts(of: ["one two three"]))
    }

    /// Computed by an independent implementation of the documented hash. A change here breaks every saved model.
    @Test(
        arguments: [
            ("vim", [383942, 1_079_691, 1_093_920]),
            ("Text  EDITOR", [39572, 370964, 665439, 1_059_156, 1_090_863, 1_109_977, 1_174_545, 1_209_359, 1_405_795, 1_495_083, 1_546_572]),
            ("größe", [499268, 1_061_918, 1_134_419, 1_270_030, 1_492_206]),
        ] as [(String, [UInt32])])
    func bucketsAreStable(_ text: String, _ expected: [UInt32]) {
        let counts = TextHashing().counts(of: [text])
        #expect(counts.buckets == expected)
        #expect(counts.counts.allSatisfy { $0 == 1 })
    }

    @Test func repeatedTermsAreCounted() {
        let counts = TextHashing(longestCharacters: 0, bucketBits: 16).counts(of: ["go go go stop"])
        #expect(counts.counts.sorted() == [1, 1, 2, 3])  // stop, "go stop", "go go", go
        #expect(zip(counts.buckets, counts.buckets.dropFirst()).allSatisfy { $0 < $1 })
    }

    @Test func bucketsStayInTheirFamilysRange() {
        let hashing = TextHashing(shortestCharacters: 1, longestCharacters: 6, bucketBits: 4)
        let counts = hashing.counts(of: ["the quick brown fox jumps over the lazy dog"])
        #expect(counts.buckets.allSatisfy { Int($0) < hashing.bucketCount })
        #expect(Set(counts.buckets.map { hashing.family(ofBucket: Int($0)) }).count == 3)
        #expect(TextHashing(seed: 1).counts(of: ["vim"]) != TextHashing(seed: 2).counts(of: ["vim"]))
    }

    @Test func anyThreadCountGivesTheSameRows() throws {
        let texts = (0..<1500).map { ["title \($0 % 37)", String(repeating: "wörd\($0) ", count: $0 % 9)] }
        let hashing = TextHashing()
        let one = try hashing.counts(ofTexts: texts, threads: 1)
        #expect(one == texts.map { hashing.counts(of: $0) })
        for threads in [2, 7] { #expect(try hashing.counts(ofTexts: texts, threads: threads) == one) }
    }

    /// Random scalars of every plane, and texts beyond the limit: no crash, and lowercasing changes nothing twice.
    @Test func hostileTexts() {
        var state: UInt64 = 42
        func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            return TextHashing.finished(state)
        }
        for _ in 0..<300 {
            var text = ""
            for _ in 0..<(next() % 60) {
                let bits = next()
                let value = bits % 3 == 0 ? UInt32(bits >> 40) % 0x80 : UInt32(bits >> 40) % 0x110000
                text.unicodeScalars.append(Unicode.Scalar(value) ?? "\u{FFFD}")
            }
            let found = words(text)
            #expect(!found.contains(""))
            #expect(words(found.joined(separator: " ")) == found)
        }
        let long = String(repeating: "é", count: 100_000)
        #expect(words(long).first?.utf8.count ?? 0 <= TextTokens.maximumBytes)
        #expect(!TextHashing().counts(of: [long]).buckets.isEmpty)
    }
}
