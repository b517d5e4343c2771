import Foundation
import PinSageKit
import PinSageTestSupport
import Testing

@testable import PinSageCatalog

@Suite struct AptArchiveTests {
    private func parse(_ text: String) throws -> AptArchive { try AptArchive(parsing: Array(text.utf8), file: "lists") }

    private func message(_ body: () throws -> Void) -> String {
        do { try body() } catch { return "\(error)" }
        return "no error"
    }

    private let sample = """
        Package: vim
        Source: vim-source (2:9.0)
        Section: editors
        Priority: optional
        Depends: vim-common (= 2:9.0), vim-runtime (>= 1), libc6 (>= 2.36) | libc6-virtual, python3:any
        Recommends: ctags | exuberant-ctags [amd64] <!nocheck>,
         cscope
        Suggests: vim-doc
        Homepage: https://www.vim.org/
        Tag: role::program, use::editing, implemented-in::{c, c++},
         interface::text-mode
        Description: Vi IMproved - enhanced vi editor
         Vim is an almost compatible version of the UNIX editor Vi.
         .
         Colon: not a field

        Package: vim-common
        SECTION: contrib/editors
        enhances: vim
        Description-md5: 00

        # a comment
        Package: vim-doc
        Section: doc
        Depends: vim-common, vim-common | vim, vim-doc-missing


        Package: libc6
        """

    @Test func parsesWhatPackagesFilesHave() throws {
        let archive = try parse(sample)
        #expect(archive.packages.map(\.name) == ["libc6", "vim", "vim-common", "vim-doc"])
        let vim = archive.packages[1]
        #expect(vim.source == "vim-source" && vim.section == "editors" && vim.priority == "optional")
        #expect(vim.summary == "Vi IMproved - enhanced vi editor" && vim.homepage == "https://www.vim.org/")
        #expect(vim.related == ["vim-common", "vim-runtime", "libc6", "libc6-virtual", "python3", "ctags", "exuberant-ctags", "cscope", "vim-doc"])
        #expect(vim.tags == ["role::program", "use::editing", "implemented-in::c", "implemented-in::c++", "interface::text-mode"])
        #expect(archive.packages[2].section == "editors" && archive.packages[2].related == ["vim"])
        let bare = archive.packages[0]
        #expect(bare.section == "" && bare.source == "libc6" && bare.summary == "" && bare.related.isEmpty && bare.homepage == nil)
        #expect(archive.taggedCount == 1 && archive.notes.isEmpty)
    }

