/// Writes an artifact so that its path holds, at every moment, the complete old one, the complete new one, or nothing.
///
/// Files go to a temporary sibling directory. ``commit(metadata:)`` makes them durable, writes the manifest last and puts the directory in
/// place: by an atomic exchange where an artifact of the same kind stood, whose files are then removed. Anything else at the path is
/// refused, and so is an artifact in which somebody put files of their own. A writer that is dropped without commit removes its directory;
/// what a killed process left is removed by the next writer for the same path.
public struct ArtifactWriter {
    public let kind: String
    /// Where the artifact will be.
    public let path: String
    /// The temporary sibling into which files may be put by others before ``addFile(named:elementType:)``.
    public var directory: String { temporary.path }
    private let temporary: TemporaryDirectory
    private var files: [String: Manifest.File] = [:]

    /// - Throws: ``DataError`` when something else than an artifact of this kind is at `path`, or the directory cannot be made.
    public init(kind: String, at path: String) throws {
        self.kind = kind
        self.path = try FileSystem.resolved(path)
        try ArtifactWriter.checkReplaceable(self.path, kind: kind)
        try FileSystem.makeDirectories(FileSystem.directory(of: self.path))
        temporary = try TemporaryDirectory(siblingOf: self.path)
    }

    /// Writes an array file; `.npy` is added to a name without it.
    ///
    /// - Parameters:
    ///   - name: may have a folder: "features/title".
    ///   - shape: its product is the number of values; `nil` is one dimension.
    public mutating func write<Element: StoredElement>(
        _ name: String, _ values: some Collection<Element>, shape: [Int]? = nil, elementType: ElementType? = nil
    ) throws {
        let name = name.hasSuffix(".npy") ? name : name + ".npy"
        var writer = try NpyWriter<Element>(try newPath(for: name), elementType: elementType)
        try writer.append(values)
        let written = try writer.finish(shape: shape)
        files[name] = Manifest.File(
            bytes: written.bytes, crc32c: written.crc32c, elementType: elementType ?? Element.elementType, shape: shape ?? [values.count])
    }

    /// Whether a file of this name was written or taken.
    public func contains(_ name: String) -> Bool { files[name] != nil }

    /// Writes a file of these bytes.
    public mutating func write(_ name: String, bytes: [UInt8]) throws {
        let file = try OutputFile(try newPath(for: name))
        try file.write(bytes)
        let written = try file.close()
        files[name] = Manifest.File(bytes: written.bytes, crc32c: written.crc32c)
    }

    /// Writes a text file.
    public mutating func write(_ name: String, text: String) throws { try write(name, bytes: Array(text.utf8)) }

    /// The path at which to make a file of this name; its folder is made. Call ``addFile(named:elementType:)`` when it is complete.
    public func newPath(for name: String) throws -> String {
        precondition(Manifest.isSafe(name), "\"\(name)\" is no path inside an artifact")
        precondition(files[name] == nil, "the artifact has a file \"\(name)\" already")
        let full = directory + "/" + name
        try FileSystem.makeDirectories(FileSystem.directory(of: full))
        return full
    }

    /// Takes a file that was put into ``directory``: reads it for its checksum and makes it durable. The shape of an array comes from its header.
    public mutating func addFile(named name: String, elementType: ElementType? = nil) throws {
        precondition(Manifest.isSafe(name), "\"\(name)\" is no path inside an artifact")
        let full = directory + "/" + name
        try FileSystem.synchronize(full)
        let file = try MappedFile(full, access: .sequential)
        var crc = CRC32C()
        unsafe file.withUnsafeBytes { unsafe crc.update($0) }
        var entry = Manifest.File(bytes: crc.count, crc32c: crc.value)
        if name.hasSuffix(".npy") {
            let header = try Npy.header(of: file)
            entry.elementType = elementType ?? header.elementType
            entry.shape = header.shape
        }
        files[name] = entry
    }

    /// Takes a file whose length and checksum its writer knows, such as that of an ``NpyWriter``.
    mutating func addFile(named name: String, _ entry: Manifest.File) {
        precondition(Manifest.isSafe(name), "\"\(name)\" is no path inside an artifact")
        files[name] = entry
    }

    /// Takes a file of another artifact over, as a hard link where the file system can: artifacts are never changed in place.
    public mutating func addFile(named name: String, from artifact: Artifact) throws {
        guard let entry = artifact.manifest.files[name] else {
            throw DataError("expected the file \(name) in this \(artifact.manifest.kind), found none", file: artifact.path)
        }
        try FileSystem.linkOrCopy(artifact.path + "/" + name, to: newPath(for: name))
        files[name] = entry
    }

    /// Completes the artifact and puts it in place. The writer must not be used afterwards.
    ///
    /// - Parameter metadata: goes into the manifest.
    public mutating func commit(metadata: [String: JSONValue] = [:]) throws {
        let manifest = Manifest(kind: kind, files: files, metadata: metadata)
        let file = try OutputFile(directory + "/" + Manifest.fileName)
        try file.write(manifest.serialized())
        try file.close()
        let folders = Set(files.keys.map { FileSystem.directory(of: directory + "/" + $0) })
        for folder in folders.union([directory]) { try FileSystem.synchronize(folder) }

        try ArtifactWriter.checkReplaceable(path, kind: kind)
        if FileSystem.kind(of: path) != nil {
            try FileSystem.exchange(directory, path)
        } else {
            try FileSystem.rename(directory, to: path)
        }
        try FileSystem.synchronize(FileSystem.directory(of: path))
        // After an exchange the old artifact lies at the temporary path.
        temporary.remove()
    }

    /// Whether an artifact of this kind could be written to `path` now; for commands that work long before they write.
    ///
    /// - Throws: ``DataError`` for something else in the way, or a folder in which nothing can be made.
    public static func check(_ path: String, kind: String) throws { _ = try ArtifactWriter(kind: kind, at: path) }

    private static func checkReplaceable(_ path: String, kind: String) throws {
        guard FileSystem.kind(of: path) != nil else { return }
        let manifest: Manifest
        do {
            manifest = try Manifest(contentsOf: path + "/" + Manifest.fileName)
        } catch {
            throw DataError("something that is not a PinSageKit \(kind) is here and will not be replaced", file: path)
        }
        guard manifest.kind == kind else {
            throw DataError(
                "expected to replace an artifact of kind \(kind), found one of kind \(manifest.kind), which will not be replaced", file: path)
        }
        let known = Set(manifest.files.keys).union([Manifest.fileName])
        let databaseJournals = ["-wal", "-shm", "-journal"]
        let foreign = try FileSystem.files(below: path).filter { name in
            !known.contains(name) && !databaseJournals.contains { name.hasSuffix($0) && known.contains(String(name.dropLast($0.count))) }
        }
        if let first = foreign.first {
            throw DataError("this \(kind) will not be replaced, because \(first) in it is not part of it; move that file elsewhere", file: path)
        }
    }
}
