/// A folder in which an interrupted run leaves to the next what it had finished.
///
/// Its `settings.json` says what the files depend on: they are kept for a run with the same settings and removed for any other. Files get
/// their names when they are complete (``FileSystem/replaceFile(_:_:)``), so a run may be killed at any moment.
struct WorkFolder {
    let path: String
    private static let settingsName = "settings.json"

    /// Makes the folder, or keeps it where it was made with these settings.
    ///
    /// - Parameters:
    ///   - settings: everything that the files depend on; `nil` never keeps anything.
    ///   - contents: what the folder holds, for the error.
    /// - Throws: ``DataError`` when something that this did not make has the folder's name.
    init(_ path: String, settings: String?, of contents: String) throws {
        self.path = path
        if FileSystem.isDirectory(FileSystem.directory(of: path)) { try TemporaryDirectory.sweep(siblingsOf: path) }
        let file = path + "/" + WorkFolder.settingsName
        let isOurs = FileSystem.kind(of: file)?.kind == .file
        if let settings, isOurs, try FileSystem.contents(of: file) == Array(settings.utf8) {
            // A killed run leaves the file that it was in the middle of.
            for name in try FileSystem.names(in: path) where FileSystem.isPartial(name) { try FileSystem.remove(path + "/" + name) }
            return
        }
        if FileSystem.kind(of: path) != nil {
            // Ours too: a folder whose run was killed before it had settings.
            let isUnfinished = try !isOurs && FileSystem.isDirectory(path) && FileSystem.names(in: path).allSatisfy(FileSystem.isPartial)
            guard isOurs || isUnfinished else {
                throw DataError("expected a folder of unfinished \(contents), found other files", file: path)
            }
            try WorkFolder.remove(path)
        }
        try FileSystem.makeDirectories(path)
        try FileSystem.replaceFile(file) { temporary in
            let output = try OutputFile(temporary)
            try output.write(settings ?? "\n")
            try output.close()
        }
    }

    func path(_ name: String) -> String { path + "/" + name }

    func remove() throws { try WorkFolder.remove(path) }

    /// In one step: a folder that has lost some of its files to a killed run would be taken for other people's, or for the work of a run that
    /// is further than its files are.
    private static func remove(_ path: String) throws {
        let doomed = try TemporaryDirectory(siblingOf: path)
        try FileSystem.rename(path, to: doomed.path + "/" + FileSystem.name(of: path))
        doomed.remove()
    }
}
