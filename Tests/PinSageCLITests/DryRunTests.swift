import Foundation
import PinSageKit
import PinSageTestSupport
import Testing

@Suite struct DryRunTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try folder.write("e.tsv", "item\tcollection\n" + (0..<400).map { "i\($0 * 7 % 41)\tc\($0 % 23)\n" }.joined())
        try folder.write("i.tsv", "item\ttitle\n" + (0..<41).map { "i\($0)\tItem number \($0)\n" }.joined())
        try folder.write("more.tsv", "item\tcollection\nnew\tc1\ni1\tc2\nnew\tanother\n")
    }

    /// Every file below the folder, with what is in it.
    private func contents() throws -> [String: Data] {
        var contents: [String: Data] = [:]
        for name in try FileManager.default.subpathsOfDirectory(atPath: folder[""]) {
            contents[name] = FileManager.default.contents(atPath: folder[name]) ?? Data()
        }
        return contents
    }

    private func done(_ arguments: [String]) throws -> ProgramResult {
        let result = try pinsage(arguments)
        #expect(result.status == 0, "\(arguments): \(result.errors)")
        return result
    }

    /// The same command with --dry-run leaves every byte, before there is an output and when there is one; without it, it writes.
    @Test func everyWritingCommandCanBeTriedFirst() throws {
        let d = folder["d"], m = folder["m"], v = folder["v"]
        let commands: [[String]] = [
            ["import", "--edges", folder["e.tsv"], "--items", folder["i.tsv"], "--output", d],
            ["split", d, "--leave-random", "1", "--output", folder["s"]],
            ["neighbors", d, "--all", "--walks", "5", "--output", folder["n"]],
            [
                "train", d, "--output", m, "--epochs", "1", "--dimension", "8", "--hidden", "8", "--layer-width", "8", "--neighbors", "3", "--walks",
                "5",
            ],
            ["embed", "--model", m, "--dataset", d, "--output", v],
            ["inputs", "--model", m, "--dataset", d, "--output", folder["h"]],
            ["index", "--embeddings", v, "--output", folder["x"]],
            ["project2d", "--index", folder["x"], "--epochs", "10"],
            ["export", "--embeddings", v, "--format", "tsv", "--output", folder["v.tsv"]],
            ["synth", "--items", "100", "--collections", "50", "--edges", "500", "--output", folder["made"]],
            ["prune", folder["made"], "--topics", "4", "--output", folder["pruned"]],
            ["append", d, "--edges", folder["more.tsv"]],
            ["compact", d],
        ]
        for command in commands {
            for repeated in [false, true] {
                let before = try contents()
                let tried = try done(command + ["--dry-run"])
                #expect(try contents() == before, "\(command[0]) changed something")
                #expect(tried.output.contains("nothing (--dry-run)"), "\(tried.output)")
                let object = try JSONSerialization.jsonObject(with: Data(done(command + ["--dry-run", "--json"]).output.utf8)) as? [String: Any]
                let replaces = repeated || ["append", "compact"].contains(command[0])
                #expect(object?["dry_run"] as? Bool == true && object?["replaces"] as? Bool == replaces, "\(command[0]): \(object ?? [:])")
                if !repeated { _ = try done(command + ["--quiet"]) }
            }
        }
    }

    @Test func aDryRunReportsWhatTheCommandWould() throws {
        let d = folder["d"]
        _ = try done(["import", "--edges", folder["e.tsv"], "--output", d])
        func counts(_ arguments: [String]) throws -> [String: Any] {
            try #require(try JSONSerialization.jsonObject(with: Data(done(arguments + ["--json"]).output.utf8)) as? [String: Any])
        }
        for (command, names) in [
            (["append", d, "--edges", folder["more.tsv"]], ["items", "new_items", "new_collections", "edges", "new_edges"]),
            (["compact", d], ["edges", "folded"]),
            (["split", d, "--leave-random", "1", "--output", folder["s"]], ["train_edges", "test_edges"]),
        ] {
            let tried = try counts(command + ["--dry-run"]), happened = try counts(command)
            for name in names {
                #expect(tried[name] as? Int == happened[name] as? Int && tried[name] is Int, "\(command[0]) \(name): \(tried) and \(happened)")
            }
        }
    }

    @Test func aDryRunFindsWhatIsWrong() throws {
        let edges = folder["e.tsv"]
        try folder.write("bad.tsv", "item\tcollection\na\tc\nragged\n")
        try FileManager.default.createDirectory(atPath: folder["mine"], withIntermediateDirectories: true)
        try folder.write("mine/notes.txt", "mine")
        for arguments in [
            ["import", "--edges", folder["bad.tsv"], "--output", folder["d"]], ["import", "--edges", edges, "--output", folder["mine"]],
            ["compact", folder["mine"]], ["embed", "--model", folder["mine"], "--dataset", folder["mine"], "--output", folder["v"]],
        ] {
            let result = try pinsage(arguments + ["--dry-run"])
            #expect(result.status == 65 && result.output == "", "\(arguments): \(result.output)\(result.errors)")
        }
        #expect(folder.names.sorted() == ["bad.tsv", "e.tsv", "i.tsv", "mine", "more.tsv"])
    }

    @Test func quietCommandsSayNothingButTheResult() throws {
        _ = try done(["import", "--edges", folder["e.tsv"], "--items", folder["i.tsv"], "--output", folder["d"]])
        let settings = ["--epochs", "1", "--dimension", "8", "--hidden", "8", "--layer-width", "8", "--neighbors", "3", "--walks", "5"]
        let loud = try done(["train", folder["d"], "--output", folder["m"]] + settings)
        #expect(loud.errors.contains("epoch 1"), "\(loud.errors)")
        let quiet = try done(["train", folder["d"], "--output", folder["m"], "-q"] + settings)
        #expect(quiet.errors == "" && quiet.output.contains("steps"), "\(quiet.errors)")
        // Errors are still said.
        let failed = try pinsage("compact", folder["nothing"], "--quiet")
        #expect(failed.status == 65 && failed.errors.hasPrefix("error: "), "\(failed.errors)")
    }
}
