import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite struct IdentifiersTests {
    @Test(arguments: [0, 1, 2, 3, 1000, 20_011])
    func everyRowIsFound(count: Int) throws {
        let names = (0..<count).map { "item-\($0 * 7919)" }
        let identifiers = Identifiers(names)
        #expect(identifiers.count == count)
        #expect((0..<count).allSatisfy { identifiers[$0] == names[$0] && identifiers.row(of: names[$0]) == $0 })
        #expect(identifiers.row(of: "item-1") == nil)
        #expect(identifiers.row(of: "") == nil)
    }

    @Test func stringsOfAllKinds() {
        let names = ["", "a", "ä", "a\u{308}", "12345678", "123456789", String(repeating: "x", count: 1000), "tab\there", "日本語"]
        let identifiers = Identifiers(names)
        // Identifiers are bytes: the two spellings of ä, which Swift calls equal, are two.
        for (row, name) in names.enumerated() { #expect(identifiers.row(of: name) == row) }
        #expect(Identifiers(["x", "y", "x"]).row(of: "x") == 0)
        #expect(Identifiers(["x", "y", "x"]).count == 3)
    }

    @Test func bulkLookupsEqualSingleOnes() {
        var random = SplitMix(seed: 9)
        let names = (0..<5000).map { _ in "k\(Int.random(in: 0..<1200, using: &random))" }
        var single = IdentifierInterner()
        let expected = names.map { UInt32(single.add($0).row) }
        var text: [UInt8] = [], pieces = TextPieces()
        for name in names {
            pieces.append(text.count..<text.count + name.utf8.count)
            text += Array(name.utf8)
        }
        pieces.hash(of: text)
        var bulk = IdentifierInterner(), rows: [UInt32] = [7]
        bulk.add(pieces, of: text, rows: &rows)
        #expect(rows == expected)
        #expect(bulk.count == single.count)
        #expect(bulk.row(of: names[17]) == single.row(of: names[17]))
    }

    /// The hash is part of the file format: the definition of docs/formats.md, step by step.
    @Test func hashIsThatOfTheFormat() {
        func fold(_ x: UInt64, _ k: UInt64) -> UInt64 {
            let product = x.multipliedFullWidth(by: k)
            return product.high ^ product.low
        }
        for length in 0...40 {
            let bytes = (0..<length).map { UInt8(truncatingIfNeeded: 37 * $0 + 11 * length + 128) }
            var state = 0x9e37_79b9_7f4a_7c15 ^ UInt64(length)
            for start in stride(from: 0, through: length, by: 8) {
                var word: UInt64 = 0
                for (index, byte) in bytes[start..<min(start + 8, length)].enumerated() { word |= UInt64(byte) << UInt64(8 * index) }
                state = fold(state ^ word, 0xd6e8_feb8_6659_fd93) &+ 0x8ebc_6af0_9c88_c6e3
            }
            #expect(unsafe bytes.withUnsafeBufferPointer { unsafe Identifiers.hash($0) } == fold(state, 0xa076_1d64_78bd_642f))
        }
    }

    @Test func storedAndOpened() throws {
        let folder = try TemporaryFolder()
        var writer = try ArtifactWriter(kind: "ids", at: folder["a"])
        try Identifiers(["one", "two", "three"]).write(into: &writer, prefix: "ids")
        try writer.commit()
        let opened = try Identifiers.open(Artifact.open(folder["a"]), prefix: "ids")
        #expect((0..<3).map { opened[$0] } == ["one", "two", "three"])
        #expect(opened.row(of: "two") == 1)
    }

    @Test func damagedTablesGiveWrongAnswersButNoCrash() {
        let good = Identifiers(["one", "two", "three"])
        let table = StoredArray([UInt32](repeating: .max, count: good.table.count))
        #expect(Identifiers(bytes: good.bytes, offsets: good.offsets, table: table).row(of: "two") == nil)
        let offsets = StoredArray([Int64(0), -5, 1 << 40, 11])
        let damaged = Identifiers(bytes: good.bytes, offsets: offsets, table: good.table)
        for row in 0..<3 { #expect(damaged[row].utf8.count <= 11) }
        _ = damaged.row(of: "two")
        _ = damaged.closest(to: "two")
    }

    @Test func closest() {
        let identifiers = Identifiers(["postgresql", "postgresql-15", "mysql", "nginx", "Nginx-Full", "vim", "vim-gtk3"])
        #expect(identifiers.closest(to: "postgresq").first == "postgresql")
        #expect(identifiers.closest(to: "NGINX").first == "nginx")
        #expect(identifiers.closest(to: "vin").first == "vim")
        #expect(identifiers.closest(to: "nginx-", count: 2) == ["nginx", "Nginx-Full"])
        #expect(identifiers.closest(to: "zzzzzzzz") == [])
        #expect(identifiers.closest(to: "") == [])
    }

    /// The bit-parallel distance against the table that everybody writes first.
    @Test func editDistancesAreRight() {
        func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
            var row = Array(0...b.count)
            for i in a.indices {
                var previous = row[0]
                row[0] = i + 1
                for j in b.indices {
                    let next = min(row[j + 1] + 1, row[j] + 1, previous + (a[i] == b[j] ? 0 : 1))
                    previous = row[j + 1]
                    row[j + 1] = next
                }
            }
            return row[b.count]
        }
        var random = SplitMix(seed: 4)
        for _ in 0..<500 {
            let a = (0..<Int.random(in: 1...64, using: &random)).map { _ in UInt8.random(in: 97...100, using: &random) }
            let b = (0..<Int.random(in: 1...70, using: &random)).map { _ in UInt8.random(in: 97...100, using: &random) }
            let fast = unsafe b.withUnsafeBufferPointer { unsafe EditDistance(pattern: a).distance(to: $0) }
            #expect(fast == distance(a, b))
        }
    }
}
