internal import Dispatch
internal import Synchronization
#if canImport(Darwin)
    internal import Darwin
#else
    internal import Glibc
#endif

/// Ctrl-C and SIGTERM as a question that long commands ask between steps; a second one ends the process at once.
///
/// `@unchecked Sendable`: the sources are made in `init` and then only kept alive; the flag is atomic.
final class Interruption: @unchecked Sendable {
    private let requested = Atomic<Bool>(false)
    private var sources: [any DispatchSourceSignal] = []

    /// - Parameter isSilent: says nothing of it: another process of the same run does.
    init(isSilent: Bool = false) {
        let queue = DispatchQueue(label: "pinsage-cli.signals")
        for number in [SIGINT, SIGTERM] {
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { [unowned self] in
                if requested.exchange(true, ordering: .relaxed) { _exit(130) }
                if !isSilent { Terminal.error("stopping after this step; once more to stop at once") }
            }
            source.resume()
            sources.append(source)
        }
    }

    deinit { for source in sources { source.cancel() } }

    /// Whether somebody asked the process to stop.
    var isRequested: Bool { requested.load(ordering: .relaxed) }
}
