import Foundation
import PinSageKit
import PinSageTestSupport
import Testing

@Suite struct EvaluateTests {
    private let folder: TemporaryFolder

    /// 20 items in two themes with features that tell them apart; embeddings that are the features.
    init() throws {
        folder = try TemporaryFolder()
        let graph = TinyGraphs.graph(
            items: 20, collections: 4, edges: (0..<20).flatMap { item in [(item, item % 2), (item, 2 + item % 2)] }.filter { $0.0 < 16 })
        let names = Identifiers((0..<20).map { "i\($0)" })
        let features = Matrix(rows: 20, columns: 2, values: (0..<20).flatMap { item in item % 2 == 0 ? [Float(1), 0] : [0, 1] })
        try Dataset(
            graph: graph, items: names, collections: Identifiers(["c0", "c1", "c2", "c3"]), features: [FeatureTable(name: "f", matrix: features)]
        ).write(to: folder["train"])
        try Embeddings(identifiers: names, vectors: StoredArray(features.values), dimension: 2, isNormalized: true).write(to: folder["e"])
        try folder.write("p.tsv", "query\tpositive\tcollection\ni0\ti18\tc0\ni1\ti19\tc1\ni1\ti18\tc1\n")
        try folder.write("c.tsv", "collection\titem\nc0\ti16\nc0\ti18\nc0\ti0\nc1\ti19\n")
    }

    private func evaluate(_ arguments: String...) throws -> ProgramResult {
        return try pinsage(["evaluate"] + arguments)
    }

    @Test func jsonHasFlatNumbers() throws {
        let result = try evaluate(
            "--embeddings", folder["e"], "--pairs", folder["p.tsv"], "--dataset", folder["train"], "--k", "1,5",
            "--baseline", "popularity,content,pixie=1000,pooled,itemcf", "--html", folder["r.html"], "--json")
        #expect(result.status == 0, "\(result.errors)")
        let json = try JSONValue(parsing: result.output.utf8)
        // The two even candidates left (i16, i18) tie: rank 1.5. The third pair's positive is below i17, i19, and ties with every even one.
        #expect(json["hit_rate@5"]?.double == 2.0 / 3)
        #expect(json["hit_rate@1"]?.double == 0)
        for key in ["hit_rate@1", "recall@5", "ndcg@5", "mrr", "scaled_mrr"] {
            #expect(json[key]?.double != nil && json[key + "_low"]?.double != nil && json[key + "_high"]?.double != nil, "\(key)")
            for name in ["popularity", "content", "pixie=1000", "pooled", "itemcf"] {
                #expect(json["baselines"]?[name]?[key + "_low"]?.double != nil, "\(name) \(key)")
                #expect(json["differences"]?[name]?[key]?.double != nil, "\(name) \(key)")
            }
        }
        #expect(json["baselines"]?["content"]?["mrr"]?.double == json["mrr"]?.double)
        let html = String(decoding: try folder.read("r.html"), as: UTF8.self)
        #expect(html.contains("<svg") && html.contains("popularity") && html.contains("Nearest items"))
    }

    @Test func collectionsAndBaselinesAlone() throws {
        let result = try evaluate(
            "--collections", folder["c.tsv"], "--dataset", folder["train"], "--k", "20", "--baseline", "content,ease", "--json")
        #expect(result.status == 0, "\(result.errors)")
        let json = try JSONValue(parsing: result.output.utf8)
        #expect(json["mrr"] == nil && json["queries"]?.int == 2)
        #expect(json["dropped"]?["members"]?.int == 1)
        #expect(json["baselines"]?["content"]?["recall@20"]?.double == 1)
        #expect(result.errors.contains("1 are part of their question"))
        let text = try evaluate("--collections", folder["c.tsv"], "--dataset", folder["train"], "--baseline", "content")
        #expect(text.status == 0 && text.output.contains("recall@10") && text.output.contains("content"))
    }

    @Test func parametersAreChosenOnValidation() throws {
        let result = try evaluate(
            "--pairs", folder["p.tsv"], "--dataset", folder["train"], "--baseline", "pooled,rp3beta=0.5", "--validation-pairs", folder["p.tsv"],
            "--json")
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.errors.contains("pooled: ") && !result.errors.contains("rp3beta=0.5: "))
        #expect(try JSONValue(parsing: result.output.utf8)["baselines"]?["pooled"]?["parameter"]?.double != nil)
    }

    @Test func badUsageExits64() throws {
        let pairs = folder["p.tsv"]
        for arguments in [
            ["--pairs", pairs], ["--embeddings", "e", "--pairs", pairs, "--collections", pairs], ["--embeddings", "e"],
            ["--embeddings", "e", "--pairs", pairs, "--baseline", "content"], ["--embeddings", "e", "--pairs", pairs, "--k", "0"],
            ["--embeddings", "e", "--pairs", pairs, "--k", "5,x"], ["--embeddings", "e", "--pairs", pairs, "--query-pooling", "median"],
            ["--dataset", "d", "--pairs", pairs, "--baseline", "magic"], ["--embeddings", "e", "--collections", pairs],
        ] {
            let result = try pinsage(["evaluate"] + arguments)
            #expect(result.status == 64, "\(arguments): \(result.status) \(result.errors)")
            #expect(result.output == "")
        }
    }

    @Test func badDataExits65() throws {
        try folder.write("x.tsv", "query\tpositive\ni0\ti99\n")
        let unknown = try evaluate("--embeddings", folder["e"], "--pairs", folder["x.tsv"])
        #expect(unknown.status == 65 && unknown.errors.contains("x.tsv:2:") && unknown.errors.contains("closest"), "\(unknown.errors)")
        #expect(try evaluate("--embeddings", folder["train"], "--pairs", folder["p.tsv"]).status == 65)
        #expect(try evaluate("--embeddings", folder["e"], "--pairs", folder["none.tsv"]).status == 65)
        let last = try evaluate(
            "--embeddings", folder["e"], "--collections", folder["c.tsv"], "--dataset", folder["train"], "--query-pooling", "last")
        #expect(last.status == 65 && last.errors.contains("times"), "\(last.errors)")
    }

    @Test func helpStatesTheFormulas() throws {
        let help = try evaluate("--help")
        #expect(help.status == 0)
        for part in ["0.5 x", "ndcg@K", "1 / ceil(rank / 100)", "bootstrap", "pooled-query", "--among"] {
            #expect(help.output.contains(part), "\(part)")
        }
    }
}
