import Foundation
import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite struct TensorBoardTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// The records of a file, both checksums compared.
    private func records(_ bytes: [UInt8]) -> [[UInt8]] {
        var records: [[UInt8]] = []
        var position = 0
        func number(_ start: Int, _ count: Int) -> UInt64 { (0..<count).reduce(0) { $0 | UInt64(bytes[start + $1]) << (8 * UInt64($1)) } }
        while position + 12 <= bytes.count {
            let length = Int(number(position, 8))
            #expect(number(position + 8, 4) == UInt64(TensorBoardLog.masked(CRC32C.checksum(bytes[position..<position + 8]))))
            let data = Array(bytes[position + 12..<position + 12 + length])
            #expect(number(position + 12 + length, 4) == UInt64(TensorBoardLog.masked(CRC32C.checksum(data))))
            records.append(data)
            position += 16 + length
        }
        #expect(position == bytes.count)
        return records
    }

    private let step = TrainingEvent.Step(
        step: 300, epoch: 1, loss: 0.5, learningRate: 0.25, pairs: 100, hardNegatives: 2, seconds: 4, waited: 0.125, produced: 0.5, inputItems: 7)

    @Test func eventsAreRecords() throws {
        let log = try TensorBoardLog(directory: folder["runs/a"])
        log.record(.step(step))
        log.add([("x", -1.5)], step: -1)
        log.flush()
        let found = records([UInt8](try Data(contentsOf: URL(fileURLWithPath: log.path))))
        #expect(found.count == 3 && log.failure == nil)
        // wall_time, then file_version.
        #expect(found[0].first == 0x09 && Array(found[0][9...]) == [0x1a, 13] + Array("brain.Event:2".utf8))
        // step 300 as a varint, then the summary with one value per curve.
        #expect(Array(found[1][9..<12]) == [0x10, 0xac, 0x02] && found[1][12] == 0x2a)
        let loss: [UInt8] = [0x0a, 10] + Array("train/loss".utf8) + [0x15, 0, 0, 0, 0x3f]
        #expect(String(decoding: found[1], as: UTF8.self).contains("train/pairs_per_second"))
        #expect((0...found[1].count - loss.count).contains { Array(found[1][$0..<$0 + loss.count]) == loss })
        // A negative step has ten bytes, as protocol buffers want it.
        #expect(
            Array(found[2][9...]) == [0x10] + [UInt8](repeating: 0xff, count: 9) + [0x01, 0x2a, 10, 0x0a, 8, 0x0a, 1, 0x78, 0x15, 0, 0, 0xc0, 0xbf])
        #expect(TensorBoardLog.varint(0) == [0] && TensorBoardLog.varint(300) == [0xac, 0x02])
        // From the definition of the mask.
        #expect(TensorBoardLog.masked(0) == 0xa282_ead8 && TensorBoardLog.masked(0x8000_0000) == 0xa283_ead8)
    }

    @Test func everyRunHasItsFile() throws {
        let first = try TensorBoardLog(directory: folder["runs"]), second = try TensorBoardLog(directory: folder["runs"])
        #expect(first.path != second.path)
        try folder.write("file", "")
        #expect(throws: DataError.self) { try TensorBoardLog(directory: folder["file/below"]) }
    }

    /// The real package reads what we wrote: `pip install tensorboard`.
    @Test func tensorBoardReadsIt() throws {
        guard let found = try run("python3", ["-c", "import tensorboard"]), found.status == 0 else {
            print("TensorBoardTests.tensorBoardReadsIt is skipped: python3 has no package tensorboard")
            return
        }
        let log = try TensorBoardLog(directory: folder["runs"])
        for index in 0..<3 {
            var step = step
            (step.step, step.loss, step.seconds) = (index, 1 / Double(index + 1), Double(index + 1))
            log.record(.step(step))
        }
        log.record(.validated(.init(step: 3, epoch: 0, metrics: ["mrr": 0.25, "hit_rate@10": 0.5], value: 0.75, isBest: true)))
        let script = """
            import sys
            from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
            events = EventAccumulator(sys.argv[1])
            events.Reload()
            for tag in sorted(events.Tags()["scalars"]):
                print(tag, [(e.step, round(e.value, 4)) for e in events.Scalars(tag)])
            """
        let read = try #require(try run("python3", ["-c", script, folder["runs"]]))
        #expect(read.status == 0, "\(read.errors)")
        #expect(read.output.contains("train/loss [(0, 1.0), (1, 0.5), (2, 0.3333)]"), "\(read.output)")
        #expect(read.output.contains("train/pairs_per_second [(0, 100.0), (1, 100.0), (2, 100.0)]"))
        #expect(read.output.contains("validation/hit_rate@10 [(3, 0.5)]") && read.output.contains("validation/mrr [(3, 0.25)]"))
    }
}
