extension TrainingOptions {
    /// Settings from a JSON file, in the form of ``TrainingOptions``; settings that it leaves out stay as they are in `options`.
    ///
    /// - Throws: ``DataError`` naming the file.
    public static func read(from path: String, over options: TrainingOptions = TrainingOptions()) throws -> TrainingOptions {
        let given = try JSONValue(contentsOf: path)
        guard given.object != nil else { throw DataError("expected a JSON object of settings", file: path) }
        try checkKeys(given, known: try everyKey.get(), file: path, at: "")
        return try JSONFile.decode(TrainingOptions.self, from: try merged(try json(of: options), given, file: path, at: ""), file: path)
    }

    private static func json(of options: TrainingOptions) throws -> JSONValue { try JSONValue(parsing: Array(JSONFile.text(of: options).utf8)) }

    /// ``withEveryKey`` as JSON, made once.
    private static let everyKey = Result<JSONValue, any Error> { try json(of: withEveryKey) }

    /// Options in which nothing is absent: encoded, they have every key that a file may have.
    private static var withEveryKey: TrainingOptions {
        var options = TrainingOptions()
        (options.epochs, options.layers, options.hiddenWidth, options.layerWidth, options.dimension, options.idWidth) = (1, 1, 1, 1, 1, 1)
        (options.walks, options.walkLength, options.restart, options.collectionTypes) = (1, 1, 0.5, [:])
        (options.sizeExponent, options.normalizesOutput) = (0.5, true)
        options.training.hardNegativeRanks = 1...2
        options.training.hidesNegativeEdges = true
        options.training.pairs.largestCollection = 2
        options.training.pairs.mostPairsPerCollection = 1
        return options
    }

    /// A key that nothing reads is a mistake: the setting would silently keep its default.
    private static func checkKeys(_ given: JSONValue, known: JSONValue, file: String, at place: String) throws {
        guard let given = given.object, let known = known.object else { return }
        for (key, value) in given.sorted(by: { $0.key < $1.key }) {
            guard let inner = known[key] else {
                let names = known.keys.sorted().joined(separator: ", ")
                throw DataError("there is no setting \"\(place)\(key)\"; the settings here are \(names)", file: file)
            }
            // A choice among cases is written as an object with the case's name: its decoder checks it. Types have names of their own.
            if key != "window" && key != "collectionTypes" { try checkKeys(value, known: inner, file: file, at: place + key + ".") }
        }
    }

    private static func merged(_ base: JSONValue, _ over: JSONValue, file: String, at place: String) throws -> JSONValue {
        guard let left = base.object, let right = over.object else { return over }
        return .object(try left.merging(right) { try merged($0, $1, file: file, at: place) })
    }
}
