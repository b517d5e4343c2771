import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite struct CRC32CTests {
    /// From RFC 3720, appendix B.4, and the check value of the CRC catalogues.
    @Test func knownValues() {
        #expect(CRC32C.checksum(Array("123456789".utf8)) == 0xe306_9283)
        #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8a91_36aa)
        #expect(CRC32C.checksum([UInt8](repeating: 0xff, count: 32)) == 0x62a8_ab43)
        #expect(CRC32C.checksum((0..<32).map { UInt8($0) }) == 0x46dd_794e)
        #expect(CRC32C.checksum([UInt8]()) == 0)
    }

    @Test func piecesGiveTheWhole() {
        var random = SplitMix(seed: 3)
        let bytes = (0..<1009).map { _ in UInt8.random(in: 0...255, using: &random) }
        let whole = CRC32C.checksum(bytes)
        for cut in [0, 1, 7, 8, 9, 64, 500, 1008, 1009] {
            var pieces = CRC32C()
            pieces.update(Array(bytes[..<cut]))
            var second = CRC32C()
            second.update(Array(bytes[cut...]))
            var appended = pieces
            appended.append(second)
            pieces.update(Array(bytes[cut...]))
            #expect(pieces.value == whole)
            #expect(appended.value == whole)
            #expect(appended.count == bytes.count)
        }
    }
}
