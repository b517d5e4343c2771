internal import Synchronization

/// Scratch memory of one index's searches, one piece for each that runs at the same time.
final class Workspaces: Sendable {
    /// What waits for the next search is no more than this.
    static let mostBytes = 256 << 20

    private let free = Mutex<[GraphWorkspace]>([])

    func take(bytes: Int, threads: Int) -> GraphWorkspace {
        let known = free.withLock { free -> GraphWorkspace? in
            // The smallest that is large enough: a large one is left for whoever needs it.
            let fitting = free.indices.filter { free[$0].bytes >= bytes }.min { free[$0].bytes < free[$1].bytes }
            return fitting.map { free.remove(at: $0) }
        }
        return known ?? GraphWorkspace(bytes: bytes, threads: threads)
    }

    func give(_ workspace: GraphWorkspace) {
        free.withLock { free in
            // A handful serves any number of threads in turn; without bounds, one burst or one huge `ef` would keep its memory for ever.
            let kept = free.reduce(0) { $0 + $1.bytes }
            if free.count < 64, kept + workspace.bytes <= Self.mostBytes { free.append(workspace) }
        }
    }
}
