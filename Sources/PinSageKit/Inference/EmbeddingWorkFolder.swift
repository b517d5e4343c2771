/// Where a run that embeds keeps what it needs later: `OUTPUT.parts`.
struct EmbeddingWorkFolder {
    private let folder: WorkFolder

    /// Makes the folder, or keeps it where it was made with these settings (``WorkFolder``).
    init(output: String, settings: String?) throws {
        folder = try WorkFolder(FileSystem.withoutTrailingSlashes(output) + ".parts", settings: settings, of: "embeddings")
    }

    func path(_ name: String) -> String { folder.path(name) }

    func remove() throws { try folder.remove() }

    /// Where an earlier run ended; the start where there was none, and the start of its layer where it had slabs of another width.
    func state(slabWidth: Int, rows: Int) throws -> PassState {
        let file = path("state.json")
        guard FileSystem.kind(of: file)?.kind == .file else { return PassState() }
        let json = try JSONValue(parsing: FileSystem.contents(of: file), file: file)
        guard let layer = json["layer"]?.int, let slab = json["slab"]?.int, let row = json["row"]?.int, let width = json["slab_width"]?.int,
            layer >= 0, slab >= 0, 0...rows ~= row
        else { throw DataError("expected the state of unfinished embeddings; remove the folder to begin anew", file: file) }
        return width == slabWidth ? PassState(layer: layer, slab: slab, row: row) : PassState(layer: layer)
    }

    /// Makes the state durable: a run that is killed from now on goes on here.
    func save(_ state: PassState, slabWidth: Int) throws {
        let json: JSONValue = [
            "layer": JSONValue(state.layer), "slab": JSONValue(state.slab), "row": JSONValue(state.row), "slab_width": JSONValue(slabWidth),
        ]
        try FileSystem.replaceFile(path("state.json")) { temporary in
            let file = try OutputFile(temporary)
            try file.write(json.serialized() + "\n")
            try file.close()
        }
    }
}

/// The files of one pass: vectors between layers, pooled columns, embeddings.
final class LevelFiles {
    private let folder: EmbeddingWorkFolder
    private let rows: Int
    private let latents: LatentType
    private var open: [String: RowFile] = [:]

    init(folder: EmbeddingWorkFolder, rows: Int, latents: LatentType) {
        self.folder = folder
        self.rows = rows
        self.latents = latents
    }

    func result(columns: Int) throws -> RowFile { try file("vectors.npy", columns, .f32) }
    func level(_ layer: Int, columns: Int) throws -> RowFile { try file("layer\(layer).npy", columns, latents) }
    /// Always f32: rounding here would make the result depend on how many slabs there are.
    func pooled(_ slab: Int, columns: Int) throws -> RowFile { try file("pooled\(slab)-\(columns).npy", columns, .f32) }

    func synchronize() throws { for name in open.keys.sorted() { try open[name]?.synchronize() } }

    /// Removes what the layers above `layer` do not need.
    func finish(layer: Int) throws {
        for name in open.keys.sorted() where name.hasPrefix("pooled") || name == "layer\(layer - 1).npy" {
            open[name] = nil
            try FileSystem.remove(folder.path(name))
        }
    }

    private func file(_ name: String, _ columns: Int, _ type: LatentType) throws -> RowFile {
        if let known = open[name] { return known }
        let file = try RowFile(folder.path(name), rows: rows, columns: columns, type: type)
        open[name] = file
        return file
    }
}
