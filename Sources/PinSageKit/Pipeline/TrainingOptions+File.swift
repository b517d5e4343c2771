extension TrainingOptions {
    /// Settings from a JSON file, in the form of ``TrainingOptions``; settings that it leaves out keep their defaults.
    ///
    /// - Throws: ``DataError`` naming the file.
    public static func read(from path: String) throws -> TrainingOptions {
        // Laid over the defaults, so that a file need name only what it changes.
        let defaults = try JSONValue(parsing: Array(JSONFile.text(of: TrainingOptions()).utf8))
        let given = try JSONValue(contentsOf: path)
        guard given.object != nil else { throw DataError("expected a JSON object of settings", file: path) }
        return try JSONFile.decode(TrainingOptions.self, from: try merged(defaults, given, file: path, at: ""), file: path)
    }

    private static func merged(_ base: JSONValue, _ over: JSONValue, file: String, at place: String) throws -> JSONValue {
        guard let left = base.object, let right = over.object else { return over }
        return .object(try left.merging(right) { try merged($0, $1, file: file, at: place) })
    }
}
