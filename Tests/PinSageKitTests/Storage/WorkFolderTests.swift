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
