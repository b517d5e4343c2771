import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite struct JSONTests {
    private func parse(_ text: String) throws -> JSONValue { try JSONValue(parsing: text.utf8, file: "f.json") }

    @Test func values() throws {
        #expect(
            try parse(" {\"a\": [1, -2.5e3, true, null, \"x\\n\\u00e9\\ud83d\\ude00/\"]} ")
                == ["a": [1, .number(-2500), true, nil, "x\né😀/"]])
        #expect(try parse("9223372036854775807") == .integer(.max))
        #expect(try parse("9223372036854775808") == .number(9223372036854775808))
        #expect(try parse("[]") == [])
        #expect(try parse("{}") == .object([:]))
    }

    @Test(arguments: [
        ("", 1, 1), ("{", 1, 2), ("[1,]", 1, 4), ("{\"a\":1,}", 1, 8), ("{\"a\" 1}", 1, 6), ("\"x", 1, 3), ("\"\\x\"", 1, 3), ("01", 1, 3),
        ("1.", 1, 3),
        ("1e", 1, 3), ("tru", 1, 4), ("[1]\n x", 2, 2), ("\"\\ud800\"", 1, 8), ("\"\\udc00\"", 1, 8), ("{\"a\":1,\"a\":2}", 1, 13), ("\"\t\"", 1, 2),
        ("nan", 1, 2), ("[1e999]", 1, 7),
    ])
    func errors(text: String, line: Int, column: Int) throws {
        let error = #expect(throws: DataError.self) { try parse(text) }
        #expect(error?.file == "f.json")
        #expect(error?.line == line && error?.column == column, "\(error?.description ?? "") for \(text)")
    }

    @Test func depthIsBounded() {
        #expect(throws: DataError.self) { try parse(String(repeating: "[", count: 1_000_000)) }
        #expect(throws: Never.self) { try parse(String(repeating: "[", count: 100) + String(repeating: "]", count: 100)) }
    }

    @Test func invalidUTF8IsRefused() {
        #expect(throws: DataError.self) { try JSONValue(parsing: [0x22, 0xff, 0x22]) }
    }

    @Test func roundTripsOfRandomValues() throws {
        var random = SplitMix(seed: 5)
        func value(_ depth: Int) -> JSONValue {
            switch Int.random(in: 0..<(depth > 3 ? 5 : 7), using: &random) {
            case 0: .null
            case 1: .bool(Bool.random(using: &random))
            case 2: .integer(Int64.random(in: .min ... .max, using: &random))
            case 3: .number(Double.random(in: -1...1, using: &random) * 1e9 + 0.1)
            case 4: .string(String((0..<5).compactMap { _ in UnicodeScalar(UInt32.random(in: 1...0x10ffff, using: &random)).map(Character.init) }))
            case 5: .array((0..<3).map { _ in value(depth + 1) })
            default: .object(Dictionary((0..<3).map { ("k\($0)\"", value(depth + 1)) }) { first, _ in first })
            }
        }
        for _ in 0..<300 {
            let original = value(0)
            #expect(try parse(original.serialized()) == original)
            #expect(try parse(original.serialized(indented: true)) == original)
        }
    }
}
