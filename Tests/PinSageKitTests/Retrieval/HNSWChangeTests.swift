import PinSageTestSupport
import Testing

@testable import PinSageKit

/// Insertions, removals and updates of graphs.
@Suite struct HNSWChangeTests {
    private static let width = 24
    private let kernels: Kernels

    init() throws { kernels = try Kernels(threads: 2) }

    private func configuration(_ storage: IndexStorage = .int8) -> HNSWConfiguration {
        HNSWConfiguration(links: 8, efConstruction: 80, ef: 40, storage: storage, batch: 100)
    }

    /// Items named after `numbers`, with vectors that a seed and the number decide.
    private func embeddings(_ numbers: [Int], version: UInt64 = 0) throws -> Embeddings {
        let all = IndexVectors.clustered(8000, width: Self.width, seed: 21 + version)
        return try Embeddings(
            identifiers: Identifiers(numbers.map { "i\($0)" }),
            vectors: StoredArray(numbers.flatMap { all[$0 * Self.width..<($0 + 1) * Self.width] }), dimension: Self.width, isNormalized: true)
    }

    private func names(_ answers: [[Neighbor]], _ index: any NearestNeighborIndex) -> [Set<String>] {
        answers.map { Set($0.map { index.embeddings.identifiers[Int($0.item.row)] }) }
    }

    private func recall(_ index: HNSWIndex, _ queries: Matrix, ef: Int, truth: [Set<String>]) throws -> Double {
        let found = names(try index.neighbors(of: queries, k: 10, ef: ef), index)
        return Double(zip(found, truth).reduce(0) { $0 + $1.0.intersection($1.1).count }) / Double(10 * queries.rows)
    }

