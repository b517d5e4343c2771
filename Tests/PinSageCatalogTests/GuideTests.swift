import Foundation
import PinSageCatalog
import PinSageKit
import PinSageTestSupport
import Testing

/// The guides' code: what they show is what is compiled and run here or in Examples/.
@Suite struct GuideTests {
    private let folder: TemporaryFolder
    private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

    init() throws { folder = try TemporaryFolder() }

    @Test func yourOwnData() async throws {
        var text = "item\tcollection\n"
        for item in 0..<60 { for step in 0..<3 { text += "i\(item)\tc\((item / 6 + step * 3) % 12)\n" } }
        let edges = try folder.write("edges.tsv", text)
        let words = ["query", "storage", "engine", "font", "glyph", "serif"]
        let titles = (0..<60).map { "i\($0)\t\(words[$0 / 6 % 6]) \(words[$0 % 6])\n" }.joined()
        let items = try folder.write("items.tsv", "item\ttitle\n" + titles)
        let path = folder["lists.dataset"], modelPath = folder["lists.model"]
        let embeddingsPath = folder["lists.embeddings"], indexPath = folder["lists.index"]
        let kernels = try Kernels(threads: 2)

        let report = try DatasetImporter().run(
            edges: [edges], items: items, output: path, catalog: { try SQLiteCatalogWriter(directory: $0) })
        print("\(report.items) items in \(report.collections) collections")
        let dataset = try Dataset.open(path)
        let catalog = try SQLiteCatalog(directory: path)

        var options = TrainingOptions()
        options.epochs = 2
        var hooks = TrainingRun.Hooks()
        hooks.onEvent = { event in
            if case .validated(let validation) = event { print("epoch \(validation.epoch + 1):", validation.metrics) }
        }
        let run = TrainingRun(dataset: dataset, catalog: catalog, options: options, kernels: kernels)
        let (model, _) = try run.run(output: modelPath, hooks: hooks)

        let session = run.start(output: modelPath, resumes: true)
        for await event in session {
            if case .checkpoint(let step) = event { print("safe up to step", step) }
        }
        let state = try await session.result.state
        #expect(state.step > 0)

        _ = try EmbeddingRun(model: model, dataset: dataset, catalog: catalog, kernels: kernels).run(output: embeddingsPath)
        let embeddings = try Embeddings.open(embeddingsPath)
        let index = try HNSWIndex.build(embeddings, configuration: HNSWConfiguration(), kernels: kernels)
        try index.write(to: indexPath)

        let item = try dataset.item(named: "i3")
        let query = Matrix(rows: 1, columns: index.dimension, values: index.embeddings[item])
        for neighbor in try index.neighbors(of: query, k: 5, excluding: [item])[0] {
            print(dataset.items[Int(neighbor.item.row)], neighbor.score)
        }

        let embedder = try NewItemEmbedder(model: model, dataset: dataset, catalog: catalog, kernels: kernels)
        let vector = try embedder.embedding(
            of: ItemDescription(title: "a query engine for storage"), features: [:], collections: [])
        let closest = try index.neighbors(of: Matrix(rows: 1, columns: vector.count, values: vector), k: 3, excluding: [])[0]
        #expect(closest.count == 3 && report.items == 60)
    }

    /// Lines without indentation and empty ones.
    private func lines(_ text: some StringProtocol) -> [String] {
        text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
    }

    private func files(_ folder: String, _ suffix: String) throws -> [String] {
        let names = try #require(FileManager.default.enumerator(atPath: root + "/" + folder))
        return names.compactMap { $0 as? String }.filter { $0.hasSuffix(suffix) && !$0.contains(".build") }.map { "\(root)/\(folder)/\($0)" }
    }

    @Test func everySwiftBlockIsCompiledSomewhere() throws {
        let compiled = try ([#filePath] + files("Examples", ".swift")).map { lines(try String(contentsOfFile: $0, encoding: .utf8)) }
        let guides = try files("Sources/PinSageKit/PinSageKit.docc", ".md") + files("docs", ".md") + [root + "/README.md"]
        var blocks = 0
        for guide in guides {
            let parts = try String(contentsOfFile: guide, encoding: .utf8).components(separatedBy: "```swift\n")
            for part in parts.dropFirst() {
                let block = lines(part.components(separatedBy: "```")[0])
                let isCompiled = compiled.contains { source in
                    source.indices.contains { source[$0...].starts(with: block) }
                }
                #expect(isCompiled, "\(guide) shows code that nothing compiles:\n\(block.joined(separator: "\n"))")
                blocks += 1
            }
        }
        #expect(blocks >= 8)
    }
}
