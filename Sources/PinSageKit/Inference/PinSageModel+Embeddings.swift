extension PinSageModel {
    /// Embeddings of every item of a dataset, which may have items that training never saw.
    ///
    /// - Parameters:
    ///   - catalog: titles, texts and attributes, where the model's features ask for them.
    ///   - progress: called with the share of the work that is done.
    /// - Throws: ``DataError`` when the dataset lacks features that the model reads, or has them in another width.
    public func embeddings(
        of dataset: Dataset, catalog: (any ItemCatalog)?, kernels: Kernels, progress: (Double) -> Void = { _ in }
    ) throws -> Embeddings {
        try features.checkCompatible(with: dataset)
        let matrix = try features.featureMatrix(for: dataset, catalog: catalog)
        let vectors = try EmbeddingPass(model: self, kernels: kernels).embeddings(graph: dataset.graph, features: matrix, progress: progress)
        return try Embeddings(
            identifiers: dataset.items, vectors: StoredArray(vectors.values), dimension: vectors.columns, isNormalized: configuration.normalizesOutput
        )
    }
}
