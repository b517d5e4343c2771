import PinSageTestSupport
import Testing

@testable import PinSageKit

/// Model directories whose files do not fit together, as damage or somebody's malice makes them, under a manifest that vouches for them.
@Suite struct ModelFileTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Replaces a file of the model and what the manifest says of it.
    private func replace(_ name: String, _ change: (String) -> String) throws {
        let text = change(String(decoding: try folder.read("m/" + name), as: UTF8.self))
        try folder.write("m/" + name, text)
        var manifest = try Manifest(contentsOf: folder["m/manifest.json"])
        manifest.files[name] = Manifest.File(bytes: text.utf8.count, crc32c: CRC32C.checksum(Array(text.utf8)))
        try folder.write("m/manifest.json", manifest.serialized())
    }

    /// A configuration asks for 300 GB of weights; the file with the weights has a few.
    @Test func sizesAreComparedBeforeAnythingIsMade() throws {
        try EmbeddingCases.model(EmbeddingCases.dataset()).write(to: folder["m"])
        try replace("config.json") {
            $0.replacing("\"hiddenWidth\" : 40", with: "\"hiddenWidth\" : 65536").replacing("\"layerWidth\" : 24", with: "\"layerWidth\" : 65536")
        }
        let error = #expect(throws: DataError.self) { try PinSageModel.open(folder["m"]) }
        #expect(error?.message.contains("65536") == true, "\(error?.description ?? "")")
    }

    @Test func widthsOfFeaturesAndIDVectorsAreChecked() throws {
        let dataset = EmbeddingCases.dataset()
        try EmbeddingCases.model(dataset, idWidth: 3).write(to: folder["m"])
        #expect(throws: Never.self) { try PinSageModel.open(folder["m"]) }
        try replace("config.json") { $0.replacing("\"idWidth\" : 3", with: "\"idWidth\" : 2") }
        let error = #expect(throws: DataError.self) { try PinSageModel.open(folder["m"]) }
        #expect(error?.message.contains("id vectors of width 2") == true, "\(error?.description ?? "")")
    }

    @Test func itemsOfIDVectorsAreKept() throws {
        let dataset = EmbeddingCases.dataset()
        var model = try EmbeddingCases.model(dataset, idWidth: 3)
        try model.write(to: folder["m"])
        #expect(try PinSageModel.open(folder["m"]).idItems == nil)
        model.idItems = dataset.items
        try model.write(to: folder["m"])
        let read = try #require(try PinSageModel.open(folder["m"]).idItems)
        #expect(read.count == dataset.items.count && read[7] == dataset.items[7])
        #expect(try PinSageModel.open(folder["m"]).fingerprint == model.fingerprint)

        model.idItems = Identifiers(["one", "two"])
        try model.write(to: folder["m"])
        let error = #expect(throws: DataError.self) { try PinSageModel.open(folder["m"]) }
        #expect(error?.message.contains("id vectors, found 2") == true, "\(error?.description ?? "")")
    }
}
