import Foundation
import Logging
import PinSageCatalog
import PinSageTestSupport
import Testing

@testable import PinSageKit
@testable import PinSageServer

/// A small catalogue of two topics, embedded and indexed, in a folder of its own.
final class ServedFixture: Sendable {
    /// One for all suites: they change nothing in it.
    static let shared = Result { try ServedFixture() }
    static let itemCount = 120

    private let folderPath: String
    let paths: ServedPaths

    static let databaseWords = ["database", "query", "storage", "engine", "index", "transaction"]
    static let fontWords = ["font", "typeface", "glyph", "serif", "letter", "kerning"]

    static func words(_ item: Int) -> String {
        let words = item % 2 == 0 ? databaseWords : fontWords
        return (0..<4).map { words[(item / 2 * 5 + $0 * (item / 12 + 1)) % words.count] }.joined(separator: " ")
    }

    static func isDatabase(_ name: String) -> Bool { Int(name.dropFirst(2)).map { $0 % 2 == 0 } ?? false }

    init(kind: String = "hnsw") throws {
        let folder = NSTemporaryDirectory() + "pinsage-serve-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        folderPath = folder
        var items = "item\ttitle\turl\ttext\ttopic\tstars\n"
        var edges = "item\tcollection\n"
        for item in 0..<Self.itemCount {
            items += "it\(item)\tTitle \(item) \(Self.words(item).prefix(8))\thttps://example.org/\(item)\t\(Self.words(item))\t"
            items += "\(item % 2 == 0 ? "databases" : "fonts")\t\(item % 3 == 0 ? "" : "\(item)")\n"
            // Topics never share a collection; an item is in two or three.
            for step in 0..<(2 + item % 2) { edges += "it\(item)\tc\(item % 2)-\((item / 2 + step * 7) % 10)\n" }
        }
        try Data(items.utf8).write(to: URL(fileURLWithPath: folder + "/items.tsv"))
        try Data(edges.utf8).write(to: URL(fileURLWithPath: folder + "/edges.tsv"))
        let dataset = folder + "/dataset"
        _ = try DatasetImporter().run(
            edges: [folder + "/edges.tsv"], items: folder + "/items.tsv", output: dataset, catalog: { try SQLiteCatalogWriter(directory: $0) })
        paths = ServedPaths(index: folder + "/index", dataset: dataset, model: folder + "/model")
        try Self.build(paths, kind: kind, seed: 3)
    }

    /// Makes model and index of a dataset, untrained: vectors are an item's own text plus that of its neighbors.
    static func build(_ paths: ServedPaths, kind: String, seed: UInt64) throws {
        let kernels = try Kernels(threads: 2)
        let dataset = try Dataset.open(paths.dataset), catalog = try SQLiteCatalog(directory: paths.dataset)
        var features = FeatureConfiguration()
        features.text = true
        features.textDimension = 16
        let (transform, _) = try FeatureTransform.fit(dataset: dataset, catalog: catalog, configuration: features, kernels: kernels, seed: 1)
        let configuration = PinSageConfiguration(inputWidth: transform.width, layers: 1, dimension: 16)
        let model = PinSageModel(
            configuration: configuration, parameters: .initial(configuration, seed: seed, noise: 0),
            walks: WalkConfiguration(walks: 40, walkLength: 2, neighbors: 8), neighborsPerLayer: [8], seed: 4, features: transform)
        try model.write(to: try #require(paths.model))
        let embeddings = try model.embeddings(of: dataset, catalog: catalog, kernels: kernels)
        let index: any NearestNeighborIndex =
            kind == "exact"
            ? ExactIndex(embeddings: embeddings, kernels: kernels)
            : try HNSWIndex.build(embeddings, configuration: HNSWConfiguration(), kernels: kernels)
        try index.write(to: paths.index)
    }

    deinit { try? FileManager.default.removeItem(atPath: folderPath) }

    func service(_ options: ServerOptions = ServerOptions(), paths: ServedPaths? = nil) throws -> RecommendationService {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return try RecommendationService(paths: paths ?? self.paths, options: options, logger: logger)
    }
}

/// An answer as tests look at it.
struct Answer {
    var status: Int
    var type: String
    var headers: [String: String]
    var body: String

    /// - Throws: where the body is no JSON.
    var json: JSONValue { get throws { try JSONValue(parsing: Array(body.utf8)) } }
    /// The ids of `results`, best first.
    var items: [String] { get throws { try json["results"]?.array?.compactMap { $0["item"]?.string } ?? [] } }
    var detail: String { (try? json["detail"]?.string) ?? "" }
}

extension RecommendationService {
    /// Asks without a socket.
    func ask(
        _ method: String = "GET", _ target: String, body: String? = nil, key: String? = nil, host: String = "localhost:8080",
        contentType: String = "application/json", origin: String? = nil
    ) async -> Answer {
        let reply: HTTPReply
        do {
            var call = try HTTPCall(method: method, target: target)
            call.host = host
            call.authorization = key.map { "Bearer " + $0 }
            call.origin = origin
            if let body {
                call.body = Array(body.utf8)
                call.contentType = contentType
            }
            reply = await self.reply(to: call).reply
        } catch {
            reply = Problem(error).response
        }
        return Answer(
            status: reply.status, type: reply.contentType, headers: Dictionary(reply.headers.map { ($0.name, $0.value) }) { $1 },
            body: String(decoding: reply.body, as: UTF8.self))
    }
}
