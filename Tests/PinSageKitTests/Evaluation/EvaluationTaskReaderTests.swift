import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite struct EvaluationTaskReaderTests {
    private let folder: TemporaryFolder
    private let dataset: Dataset

    /// Items a ... f; x = {a, b, c} saved in the order c, a, b; y = {d}; e and f are in no collection.
    init() throws {
        folder = try TemporaryFolder()
        let items = Graph.Adjacency(
            offsets: StoredArray([0, 1, 2, 3, 4, 4, 4] as [Int64]), targets: StoredArray([0, 0, 0, 1] as [UInt32]),
            times: StoredArray([20, 30, 10, 5] as [Int64]))
        let collections = Graph.Adjacency(
            offsets: StoredArray([0, 3, 4] as [Int64]), targets: StoredArray([0, 1, 2, 3] as [UInt32]),
            times: StoredArray([20, 30, 10, 5] as [Int64]))
        dataset = Dataset(
            graph: Graph(items: items, collections: collections), items: Identifiers(["a", "b", "c", "d", "e", "f"]),
            collections: Identifiers(["x", "y"]))
    }

    private func reader(_ items: [String]? = nil, among: String? = nil, withDataset: Bool = true) throws -> EvaluationTaskReader {
        try EvaluationTaskReader(
            items: items.map { Identifiers($0) } ?? dataset.items, dataset: withDataset ? dataset : nil,
            among: among.map { try folder.write("among.txt", $0) })
    }

    private func ids(_ rows: Int...) -> [ItemID] { rows.map { ItemID($0) } }

    @Test func pairsExcludeQueryAndMembers() throws {
        let path = try folder.write("p.tsv", "query\tpositive\tcollection\na\te\tx\na\tf\t\nd\ta\tgone\n")
        let task = try reader().pairs(path)
        #expect(task.queries.map(\.excluded) == [ids(0, 1, 2), ids(0), ids(3)])
        #expect(task.queries.map(\.positives) == [ids(4), ids(5), ids(0)])
        #expect(task.queries.allSatisfy { $0.collection == nil })
        #expect(task.meanCandidateCount == (3 + 5 + 5) / 3.0)
        // Without the dataset only the query is excluded.
        #expect(try reader(withDataset: false).pairs(path).queries.map(\.excluded) == [ids(0), ids(0), ids(3)])
    }

    @Test func pairsDropWhatCannotBeRanked() throws {
        let path = try folder.write("p.tsv", "query\tpositive\tcollection\na\ta\t\na\tb\tx\na\tf\tx\na\te\tx\n")
        let task = try reader(among: "e\nd\n").pairs(path)
        #expect(task.queries.map(\.positives) == [ids(4)])
        #expect(task.dropped.members == 2 && task.dropped.outside == 1 && task.dropped.queries == 3)
        #expect(task.among == ids(3, 4))
        #expect(task.meanCandidateCount == 2)
    }

    @Test func collectionsAskWithTheirMembersInOrder() throws {
        let path = try folder.write("c.tsv", "collection\titem\nx\te\ny\tf\nx\te\nx\tb\nx\tf\n")
        let task = try reader().collections(path)
        #expect(task.queries.map(\.items) == [ids(2, 0, 1), ids(3)])
        #expect(task.queries.map(\.positives) == [ids(4, 5), ids(5)])
        #expect(task.queries.map(\.excluded) == [ids(0, 1, 2), ids(3)])
        #expect(task.queries.map(\.collection) == [CollectionID(0), CollectionID(1)])
        #expect(task.dropped.duplicates == 1 && task.dropped.members == 1)
        #expect(task.queriesAreOrdered)
    }

    @Test func collectionsCountWhatTheDatasetLacks() throws {
        let task = try reader().collections(folder.write("c.tsv", "collection\titem\nx\te\nx\tnew\nx\tf\nz\te\nz\tf\n"))
        #expect(task.queries.map(\.unknownPositives) == [1, 0])
        #expect(task.queries.map(\.items) == [ids(2, 0, 1), []])
        #expect(task.dropped.unknownAnswers == 1 && task.dropped.unknownCollections == 1)
        let wrong = try folder.write("w.tsv", "collection\titem\nx\tqq\nx\trr\ny\te\n")
        let error = #expect(throws: DataError.self) { try reader().collections(wrong) }
        #expect(error?.line == 2 && error?.message.contains("2 of 3") == true)
    }

    @Test func candidatesAreTheLinesOwn() throws {
        let task = try reader().candidates(folder.write("k.tsv", "query\tpositive\tnegatives\na\te\tf b,c a\nd\tf\te\n"))
        #expect(task.queries.map(\.candidates) == [ids(1, 2, 4, 5), ids(4, 5)])
        #expect(task.queries.map(\.positives) == [ids(4), ids(5)])
        let byCollection = try reader().candidates(folder.write("l.tsv", "collection\tpositive\tnegatives\nx\te\tf a d\n"))
        #expect(byCollection.queries[0].items == ids(2, 0, 1))
        #expect(byCollection.queries[0].candidates == ids(3, 4, 5))
    }

    @Test func commasMayBePartOfIdentifiers() throws {
        let path = try folder.write("k.tsv", "query\tpositive\tnegatives\na\tb\t1,2 c\n")
        let task = try reader(["a", "b", "c", "1,2", "1"], withDataset: false).candidates(path)
        #expect(task.queries[0].candidates == ids(1, 2, 3))
    }

    /// The embeddings' numbering counts; items that they lack are no members.
    @Test func embeddingsNumberTheItems() throws {
        let own = try reader(["f", "new", "e", "c", "a"])
        let task = try own.collections(folder.write("c.tsv", "collection\titem\nx\te\nx\tnew\n"))
        #expect(task.itemCount == 5)
        #expect(task.queries[0].items == ids(3, 4))
        #expect(task.queries[0].positives == ids(2, 1))
        #expect(own.numbering.source(ItemID(1)) == nil)
        #expect(own.numbering.source(ItemID(4)) == ItemID(0))
        // A scorer of the dataset's items, seen in this numbering; what it does not know is last.
        let renumbered = RenumberedScorer(base: PopularityScorer(graph: dataset.graph), numbering: own.numbering, itemCount: 5)
        var scores = Matrix(rows: 1, columns: 5)
        try renumbered.score(task.queries[...], into: &scores)
        #expect(scores.values == [0, -.infinity, 0, 1, 1])
    }

    @Test(
        arguments: [
            ("query\tpositive\na\tzz\n", 2, "no item \"zz\""), ("query\tpositive\na\tb\nAa\tb\n", 3, "closest"),
            ("query\tother\na\tb\n", 1, "positive"),
            ("query\tpositive\na\n", 2, "2 fields"), ("query\tpositive\na\t\n", 2, "empty field"), ("", nil, "empty file"),
            ("query\tpositive\n", nil, "at least one line"), ("query\tpositive\na\ta\n", nil, "expected an answer that is a candidate"),
        ] as [(String, Int?, String)])
    func badPairs(text: String, line: Int?, part: String) throws {
        let path = try folder.write("p.tsv", text)
        let error = #expect(throws: DataError.self) { try reader().pairs(path) }
        #expect(error?.file == path)
        #expect(error?.line == line)
        #expect(error?.message.contains(part) == true, "\(error?.message ?? "")")
    }

    @Test func badOthers() throws {
        let collections = try folder.write("c.tsv", "collection\titem\nx\t\n")
        #expect(throws: DataError.self) { try reader().collections(collections) }
        #expect(throws: DataError.self) { try reader(withDataset: false).collections(collections) }
        for text in [
            "query\tpositive\tnegatives\na\tb\t\n", "query\tpositive\tnegatives\na\tb\tzz\n", "who\tpositive\tnegatives\na\tb\tc\n",
            "collection\tpositive\tnegatives\nnone\te\tf\n",
        ] {
            let path = try folder.write("k.tsv", text)
            let error = #expect(throws: DataError.self) { try reader().candidates(path) }
            #expect(error?.file == path && error?.line != nil)
        }
        #expect(throws: DataError.self) { try reader(among: "a\nnobody\n") }
    }
}
