internal import Synchronization

/// Scratch memory of one index's searches, one piece for each that runs at the same time.
final class Workspaces: Sendable {
    private let free = Mutex<[GraphWorkspace]>([])

    func take(bytes: Int, threads: Int) -> GraphWorkspace {
        let known = free.withLock { free in free.firstIndex { $0.bytes >= bytes }.map { free.remove(at: $0) } }
        return known ?? GraphWorkspace(bytes: bytes, threads: threads)
    }

    func give(_ workspace: GraphWorkspace) {
        free.withLock { free in
            // A handful serves any number of threads in turn; without a bound, one burst would keep its memory for ever.
            if free.count < 64 { free.append(workspace) }
        }
    }
}
