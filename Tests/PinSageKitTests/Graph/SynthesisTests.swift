import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite struct SynthesisTests {
    private func configuration(_ change: (inout DatasetSynthesizer.Configuration) -> Void = { _ in }) -> DatasetSynthesizer.Configuration {
        var configuration = DatasetSynthesizer.Configuration()
        configuration.items = 3001
        configuration.collections = 1000
        configuration.edges = 40_000
        configuration.communities = 10
        configuration.dimension = 8
        change(&configuration)
        return configuration
    }

    @Test func theSameOnAnyNumberOfThreads() throws {
        let folder = try TemporaryFolder()
        for threads in [1, 2, 7] {
            let synthesizer = try DatasetSynthesizer(
                configuration: configuration {
                    $0.threads = threads; $0.hasTimes = true
                })
            _ = try synthesizer.write(to: folder["d\(threads)"])
            try synthesizer.writeEdges(to: folder["e\(threads)"])
        }
        let manifest = try folder.read("d1/manifest.json"), text = try folder.read("e1")
        #expect(try folder.read("d2/manifest.json") == manifest && folder.read("d7/manifest.json") == manifest)
        #expect(try folder.read("e2") == text && folder.read("e7") == text)
        #expect(text.count { $0 == 0x0a } == 40_001)
    }

    @Test func structureIsAsPromised() throws {
        let folder = try TemporaryFolder()
        let report = try DatasetSynthesizer(configuration: configuration()).write(to: folder["d"])
        let dataset = try Dataset.open(folder["d"])
        checkValid(dataset.graph)
        try Artifact.open(folder["d"]).verify()
        #expect(dataset.items[2999] == "item-002999" && dataset.items.row(of: "item-002999") == 2999)
        #expect(dataset.collections.row(of: "collection-000007") == 7)
        #expect(report.edges == dataset.graph.edgeCount && report.edgesRead == 40_000)
        // Within the community: by affinity, and by chance one time in ten otherwise. 40,000 draws: four standard errors are 0.008.
        var inside = 0.0, all = 0.0
        for collection in 0..<1000 {
            let range = dataset.graph.collections.range(of: collection)
            for position in range {
                let weight = Double(dataset.graph.collections.weights?[position] ?? 1)
                all += weight
                if Int(dataset.graph.collections.targets[position]) % 10 == collection % 10 { inside += weight }
            }
        }
        #expect(all == 40_000)
        #expect(abs(inside / all - (0.8 + 0.2 / 10)) < 0.008)
        // Degrees fall slowly: the top hundredth of the items has a tenth of the edges, since sqrt(0.01) = 0.1.
        let degrees = (0..<3001).map { row in
            dataset.graph.items.range(of: row).reduce(0.0) { $0 + Double(dataset.graph.items.weights?[$1] ?? 1) }
        }.sorted(by: >)
        let top = degrees.prefix(30).reduce(0, +) / all
        #expect(0.08..<0.14 ~= top, "\(top)")
        // Features of one community are closer to each other than to others'.
        let table = try #require(dataset.features(named: "synthetic"))
        func product(_ a: Int, _ b: Int) -> Float {
            zip(table.rows(a..<a + 1).values, table.rows(b..<b + 1).values).reduce(0) { $0 + $1.0 * $1.1 }
        }
        let same = (0..<300).reduce(Float(0)) { $0 + product($1 * 10, ($1 * 10 + 1500) % 3000) } / 300
        let other = (0..<300).reduce(Float(0)) { $0 + product($1 * 10, ($1 * 10 + 1501 + $1 % 8) % 3000) } / 300
        #expect(same > 0.4 && same > other + 0.4, "\(same) \(other)")
    }

    @Test func refusals() {
        for change in [
            { $0.items = 0 }, { $0.edges = 0 }, { $0.communities = 0 }, { $0.communities = 1001 }, { $0.affinity = 2 }, { $0.noise = -1 },
            { $0.memory = 1 },
        ] as [(inout DatasetSynthesizer.Configuration) -> Void] {
            #expect(throws: DataError.self) { try DatasetSynthesizer(configuration: configuration(change)) }
        }
    }
}
