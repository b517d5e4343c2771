import Foundation
import PinSageTestSupport
import Testing

@Suite struct GraphCommandTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func json(_ result: ProgramResult) throws -> [String: Any] {
        #expect(result.status == 0, "\(result.errors)")
        return try #require(try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
    }

    @Test func appendCompactNeighbors() throws {
        try folder.write("i.tsv", "item\ttitle\na\tThe first\nb\tThe second\n")
        try folder.write("e.tsv", "item\tcollection\na\tx\nb\tx\n")
        _ = try json(pinsage("import", "--edges", folder["e.tsv"], "--items", folder["i.tsv"], "--output", folder["d"], "--json"))
        try folder.write("n.tsv", "item\ttitle\nc\tThe third\n")
        let report = try json(pinsage("append", folder["d"], "--edges", "-", "--items", folder["n.tsv"], "--json", input: "item\tcollection\nc\tx\n"))
        #expect(report["items"] as? Int == 3 && report["new_edges"] as? Int == 1 && report["overlay_edges"] as? Int == 1)
        #expect(try pinsage("neighbors", folder["d"], "--item", "a").output.split(separator: "\n").count == 2)
        #expect(try pinsage("info", folder["d"], "--verify").status == 0)
        #expect(try json(pinsage("compact", folder["d"], "--json"))["folded"] as? Int == 1)
        #expect(try json(pinsage("compact", folder["d"], "--json"))["folded"] as? Int == 0)
        #expect(try pinsage("neighbors", folder["d"], "--item", "c").output.split(separator: "\n").count == 2)
        let unknown = try pinsage("append", folder["d"], "--edges", "-", "--items", folder["n.tsv"], input: "item\tcollection\nq\tx\n")
        #expect(unknown.status == 65 && unknown.errors.contains("\"q\""))
        #expect(try pinsage("append", folder["d"]).status == 64)
    }

    @Test func typesOfCollections() throws {
        try folder.write("e.tsv", "item\tcollection\na\tx\nb\tx\na\ty\nc\ty\n")
        try folder.write("c.tsv", "collection\ttype\nx\tboard\ny\tlist\n")
        let report = try pinsage("import", "--edges", folder["e.tsv"], "--collections", folder["c.tsv"], "--output", folder["d"], "--json")
        #expect(try json(report)["edges"] as? Int == 4)
        func neighbors(_ types: String) throws -> ProgramResult {
            try pinsage("neighbors", folder["d"], "--item", "a", "--walk-length", "1", "--collection-types", types)
        }
        #expect(try neighbors("list=2").output == "c\t1.0\n")
        #expect(try neighbors("board=1,list=0").output == "b\t1.0\n")
        #expect(try neighbors("board=0.5,list=0.5").output.split(separator: "\n").count == 2)
        let unknown = try neighbors("pile=1")
        #expect(unknown.status != 0 && unknown.errors.contains("the collections are of board, list"))
        for wrong in ["board", "board=x", "board=-1", "board=1,board=2", "board=0"] { #expect(try neighbors(wrong).status == 64) }
        #expect(try pinsage("info", folder["d"], "--verify").status == 0)
    }

    @Test func synthPruneDamage() throws {
        let made = try json(
            pinsage(
                "synth", "--items", "2000", "--collections", "300", "--edges", "20000", "--communities", "8", "--dimension", "16", "--output",
                folder["d"], "--json"))
        let pruned = try json(pinsage("prune", folder["d"], "--topics", "8", "--output", folder["p"], "--json"))
        let edges = try #require(made["edges"] as? Int), kept = try #require(pruned["edges"] as? Int)
        #expect(pruned["edges_before"] as? Int == edges && kept < edges && kept > edges / 2)
        #expect(try #require(pruned["collections_dropped"] as? Int) > 0)
        #expect(try pinsage("info", folder["p"], "--verify").status == 0)
        #expect(try pinsage("prune", folder["d"], "--features", "none", "--output", folder["q"]).status == 65)
        #expect(try pinsage("prune", folder["d"], "--drop", "1", "--output", folder["q"]).status == 64)
        // Both kinds of damage, by the name of the file.
        let targets = "d/graph/items.targets.npy", original = try folder.read(targets)
        var flipped = original
        flipped[original.count / 2] ^= 4
        try folder.write(targets, flipped)
        let verified = try pinsage("info", folder["d"], "--verify")
        #expect(verified.status == 65 && verified.errors.contains("items.targets.npy"))
        #expect(try pinsage("neighbors", folder["d"], "--item", "item-000001").status == 0)
        try folder.write(targets, Array(original.dropLast()))
        let cut = try pinsage("neighbors", folder["d"], "--item", "item-000001")
        #expect(cut.status == 65 && cut.errors.contains("items.targets.npy"))
    }

    @Test func pixieOptions() throws {
        _ = try json(pinsage("synth", "--items", "500", "--collections", "60", "--edges", "4000", "--output", folder["d"], "--json"))
        let items = ["--item", "item-000001", "--item", "item-000002"]
        func list(_ arguments: String...) throws -> [String] {
            let result = try pinsage(["neighbors", folder["d"], "--together", "--neighbors", "20"] + items + arguments)
            #expect(result.status == 0, "\(result.errors)")
            return result.output.split(separator: "\n").map(String.init)
        }
        let plain = try list()
        #expect(plain.count == 20)
        #expect(try list() == plain)
        #expect(try list("--plain-sum") != plain)
        #expect(try list("--item-weights", "1", "20") != plain)
        #expect(try list("--stop-items", "3", "--stop-visits", "2") != plain)
        let preferred = (0..<500).filter { $0 % 4 == 0 }.map { "item-" + String(repeating: "0", count: 6 - String($0).count) + String($0) }
        try folder.write("ids.txt", preferred.joined(separator: "\n"))
        let count = { (lines: [String]) in lines.count { line in preferred.contains { line.hasPrefix($0) } } }
        #expect(try count(list("--prefer", folder["ids.txt"])) > count(plain))
        for bad in [["--plain-sum"], ["--together", "--item-weights", "1"], ["--together", "--item-weights", "1", "0"]] {
            #expect(try pinsage(["neighbors", folder["d"]] + items + bad).status == 64)
        }
    }
}
