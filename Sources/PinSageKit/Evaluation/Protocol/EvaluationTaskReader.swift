/// Builds evaluation tasks from files, in the numbering of the items that are to be ranked.
///
/// Source: the protocol is the project's own; the collection task is the one that LightGCN (He et al. 2020) and its successors print.
public struct EvaluationTaskReader: Sendable {
    /// The items that are ranked: those of the embeddings, or of the dataset when there are none.
    public let items: Identifiers
    /// Whose members of collections are no candidates.
    public let dataset: Dataset?
    /// How the dataset's items are numbered in `items`.
    public let numbering: ItemNumbering
    /// Where not `nil`, only these are candidates.
    public let among: [ItemID]?

    /// - Parameters:
    ///   - path: a file with one identifier on each line.
    /// - Throws: ``DataError``, e.g. for an identifier in `among` that is not one of `items`.
    public init(items: Identifiers, dataset: Dataset?, among path: String? = nil) throws {
        self.items = items
        self.dataset = dataset
        numbering = dataset.map { ItemNumbering(from: $0.items, to: items) } ?? .same
        if let path {
            var rows: Set<ItemID> = []
            for (index, identifier) in try IdentifierFile.read(path).enumerated() {
                rows.insert(try Self.row(of: identifier, "item", in: items, file: path, line: index + 1))
            }
            among = rows.sorted()
        } else {
            among = nil
        }
    }

    /// Reads a pairs file: header `query`, `positive`, optionally `collection`; every line is a query with one positive.
    ///
    /// Candidates are all items but the query and, where the line names a collection, its members in the dataset. A collection that the
    /// dataset does not have excludes nothing: all of its edges may have been held out.
    public func pairs(_ path: String) throws -> EvaluationTask {
        var collector = Collector()
        try TextTable(path).forEachRow(required: ["query", "positive"]) { row in
            let query = try item(row, "query", file: path)
            let positive = try item(row, "positive", file: path)
            var excluded = [query]
            if let name = row["collection"], !name.isEmpty, let known = dataset?.collections.row(of: name) {
                excluded = Set(members(of: CollectionID(known)) + [query]).sorted()
            }
            collector.add([positive], items: [query], collection: nil, excluded: excluded, among: among)
        }
        return try task(.pairs, collector, file: path)
    }

    /// Reads a collections file: header `collection`, `item`; all lines of a collection are one query.
    ///
    /// The query is the collection's members in the dataset, which are no candidates; answers that are members, and repeated ones, are
    /// dropped and counted. Where all of a collection's or an item's edges were held out, the dataset may not have it: such an answer
    /// counts as not found, and such a collection asks with nothing. Both are counted; more than half of the answers is an error.
    public func collections(_ path: String) throws -> EvaluationTask {
        guard let dataset else { throw DataError("a collections file needs a dataset: a query is a collection's members there", file: path) }
        var order: [String] = []
        var answers: [String: (known: [ItemID], unknown: Set<String>)] = [:]
        var firstUnknown: DataError?
        var (lines, unknown) = (0, 0)
        try TextTable(path).forEachRow(required: ["collection", "item"]) { row in
            guard let name = row["collection"], let identifier = row["item"], !name.isEmpty, !identifier.isEmpty else {
                throw DataError("expected a collection and an item, found an empty field", file: path, line: row.line)
            }
            lines += 1
            if answers[name] == nil { order.append(name) }
            if let item = items.row(of: identifier) {
                answers[name, default: ([], [])].known.append(ItemID(item))
            } else {
                if firstUnknown == nil { firstUnknown = Self.unknown(identifier, "item", in: items, file: path, line: row.line) }
                unknown += 1
                answers[name, default: ([], [])].unknown.insert(identifier)
            }
        }
        if let firstUnknown, unknown * 2 > lines {
            throw DataError("\(unknown) of \(lines) answers are no items; the first: \(firstUnknown.message)", file: path, line: firstUnknown.line)
        }
        var collector = Collector()
        for name in order {
            let row = dataset.collections.row(of: name)
            if row == nil { collector.dropped.unknownCollections += 1 }
            let query = row.map { membersInOrder(of: CollectionID($0), in: dataset) } ?? []
            let found = answers[name] ?? ([], [])
            collector.add(
                found.known, items: query, collection: row.map { CollectionID($0) }, excluded: query.sorted(), among: among,
                unknownPositives: found.unknown.count)
        }
        return try task(.collections, collector, file: path)
    }

