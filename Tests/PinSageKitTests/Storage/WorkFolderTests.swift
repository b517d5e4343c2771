import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite struct WorkFolderTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func open(_ settings: String?) throws -> WorkFolder { try WorkFolder(folder["w"], settings: settings, of: "numbers") }

    private func write(_ name: String, _ text: String = "1") throws { try folder.write("w/" + name, text) }

    @Test func keepsWhatWasMadeWithTheSameSettings() throws {
        let made = try open("a")
        try write("part", "7")
        _ = try open("a")
        #expect(try folder.read("w/part") == Array("7".utf8))
        _ = try open("b")
        #expect(try FileSystem.names(in: made.path) == ["settings.json"])
        try write("part")
        _ = try open(nil)
        try write("part")
        _ = try open(nil)
        #expect(try FileSystem.names(in: made.path) == ["settings.json"])
    }

    /// A run may be killed before the settings are complete, and in the middle of any other file.
    @Test func whatAKilledRunLeftIsNotInTheWay() throws {
        try FileSystem.makeDirectories(folder["w"])
        _ = try open("a")
        try FileSystem.remove(folder["w/settings.json"])
        try write(".settings.json.partial-1")
        let made = try open("a")
        try write("whole")
        try write(".other.npy.partial-12")
        _ = try open("a")
        #expect(try FileSystem.names(in: made.path) == ["settings.json", "whole"])
        try made.remove()
        #expect(FileSystem.kind(of: made.path) == nil)
    }

    /// Removing takes several steps; a run that is killed between two of them has removed the whole folder all the same.
    @Test func aFolderIsRemovedInOneStep() throws {
        let made = try open("a")
        try write("part")
        try FileSystem.makeDirectories(folder[".w.partial-1-0"])
        try FileSystem.rename(made.path, to: folder[".w.partial-1-0/w"])
        try FileSystem.remove(folder[".w.partial-1-0/w/settings.json"])
        _ = try open("a")
        #expect(folder.names == ["w"])
        #expect(try FileSystem.names(in: made.path) == ["settings.json"])
    }

    /// A row file has its name only when its header and room are there.
    @Test func rowFilesAreWholeOrNotThere() throws {
        let kernels = try Kernels(threads: 1)
        let file = try RowFile(folder["rows.npy"], rows: 5, columns: 3, type: .f32)
        try file.write(Matrix(rows: 1, columns: 3, values: [1, 2, 3]), at: 4, kernels: kernels)
        #expect(folder.names == ["rows.npy"])
        let (array, shape) = try Npy.open(folder["rows.npy"], as: Float.self)
        #expect(shape == [5, 3] && Array(array) == Array(repeating: 0, count: 12) + [1, 2, 3])
        // What another process left in the middle of making it.
        try FileSystem.makeDirectories(folder[".other.npy.partial-1-0"])
        try folder.write(".other.npy.partial-1-0/other.npy", "")
        _ = try RowFile(folder["other.npy"], rows: 2, columns: 2, type: .bf16)
        #expect(folder.names == ["other.npy", "rows.npy"])
        try folder.write("short.npy", "abc")
        #expect(throws: DataError.self) { try RowFile(folder["short.npy"], rows: 2, columns: 2, type: .f32) }
    }

    @Test func killedWritersOfFilesLeaveNothingForLong() throws {
        try FileSystem.makeDirectories(folder[".out.tsv.partial-1-0"])
        try folder.write(".out.tsv.partial-1-0/out.tsv", "hal")
        try folder.write(".out.tsv.partial-77", "what older versions left")
        try FileSystem.replaceFile(folder["out.tsv"]) { try OutputFile($0).close() }
        #expect(folder.names == ["out.tsv"])
    }

    /// On a file system without exchange the old artifact has another name for a moment.
    @Test func anArtifactThatWasSetAsideComesBack() throws {
        var writer = try ArtifactWriter(kind: "model", at: folder["a"])
        try writer.write("x.txt", text: "old")
        try writer.commit()
        try FileSystem.rename(folder["a"], to: folder[".a.partial-1-0.old"])
        try FileSystem.makeDirectories(folder[".a.partial-1-0"])
        try ArtifactWriter.check(folder["a"], kind: "model")
        #expect(folder.names == ["a"])
        #expect(try folder.read("a/x.txt") == Array("old".utf8))
    }

    @Test func otherPeoplesFilesStay() throws {
        try FileSystem.makeDirectories(folder["w"])
        try write("letter.txt")
        #expect(throws: DataError.self) { try open("a") }
        #expect(try FileSystem.names(in: folder["w"]) == ["letter.txt"])
        try FileSystem.remove(folder["w"])
        try folder.write("w", "a file")
        #expect(throws: DataError.self) { try open("a") }
        #expect(try folder.read("w") == Array("a file".utf8))
    }
}
