import Foundation
import PinSageTestSupport
import Testing

/// Training that is killed with SIGKILL at random moments and resumed ends in the same weights as one that never was.
@Suite struct KilledTrainingTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test func endsInTheSameWeights() throws {
        var random = SplitMix(seed: 77)
        var edges = "item\tcollection\n"
        for item in 0..<400 { for _ in 0..<3 { edges += "i\(item)\tc\((item / 10 + Int(random.next() % 3)) % 40)\n" } }
        try folder.write("e.tsv", edges)
        // A checkpoint after every step, so that kills fall before, into and after writes.
        try folder.write("c.json", #"{"training":{"checkpointSeconds":0,"batchSize":64,"negatives":40},"idWidth":8,"walks":20,"neighbors":[8]}"#)
        #expect(try pinsage("import", "--edges", folder["e.tsv"], "--output", folder["d"]).status == 0)
        let whole = try pinsage("train", folder["d"], "--output", folder["whole"], "--config", folder["c.json"], "--epochs", "4", "--threads", "1")
        #expect(whole.status == 0, "\(whole.errors)")

        try killRepeatedly(step: 0.02, seed: 77) { _ in
            ["train", folder["d"], "--output", folder["killed"], "--config", folder["c.json"], "--epochs", "4", "--threads", "1", "--resume"]
        }
        #expect(try folder.read("killed/weights.safetensors") == folder.read("whole/weights.safetensors"))
        #expect(try folder.read("killed/training/state.safetensors") == folder.read("whole/training/state.safetensors"))
        #expect(try pinsage("info", folder["killed"], "--verify").status == 0)
    }

    @Test func interruptWritesACheckpointAndExits130() throws {
        var edges = "item\tcollection\n"
        for item in 0..<400 { edges += "i\(item)\tc\(item / 10)\ni\(item)\tc\(item % 40)\n" }
        try folder.write("e.tsv", edges)
        try folder.write("c.json", #"{"training":{"batchSize":16,"negatives":40},"idWidth":8,"walks":20,"neighbors":[8]}"#)
        #expect(try pinsage("import", "--edges", folder["e.tsv"], "--output", folder["d"]).status == 0)
        let process = try startPinsage(["train", folder["d"], "--output", folder["m"], "--config", folder["c.json"], "--epochs", "100000"])
        // The model directory appears with the first epoch's checkpoint: training is under way.
        while process.isRunning && !FileManager.default.fileExists(atPath: folder["m/config.json"]) { Thread.sleep(forTimeInterval: 0.01) }
        kill(process.processIdentifier, SIGINT)
        process.waitUntilExit()
        #expect(process.terminationReason == .exit && process.terminationStatus == 130)
        #expect(try pinsage("info", folder["m"], "--verify").status == 0)
    }
}