    @Test func collectionsHaveOnlyPackagesThatExist() throws {
        let archive = try parse(sample)
        #expect(
            archive.collections() == [
                .init(name: "depends:vim", members: [0, 2, 3]), .init(name: "depends:vim-common", members: [1]),
                .init(name: "depends:vim-doc", members: [1, 2]), .init(name: "section:doc", members: [3]),
                .init(name: "section:editors", members: [1, 2]), .init(name: "tag:implemented-in::c", members: [1]),
                .init(name: "tag:implemented-in::c++", members: [1]), .init(name: "tag:interface::text-mode", members: [1]),
                .init(name: "tag:role::program", members: [1]), .init(name: "tag:use::editing", members: [1]),
            ])
        let item = archive.item(1)
        #expect(item.title == "vim" && item.text == "Vi IMproved - enhanced vi editor" && item.url == "https://www.vim.org/")
        #expect(item.attributes == ["section": "editors", "priority": "optional", "source": "vim-source"])
        #expect(archive.item(0).attributes["section"] == nil)
    }

    @Test func withoutTagsThereAreNoFacets() throws {
        let archive = try parse("Package: a\nSection: x\n\nPackage: b\nSection: x\nDepends: a\n")
        #expect(archive.collections().map(\.name) == ["depends:b", "section:x"])
        #expect(archive.notes.count == 1 && archive.notes[0].contains("debtags"))
    }

    @Test func lineEndsAndBlankLines() throws {
        let expected = try parse(sample).packages
        #expect(try parse(sample.replacing("\n", with: "\r\n")).packages == expected)
        #expect(try parse("\n\n" + sample + "\n \t\n").packages == expected)
        #expect(try parse("Package: a").packages.map(\.name) == ["a"])
        #expect(try parse("Package:a\nDescription:\n").packages[0].summary == "")
    }

    @Test func theFirstOfSeveralStanzasCounts() throws {
        let archive = try parse("Package: a\nSection: one\n\nPackage: a\nSection: two\n")
        #expect(archive.packages.count == 1 && archive.packages[0].section == "one")
    }

    @Test func errorsHaveALine() {
        #expect(message { _ = try parse("Package: a\n\nno field here\n") } == "lists:3:1: expected 'Field: value', found 'no field here'")
        #expect(message { _ = try parse("\n continued\n") }.hasPrefix("lists:2:1: "))
        #expect(message { _ = try parse("Package: a\n\nSection: b\nTag: c\n") }.hasPrefix("lists:3: expected a 'Package' field"))
        #expect(message { _ = try parse(": x\n") }.hasPrefix("lists:1:1: "))
        #expect(message { _ = try parse("") } == "lists: expected package stanzas, found none")
        #expect(message { _ = try parse("<html>\n") }.contains("<html>"))
    }

    @Test func bytesThatAreNotUTF8AreRepaired() throws {
        let bytes = Array("Package: a\nDescription: caf".utf8) + [0xE9] + Array("\nMaintainer: ".utf8) + [0xFF, 0x0A]
        #expect(try AptArchive(parsing: bytes, file: "x").packages[0].summary == "caf\u{FFFD}")
    }

    @Test func relationAndTagOddities() {
        #expect(DebianPackage.names(inRelation: " , | ,a(>=1),b [x],c<y>, d:any (= 2) ,, e|f ") == ["a", "b", "c", "d", "e", "f"])
        #expect(DebianPackage.tags(in: "a::{b,c , d}, e::f, nofacet, g::{h}, i::{}, j::{k") == ["a::b", "a::c", "a::d", "e::f", "g::h", "j::k"])
    }

    @Test func anyBytesGivePackagesOrAnError() throws {
        var state: UInt64 = 7
        let alphabet = Array("Package: \n\n\t,|(){}:ab\r#".utf8) + [0xFF, 0xC3, 0]
        for _ in 0..<400 {
            let bytes = (0..<80).map { _ -> UInt8 in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return alphabet[Int((state >> 33) % UInt64(alphabet.count))]
            }
            do { _ = try AptArchive(parsing: Array("Package: a\n".utf8) + bytes, file: "x").collections() } catch { #expect(error is DataError) }
        }
    }

    @Test func datasetHasGraphAndCatalog() throws {
        let folder = try TemporaryFolder()
        let report = try parse(sample).writeDataset(to: folder["packages"])
        #expect(report.items == 4 && report.collections == 10 && report.itemsDescribed == 4)
        let dataset = try Dataset.open(folder["packages"])
        let catalog = try SQLiteCatalog(directory: folder["packages"])
        let vim = try dataset.item(named: "vim")
        #expect(try catalog.description(of: vim).text == "Vi IMproved - enhanced vi editor")
        #expect(try catalog.search("vim").first == vim)
        #expect(dataset.graph.degree(of: vim) == 2 + 1 + 5)
    }

    // MARK: The machine's own lists

    @Test func aptIsReadThroughItsOwnReader() throws {
        let folder = try TemporaryFolder()
        let script = try folder.write("apt-cache", "#!/bin/sh\ntest \"$1\" = dumpavail && printf 'Package: a\\nSection: x\\n'\n")
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: script)
        #expect(try AptArchive.thisMachine(command: script).packages.map(\.name) == ["a"])
        try folder.write("empty", "#!/bin/sh\nexit 0\n")
        try folder.write("failing", "#!/bin/sh\necho 'Package: a'\nexit 3\n")
        for name in ["empty", "failing"] { try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder[name]) }
        #expect(message { _ = try AptArchive.thisMachine(command: folder["empty"]) }.contains("apt-get update"))
        #expect(message { _ = try AptArchive.thisMachine(command: folder["failing"]) }.contains("status 3"))
        #expect(message { _ = try AptArchive.thisMachine(command: folder["missing"]) }.contains("needs Debian"))
        #expect(message { _ = try AptArchive.thisMachine(command: "no-such-command-anywhere") }.contains("needs Debian"))
    }

    // MARK: The committed snapshot

    @Test func theSnapshotIsWhatTheDemoExpects() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let path = root.appendingPathComponent("Sources/pinsage-cli/Resources/debian-packages.gz").path
        let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
        #expect(size ?? .max <= 4 << 20)
        let archive = try AptArchive(contentsOf: path)
        #expect(archive.packages.count > 60_000 && archive.taggedCount > 25_000)
        let names = Set(archive.packages.map(\.name))
        for name in ["postgresql", "vim", "nginx", "python3-numpy", "ffmpeg"] { #expect(names.contains(name)) }
        #expect(archive.packages.allSatisfy { !$0.summary.isEmpty && $0.related.allSatisfy(names.contains) })
        #expect(archive.collections().count > 50_000)
    }
}
