/// A directory of arrays and other files with a manifest: a dataset, model, embeddings or index on disk, opened for reading.
///
/// Opening compares the length of every file with the manifest, in O(1) of the data's size; ``verify(progress:)`` reads everything.
/// Files that are open stay readable while another process replaces the artifact.
public struct Artifact: Sendable {
    public let path: String
    public let manifest: Manifest
    /// The files of an artifact that is not on a disk, by name.
    private let contents: [String: MappedFile]

    /// An artifact whose files are given, or on the disk where they are not. Nothing is checked.
    init(path: String, manifest: Manifest, contents: [String: MappedFile] = [:]) {
        self.path = path
        self.manifest = manifest
        self.contents = contents
    }

    /// - Parameter kind: what the artifact must be; `nil` takes any.
    /// - Throws: ``DataError`` when there is none, it is of another kind, or a file is missing or has another length.
    public static func open(_ path: String, kind: String? = nil) throws -> Artifact {
        let expected = kind ?? "PinSageKit"
        guard let found = FileSystem.kind(of: path) else { throw DataError("expected \(article(expected)) artifact, found nothing", file: path) }
        let manifestPath = path + "/" + Manifest.fileName
        guard found.kind == .directory, FileSystem.kind(of: manifestPath) != nil else {
            let what = found.kind == .directory ? "a folder without \(Manifest.fileName)" : "a file"
            throw DataError("expected \(article(expected)) artifact (a folder with \(Manifest.fileName)), found \(what)", file: path)
        }
        let manifest = try Manifest(contentsOf: manifestPath)
        if let kind, manifest.kind != kind {
            throw DataError("expected \(article(kind)) artifact, found \(article(manifest.kind)) artifact", file: path)
        }
        for (name, entry) in manifest.files.sorted(by: { $0.key < $1.key }) {
            guard let file = FileSystem.kind(of: path + "/" + name), file.kind == .file else {
                throw DataError("expected a file of \(entry.bytes) bytes, found none", file: path + "/" + name)
            }
            guard file.bytes == entry.bytes else {
                throw DataError("expected \(entry.bytes) bytes, found \(file.bytes)", file: path + "/" + name)
            }
        }
        return Artifact(path: path, manifest: manifest)
    }

    private static func article(_ noun: String) -> String {
        noun.first.map { "aeiou".contains($0) } == true ? "an \(noun)" : "a \(noun)"
    }

    /// Whether the artifact has this file. `.npy` may be left out, as in all of these methods.
    public func contains(_ name: String) -> Bool { manifest.files[name] != nil || manifest.files[name + ".npy"] != nil }

    /// The path of a file of the artifact.
    ///
    /// - Throws: ``DataError`` when the manifest does not list it.
    public func path(of name: String) throws -> String { path + "/" + (try resolve(name).name) }

    /// A file of the artifact, mapped.
    ///
    /// - Throws: ``DataError`` when the manifest does not list it.
    func file(_ name: String) throws -> MappedFile {
        let name = try resolve(name).name
        return try contents[name] ?? MappedFile(path + "/" + name)
    }

    private func resolve(_ name: String) throws -> (name: String, entry: Manifest.File) {
        if let entry = manifest.files[name] { return (name, entry) }
        if let entry = manifest.files[name + ".npy"] { return (name + ".npy", entry) }
        throw DataError("expected the file \(name) in this \(manifest.kind), found none", file: path)
    }

    /// Maps an array.
    ///
    /// - Throws: ``DataError`` when there is none, its header disagrees with the manifest, or its elements are of another type.
    /// - Complexity: O(1)
    public func array<Element: StoredElement>(
        _ name: String, as type: Element.Type, elementType: ElementType? = nil
    ) throws -> (array: StoredArray<Element>, shape: [Int]) {
        let (file, entry) = try resolve(name)
        let expected = elementType ?? Element.elementType
        if let found = entry.elementType, found != expected {
            throw DataError("expected elements of type \(expected.rawValue), found \(found.rawValue)", file: path + "/" + file)
        }
        let opened = try Npy.open(self.file(file), as: type, elementType: expected)
        if let shape = entry.shape, shape != opened.shape {
            throw DataError("expected the shape \(Npy.describe(shape)) of the manifest, found \(Npy.describe(opened.shape))", file: path + "/" + file)
        }
        return opened
    }

    /// Maps an array of one dimension that must have `count` elements.
    func vector<Element: StoredElement>(_ name: String, as type: Element.Type, count: Int? = nil) throws -> StoredArray<Element> {
        let (array, shape) = try array(name, as: type)
        guard shape.count == 1, count == nil || shape[0] == count else {
            throw DataError(
                "expected \(count.map { "\($0) elements" } ?? "one dimension"), found the shape \(Npy.describe(shape))", file: try path(of: name))
        }
        return array
    }

    /// Reads every file and compares it with its checksum.
    ///
    /// - Parameter progress: called with the bytes read so far.
    /// - Returns: the number of bytes read.
    /// - Throws: ``DataError`` that names the first damaged file.
    @discardableResult
    public func verify(progress: ((Int) -> Void)? = nil) throws -> Int {
        var total = 0
        for (name, entry) in manifest.files.sorted(by: { $0.key < $1.key }) {
            let file = try MappedFile(path + "/" + name, access: .sequential)
            var crc = CRC32C()
            unsafe file.withUnsafeBytes { bytes in
                var position = 0
                while position < bytes.count {
                    let end = min(position + (16 << 20), bytes.count)
                    unsafe crc.update(UnsafeRawBufferPointer(rebasing: bytes[position..<end]))
                    total += end - position
                    position = end
                    progress?(total)
                }
            }
            guard crc.count == entry.bytes, crc.value == entry.crc32c else {
                throw DataError(
                    "expected the checksum \(hexadecimal(entry.crc32c)), found \(hexadecimal(crc.value)): the file is damaged", file: file.path)
            }
        }
        return total
    }
}