    /// Reads a candidates file: header `query` or `collection`, then `positive` and `negatives`, which are separated by spaces or commas.
    ///
    /// The candidates of a line are its positive and its negatives, without what is asked with.
    public func candidates(_ path: String) throws -> EvaluationTask {
        var collector = Collector()
        try TextTable(path).forEachRow(required: ["positive", "negatives"]) { row in
            var query: [ItemID] = []
            var asked: CollectionID?
            if row.names.contains("query") {
                query = [try item(row, "query", file: path)]
            } else if row.names.contains("collection") {
                guard let dataset else { throw DataError("a query by collection needs a dataset: it is the collection's members there", file: path) }
                let collection = CollectionID(try collection(row, in: dataset, file: path))
                query = membersInOrder(of: collection, in: dataset)
                asked = collection
            } else {
                throw DataError("expected a column \"query\" or \"collection\", found \(row.names.joined(separator: ", "))", file: path, line: 1)
            }
            let positive = try item(row, "positive", file: path)
            let negatives = try identifiers(row["negatives"] ?? "", file: path, line: row.line)
            let candidates = Set(negatives + [positive]).subtracting(query)
            collector.add(
                [positive], items: query, collection: asked, excluded: query.sorted(),
                among: candidates.sorted().filter { among?.containsSorted($0) ?? true }, isOwnList: true)
        }
        return try task(.candidates, collector, file: path)
    }

    private func task(_ kind: EvaluationTask.Kind, _ collector: Collector, file: String) throws -> EvaluationTask {
        guard !collector.queries.isEmpty else {
            let dropped = collector.dropped
            guard dropped.answers > 0 else { throw DataError("expected at least one line below the header, found none", file: file) }
            throw DataError(
                "expected an answer that is a candidate, found none: \(dropped.members) are part of their question, "
                    + "\(dropped.outside) are outside the candidates, \(dropped.duplicates) are repeated", file: file)
        }
        return EvaluationTask(
            kind: kind, itemCount: items.count, queries: collector.queries, among: kind == .candidates ? nil : among, dropped: collector.dropped,
            queriesAreOrdered: kind == .pairs || dataset?.hasTimes == true)
    }

    private func item(_ row: TextTable.Row, _ column: String, file: String) throws -> ItemID {
        try Self.row(of: row[column] ?? "", "item", in: items, file: file, line: row.line)
    }

    private func collection(_ row: TextTable.Row, in dataset: Dataset, file: String) throws -> Int {
        Int(try Self.row(of: row["collection"] ?? "", "collection", in: dataset.collections, file: file, line: row.line).row)
    }

    /// Splits at spaces; a part that is no item itself is split at commas, so identifiers may contain commas.
    private func identifiers(_ text: String, file: String, line: Int) throws -> [ItemID] {
        var result: [ItemID] = []
        for part in text.split(separator: " ") {
            if let row = items.row(of: String(part)) {
                result.append(ItemID(row))
                continue
            }
            for name in part.split(separator: ",") { result.append(try Self.row(of: String(name), "item", in: items, file: file, line: line)) }
        }
        guard !result.isEmpty else { throw DataError("expected identifiers separated by spaces or commas, found none", file: file, line: line) }
        return result
    }

    private static func row(of identifier: String, _ what: String, in identifiers: Identifiers, file: String, line: Int) throws -> ItemID {
        if let row = identifiers.row(of: identifier) { return ItemID(row) }
        guard !identifier.isEmpty else {
            throw DataError("expected the identifier of \(what == "item" ? "an" : "a") \(what), found an empty field", file: file, line: line)
        }
        throw unknown(identifier, what, in: identifiers, file: file, line: line)
    }

    private static func unknown(_ identifier: String, _ what: String, in identifiers: Identifiers, file: String, line: Int) -> DataError {
        let closest = identifiers.closest(to: identifier, count: 3).map { "\"\($0)\"" }.joined(separator: ", ")
        return DataError("no \(what) \"\(identifier)\"" + (closest.isEmpty ? "" : "; the closest are \(closest)"), file: file, line: line)
    }

