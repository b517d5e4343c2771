internal import Foundation
internal import PinSageKit
internal import Synchronization

/// One JSON object a line for each request, written in blocks; what a client sent is quoted, so that it cannot forge lines.
final class RequestLog: Sendable {
    private struct State {
        var pending: [UInt8] = []
        var flushed = ContinuousClock.now
    }

    private let file: FileHandle
    private let state = Mutex(State())

    /// - Parameter path: is appended to; "-" is standard error.
    /// - Throws: `DataError` when it cannot be written.
    init(path: String) throws {
        if path == "-" {
            file = .standardError
            return
        }
        if !FileManager.default.fileExists(atPath: path) { _ = FileManager.default.createFile(atPath: path, contents: nil) }
        guard let file = FileHandle(forWritingAtPath: path) else { throw DataError("the request log cannot be written", file: path) }
        _ = try? file.seekToEnd()
        self.file = file
    }

    func write(method: String, target: String, status: Int, bytes: Int, seconds: Double) {
        let now = ContinuousClock.now
        var json = JSONBuffer()
        json.beginObject()
        json.key("time")
        json.value((Date().timeIntervalSince1970 * 1000).rounded() / 1000)
        json.member("method", String(method.prefix(20)))
        json.member("target", String(target.prefix(1000)))
        json.member("status", status)
        json.member("bytes", bytes)
        json.key("seconds")
        json.value(seconds)
        json.endObject()
        state.withLock { state in
            state.pending += json.bytes
            state.pending.append(UInt8(ascii: "\n"))
            guard state.pending.count > 65536 || now - state.flushed > .milliseconds(500) else { return }
            state.flushed = now
            write(&state.pending)
        }
    }

    func flush() { state.withLock { write(&$0.pending) } }

    private func write(_ pending: inout [UInt8]) {
        try? file.write(contentsOf: Data(pending))
        pending.removeAll(keepingCapacity: true)
    }
}
