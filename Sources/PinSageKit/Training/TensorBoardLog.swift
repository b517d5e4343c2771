internal import Foundation

/// Writes a training run as an event file that TensorBoard reads: loss, learning rate, speed, hard negatives and validation by step.
///
/// Format:   TFRecord (length, masked CRC-32C of it, data, masked CRC-32C of it) of `Event` protocol buffers: wall_time = 1 (double), step = 2
///           (int64), file_version = 3 (string), summary = 5; `Summary.value` = 1 with tag = 1 (string) and simple_value = 2 (float).
/// A resumed run writes another file of the same folder; TensorBoard shows them as one run.
public final class TensorBoardLog {
    public let path: String
    private let file: FileHandle
    private var buffer: [UInt8] = []
    private var lastSeconds = 0.0

    /// The first failure to write; nothing is written after it, and training goes on.
    public private(set) var failure: DataError?

    /// - Parameter directory: made when it is missing; TensorBoard's `--logdir` is this folder or one above it.
    /// - Throws: ``DataError`` when the file cannot be made.
    public init(directory: String) throws {
        try FileSystem.makeDirectories(directory)
        // The name that TensorBoard looks for, unlike that of any other run.
        let name = "events.out.tfevents.\(Int(Date().timeIntervalSince1970)).pinsage.\(ProcessInfo.processInfo.processIdentifier)"
        var number = 0
        while FileSystem.kind(of: directory + "/\(name).\(number)") != nil { number += 1 }
        path = directory + "/\(name).\(number)"
        guard FileManager.default.createFile(atPath: path, contents: nil), let file = FileHandle(forWritingAtPath: path) else {
            throw DataError("expected a folder for TensorBoard's files that can be written to", file: path)
        }
        self.file = file
        append(Self.field(3, Array("brain.Event:2".utf8)))
        flush()
    }

    deinit { try? file.close() }

    /// Takes what is worth a curve from an event. Steps are buffered; validations, checkpoints and the end bring everything to the file.
    public func record(_ event: TrainingEvent) {
        switch event {
        case .step(let step):
            var scalars: [(String, Double)] = [
                ("train/loss", step.loss), ("train/learning_rate", Double(step.learningRate)), ("train/hard_negatives", Double(step.hardNegatives)),
                ("train/input_items", Double(step.inputItems)), ("train/seconds_waited", step.waited), ("train/seconds_producing", step.produced),
            ]
            if step.seconds > lastSeconds { scalars.append(("train/pairs_per_second", Double(step.pairs) / (step.seconds - lastSeconds))) }
            lastSeconds = step.seconds
            add(scalars, step: step.step)
            if buffer.count > 1 << 14 { flush() }
        case .validated(let validation):
            add(validation.metrics.sorted { $0.key < $1.key }.map { ("validation/" + $0.key, $0.value) }, step: validation.step)
            flush()
        case .checkpoint, .finished: flush()
        case .started: break
        }
    }

    /// One point of each curve.
    public func add(_ scalars: [(name: String, value: Double)], step: Int) {
        var summary: [UInt8] = []
        for (name, value) in scalars {
            let simple = [UInt8(2 << 3 | 5)] + Self.littleEndian(UInt64(Float(value).bitPattern), bytes: 4)
            summary += Self.field(1, Self.field(1, Array(name.utf8)) + simple)
        }
        append([UInt8(2 << 3)] + Self.varint(UInt64(bitPattern: Int64(step))) + Self.field(5, summary))
    }

    /// Brings what is buffered to the file.
    public func flush() {
        guard failure == nil, !buffer.isEmpty else { return }
        do { try file.write(contentsOf: Data(buffer)) } catch {
            failure = DataError("TensorBoard's file cannot be written: \(error.localizedDescription)", file: path)
        }
        buffer.removeAll(keepingCapacity: true)
    }

    /// One event with the time of day, as a record.
    private func append(_ fields: [UInt8]) {
        let event = [UInt8(1 << 3 | 1)] + Self.littleEndian(Date().timeIntervalSince1970.bitPattern, bytes: 8) + fields
        let length = Self.littleEndian(UInt64(event.count), bytes: 8)
        buffer += length + Self.littleEndian(UInt64(Self.masked(CRC32C.checksum(length))), bytes: 4)
        buffer += event + Self.littleEndian(UInt64(Self.masked(CRC32C.checksum(event))), bytes: 4)
    }

    /// TFRecord's guard against checksums of data that holds checksums.
    static func masked(_ checksum: UInt32) -> UInt32 { (checksum >> 15 | checksum << 17) &+ 0xa282_ead8 }

    /// A length-delimited field.
    private static func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] { [number << 3 | 2] + varint(UInt64(bytes.count)) + bytes }

    static func varint(_ value: UInt64) -> [UInt8] {
        var (value, bytes) = (value, [UInt8]())
        while value >= 0x80 {
            bytes.append(UInt8(value & 0x7f) | 0x80)
            value >>= 7
        }
        return bytes + [UInt8(value)]
    }

    private static func littleEndian(_ value: UInt64, bytes: Int) -> [UInt8] {
        (0..<bytes).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }
    }
}
