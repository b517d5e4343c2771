import Foundation
import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite struct ArtifactTests {
    private func write(_ folder: TemporaryFolder, _ name: String = "a", kind: String = "thing", values: [Float] = [1, 2, 3]) throws {
        var writer = try ArtifactWriter(kind: kind, at: folder[name])
        try writer.write("values", values)
        try writer.write("sub/ids", [UInt32(4), 5])
        try writer.write("notes.txt", text: "hello\n")
        try writer.commit(metadata: ["seed": 7])
    }

    @Test func roundTrip() throws {
        let folder = try TemporaryFolder()
        try write(folder)
        let artifact = try Artifact.open(folder["a"], kind: "thing")
        #expect(try Array(artifact.array("values", as: Float.self).array) == [1, 2, 3])
        #expect(try Array(artifact.array("sub/ids.npy", as: UInt32.self).array) == [4, 5])
        #expect(artifact.manifest.metadata["seed"]?.int == 7)
        #expect(try artifact.verify() == artifact.manifest.files.values.reduce(0) { $0 + $1.bytes })
        #expect(folder.names == ["a"])
        #expect(throws: DataError.self) { try artifact.array("values", as: UInt32.self) }
        #expect(throws: DataError.self) { try artifact.array("other", as: Float.self) }
        #expect(throws: DataError.self) { try Artifact.open(folder["a"], kind: "model") }
        #expect(throws: DataError.self) { try Artifact.open(folder["b"], kind: "thing") }
    }

    /// Files that are given are read from memory, with the same checks; the rest is on the disk.
    @Test func filesInMemory() throws {
        let folder = try TemporaryFolder()
        try write(folder)
        let stored = try Artifact.open(folder["a"])
        let values =
            Npy.headerBytes(elementType: .float32, shape: [3])
            + [Float](arrayLiteral: 7, 8, 9).flatMap { value in
                (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) }
            }
        func artifact(_ bytes: [UInt8]) -> Artifact {
            Artifact(path: folder["a"], manifest: stored.manifest, contents: ["values.npy": MappedFile(folder["nowhere"], contents: bytes)])
        }
        #expect(try Array(artifact(values).array("values", as: Float.self).array) == [7, 8, 9])
        #expect(try Array(artifact(values).array("sub/ids", as: UInt32.self).array) == [4, 5])
        for broken in [[], Array(values.dropLast()), values + [0]] {
            let error = #expect(throws: DataError.self) { try artifact(broken).array("values", as: Float.self) }
            #expect(error?.file == folder["nowhere"])
        }
    }

    @Test func equalContentGivesEqualBytes() throws {
        let folder = try TemporaryFolder()
        try write(folder, "a")
        try write(folder, "b")
        #expect(try folder.read("a/manifest.json") == folder.read("b/manifest.json"))
    }

    @Test func replacesOnlyItsOwnKind() throws {
        let folder = try TemporaryFolder()
        try write(folder)
        let old = try Artifact.open(folder["a"]).array("values", as: Float.self).array
        try write(folder, values: [9])
        #expect(try Array(Artifact.open(folder["a"]).array("values", as: Float.self).array) == [9])
        // What was mapped before stays readable.
        #expect(Array(old) == [1, 2, 3])
        #expect(folder.names == ["a"])

        #expect(throws: DataError.self) { try write(folder, kind: "model") }
        try folder.write("file", "precious")
        #expect(throws: DataError.self) { try write(folder, "file") }
        #expect(try folder.read("file") == Array("precious".utf8))
        try FileManager.default.createDirectory(atPath: folder["folder"], withIntermediateDirectories: false)
        #expect(throws: DataError.self) { try write(folder, "folder") }
        try folder.write("a/precious", "mine")
        let error = #expect(throws: DataError.self) { try write(folder) }
        #expect(error?.message.contains("precious") == true)
        #expect(try Array(Artifact.open(folder["a"]).array("values", as: Float.self).array) == [9])
        #expect(folder.names == ["a", "file", "folder"])
    }

    @Test func anAbandonedWriterLeavesNothing() throws {
        let folder = try TemporaryFolder()
        do {
            var writer = try ArtifactWriter(kind: "thing", at: folder["a"])
            try writer.write("values", [Float(1)])
            #expect(folder.names.count == 1)
        }
        #expect(folder.names == [])
    }

    @Test func leftoversOfKilledWritersAreRemovedAndLivingOnesKept() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: folder[".a.partial-1-0"], withIntermediateDirectories: false)
        try folder.write(".a.partial-1-0/half.npy", "half")
        var living = try ArtifactWriter(kind: "thing", at: folder["a"])
        #expect(folder.names.count == 1)
        try write(folder)
        #expect(folder.names.count == 2)
        try living.write("values", [Float(5)])
        try living.commit()
        #expect(try Array(Artifact.open(folder["a"]).array("values", as: Float.self).array) == [5])
        #expect(folder.names == ["a"])
    }

    @Test func truncationAndGrowthOfEveryFileAreRefused() throws {
        let folder = try TemporaryFolder()
        try write(folder)
        for name in ["a/values.npy", "a/sub/ids.npy", "a/notes.txt", "a/manifest.json"] {
            let bytes = try folder.read(name)
            for length in [0, 1, bytes.count / 2, bytes.count - 1, bytes.count + 1] {
                try folder.write(name, length <= bytes.count ? Array(bytes[..<length]) : bytes + [0x20])
                let error = #expect(throws: DataError.self, "\(name) of \(length) bytes") { try Artifact.open(folder["a"]) }
                #expect(error?.file == folder[name])
            }
            try folder.write(name, bytes)
        }
        try FileManager.default.removeItem(atPath: folder["a/values.npy"])
        #expect(throws: DataError.self) { try Artifact.open(folder["a"]) }
    }

    @Test func everyFlippedBitIsFound() throws {
        let folder = try TemporaryFolder()
        try write(folder)
        for name in ["a/values.npy", "a/notes.txt", "a/manifest.json"] {
            let bytes = try folder.read(name)
            for position in bytes.indices {
                var flipped = bytes
                flipped[position] ^= 1 << UInt8(position % 8)
                try folder.write(name, flipped)
                let error = #expect(throws: DataError.self, "byte \(position) of \(name)") { try Artifact.open(folder["a"]).verify() }
                #expect(error?.file == folder[name])
            }
            try folder.write(name, bytes)
        }
        #expect(throws: Never.self) { try Artifact.open(folder["a"]).verify() }
    }

    @Test func manifestsCannotPointOutside() throws {
        for name in ["../x", "/etc/passwd", "a//b", ".", "", "a/../b", "manifest.json"] { #expect(!Manifest.isSafe(name), "\(name)") }
        for name in ["x.npy", "features/a.npy", "..a"] { #expect(Manifest.isSafe(name), "\(name)") }
    }
}
