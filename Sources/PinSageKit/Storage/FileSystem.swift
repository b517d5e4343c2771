#if canImport(Darwin)
    internal import Darwin
#else
    internal import Glibc
#endif

/// The few file operations that artifacts need, with errors that name the file.
enum FileSystem {
    /// `what` failed with the current `errno`.
    static func error(_ what: String, _ path: String, code: Int32 = errno) -> DataError {
        let reason =
            switch code {
            case ENOSPC: "no space left on the disk"
            case EDQUOT: "the disk quota is used up"
            case ENOENT: "no such file or folder"
            case EACCES, EPERM: "permission denied"
            default: unsafe String(cString: strerror(code))
            }
        return DataError("\(what): \(reason)", file: path)
    }

    enum Kind { case file, directory, other }

    /// What is at `path`, links followed; `nil` when nothing is.
    static func kind(of path: String) -> (kind: Kind, bytes: Int)? {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return nil }
        let kind: Kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .directory
            default: .other
            }
        return (kind, Int(status.st_size))
    }

    static func isDirectory(_ path: String) -> Bool { kind(of: path)?.kind == .directory }

    /// The names in a directory, ascending.
    static func names(in path: String) throws -> [String] {
        guard let directory = unsafe opendir(path) else { throw error("the folder cannot be read", path) }
        defer { unsafe closedir(directory) }
        var names: [String] = []
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Every file below `path`, as paths relative to it, ascending. Links are listed, not followed.
    static func files(below path: String) throws -> [String] {
        try names(in: path).flatMap { name -> [String] in
            var status = stat()
            let full = path + "/" + name
            guard unsafe lstat(full, &status) == 0 else { throw error("the file cannot be examined", full) }
            guard status.st_mode & S_IFMT == S_IFDIR else { return [name] }
            return try files(below: full).map { name + "/" + $0 }
        }
    }

    static func makeDirectories(_ path: String) throws {
        if path.isEmpty || isDirectory(path) { return }
        let parent = directory(of: path)
        if parent != path { try makeDirectories(parent) }
        if unsafe mkdir(path, 0o777) != 0 && errno != EEXIST { throw error("the folder cannot be made", path) }
    }

    /// Removes a file, or a directory with all that is in it. Links are removed, not followed.
    static func remove(_ path: String) throws {
        var status = stat()
        guard unsafe lstat(path, &status) == 0 else {
            if errno == ENOENT { return }
            throw error("the file cannot be examined", path)
        }
        if status.st_mode & S_IFMT == S_IFDIR {
            for name in try names(in: path) { try remove(path + "/" + name) }
            if unsafe rmdir(path) != 0 { throw error("the folder cannot be removed", path) }
        } else if unsafe unlink(path) != 0 {
            throw error("the file cannot be removed", path)
        }
    }

    /// Makes what was written to a file or directory survive a power cut.
    static func synchronize(_ path: String) throws {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw error("the file cannot be opened", path) }
        defer { close(descriptor) }
        if fsync(descriptor) != 0 { throw error("the file cannot be written to the disk", path) }
    }

    static func rename(_ old: String, to new: String) throws {
        #if canImport(Darwin)
            let code = unsafe Darwin.rename(old, new)
        #else
            let code = unsafe Glibc.rename(old, new)
        #endif
        if code != 0 { throw error("\(old) cannot be renamed to this", new) }
    }

    /// The target of a link, so that the data behind it is replaced and not the link.
    static func resolved(_ path: String) throws -> String {
        let trimmed = withoutTrailingSlashes(path)
        guard !trimmed.isEmpty else { throw DataError("expected a path for the output, found an empty one") }
        guard kind(of: trimmed) != nil, let real = unsafe realpath(trimmed, nil) else { return trimmed }
        defer { unsafe free(real) }
        return unsafe String(cString: real)
    }

    /// Makes a file in a ``TemporaryDirectory`` beside it, so that the path holds the old file or the complete new one. A link's target is
    /// replaced and not the link.
    ///
    /// - Throws: ``DataError`` when something else than a file is there (a device, a pipe, a folder), or what `body` threw.
    static func replaceFile(_ path: String, _ body: (_ temporary: String) throws -> Void) throws {
        var target = path
        if let existing = kind(of: path) {
            guard existing.kind == .file else {
                throw DataError("expected a file to replace, found something else, which will not be replaced", file: path)
            }
            target = try resolved(path)
        }
        let folder = try TemporaryDirectory(siblingOf: target)
        let temporary = folder.path + "/" + name(of: target)
        try body(temporary)
        try rename(temporary, to: target)
        folder.remove()
    }

    static let partialSuffix = ".partial-"
    static let asideSuffix = ".old"

    /// Whether a name is that of a ``TemporaryDirectory``, such as a killed ``replaceFile(_:_:)`` leaves.
    static func isPartial(_ name: String) -> Bool { name.hasPrefix(".") && name.contains(partialSuffix) }

    /// Exchanges two directories in one step, so that at every moment there is one under either name.
    static func exchange(_ one: String, _ other: String) throws {
        #if canImport(Darwin)
            let code = unsafe renamex_np(one, other, UInt32(RENAME_SWAP))
        #else
            let code = exchangeNames(one, other)
        #endif
        if code == 0 { return }
        guard errno == EINVAL || errno == ENOSYS || errno == ENOTSUP else { throw error("\(one) cannot take the place of this", other) }
        // A file system without exchange (NFS, old overlays): two renames, with a moment in which `other` does not exist. The next writer
        // puts back what a process left aside that was killed then.
        let aside = one + asideSuffix
        try rename(other, to: aside)
        try rename(one, to: other)
        try rename(aside, to: one)
    }

    /// Gives the file a second name, or copies it where the file system cannot.
    static func linkOrCopy(_ source: String, to destination: String) throws {
        if unsafe link(source, destination) == 0 { return }
        let input = try MappedFile(source)
        let output = try OutputFile(destination)
        try unsafe input.withUnsafeBytes { bytes in try unsafe output.write(bytes) }
        try output.close()
    }

    /// The whole of a text file or another small one; `limit` guards against reading a huge file by mistake.
    static func contents(of path: String, limit: Int = 1 << 30) throws -> [UInt8] {
        let file = try MappedFile(path)
        guard file.count <= limit else { throw DataError("expected at most \(limit) bytes, found \(file.count)", file: path) }
        return unsafe file.withUnsafeBytes { unsafe Array($0) }
    }

    /// The part before the last slash; "." where there is none.
    static func directory(of path: String) -> String {
        let trimmed = withoutTrailingSlashes(path)
        guard let slash = trimmed.lastIndex(of: "/") else { return "." }
        return slash == trimmed.startIndex ? "/" : String(trimmed[..<slash])
    }

    /// The part after the last slash.
    static func name(of path: String) -> String {
        let trimmed = withoutTrailingSlashes(path)
        return trimmed.lastIndex(of: "/").map { String(trimmed[trimmed.index(after: $0)...]) } ?? trimmed
    }

    static func withoutTrailingSlashes(_ path: String) -> String {
        var path = path
        while path.count > 1 && path.hasSuffix("/") { path.removeLast() }
        return path
    }
}

#if !canImport(Darwin)
    /// renameat2 with RENAME_EXCHANGE. Swift's Glibc module hides it (it is a GNU extension), so it is looked up by name.
    private func exchangeNames(_ one: String, _ other: String) -> Int32 {
        typealias Function = @convention(c) (Int32, UnsafePointer<CChar>, Int32, UnsafePointer<CChar>, UInt32) -> Int32
        guard let symbol = unsafe dlsym(nil, "renameat2") else {
            errno = ENOSYS
            return -1
        }
        let function = unsafe unsafeBitCast(symbol, to: Function.self)
        return unsafe function(AT_FDCWD, one, AT_FDCWD, other, 2)
    }
#endif
