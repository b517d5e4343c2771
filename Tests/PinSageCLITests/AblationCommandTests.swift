import Foundation
import PinSageKit
import PinSageTestSupport
import Testing

@Suite struct AblationCommandTests {
    private let folder: TemporaryFolder

    /// 80 items in ten themes; 30 collections of six items of one theme; features that hint at the theme.
    init() throws {
        folder = try TemporaryFolder()
        var random = SplitMix(seed: 9)
        var edges: [(item: Int, collection: Int)] = []
        for collection in 0..<30 { for item in (0..<8).shuffled(using: &random).prefix(6) { edges.append((collection % 10 * 8 + item, collection)) } }
        let themes = TinyGraphs.matrix(rows: 10, columns: 6, seed: 3)
        let features = Matrix(
            rows: 80, columns: 6, values: (0..<80).flatMap { item in (0..<6).map { themes[item / 8, $0] + 0.5 * random.signedUnit() } })
        try Dataset(
            graph: TinyGraphs.graph(items: 80, collections: 30, edges: edges), items: Identifiers((0..<80).map { "i\($0)" }),
            collections: Identifiers((0..<30).map { "c\($0)" }), features: [FeatureTable(name: "f", matrix: features)]
        ).write(to: folder["d"])
        try folder.write(
            "c.json",
            #"{"training":{"batchSize":32,"negatives":20},"walks":20,"neighbors":[6],"hiddenWidth":16,"layerWidth":16,"dimension":8}"#)
    }

    @Test func writesItsTablesAndGoesOn() throws {
        let arguments = [
            "ablation", folder["d"], "--output", folder["a"], "--config", folder["c.json"], "--epochs", "2", "--rates", "0.001,0.01",
            "--rows", "features,mean-pooling,pinsage", "--neighbors", "3,6", "--batch-sizes", "none", "-k", "5", "--threads", "2",
        ]
        let result = try pinsage(arguments)
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.output.contains("| pinsage: ") && result.output.contains("T = 3") && !result.output.contains("Table 3:"))
        #expect(result.errors.contains("[5/5] pinsage-rate"))
        let first = try folder.read("a/ablation.json")
        let again = try pinsage(arguments + ["--json"])
        #expect(again.status == 0 && !again.errors.contains("parameters,"), "\(again.errors)")
        #expect(try folder.read("a/ablation.json") == first)
        let json = try JSONValue(parsing: again.output.utf8)
        #expect(json["rows"]?.array?.compactMap { $0["name"]?.string } == ["f", "mean-pooling", "pinsage"])
        #expect(String(decoding: try folder.read("a/ablation.html"), as: UTF8.self).contains("Table 1"))
    }

    @Test func ownQuestions() throws {
        try folder.write("p.tsv", "query\tpositive\tcollection\ni0\ti7\t\ni9\ti10\t\n")
        let result = try pinsage(
            "ablation", folder["d"], "--output", folder["a"], "--config", folder["c.json"], "--epochs", "1", "--rates", "0.001", "--rows",
            "features,dense", "--test-pairs", folder["p.tsv"], "--json")
        #expect(result.status == 0, "\(result.errors)")
        #expect(try JSONValue(parsing: result.output.utf8)["test_queries"]?.int == 2)
    }

    @Test func badUsageExits64() throws {
        for arguments in [
            ["--rows", "magic"], ["--rates", "0"], ["--rates", "x"], ["--seeds", "1,1"], ["--neighbors", "0"], ["-k", "none"], ["--among", "x"],
        ] {
            let result = try pinsage(["ablation", folder["d"], "--output", folder["a"]] + arguments)
            #expect(result.status == 64, "\(arguments): \(result.status) \(result.errors)")
        }
    }

    @Test func trainedBaselinesForCollectionsAndPairs() throws {
        #expect(try pinsage("split", folder["d"], "--leave-share", "0.2", "--output", folder["cut"]).status == 0)
        #expect(try pinsage("split", folder["d"], "--leave-share", "1", "--output", folder["cut"]).status == 64)
        let names = ["bpr=factors=8:epochs=400", "ials=factors=8", "lightgcn=factors=8:epochs=20:rate=0.02"]
        for (option, file) in [("--collections", "cut/test.collections.tsv"), ("--pairs", "cut/test.pairs.tsv")] {
            let result = try pinsage(
                "evaluate", "--dataset", folder["cut/train"], option, folder[file], "-k", "20", "--baseline", names.joined(separator: ","), "--json")
            #expect(result.status == 0, "\(result.errors)")
            let json = try JSONValue(parsing: result.output.utf8)
            for name in names {
                // Themes are plain: chance is 20 of 80.
                let recall = json["baselines"]?[name]?["recall@20"]?.double ?? 0
                #expect(recall > 0.6, "\(option) \(name): \(recall)")
                #expect(json["baselines"]?[name]?["ndcg@20"]?.double != nil)
            }
        }
    }

    @Test func tensorBoardFilesAreWritten() throws {
        let result = try pinsage(
            "train", folder["d"], "--output", folder["m"], "--config", folder["c.json"], "--epochs", "2", "--tensorboard", folder["logs"],
            "--patience",
            "1", "--weight-decay", "0.01", "--clip-norm", "1", "--collection-share", "0.9")
        #expect(result.status == 0, "\(result.errors)")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder["logs"])
        #expect(names.count == 1 && names.allSatisfy { $0.hasPrefix("events.out.tfevents.") })
        let bytes = try folder.read("logs/" + (names.first ?? ""))
        #expect(String(decoding: bytes, as: UTF8.self).contains("validation/hit_rate@10"))
        #expect(try pinsage("train", folder["d"], "--output", folder["m"], "--patience", "-1").status == 64)
    }
}
