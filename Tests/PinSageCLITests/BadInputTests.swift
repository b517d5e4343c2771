import Foundation
import PinSageTestSupport
import Testing

/// What people and machines do to a program by mistake: each ends with a status and a message, and nothing is lost.
@Suite struct BadInputTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// A dataset "d" of 120 items in 24 collections, split into "s".
    private func makeDataset() throws {
        var edges = "item\tcollection\n"
        for item in 0..<120 { for draw in 0..<3 { edges += "i\(item)\tc\((item / 10 + draw * 5) % 24)\n" } }
        try folder.write("e.tsv", edges)
        try folder.write("i.tsv", "item\ttitle\n" + (0..<120).map { "i\($0)\tthing \($0 / 10) of kind \($0 % 7)\n" }.joined())
        #expect(try pinsage("import", "--edges", folder["e.tsv"], "--items", folder["i.tsv"], "--output", folder["d"]).status == 0)
        #expect(try pinsage("split", folder["d"], "--leave-random", "1", "--output", folder["s"]).status == 0)
    }

    private func train(_ dataset: String, _ model: String, _ more: String...) throws -> ProgramResult {
        let arguments = [
            "train", folder[dataset], "--output", folder[model], "--epochs", "1", "--walks", "20", "--neighbors", "5", "--batch-size", "64",
        ]
        return try pinsage(arguments + more)
    }

    /// Overwrites bytes of a file, as a failing disk does.
    private func damage(_ name: String, at position: Int, with bytes: [UInt8]) throws {
        var content = try folder.read(name)
        content.replaceSubrange(position..<position + bytes.count, with: bytes)
        try folder.write(name, content)
    }

    @Test(arguments: ["items.targets.npy", "collections.targets.npy"]) func damagedGraph(_ file: String) throws {
        try makeDataset()
        try damage("s/train/graph/" + file, at: 128, with: [255, 255, 255, 255])
        for result in [
            try train("s/train", "m"),
            try pinsage("evaluate", "--dataset", folder["s/train"], "--pairs", folder["s/test.pairs.tsv"], "--baseline", "popularity"),
            try pinsage("split", folder["s/train"], "--leave-random", "1", "--output", folder["again"]),
        ] {
            #expect(result.status == 65, "\(result.status) \(result.errors)")
            #expect(result.errors.contains(file) && result.errors.contains("damaged"), "\(result.errors)")
        }
        #expect(!folder.names.contains("m") && !folder.names.contains("again"))
    }

    #if !MPI
        /// Each process would train for itself, and all would write to one place.
        @Test func mpirunNeedsAProgramWithMPI() throws {
            let arguments = ["OMPI_COMM_WORLD_SIZE=2", program.path, "train", folder["d"], "--output", folder["m"]]
            let result = try #require(try run("env", arguments))
            #expect(result.status == 64 && result.errors.contains("built without MPI"), "\(result.status) \(result.errors)")
        }
    #endif

    @Test func outputsReplaceFilesAndNothingElse() throws {
        #expect(mkfifo(folder["pipe"], 0o600) == 0)
        let synth = ["synth", "--items", "10", "--collections", "5", "--edges", "20", "--communities", "2"]
        let refused = try pinsage(synth[0], synth[1], synth[2], synth[3], synth[4], synth[5], synth[6], synth[7], synth[8], "--text", folder["pipe"])
        #expect(refused.status == 65 && refused.errors.contains("expected a file to replace"), "\(refused.errors)")
        try folder.write("target.tsv", "old")
        try FileManager.default.createSymbolicLink(atPath: folder["link.tsv"], withDestinationPath: folder["target.tsv"])
        let through = try pinsage(
            synth[0], synth[1], synth[2], synth[3], synth[4], synth[5], synth[6], synth[7], synth[8], "--text", folder["link.tsv"])
        #expect(through.status == 0, "\(through.errors)")
        #expect(try folder.read("target.tsv").count > 20)
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder["link.tsv"]) == folder["target.tsv"])
    }

    @Test func splitReplacesOnlySplits() throws {
        try makeDataset()
        #expect(try pinsage("split", folder["d"], "--leave-random", "1", "--output", folder["s"]).status == 0)
        try FileManager.default.createDirectory(atPath: folder["mine"], withIntermediateDirectories: false)
        try folder.write("mine/test.pairs.tsv", "MINE")
        for place in ["mine", "d"] {
            let refused = try pinsage("split", folder["d"], "--leave-random", "1", "--output", folder[place])
            #expect(refused.status == 65, "\(refused.errors)")
        }
        #expect(try folder.read("mine/test.pairs.tsv") == Array("MINE".utf8))
        let huge = try pinsage("split", folder["d"], "--leave-random", "9223372036854775807", "--output", folder["none"])
        #expect(huge.status == 0 && huge.errors.contains("nothing was held out"), "\(huge.errors)")
    }

    @Test func trainingChecksItsSettingsAndItsOutputFirst() throws {
        try makeDataset()
        #expect(try train("d", "m", "--layers", "9223372036854775807").status == 64)
        #expect(try train("d", "m", "--id-features", "1099511627776").status == 64)
        #expect(try train("d", "m", "--walks", "0").status == 64)
        #expect(try train("d", "m", "--neighbors", "5,").status == 64)
        try folder.write("taken", "mine")
        let taken = try train("d", "taken")
        #expect(taken.status == 65 && !taken.errors.contains("epoch 1"), "\(taken.errors)")
        for (text, expected) in [
            (#"{"training":{"batchSiz":3}}"#, "training.batchSiz"), (#"{"learningRate":0.1}"#, "learningRate"),
            (#"{"epochs":1.5}"#, "whole number"), (#"{"training":{"negatives":"many"}}"#, "a whole number for \"training.negatives\""),
        ] {
            try folder.write("c.json", text)
            let result = try train("d", "m", "--config", folder["c.json"])
            #expect(result.status == 65 && result.errors.contains(expected), "\(text): \(result.errors)")
            #expect(!result.errors.contains("DecodingError") && !result.errors.contains("TrainingOptions"), "\(result.errors)")
        }
        #expect(!folder.names.contains("m"))
    }

    @Test func resumeNeedsTheSameGraph() throws {
        try makeDataset()
        #expect(try train("d", "m").status == 0)
        #expect(try train("d", "m", "--resume").status == 0)
        try folder.write("more.tsv", String(decoding: try folder.read("e.tsv"), as: UTF8.self) + "i0\tc23\n")
        #expect(try pinsage("import", "--edges", folder["more.tsv"], "--items", folder["i.tsv"], "--output", folder["other"]).status == 0)
        let before = try folder.read("m/weights.safetensors")
        let refused = try train("other", "m", "--resume")
        #expect(refused.status == 65 && refused.errors.contains("another dataset"), "\(refused.errors)")
        #expect(try folder.read("m/weights.safetensors") == before)
    }

    @Test func queriesThatCannotBeAnswered() throws {
        try makeDataset()
        #expect(try train("d", "m").status == 0)
        #expect(try pinsage("embed", "--model", folder["m"], "--dataset", folder["d"], "--output", folder["v"]).status == 0)
        #expect(try pinsage("index", "--embeddings", folder["v"], "--output", folder["x"]).status == 0)
        let all = try pinsage("query", "--index", folder["x"], "--item", "i5", "-k", "9223372036854775807")
        #expect(all.status == 0 && all.output.split(separator: "\n").count == 119, "\(all.errors)")
        #expect(try pinsage("query", "--index", folder["x"], "--item", "i5", "--k", "0").status == 64)
        #expect(try pinsage("query", "--index", folder["x"], "--model", folder["m"], "--text", "  ").status == 64)
        // The index says whose vectors it holds.
        #expect(try train("d", "other", "--seed", "9").status == 0)
        let foreign = try pinsage("query", "--index", folder["x"], "--model", folder["other"], "--text", "i5")
        #expect(foreign.status == 65 && foreign.errors.contains("another model"), "\(foreign.errors)")
        #expect(try pinsage("project2d", "--index", folder["x"], "--epochs", "3").status == 0)
        #expect(try pinsage("info", folder["x.map"], "--verify").status == 0)
        #expect(try pinsage("project2d", "--embeddings", folder["v"], "--epochs", "3", "--threads", "1", "--output", folder["again"]).status == 0)
        #expect(try folder.read("again/coordinates.npy") == folder.read("x.map/coordinates.npy"))
        #expect(try pinsage("project2d", "--embeddings", folder["v"]).status == 64)
        #expect(try pinsage("project2d", "--index", folder["x"], "--output", folder["m"]).status == 65)
        var vector = try folder.read("v/vectors.npy")
        let values = vector.count - 120 * 128 * 4
        vector.replaceSubrange(values..<values + 4, with: [0, 0, 0xC0, 0x7F])
        try folder.write("v/vectors.npy", vector)
        let index = try pinsage("index", "--embeddings", folder["v"], "--output", folder["bad"])
        #expect(index.status == 65 && index.errors.contains("i0") && !folder.names.contains("bad"), "\(index.errors)")
    }

    @Test func identifiersAreNeverMergedByRounding() throws {
        try folder.write("e.jsonl", "{\"item\":18446744073709551615,\"collection\":\"y\"}\n{\"item\":18446744073709551614,\"collection\":\"y\"}\n")
        let result = try pinsage("import", "--edges", folder["e.jsonl"], "--output", folder["d"])
        #expect(result.status == 65 && result.errors.contains("e.jsonl:1"), "\(result.errors)")
        try folder.write(
            "e2.jsonl", "{\"item\":9223372036854775807,\"collection\":\"y\"}\n{\"item\":\"18446744073709551615\",\"collection\":\"y\"}\n")
        #expect(try pinsage("import", "--edges", folder["e2.jsonl"], "--output", folder["d"]).output.contains("items        2"))
    }

    @Test func headersThatNoCatalogCanHold() throws {
        try folder.write("e.tsv", "item\tcollection\na\tb\n")
        for header in ["item\tColor\tcolor", "item\t\ttitle"] {
            try folder.write("i.tsv", header + "\na\tx\ty\n")
            let result = try pinsage("import", "--edges", folder["e.tsv"], "--items", folder["i.tsv"], "--output", folder["d"])
            #expect(result.status == 65 && result.errors.contains("i.tsv:1:"), "\(result.errors)")
        }
        #expect(folder.names == ["e.tsv", "i.tsv"])
    }

    @Test func resultsThatCannotBeDelivered() throws {
        try folder.write("e.tsv", "item\tcollection\na\tb\n")
        guard FileManager.default.isWritableFile(atPath: "/dev/full") else { return }
        let full = try #require(try run("/bin/sh", ["-c", "'\(program.path)' doctor > /dev/full"]))
        #expect(full.status == 1 && full.errors.contains("standard output"), "\(full.errors)")
    }

    @Test func aFileSizeLimitIsAnError() throws {
        var edges = "item\tcollection\n"
        for item in 0..<60_000 { edges += "item\(item)\tcollection\(item / 3)\n" }
        try folder.write("e.tsv", edges)
        let limited = try #require(
            try run("/bin/sh", ["-c", "ulimit -f 100; '\(program.path)' import --edges '\(folder["e.tsv"])' --output '\(folder["d"])'"]))
        #expect(limited.status == 65 && !limited.errors.isEmpty, "\(limited.status) \(limited.errors)")
        #expect(folder.names == ["e.tsv"])
    }
}
