import Foundation
import PinSageKit

@testable import PinSageServer

// Compiled by scripts/fuzz with the toolchain's libFuzzer, not by the package: the whole library gets its coverage counters there.

/// A parser under test: takes any bytes and ends with a value or an error that the library means to throw.
struct FuzzTarget: Sendable {
    var name: String
    /// Made once: the artifacts and servers that inputs are tried on.
    var make: @Sendable (_ scratch: String) throws -> ([UInt8]) throws -> Void
}

/// Whatever a run keeps between inputs.
///
/// `nonisolated(unsafe)`: libFuzzer calls from one thread.
private enum Run {
    nonisolated(unsafe) static var body: (([UInt8]) throws -> Void)?
}

private func stop(_ message: String) -> Never {
    FileHandle.standardError.write(Data("fuzz: \(message)\n".utf8))
    abort()
}

@_cdecl("LLVMFuzzerInitialize")
public func fuzzInitialize(_ count: UnsafeMutableRawPointer?, _ arguments: UnsafeMutableRawPointer?) -> CInt {
    let environment = ProcessInfo.processInfo.environment
    guard let name = environment["PINSAGE_FUZZ_TARGET"], let scratch = environment["PINSAGE_FUZZ_SCRATCH"],
        let target = allFuzzTargets.first(where: { $0.name == name })
    else { stop("set PINSAGE_FUZZ_TARGET to one of \(allFuzzTargets.map(\.name).joined(separator: ", ")) and PINSAGE_FUZZ_SCRATCH") }
    do { Run.body = try target.make(scratch) } catch { stop("\(name) cannot be prepared: \(error)") }
    return 0
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOne(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let body = Run.body else { stop("not prepared") }
    let bytes = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    do {
        try body(bytes)
    } catch is DataError {
    } catch is Problem {
    } catch is ConfigurationError {
    } catch is KernelError {
    } catch { stop("an error that nobody means to throw: \(type(of: error)): \(error)") }
    return 0
}

/// A promise of the library that an input broke.
func demand(_ condition: Bool, _ promise: @autoclosure () -> String) {
    if !condition { stop("broken: \(promise())") }
}

extension [UInt8] {
    /// The first byte, as a choice, and the rest.
    var choice: (UInt8, [UInt8]) { isEmpty ? (0, []) : (self[0], Array(dropFirst())) }
}

/// Makes a file of the input, for parsers that read files.
struct FuzzFile {
    let path: String

    func write(_ bytes: [UInt8]) {
        guard let file = unsafe fopen(path, "w") else { stop("\(path) cannot be made") }
        unsafe fwrite(bytes, 1, bytes.count, file)
        unsafe fclose(file)
    }
}

let allFuzzTargets: [FuzzTarget] = textTargets + fileTargets + artifactTargets + serverTargets
