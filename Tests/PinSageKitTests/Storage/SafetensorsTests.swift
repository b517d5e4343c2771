import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite struct SafetensorsTests {
    private let tensors: [(name: String, tensor: Safetensors.Tensor)] = [
        ("b.weight", Safetensors.Tensor(shape: [2, 3], values: [1, -0.0, .infinity, 0x1p-149, 5, 6])),
        ("a", Safetensors.Tensor(shape: [], values: [7])), ("empty", Safetensors.Tensor(shape: [0, 4], values: [])),
    ]

    @Test func roundTrip() throws {
        let folder = try TemporaryFolder()
        try Safetensors.write(tensors, metadata: ["step": "12"], to: folder["w.safetensors"])
        let read = try Safetensors.read(folder["w.safetensors"])
        #expect(read.count == 3)
        for (name, tensor) in tensors {
            #expect(read[name]?.shape == tensor.shape)
            #expect(read[name]?.values.map(\.bitPattern) == tensor.values.map(\.bitPattern))
        }
        #expect(try Safetensors.metadata(of: folder["w.safetensors"]) == ["step": "12"])
        #expect(folder.names == ["w.safetensors"])
    }

    @Test func truncationAtEveryLengthIsRefused() throws {
        let folder = try TemporaryFolder()
        try Safetensors.write(tensors, to: folder["w"])
        let bytes = try folder.read("w")
        for length in 0..<bytes.count {
            let path = try folder.write("cut", Array(bytes[..<length]))
            #expect(throws: DataError.self) { try Safetensors.read(path) }
        }
    }

    @Test func mutationsGiveValuesOrErrors() throws {
        let folder = try TemporaryFolder()
        try Safetensors.write(tensors, metadata: ["a": "b"], to: folder["w"])
        let original = try folder.read("w")
        var random = SplitMix(seed: 21)
        for _ in 0..<2000 {
            var bytes = original
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0x20...0x7e, using: &random)
            }
            let path = try folder.write("x", bytes)
            do {
                for tensor in try Safetensors.read(path).values { #expect(tensor.shape.reduce(1, *) == tensor.values.count) }
            } catch is DataError {}
        }
    }

    @Test func overlapsAndGapsAreRefused() throws {
        let folder = try TemporaryFolder()
        func file(_ header: String, _ bytes: Int) throws -> String {
            let text = Array(header.utf8)
            return try folder.write(
                "x", (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) } + text + [UInt8](repeating: 0, count: bytes))
        }
        let overlap = try file(#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#, 12)
        #expect(throws: DataError.self) { try Safetensors.read(overlap) }
        let gap = try file(#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, 8)
        #expect(throws: DataError.self) { try Safetensors.read(gap) }
        let rest = try file(#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 8)
        #expect(throws: DataError.self) { try Safetensors.read(rest) }
        let half = try file(#"{"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}"#, 4)
        #expect(try Safetensors.read(half)["a"]?.values == [0, 0])
    }
}
