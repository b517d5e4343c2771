import Foundation
import Logging

@testable import PinSageCatalog
@testable import PinSageKit
@testable import PinSageServer

/// What the server is asked. Input: `METHOD TARGET`, a line break, the body.
let serverTargets: [FuzzTarget] = [
    FuzzTarget(name: "http") { scratch in
        let served = try FuzzServed(scratch)
        var logger = Logger(label: "fuzz")
        logger.logLevel = .critical
        var paths = ServedPaths(index: served.index, dataset: served.dataset, model: served.model)
        paths.live = scratch + "/live.sqlite"
        var mapping = NeighborMap.Configuration()
        mapping.epochs = 2
        try NeighborMap(of: StoredIndex.open(served.index, kernels: Kernels(threads: 1)), configuration: mapping, threads: 1)
            .write(to: served.index + ".map")
        var service = try RecommendationService(paths: paths, options: ServerOptions(), logger: logger)
        var asked = 0
        return { bytes in
            // Items that inputs add stay; without a fresh start now and then most of the time would go to them.
            asked += 1
            if asked % 1000 == 0 {
                for suffix in ["", "-wal", "-shm"] { try FileSystem.remove(scratch + "/live.sqlite" + suffix) }
                service = try RecommendationService(paths: paths, options: ServerOptions(), logger: logger)
            }
            let lines = bytes.split(separator: 0x0a, maxSplits: 1, omittingEmptySubsequences: false)
            let words = String(decoding: lines[0], as: UTF8.self).split(separator: " ", maxSplits: 1)
            guard words.count == 2 else { return }
            var call = try HTTPCall(method: String(words[0]), target: String(words[1]))
            call.host = "localhost:8080"
            if lines.count > 1 {
                call.body = Array(lines[1])
                call.contentType = "application/json"
            }
            let question = call, asking = service
            let done = DispatchSemaphore(value: 0)
            Task.detached {
                let (reply, route) = await asking.reply(to: question)
                demand(reply.status != 500, "no request is our own mistake (\(route)): \(String(decoding: reply.body, as: UTF8.self))")
                if reply.status == 204 {
                    demand(reply.body.isEmpty, "an answer of 204 has no body (\(route))")
                } else if reply.contentType == "application/json" {
                    demand((try? JSONValue(parsing: reply.body)) != nil, "answers are JSON (\(route))")
                }
                done.signal()
            }
            done.wait()
        }
    }
]

/// A small catalogue with a model and an index, made anew for each run.
struct FuzzServed {
    static let itemCount = 60
    let dataset: String
    let model: String
    let index: String

    init(_ scratch: String, items count: Int = FuzzServed.itemCount) throws {
        dataset = scratch + "/served.dataset"
        model = scratch + "/served.model"
        index = scratch + "/served.index"
        var items = "item\ttitle\turl\ttext\ttopic\tstars\n"
        var edges = "item\tcollection\n"
        let words = ["database", "query", "storage", "font", "glyph", "serif"]
        for item in 0..<count {
            let text = (0..<3).map { words[(item + $0) % words.count] }.joined(separator: " ")
            items +=
                "it\(item)\tTitle \(item)\thttps://example.org/\(item)\t\(text)\t\(item % 2 == 0 ? "a" : "b")\t\(item % 3 == 0 ? "" : "\(item)")\n"
            for step in 0..<2 { edges += "it\(item)\tc\(item % 2)-\((item / 2 + step * 7) % 10)\n" }
        }
        FuzzFile(path: scratch + "/served.items.tsv").write(Array(items.utf8))
        FuzzFile(path: scratch + "/served.edges.tsv").write(Array(edges.utf8))
        _ = try DatasetImporter().run(
            edges: [scratch + "/served.edges.tsv"], items: scratch + "/served.items.tsv", output: self.dataset,
            catalog: { try SQLiteCatalogWriter(directory: $0) })
        let kernels = try Kernels(threads: 1)
        let dataset = try Dataset.open(self.dataset), catalog = try SQLiteCatalog(directory: self.dataset)
        var features = FeatureConfiguration()
        features.text = true
        features.textDimension = 8
        let (transform, _) = try FeatureTransform.fit(dataset: dataset, catalog: catalog, configuration: features, kernels: kernels, seed: 1)
        let configuration = PinSageConfiguration(inputWidth: transform.width, layers: 1, dimension: 8)
        let model = PinSageModel(
            configuration: configuration, parameters: .initial(configuration, seed: 3, noise: 0),
            walks: WalkConfiguration(walks: 20, walkLength: 2, neighbors: 4), neighborsPerLayer: [4], seed: 4, features: transform)
        try model.write(to: self.model)
        let embeddings = try model.embeddings(of: dataset, catalog: catalog, kernels: kernels)
        try HNSWIndex.build(embeddings, configuration: HNSWConfiguration(), kernels: kernels).write(to: index)
    }
}
