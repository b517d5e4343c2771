#if canImport(Darwin)
    internal import Darwin
#else
    internal import Glibc
#endif

/// A directory next to the path of what is being written, removed with its owner: `.NAME.partial-PROCESS-NUMBER`.
///
/// The process holds a lock on it, by which others tell what is being written from what a killed process left. Whoever writes to the same
/// path next removes the latter.
final class TemporaryDirectory {
    let path: String
    private var descriptor: Int32

    /// - Throws: ``DataError`` when it cannot be made.
    init(siblingOf target: String) throws {
        try TemporaryDirectory.sweep(siblingsOf: target)
        let stem = "\(FileSystem.directory(of: target))/\(TemporaryDirectory.prefix(of: target))\(processIdentifier)-"
        var number = 0
        while true {
            let candidate = stem + "\(number)"
            if unsafe mkdir(candidate, 0o777) == 0 {
                path = candidate
                break
            }
            guard errno == EEXIST else { throw FileSystem.error("the folder cannot be made", candidate) }
            number += 1
        }
        descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        if descriptor >= 0 { _ = flock(descriptor, LOCK_EX | LOCK_NB) }
    }

    private static func prefix(of target: String) -> String { ".\(FileSystem.name(of: target))\(FileSystem.partialSuffix)" }

    /// Removes what killed processes left beside `target`.
    static func sweep(siblingsOf target: String) throws {
        let parent = FileSystem.directory(of: target), prefix = prefix(of: target)
        for name in try FileSystem.names(in: parent) where name.hasPrefix(prefix) {
            if name.hasSuffix(FileSystem.asideSuffix), FileSystem.kind(of: target) == nil {
                // Killed between the two renames of a file system without exchange: this is the only complete artifact.
                try FileSystem.rename("\(parent)/\(name)", to: target)
            } else {
                removeIfAbandoned("\(parent)/\(name)")
            }
        }
    }

    private static func removeIfAbandoned(_ path: String) {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        // A living writer holds the lock, also one in this process: locks belong to open files.
        if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { try? FileSystem.remove(path) }
    }

    func remove() {
        if descriptor < 0 { return }
        try? FileSystem.remove(path)
        close(descriptor)
        descriptor = -1
    }

    deinit { remove() }
}
