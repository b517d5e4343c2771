/// What the commands say that take embeddings.
enum EmbeddingsHelp {
    static let origins = """
        Embeddings are the folder that `embed` wrote, or vectors of any origin: FILE.npy, (items, dimension) in float32, with the items' ids in \
        FILE.npy.ids.txt, one a line, as `export --format npy` writes them.
        """
}
