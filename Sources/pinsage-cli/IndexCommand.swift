internal import ArgumentParser
internal import PinSageKit

struct IndexCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "index",
        abstract: "Build a nearest-neighbor index of embeddings.",
        discussion: "Example: pinsage-cli index --embeddings lists.embeddings --output lists.index --kind exact")

    /// What --kind takes.
    enum Kind: String, CaseIterable, ExpressibleByArgument { case exact }
    /// What --storage takes.
    enum Storage: String, CaseIterable, ExpressibleByArgument { case f32 }

    @Option(help: ArgumentHelp("The embeddings to index.", valueName: "embeddings"))
    var embeddings: String

    @Option(help: ArgumentHelp("The index directory to write.", valueName: "index"))
    var output: String

    @Option(help: ArgumentHelp("The kind of index: exact compares every query with every item.", valueName: "kind"))
    var kind = Kind.exact

    @Option(help: ArgumentHelp("How vectors are stored.", valueName: "storage"))
    var storage = Storage.f32

    @OptionGroup var machine: MachineOptions
    @OptionGroup var outputOptions: OutputOptions

    func run() throws {
        let index = ExactIndex(embeddings: try Embeddings.open(embeddings), kernels: try machine.kernels())
        let embeddings = index.embeddings
        if let position = embeddings.vectors.firstIndex(where: { !$0.isFinite }) {
            let item = embeddings.identifiers[position / max(index.dimension, 1)]
            throw DataError("expected finite vectors, found \(embeddings.vectors[position]) in that of item \"\(item)\"", file: self.embeddings)
        }
        try index.write(to: output)
        if outputOptions.json {
            Terminal.result([
                "index": .string(output), "kind": .string(kind.rawValue), "items": JSONValue(index.count), "dimension": JSONValue(index.dimension),
            ])
        } else {
            Terminal.result(
                Terminal.table([("index", output), ("kind", kind.rawValue), ("items", "\(Terminal.count(index.count)) x \(index.dimension)")]))
        }
    }
}
