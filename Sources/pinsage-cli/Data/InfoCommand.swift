internal import ArgumentParser
internal import PinSageKit

struct InfoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "info",
        abstract: "Describe a dataset, model, embeddings or index.",
        discussion: "With --verify every file is read and compared with its checksum, which finds every flipped bit; damage exits with 65.")

    @Argument(help: "The artifact.")
    var path: String

    @Flag(help: "Read everything and compare it with the checksums.")
    var verify = false

    @OptionGroup var outputOptions: OutputOptions

    func run() throws {
        let artifact = try Artifact.open(path)
        let manifest = artifact.manifest
        // Opens the parts too, so that what does not fit together is found.
        if manifest.kind == Dataset.kind { _ = try Dataset.open(path) }
        let total = manifest.files.values.reduce(0) { $0 + $1.bytes }
        if verify {
            let progress = outputOptions.progress("verifying", unit: "bytes")
            defer { progress.finish() }
            try artifact.verify { progress.update(count: $0, fraction: total == 0 ? 1 : Double($0) / Double(total)) }
        }
        let files = manifest.files.sorted { $0.key < $1.key }
        if outputOptions.json {
            let entries = files.map { name, file -> (String, JSONValue) in
                var entry: [String: JSONValue] = ["bytes": JSONValue(file.bytes)]
                if let type = file.elementType { entry["dtype"] = .string(type.rawValue) }
                if let shape = file.shape { entry["shape"] = .array(shape.map { JSONValue($0) }) }
                return (name, .object(entry))
            }
            Terminal.result([
                "path": .string(path), "kind": .string(manifest.kind), "schema": JSONValue(manifest.schema), "bytes": JSONValue(total),
                "verified": JSONValue(verify), "metadata": .object(manifest.metadata), "files": .object(Dictionary(uniqueKeysWithValues: entries)),
            ])
            return
        }
        var rows = [("kind", manifest.kind), ("size", Terminal.bytes(total)), ("verified", verify ? "yes, every checksum agrees" : "no (--verify)")]
        for (name, value) in manifest.metadata.sorted(by: { $0.key < $1.key }) { rows.append((name, value.string ?? value.serialized())) }
        for (name, file) in files {
            let shape = file.shape.map { " (" + $0.map(String.init).joined(separator: ", ") + ")" } ?? ""
            rows.append((name, "\(Terminal.bytes(file.bytes))\(file.elementType.map { ", \($0.rawValue)" } ?? "")\(shape)"))
        }
        Terminal.result(Terminal.table(rows))
    }
}