    /// A tenth of the items goes, a tenth comes: as good as a fresh build of the same items at every ef, and as small.
    @Test(arguments: IndexStorage.allCases) func keepsTheRecallOfAFreshBuild(_ storage: IndexStorage) throws {
        let queries = Matrix(rows: 300, columns: Self.width, values: IndexVectors.clustered(300, width: Self.width, seed: 22))
        let index = try HNSWIndex.build(embeddings(Array(0..<6000)), configuration: configuration(storage), kernels: kernels)
        let gone = (0..<6000).filter { $0 % 10 == 3 }
        let changed = try index.removing(gone.map { ItemID($0) }).inserting(embeddings(Array(6000..<6600)))
        let compact = try changed.compacted()
        let left = (0..<6600).filter { $0 % 10 != 3 || $0 >= 6000 }
        let all = try embeddings(left)
        let exact = ExactIndex(embeddings: all, kernels: kernels)
        let truth = names(try exact.neighbors(of: queries, k: 10, excluding: []), exact)
        let fresh = try HNSWIndex.build(all, configuration: configuration(storage), kernels: kernels)
        for ef in [10, 20, 40, 80] {
            let expected = try recall(fresh, queries, ef: ef, truth: truth)
            for (what, index) in [("changed", changed), ("compacted", compact.index)] {
                let found = try recall(index, queries, ef: ef, truth: truth)
                #expect(found >= expected - 0.005, "\(what), ef \(ef): \(found), fresh \(expected)")
            }
        }
        #expect(changed.count == 6600 && changed.presentCount == 6000)
        #expect(compact.index.count == 6000 && compact.index.present == nil)
        #expect((0..<6000).map { compact.index.embeddings.identifiers[$0] } == left.map { "i\($0)" })
        #expect(compact.rows == (0..<6600).map { row in left.firstIndex(of: row).map { ItemID($0) } })
        // The space of what was removed is free: the files are those of a fresh build.
        let folder = try TemporaryFolder()
        try compact.index.write(to: folder["compact"])
        try fresh.write(to: folder["fresh"])
        func bytes(_ name: String) throws -> [String: Int] { try Artifact.open(folder[name]).manifest.files.mapValues(\.bytes) }
        let (small, new) = (try bytes("compact"), try bytes("fresh"))
        for name in ["links.npy", "vectors.npy", "upper_first.npy"] { #expect(small[name] == new[name], "\(name)") }
    }

    @Test func removedItemsAreNeverAnswers() throws {
        let all = try embeddings(Array(0..<2000))
        let index = try HNSWIndex.build(all, configuration: configuration(), kernels: kernels)
        let queries = Matrix(rows: 40, columns: Self.width, values: IndexVectors.clustered(40, width: Self.width, seed: 23))
        let exact = ExactIndex(embeddings: all, kernels: kernels)
        var random = SplitMix(seed: 3)
        for share in [0.1, 0.5, 0.9, 1] {
            let gone = (0..<2000).filter { _ in Double(random.next() >> 11) * 0x1p-53 < share }
            let marked = index.removing(gone.map { ItemID($0) } + [ItemID(5000)])
            let left = ItemFilter(all: 2000).intersection(ItemFilter(items: 2000, allowed: gone.map { ItemID($0) }).complement)
            for (what, changed) in [("marked", marked), ("repaired", try marked.inserting(embeddings([])))] {
                #expect(changed.presentCount == 2000 - gone.count && changed.count == 2000)
                for k in [1, 10, 300, 2000] {
                    let found = try changed.neighbors(of: queries, k: k, excluding: [ItemID(7)])
                    let truth = try exact.neighbors(of: queries, k: k, among: left, excluding: [ItemID(7)])
                    #expect(found.map(\.count) == truth.map(\.count), "\(what), share \(share), k \(k)")
                    #expect(found.joined().allSatisfy { left.contains($0.item) })
                    let hits = zip(found, truth).reduce(0) { $0 + Set($1.0).intersection($1.1).count }
                    let all = truth.reduce(0) { $0 + $1.count }
                    #expect(Double(hits) >= 0.97 * Double(all), "\(what), share \(share), k \(k): \(hits) of \(all)")
                }
                // A filter of its own on top.
                let even = ItemFilter(items: 2000, allowed: (0..<1000).map { ItemID(2 * $0) })
                let found = try changed.neighbors(of: queries, k: 5, among: even, excluding: [])
                #expect(found.joined().allSatisfy { left.contains($0.item) && even.contains($0.item) })
                #expect(found.allSatisfy { $0.count == min(5, left.intersection(even).count) })
            }
        }
        #expect(index.presentCount == 2000, "the index itself is as it was")
    }

    /// Whole clusters, the entry and nearly everything may go: what is left is found.
    @Test func repairsLargeHoles() throws {
        let index = try HNSWIndex.build(embeddings(Array(0..<3000)), configuration: configuration(), kernels: kernels)
        let center = try index.neighbors(of: Matrix(rows: 1, columns: Self.width, values: index.embeddings[ItemID(1)]), k: 2000, excluding: [])
        var gone = Set(center[0].map(\.item))
        gone.insert(ItemID(index.graph.entry))
        let repaired = try index.removing(gone).inserting(embeddings([]))
        let left = (0..<3000).map { ItemID($0) }.filter { !gone.contains($0) }
        var found = 0
        for item in left {
            let answers = try repaired.neighbors(of: Matrix(rows: 1, columns: Self.width, values: index.embeddings[item]), k: 1, ef: 40)
            found += answers[0].first?.item == item ? 1 : 0
        }
        #expect(Double(found) >= 0.995 * Double(left.count), "\(found) of \(left.count) items find themselves")
        #expect(try index.removing((0..<3000).map { ItemID($0) }).inserting(embeddings([1, 2])).presentCount == 2)
        #expect(try index.removing((0..<3000).map { ItemID($0) }).compacted().index.count == 0)
    }

    @Test func updatesKeepTheirRows() throws {
        let index = try HNSWIndex.build(embeddings(Array(0..<1000)), configuration: configuration(), kernels: kernels).removing([ItemID(12)])
        let changed = try index.inserting(embeddings([1000, 5, 12, 1001], version: 1))
        #expect(changed.count == 1002 && changed.presentCount == 1002 && changed.present == nil)
        let others = try embeddings([1000, 5, 12, 1001], version: 1)
        for (number, row) in [1000, 5, 12, 1001].enumerated() {
            #expect(changed.embeddings.identifiers[row] == "i\(row)" && changed.embeddings[ItemID(row)] == others[ItemID(number)])
            let query = Matrix(rows: 1, columns: Self.width, values: others[ItemID(number)])
            #expect(try changed.neighbors(of: query, k: 1, ef: 40)[0].first?.item == ItemID(row))
        }
        #expect(changed.embeddings[ItemID(6)] == index.embeddings[ItemID(6)])
        let wide = try IndexVectors.embeddings([1, 2, 3], width: 3), bad = try IndexVectors.embeddings([Float](repeating: .nan, count: 24), width: 24)
        #expect(throws: DataError.self) { try index.inserting(wide) }
        #expect(throws: DataError.self) { try index.inserting(bad) }
    }

    /// The same changes give the same files on any number of threads, and files keep what was removed.
    @Test func changesAreEqualBitForBit() throws {
        let folder = try TemporaryFolder()
        let queries = Matrix(rows: 20, columns: Self.width, values: IndexVectors.clustered(20, width: Self.width, seed: 24))
        var first: [[UInt8]] = []
        for (run, threads) in [1, 2, 7].enumerated() {
            let kernels = try Kernels(threads: threads)
            let index = try HNSWIndex.build(embeddings(Array(0..<1500)), configuration: configuration(), kernels: kernels)
            let changed = try index.removing((0..<100).map { ItemID(7 * $0) }).inserting(embeddings(Array(1490..<1700), version: 2))
            let marked = changed.removing((0..<50).map { ItemID(3 + 11 * $0) })
            var manifests: [[UInt8]] = []
            for (name, index) in [("changed", changed), ("marked", marked), ("compact", try marked.compacted().index)] {
                try index.write(to: folder["\(run).\(name)"])
                manifests.append(try folder.read("\(run).\(name)/manifest.json"))
                let opened = try StoredIndex.open(folder["\(run).\(name)"], kernels: kernels)
                #expect(opened.present?.rows == index.present?.rows)
                #expect(try opened.neighbors(of: queries, k: 10, excluding: []) == index.neighbors(of: queries, k: 10, excluding: []))
                #expect((opened as? HNSWIndex)?.linkedRemovals == index.linkedRemovals)
            }
            if first.isEmpty { first = manifests } else { #expect(manifests == first, "\(threads) threads") }
        }
    }

    /// From one table of embeddings to another: rows are the new one's, and what did not change is not inserted again.
    @Test func updatesToOtherEmbeddings() throws {
        let index = try HNSWIndex.build(embeddings(Array(0..<1200)), configuration: configuration(), kernels: kernels)
        let queries = Matrix(rows: 100, columns: Self.width, values: IndexVectors.clustered(100, width: Self.width, seed: 25))
        for numbers in [Array(0..<1300), Array(100..<1200), Array((50..<1250).reversed())] {
            let target = try embeddings(numbers)
            let (updated, inserted) = try index.updated(to: target)
            #expect(inserted == numbers.count { $0 >= 1200 })
            #expect((0..<target.count).allSatisfy { updated.embeddings.identifiers[$0] == target.identifiers[$0] })
            #expect(Array(updated.embeddings.vectors) == Array(target.vectors))
            let exact = ExactIndex(embeddings: target, kernels: kernels)
            let truth = names(try exact.neighbors(of: queries, k: 10, excluding: []), exact)
            #expect(try recall(updated, queries, ef: 80, truth: truth) > 0.97)
        }
        let other = try embeddings(Array(0..<1200), version: 3)
        #expect(try index.updated(to: other).inserted == 1200)
    }

    /// Damage of the lists that a change reads gives an error or an index, never a crash.
    @Test func damagedFilesCanBeChanged() throws {
        let folder = try TemporaryFolder()
        let index = try HNSWIndex.build(embeddings(Array(0..<300)), configuration: configuration(), kernels: kernels).removing([ItemID(3)])
        try index.write(to: folder["i"])
        let queries = Matrix(rows: 2, columns: Self.width, values: IndexVectors.clustered(2, width: Self.width, seed: 26))
        var random = SplitMix(seed: 5), changed = 0
        for name in ["links.npy", "upper_links.npy", "upper_first.npy", "removed.npy", "codes.npy", "scales.npy"] {
            let bytes = try folder.read("i/" + name)
            for _ in 0..<20 {
                var altered = bytes
                for _ in 0..<30 { altered[128 + Int(random.next() % UInt64(bytes.count - 128))] = UInt8(truncatingIfNeeded: random.next()) }
                try folder.write("i/" + name, altered)
                do {
                    guard let opened = try StoredIndex.open(folder["i"], kernels: kernels) as? HNSWIndex else { continue }
                    let next = try opened.removing([ItemID(9), ItemID(10)]).inserting(embeddings([5, 400])).compacted().index
                    #expect(try next.neighbors(of: queries, k: 5, excluding: []).allSatisfy { $0.count == 5 })
                    changed += 1
                } catch is DataError {}
            }
            try folder.write("i/" + name, bytes)
        }
        #expect(changed > 40)
    }

    /// A manifest that names another entry or top than the graph's: items that are inserted must not link to lists that are not there.
    @Test func damagedEntriesCanBeChanged() throws {
        let folder = try TemporaryFolder()
        let index = try HNSWIndex.build(embeddings(Array(0..<300)), configuration: configuration(), kernels: kernels)
        try index.write(to: folder["i"])
        let queries = Matrix(rows: 2, columns: Self.width, values: IndexVectors.clustered(2, width: Self.width, seed: 26))
        let lowest = try #require(
            (0..<300).last { row in
                index.graph.upperFirst[row]
                    == (row + 1 < 300 ? index.graph.upperFirst[row + 1] : UInt32(index.graph.upperLinks.count / index.graph.upperWidth))
            })
        for (entry, top) in [(lowest, index.graph.top), (299, index.graph.top), (index.graph.entry, LayeredGraph.mostLevels), (lowest, 3)] {
            let graph = LayeredGraph(
                rows: index.graph.rows, count: 300, width: Self.width, links: index.graph.links, upperLinks: index.graph.upperLinks,
                upperFirst: index.graph.upperFirst, linksWidth: index.graph.linksWidth, upperWidth: index.graph.upperWidth, entry: entry, top: top)
            let damaged = HNSWIndex(embeddings: index.embeddings, graph: graph, configuration: index.configuration, kernels: kernels)
            // Some of the first items again with other vectors, so that all levels are inserted into.
            let next = try damaged.inserting(embeddings(Array(0..<200), version: 3)).compacted().index
            #expect(try next.neighbors(of: queries, k: 5, excluding: []).allSatisfy { $0.count == 5 })
        }
    }

    @Test func itemsThatComeTwiceAreRefused() throws {
        let index = try HNSWIndex.build(embeddings(Array(0..<50)), configuration: configuration(), kernels: kernels)
        #expect(throws: DataError.self) { try index.inserting(embeddings([60, 61, 60])) }
        #expect(throws: DataError.self) { try index.inserting(embeddings([7, 7])) }
    }
}
