extension PinSageModel {
    public static let kind = "model"
    private static let idItemsPrefix = "id_items"

    /// config.json: everything of a model but its weights and its feature transform.
    struct Description: Codable {
        var model: PinSageConfiguration
        var walks: WalkConfiguration
        var neighborsPerLayer: [Int]
        var seed: UInt64
    }

    /// Opens a model directory: config.json, weights.safetensors and the fitted feature transform.
    ///
    /// - Throws: ``DataError`` when it is missing, damaged, or its tensors do not have the shapes that config.json says.
    public static func open(_ path: String) throws -> PinSageModel {
        try PinSageModel(Artifact.open(path, kind: kind))
    }

    init(_ artifact: Artifact) throws {
        let description = try JSONFile.read(Description.self, from: artifact.file("config.json"))
        do {
            try description.model.validate()
            try description.walks.validate()
        } catch { throw DataError("\(error)", file: try artifact.path(of: "config.json")) }
        guard description.neighborsPerLayer.count == description.model.layers,
            description.neighborsPerLayer.allSatisfy({ (1...description.walks.neighbors).contains($0) })
        else {
            throw DataError(
                "expected \(description.model.layers) numbers of neighbors from 1 to \(description.walks.neighbors), found "
                    + "\(description.neighborsPerLayer)", file: try artifact.path(of: "config.json"))
        }
        let weightsPath = try artifact.path(of: "weights.safetensors")
        let tensors = try Safetensors.read(artifact.file("weights.safetensors"))
        let idVectors = tensors["id_vectors"].flatMap(\.matrix)
        if let idVectors, idVectors.columns != description.model.idWidth {
            throw DataError("expected id vectors of width \(description.model.idWidth), found \(idVectors.columns)", file: weightsPath)
        }
        var idItems: Identifiers?
        if let idVectors, artifact.manifest.files[Self.idItemsPrefix + ".bytes.npy"] != nil {
            let items = try Identifiers.open(artifact, prefix: Self.idItemsPrefix)
            guard items.count == idVectors.rows else {
                throw DataError("expected the identifiers of \(idVectors.rows) id vectors, found \(items.count)", file: artifact.path)
            }
            idItems = items
        }
        self.init(
            configuration: description.model, parameters: try Parameters(tensors: tensors, configuration: description.model, file: weightsPath),
            walks: description.walks, neighborsPerLayer: description.neighborsPerLayer, seed: description.seed,
            features: try FeatureTransform.read(artifact), idVectors: idVectors, idItems: idItems)
    }

    /// - Throws: ``DataError`` where the feature transform makes rows of another width than the weights read.
    func checkFeatures() throws {
        guard features.width == configuration.featureWidth else {
            throw DataError("expected features of width \(configuration.featureWidth), found \(features.width)")
        }
    }

    /// Writes the model as an artifact of its own.
    public func write(to path: String) throws {
        var writer = try ArtifactWriter(kind: PinSageModel.kind, at: path)
        try write(into: &writer)
        try writer.commit(metadata: metadata)
    }

    var metadata: [String: JSONValue] {
        ["dimension": JSONValue(configuration.dimension), "layers": JSONValue(configuration.layers), "parameters": JSONValue(parameters.count)]
    }

    func write(into writer: inout ArtifactWriter) throws {
        let description = Description(model: configuration, walks: walks, neighborsPerLayer: neighborsPerLayer, seed: seed)
        try writer.write("config.json", text: try JSONFile.text(of: description))
        var tensors = parameters.tensors.map { (name: $0.name, tensor: Safetensors.Tensor(shape: $0.shape, values: $0.values)) }
        if let idVectors { tensors.append(("id_vectors", Safetensors.Tensor(idVectors))) }
        try Safetensors.write(tensors, metadata: ["format": "pinsage"], to: try writer.newPath(for: "weights.safetensors"))
        try writer.addFile(named: "weights.safetensors")
        if idVectors != nil, let idItems { try idItems.write(into: &writer, prefix: Self.idItemsPrefix) }
        try features.write(to: writer.directory)
        for name in FeatureTransform.fileNames { try writer.addFile(named: name) }
    }
}

extension Parameters {
    /// The tensors of a weights file. - Throws: ``DataError`` naming a tensor that is missing or of another shape.
    init(tensors: [String: Safetensors.Tensor], prefix: String = "", configuration: PinSageConfiguration, file: String) throws {
        // Before anything is made in the sizes that a file claims.
        let names = Self.names(layers: configuration.layers)
        for (name, shape) in zip(names, Self.shapes(configuration)) {
            guard let tensor = tensors[prefix + name] else { throw DataError("expected the tensor \(prefix + name), found none", file: file) }
            guard tensor.shape == shape else {
                throw DataError("expected the tensor \(prefix + name) to have the shape \(shape), found \(tensor.shape)", file: file)
            }
        }
        self.init(zeros: configuration)
        updateTensors { index, values in
            if let tensor = tensors[prefix + names[index]] { values = tensor.values }
        }
    }
}
