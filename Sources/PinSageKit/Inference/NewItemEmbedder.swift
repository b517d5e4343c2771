/// Embeds items that are not in the dataset, one at a time and at once: from their features and the collections that they were put into.
///
/// What it computes is what ``EmbeddingPass`` would, were the item in the graph: neighborhoods are drawn by the same law, and those of the
/// items around it are the same ones. Only what the new item would change in *their* vectors is left out. Nothing is prepared, so that a
/// first answer takes no longer than others; the features of the neighbors are made from the dataset each time.
public struct NewItemEmbedder: Sendable {
    private let pass: EmbeddingPass
    private let dataset: Dataset
    private let catalog: (any ItemCatalog)?

    /// - Parameter catalog: the dataset's, where the model's features ask for texts or attributes.
    /// - Throws: ``DataError`` when the dataset lacks features that the model reads.
    public init(model: PinSageModel, dataset: Dataset, catalog: (any ItemCatalog)?, kernels: Kernels) throws {
        try model.checkFeatures()
        try model.features.checkCompatible(with: dataset)
        guard catalog != nil || !model.features.needsCatalog else {
            throw DataError("the model's features are made of texts or attributes; the dataset has no catalog of them", file: dataset.path)
        }
        pass = EmbeddingPass(model: model, kernels: kernels)
        self.dataset = dataset
        self.catalog = catalog
    }

    /// The embedding of a new item. The same arguments give the same embedding.
    ///
    /// - Parameters:
    ///   - features: dense features by name; one that is missing is zeros.
    ///   - collections: where it was put, each once; without any it is embedded from its features alone.
    /// - Throws: ``DataError`` for features of an unknown name or another width, or an unknown collection.
    /// - Complexity: O(walks) and the features of T items for one layer; another layer multiplies these by T.
    public func embedding(
        of description: ItemDescription, features: [String: [Float]] = [:], collections: [CollectionID] = []
    ) throws -> [Float] {
        for collection in collections where Int(collection.row) >= dataset.graph.collectionCount {
            throw DataError("expected a collection below \(dataset.graph.collectionCount), found \(collection.row)")
        }
        let own = try pass.model.features.vector(for: description, dense: features, degree: collections.count)
        return try pass.embedding(ofNewItem: own, in: collections, of: dataset, catalog: catalog)
    }
}
