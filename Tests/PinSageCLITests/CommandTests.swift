import Foundation
import PinSageKit
import PinSageTestSupport
import Testing

@Suite struct CommandTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func json(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    @Test func badUsageExits64() throws {
        for arguments in [
            ["import"], ["nonsense"], ["split", "d", "--output", "o"], ["info"], ["import", "--edges", "e", "--output", "o", "--format", "xml"],
            ["split", "d", "--output", "o", "--leave-last", "1", "--leave-random", "1"], ["split", "d", "--output", "o", "--before", "soon"],
        ] {
            let result = try pinsage(arguments)
            #expect(result.status == 64, "\(arguments): \(result.errors)")
            #expect(result.output == "")
            #expect(!result.errors.isEmpty)
        }
        #expect(try pinsage("--help").status == 0)
    }

    @Test func mistypedCommandsAndOptionsAreSuggested() throws {
        for (arguments, suggestion) in [(["trian", "d"], "'train'"), (["imprt"], "'import'"), (["train", "d", "--ouput", "m"], "--output")] {
            let result = try pinsage(arguments)
            #expect(result.status == 64 && result.errors.contains(suggestion), "\(arguments): \(result.errors)")
        }
        let other = try pinsage("nonsense")
        #expect(other.status == 64 && other.errors.contains("--help") && !other.errors.contains("mean"), "\(other.errors)")
    }

    @Test(arguments: ["bash", "zsh", "fish"]) func completions(_ shell: String) throws {
        let result = try pinsage("completions", shell)
        #expect(result.status == 0 && result.output.contains("pinsage-cli") && result.output.contains("hard-negatives"), "\(result.errors)")
    }

    /// A page for each command, made from its help, which groff takes without a complaint where there is one.
    @Test func everyCommandHasAManPage() throws {
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../scripts/make-man").path
        let made = try #require(try run("/usr/bin/env", ["bash", script, program.path, folder.path]))
        #expect(made.status == 0, "\(made.errors)")
        let commands = try pinsage("--help").output.components(separatedBy: "SUBCOMMANDS:\n")[1].components(separatedBy: "\n\n")[0]
        let names = commands.split(separator: "\n").compactMap { line in
            line.hasPrefix("  ") && !line.hasPrefix("   ") ? line.split(separator: " ").first.map(String.init) : nil
        }
        #expect(names.count >= 20 && folder.names.count == names.count + 1)
        for name in names {
            let page = try String(contentsOfFile: folder["pinsage-cli-\(name).1"], encoding: .utf8)
            #expect(page.contains(".SH NAME\npinsage-cli-\(name) \\- ") && page.contains(".SH USAGE\n"), "\(name)")
        }
    }

    /// Colors would be noise in files and pipes; `script` gives the program a terminal.
    @Test func colorsOnTerminalsOnly() throws {
        #expect(try pinsage("info", folder["none"]).errors.hasPrefix("error: "))
        guard FileManager.default.isExecutableFile(atPath: "/usr/bin/script") else { return print("skipped: no script(1)") }
        let command = "'\(program.path)' info '\(folder["none"])'"
        func shown(_ setting: String) throws -> String {
            try #require(try run("/usr/bin/env", ["TERM=xterm", setting, "/usr/bin/script", "-qec", command, "/dev/null"])).output
        }
        #expect(try shown("NO_COLOR=").contains("\u{1b}[1;31merror:\u{1b}[0m "))
        #expect(try shown("NO_COLOR=1").hasPrefix("error: "))
        #expect(try shown("TERM=dumb").hasPrefix("error: "))
    }

    @Test func importSplitInfo() throws {
        try folder.write("i.tsv", "item\ttitle\n" + (0..<10).map { "i\($0)\tItem \($0)\n" }.joined())
        try folder.write("e.tsv", "item\tcollection\ttime\n" + (0..<60).map { "i\($0 * 7 % 10)\tc\($0 % 4)\t\($0)\n" }.joined())
        let imported = try pinsage("import", "--edges", folder["e.tsv"], "--items", folder["i.tsv"], "--output", folder["d"], "--json")
        #expect(imported.status == 0, "\(imported.errors)")
        let report = try json(imported.output)
        #expect(report["items"] as? Int == 10 && report["collections"] as? Int == 4 && report["edges_read"] as? Int == 60)
        #expect(report["edges"] as? Int == 20 && report["duplicates_merged"] as? Int == 40)
        let split = try pinsage("split", folder["d"], "--leave-last", "1", "--validation", "1", "--output", folder["s"], "--json")
        #expect(split.status == 0, "\(split.errors)")
        #expect(try json(split.output)["test_pairs"] as? Int == 4)
        for name in ["test.pairs.tsv", "validation.pairs.tsv", "test.collections.tsv", "validation.collections.tsv", "train/catalog.sqlite"] {
            #expect(FileManager.default.fileExists(atPath: folder["s/" + name]), "\(name)")
        }
        let info = try pinsage("info", folder["s/train"], "--verify", "--json")
        #expect(info.status == 0)
        #expect(try json(info.output)["kind"] as? String == "dataset")
        #expect(try pinsage("info", folder["s/train"]).output.contains("dataset"))
    }

    @Test func standardInput() throws {
        let result = try pinsage("import", "--edges", "-", "--format", "adjacency", "--output", folder["d"], input: "c a b\nd a\n")
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.output.contains("edges        3"))
    }

    @Test func badDataExits65AndLeavesNothing() throws {
        try folder.write("e.tsv", "item\tcollection\na\tc\nragged\n")
        let result = try pinsage("import", "--edges", folder["e.tsv"], "--output", folder["d"])
        #expect(result.status == 65)
        #expect(result.output == "")
        #expect(result.errors == "error: \(folder["e.tsv"]):3: expected 2 fields as in the header, found 1\n")
        #expect(folder.names == ["e.tsv"])
        #expect(try pinsage("info", folder["d"]).status == 65)
        #expect(try pinsage("info", folder["e.tsv"]).status == 65)
    }

    @Test func verifyFindsAFlippedBit() throws {
        try folder.write("e.tsv", "item\tcollection\na\tc\nb\tc\n")
        #expect(try pinsage("import", "--edges", folder["e.tsv"], "--output", folder["d"]).status == 0)
        var bytes = try folder.read("d/graph/items.targets.npy")
        bytes[bytes.count - 1] ^= 1
        try folder.write("d/graph/items.targets.npy", bytes)
        #expect(try pinsage("info", folder["d"]).status == 0)
        let result = try pinsage("info", folder["d"], "--verify")
        #expect(result.status == 65)
        #expect(result.errors.contains("items.targets.npy"))
    }

    private func writeEmbeddings(count: Int) throws {
        let matrix = TinyGraphs.matrix(rows: count, columns: 8, seed: 5)
        let embeddings = try Embeddings(
            identifiers: Identifiers((0..<count).map { "i\($0)" }), vectors: StoredArray(matrix.values), dimension: 8, isNormalized: false)
        try embeddings.write(to: folder["e"])
    }

    /// Either kind is built, opened and asked by the same commands; asked for all, they agree.
    @Test func indexAndQueryOfEveryKind() throws {
        try writeEmbeddings(count: 300)
        var answers: [String] = []
        for arguments in [["--kind", "exact"], ["--kind", "hnsw"], ["--kind", "hnsw", "--storage", "f32", "--links", "8"], ["--kind", "lsh"]] {
            let built = try pinsage(["index", "--embeddings", folder["e"], "--output", folder["x"], "--json"] + arguments)
            #expect(built.status == 0, "\(built.errors)")
            let report = try json(built.output)
            #expect(report["kind"] as? String == arguments[1] && report["items"] as? Int == 300)
            let asked = try pinsage("query", "--index", folder["x"], "--item", "i3", "-k", "299", "--json")
            #expect(asked.status == 0, "\(asked.errors)")
            answers.append(asked.output)
            let few = try pinsage("query", "--index", folder["x"], "--item", "i3", "-k", "5", "--json")
            #expect((try json(few.output)["results"] as? [Any])?.count == 5)
            #expect(try pinsage("info", folder["x"], "--verify").status == 0)
            let ef = try pinsage("query", "--index", folder["x"], "--item", "i3", "--ef", "300", "-k", "5", "--json")
            if arguments[1] != "hnsw" {
                #expect(ef.status == 64 && ef.errors.contains("--ef is for indexes of kind hnsw"))
            } else {
                #expect(try NSDictionary(dictionary: json(ef.output)).isEqual(to: json(few.output)))
            }
        }
        #expect(answers.allSatisfy { $0 == answers[0] })
    }

    /// An index of earlier embeddings becomes one of later ones; rows are the later ones'.
    @Test func indexFromABase() throws {
        try writeEmbeddings(count: 250)
        #expect(try pinsage("index", "--embeddings", folder["e"], "--output", folder["old"], "--kind", "hnsw", "--links", "6").status == 0)
        try writeEmbeddings(count: 300)
        let updated = try pinsage("index", "--embeddings", folder["e"], "--output", folder["new"], "--base", folder["old"], "--json")
        #expect(updated.status == 0, "\(updated.errors)")
        let report = try json(updated.output)
        #expect(report["inserted"] as? Int == 50 && report["items"] as? Int == 300 && report["kind"] as? String == "hnsw")
        #expect(try pinsage("index", "--embeddings", folder["e"], "--output", folder["exact"]).status == 0)
        let answers = try ["new", "exact"].map { try pinsage("query", "--index", folder[$0], "--item", "i270", "-k", "299", "--json").output }
        #expect(answers[0] == answers[1])
        let refused = try pinsage("index", "--embeddings", folder["e"], "--output", folder["x"], "--base", folder["exact"])
        #expect(refused.status == 65 && refused.errors.contains("kind hnsw"), "\(refused.errors)")
    }

    @Test func tuningChoosesAndDraws() throws {
        try writeEmbeddings(count: 300)
        let result = try pinsage(
            "index", "--embeddings", folder["e"], "--output", folder["x"], "--tune", "--recall", "0.9", "--plot", folder["plot.html"], "--json")
        #expect(result.status == 0, "\(result.errors)")
        let report = try json(result.output)
        #expect((report["recall"] as? Double).map { $0 >= 0.9 } == true)
        let curve = report["curve"] as? [[String: Any]] ?? []
        #expect(Set(curve.compactMap { $0["kind"] as? String }) == ["exact", "hnsw", "lsh"])
        #expect(try String(decoding: folder.read("plot.html"), as: UTF8.self).contains("<svg"))
        #expect(try pinsage("query", "--index", folder["x"], "--item", "i3").status == 0)
    }

    /// What files allow and deny, and an exact index that compares codes first.
    @Test func allowedAndDenied() throws {
        try writeEmbeddings(count: 300)
        for (name, storage) in [("x", "f32"), ("y", "int8")] {
            #expect(try pinsage("index", "--embeddings", folder["e"], "--output", folder[name], "--storage", storage).status == 0)
        }
        #expect(try pinsage("index", "--embeddings", folder["e"], "--output", folder["z"], "--storage", "bf16").status == 64)
        try folder.write("some.txt", (0..<20).map { "i\($0)\n" }.joined())
        try folder.write("few.txt", "i1\ni2\n\ni3\n")
        func ask(_ index: String, _ options: String...) throws -> [String] {
            let asked = try pinsage(["query", "--index", folder[index], "--item", "i0", "-k", "300", "--json"] + options)
            #expect(asked.status == 0, "\(asked.errors)")
            return (try json(asked.output)["results"] as? [[String: Any]] ?? []).compactMap { $0["item"] as? String }
        }
        #expect(try ask("x") == ask("y") && ask("y").count == 299)
        let some = try ask("y", "--allow", folder["some.txt"])
        #expect(some.count == 19 && some.allSatisfy { (Int($0.dropFirst()) ?? 99) < 20 })
        #expect(try ask("x", "--allow", folder["some.txt"], "--deny", folder["few.txt"]) == some.filter { !["i1", "i2", "i3"].contains($0) })
        #expect(try ask("x", "--deny", folder["few.txt"]).count == 296)
        try folder.write("wrong.txt", "i1\nnobody\n")
        let wrong = try pinsage("query", "--index", folder["x"], "--item", "i0", "--deny", folder["wrong.txt"])
        #expect(wrong.status == 65 && wrong.errors.contains("nobody"), "\(wrong.errors)")
    }

    /// Weights, variety and what is asked for together.
    @Test func severalItems() throws {
        try writeEmbeddings(count: 300)
        #expect(try pinsage("index", "--embeddings", folder["e"], "--output", folder["x"]).status == 0)
        func ask(_ options: String...) throws -> [String] {
            let asked = try pinsage(["query", "--index", folder["x"], "-k", "8", "--json"] + options)
            #expect(asked.status == 0, "\(asked.errors)")
            return (try json(asked.output)["results"] as? [[String: Any]] ?? []).compactMap { $0["item"] as? String }
        }
        let both = try ask("--item", "i1", "--item", "i2"), first = try ask("--item", "i1")
        #expect(try ask("--item", "i1", "--item", "i2", "--weights", "1,1") == both)
        #expect(try ask("--item", "i1", "--item", "i2", "--weights", "3, 0").filter { $0 != "i2" }.prefix(5) == first.filter { $0 != "i2" }.prefix(5))
        #expect(try ask("--item", "i1", "--diversify", "0") == first)
        let varied = try ask("--item", "i1", "--diversify", "0.9")
        #expect(varied.first == first.first && varied != first && Set(varied).count == 8)
        for bad in [
            ["--weights", "1"], ["--weights", "a,b"], ["--weights", "1,2", "--query-pooling", "ward"], ["--diversify", "2"],
            ["--filter", "id = \"a\""],
        ] {
            #expect(try pinsage(["query", "--index", folder["x"], "--item", "i1", "--item", "i2"] + bad).status == 64, "\(bad)")
        }
    }

    @Test func badIndexOptionsExit64() throws {
        for options in [
            ["--kind", "tree"], ["--kind", "exact", "--links", "8"], ["--kind", "exact", "--storage", "bf16"], ["--kind", "hnsw", "--links", "1"],
            ["--kind", "hnsw", "--ef", "0"], ["--kind", "hnsw", "--metric", "l2"],
            ["--kind", "lsh", "--ef", "5"], ["--kind", "lsh", "--bits", "17"], ["--kind", "lsh", "--recall", "1"],
            ["--kind", "lsh", "--storage", "int8"],
            ["--kind", "hnsw", "--tables", "4"], ["--recall", "0.5"], ["--tune", "--kind", "hnsw"], ["--tune", "--recall", "2"], ["--latency", "1"],
            ["--base", "x", "--kind", "lsh"], ["--base", "x", "--links", "4"],
        ] {
            let result = try pinsage(["index", "--embeddings", "e", "--output", folder["x"]] + options)
            #expect(result.status == 64, "\(options): \(result.errors)")
            #expect(folder.names.isEmpty)
        }
    }
}
