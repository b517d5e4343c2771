import Foundation
import PinSageKit
import PinSageTestSupport
import Testing

@Suite struct EmbedTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func synthesize(_ name: String, items: Int, model: String? = nil) throws {
        var arguments = [
            "synth", "--items", "\(items)", "--collections", "400", "--edges", "\(items * 5)", "--dimension", "16", "--output", folder[name],
        ]
        if let model {
            arguments += [
                "--model", folder[model], "--layers", "2", "--hidden", "48", "--layer-width", "32", "--embedding", "24", "--neighbors", "8",
            ]
            arguments += ["--walks", "20"]
        }
        let made = try pinsage(arguments)
        #expect(made.status == 0, "\(made.errors)")
    }

    /// An embedding pass that is killed with SIGKILL at random moments and repeated ends in the same bytes as one that never was.
    @Test func endsInTheSameBytesAfterKills() throws {
        try synthesize("d", items: 60_000, model: "m")
        let arguments = ["embed", "--model", folder["m"], "--dataset", folder["d"], "--threads", "2", "--checkpoint-seconds", "0"]
        let whole = try pinsage(arguments + ["--output", folder["whole"], "--threads", "1"])
        #expect(whole.status == 0, "\(whole.errors)")
        try killRepeatedly(step: 0.03, seed: 78) { kills in
            arguments + ["--output", folder["killed"], "--memory", kills % 4 == 3 ? "40M" : "1G"]
        }
        for name in ["vectors.npy", "fingerprints.npy"] { #expect(try folder.read("killed/" + name) == folder.read("whole/" + name), "\(name)") }
        #expect(try pinsage("info", folder["killed"], "--verify").status == 0)
        #expect(!folder.names.contains("killed.parts"))
    }

    @Test func embedsOnlyWhatIsNewAndSaysWhatItReached() throws {
        try synthesize("d", items: 3000, model: "m")
        let whole = try pinsage("embed", "--model", folder["m"], "--dataset", folder["d"], "--output", folder["e"], "--benchmark", "--json")
        #expect(whole.status == 0, "\(whole.errors)")
        let report = try #require(try JSONSerialization.jsonObject(with: Data(whole.output.utf8)) as? [String: Any])
        #expect(report["items"] as? Int == 3000 && report["embedded"] as? Int == 3000)
        for key in ["layer_seconds", "walking_seconds", "limit_seconds", "share_of_limit", "operations", "pooled_bytes"] {
            #expect((report[key] as? NSNumber)?.doubleValue ?? -1 > 0, "\(key)")
        }
        let again = try pinsage(
            "embed", "--model", folder["m"], "--dataset", folder["d"], "--only-new", "--base", folder["e"], "--output", folder["f"], "--json")
        #expect(again.status == 0, "\(again.errors)")
        #expect(again.output.contains("\"embedded\": 0"))
        #expect(try folder.read("f/vectors.npy") == folder.read("e/vectors.npy"))
        for arguments in [["--only-new"], ["--base", folder["e"]], ["--include-neighbors"], ["--latents", "f8"], ["--memory", "much"]] {
            let bad = try pinsage(["embed", "--model", folder["m"], "--dataset", folder["d"], "--output", folder["x"]] + arguments)
            #expect(bad.status == 64, "\(arguments): \(bad.errors)")
        }
        #expect(try pinsage("embed", "--model", folder["m"], "--dataset", folder["d"], "--output", folder["x"], "--memory", "1M").status == 64)
    }

    @Test func exportsWhatOthersRead() throws {
        let ids = ["plain", "with space", "tab\tin it", "quote\"d", "naïve", "a,b"]
        let values = (0..<ids.count * 5).map { Float($0) * 0.1 - 1.37e-8 }
        try Embeddings(identifiers: Identifiers(ids), vectors: StoredArray(values), dimension: 5, isNormalized: false).write(to: folder["e"])
        for format in ["npy", "tsv", "word2vec", "jsonl", "sqlite"] {
            let result = try pinsage("export", "--embeddings", folder["e"], "--format", format, "--output", folder["x.\(format)"])
            #expect(result.status == 0, "\(format): \(result.errors)")
        }
        func numbers(_ fields: some Sequence<Substring>) -> [Float] { fields.compactMap { Float($0) } }
        let array = try Npy.open(folder["x.npy"], as: Float.self)
        #expect(Array(array.array) == values && array.shape == [6, 5])
        func lines(_ name: String) throws -> [Substring] {
            String(decoding: try folder.read(name), as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: true)
        }
        #expect(try lines("x.npy.ids.txt") == ["plain", "with space", "tab%09in it", "quote\"d", "naïve", "a,b"])
        // And what it writes, the commands that take embeddings read.
        for (embeddings, index) in [("e", "e.index"), ("x.npy", "x.index")] {
            let result = try pinsage("index", "--embeddings", folder[embeddings], "--output", folder[index])
            #expect(result.status == 0, "\(result.errors)")
        }
        #expect(try folder.read("x.index/vectors.npy") == folder.read("e.index/vectors.npy"))
        let answer = try pinsage("query", "--index", folder["x.index"], "--item", "naïve", "-k", "5", "--json")
        #expect(answer.status == 0 && answer.output.contains("tab%09in it"), "\(answer.errors)")
        let tsv = try lines("x.tsv").map { $0.split(separator: "\t", omittingEmptySubsequences: false) }
        #expect(tsv[0] == ["item", "v0", "v1", "v2", "v3", "v4"])
        #expect(tsv.dropFirst().map { $0[0] } == ["plain", "with space", "tab%09in it", "quote\"d", "naïve", "a,b"])
        #expect(tsv.dropFirst().flatMap { numbers($0.dropFirst()) } == values)
        // As word2vec's readers do: counts, then a name up to the first space and as many numbers.
        let words = try lines("x.word2vec").map { $0.split(separator: " ", omittingEmptySubsequences: false) }
        #expect(words[0] == ["6", "5"] && words.dropFirst().allSatisfy { $0.count == 6 })
        #expect(words.dropFirst().map { $0[0] } == ["plain", "with%20space", "tab%09in%20it", "quote\"d", "naïve", "a,b"])
        #expect(words.dropFirst().flatMap { numbers($0.dropFirst()) } == values)
        let objects = try lines("x.jsonl").map { try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] }
        #expect(objects.map { $0?["item"] as? String } == ids)
        #expect(objects.flatMap { ($0?["vector"] as? [NSNumber] ?? []).map(\.floatValue) } == values)
        if let dump = try run("sqlite3", [folder["x.sqlite"], "SELECT item, hex(vector) FROM embeddings ORDER BY row; SELECT * FROM about"]) {
            #expect(dump.status == 0, "\(dump.errors)")
            let rows = dump.output.split(separator: "\n")
            #expect(rows.last == "5|0" && rows[0].hasPrefix("plain|"))
            let hex = values.prefix(5).map { value in
                (0..<4).map { shift in
                    let byte = UInt8(truncatingIfNeeded: value.bitPattern >> UInt32(8 * shift))
                    return (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
                }.joined()
            }.joined()
            #expect(rows[0] == "plain|" + hex)
        }
        let python = """
            import json, sqlite3
            import numpy as np
            x = np.load("x.npy")
            assert x.shape == (6, 5) and x.dtype == np.float32
            assert (np.loadtxt("x.tsv", delimiter="\\t", skiprows=1, usecols=range(1, 6), dtype=np.float32, comments=None) == x).all()
            assert (np.loadtxt("x.word2vec", delimiter=" ", skiprows=1, usecols=range(1, 6), dtype=np.float32, comments=None) == x).all()
            assert (np.array([json.loads(l)["vector"] for l in open("x.jsonl", encoding="utf-8")], dtype=np.float32) == x).all()
            rows = sqlite3.connect("x.sqlite").execute("SELECT item, vector FROM embeddings ORDER BY row").fetchall()
            assert (np.stack([np.frombuffer(v, "<f4") for _, v in rows]) == x).all() and rows[2][0] == "tab\\tin it"
            """
        // NumPy is not on every machine; the checks above need none.
        if try run("python3", ["-c", "import numpy"])?.status == 0 {
            let result = try run("python3", ["-c", python], in: folder.path)
            #expect(result?.status == 0, "\(result?.errors ?? "")")
        }
        #expect(try pinsage("export", "--embeddings", folder["e"], "--format", "xml", "--output", folder["y"]).status == 64)
        #expect(try pinsage("export", "--embeddings", folder["none"], "--format", "tsv", "--output", folder["y"]).status == 65)
        try folder.write("x.npy.ids.txt", "plain\n")
        let wrong = try pinsage("index", "--embeddings", folder["x.npy"], "--output", folder["y"])
        #expect(wrong.status == 65 && wrong.errors.contains("x.npy.ids.txt: expected 6 identifiers"), "\(wrong.errors)")
    }
}
