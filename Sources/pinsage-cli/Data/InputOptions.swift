internal import ArgumentParser
internal import PinSageKit

/// The files that edges and features come from, and the columns of edges: what every command that reads tables has.
struct InputOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The edges; - is standard input. May be repeated.", valueName: "file"))
    var edges: [String] = []

    @Option(
        help: ArgumentHelp(
            "Dense features (npy: f2, f4 or f8), rows in the order of --items or of IDS.txt. May be repeated.", valueName: "name=file.npy[:ids.txt]"))
    var features: [String] = []

    @Option(help: ArgumentHelp("The name of the item column.", valueName: "name"))
    var itemColumn = "item"

    @Option(help: ArgumentHelp("The name of the collection column.", valueName: "name"))
    var collectionColumn = "collection"

    @Option(help: ArgumentHelp("The name of the time column.", valueName: "name"))
    var timeColumn = "time"

    @Option(help: ArgumentHelp("The name of the weight column.", valueName: "name"))
    var weightColumn = "weight"

    func validate() throws {
        if edges.count(where: { $0 == "-" }) > 1 { throw ValidationError("--edges - can be given once only: there is one standard input") }
    }

    /// How tables are read; `nil` for a format goes by files' names.
    func configuration(format: EdgeFormat?, allowsMissingItems: Bool, threads: Int?) -> ImportConfiguration {
        var configuration = ImportConfiguration()
        configuration.format = format
        configuration.itemColumn = itemColumn
        configuration.collectionColumn = collectionColumn
        configuration.timeColumn = timeColumn
        configuration.weightColumn = weightColumn
        configuration.allowsMissingItems = allowsMissingItems
        configuration.threads = threads
        return configuration
    }

    func featureSources() throws -> [FeatureSource] { try features.map { try FeatureSource(argument: $0) } }
}