    private func members(of collection: CollectionID) -> [ItemID] {
        dataset?.graph.items(of: collection).compactMap(numbering.target) ?? []
    }

    /// Oldest first where times are known; members of unknown time come before, by row.
    private func membersInOrder(of collection: CollectionID, in dataset: Dataset) -> [ItemID] {
        guard let times = dataset.graph.collections.times else { return members(of: collection) }
        let range = dataset.graph.collections.range(of: Int(collection.row))
        let targets = dataset.graph.collections.targets
        return range.sorted { (times[$0], targets[$0]) < (times[$1], targets[$1]) }.compactMap { numbering.target(ItemID(row: targets[$0])) }
    }

    /// Drops and counts the answers that cannot be ranked.
    private struct Collector {
        var queries: [EvaluationQuery] = []
        var dropped = EvaluationTask.Dropped()

        mutating func add(
            _ answers: [ItemID], items: [ItemID], collection: CollectionID?, excluded: [ItemID], among: [ItemID]?, isOwnList: Bool = false,
            unknownPositives: Int = 0
        ) {
            var positives: [ItemID] = []
            var seen: Set<ItemID> = []
            for answer in answers {
                if !seen.insert(answer).inserted {
                    dropped.duplicates += 1
                } else if excluded.containsSorted(answer) {
                    dropped.members += 1
                } else if let among, !among.containsSorted(answer) {
                    dropped.outside += 1
                } else {
                    positives.append(answer)
                }
            }
            dropped.unknownAnswers += unknownPositives
            guard !positives.isEmpty || unknownPositives > 0 else {
                dropped.queries += 1
                return
            }
            queries.append(
                EvaluationQuery(
                    items: items, collection: collection, positives: positives, excluded: excluded, candidates: isOwnList ? among : nil,
                    unknownPositives: unknownPositives))
        }
    }
}

/// How the items of one table are numbered in another: a dataset and the embeddings of a later version of it.
public enum ItemNumbering: Sendable {
    /// Both have the same identifiers in the same order.
    case same
    /// `rows[i]` is the other number of item `i`, -1 where it has none; `reverse` is the way back.
    case rows([Int32], reverse: [Int32])

    /// - Complexity: O(items)
    public init(from source: Identifiers, to target: Identifiers) {
        if source.count == target.count, (0..<source.count).allSatisfy({ source[$0] == target[$0] }) {
            self = .same
            return
        }
        var rows = [Int32](repeating: -1, count: source.count)
        var reverse = [Int32](repeating: -1, count: target.count)
        for item in 0..<source.count {
            guard let row = target.row(of: source[item]) else { continue }
            rows[item] = Int32(clamping: row)
            reverse[row] = Int32(clamping: item)
        }
        self = .rows(rows, reverse: reverse)
    }

    /// The number in the other table.
    public func target(_ item: ItemID) -> ItemID? {
        guard case .rows(let rows, _) = self else { return item }
        return rows[Int(item.row)] < 0 ? nil : ItemID(Int(rows[Int(item.row)]))
    }

    /// The number in the table that this comes from.
    public func source(_ item: ItemID) -> ItemID? {
        guard case .rows(_, let reverse) = self else { return item }
        return reverse[Int(item.row)] < 0 ? nil : ItemID(Int(reverse[Int(item.row)]))
    }
}

/// A scorer of a dataset's items in another numbering. Items that it does not know share the lowest place.
struct RenumberedScorer: CandidateScorer {
    let base: any CandidateScorer
    let numbering: ItemNumbering
    let itemCount: Int

    var name: String { base.name }

    func score(_ queries: ArraySlice<EvaluationQuery>, into scores: inout Matrix) throws {
        guard case .rows(let rows, _) = numbering else { return try base.score(queries, into: &scores) }
        let asked = queries.map { query in
            var own = query
            own.items = query.items.compactMap(numbering.source)
            return own
        }
        var known = Matrix(rows: queries.count, columns: base.itemCount)
        try base.score(asked[...], into: &known)
        for row in 0..<queries.count {
            for item in 0..<itemCount { scores[row, item] = -.infinity }
            for item in 0..<base.itemCount where rows[item] >= 0 { scores[row, Int(rows[item])] = known[row, item] }
        }
    }
}
