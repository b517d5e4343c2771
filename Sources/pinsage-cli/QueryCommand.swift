internal import ArgumentParser
internal import Foundation
internal import PinSageCatalog
internal import PinSageKit

struct QueryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "query",
        abstract: "Find the items nearest to items, a vector or a text.",
        discussion: """
            Several --item options ask for what goes with all of them. --text embeds words as a new item would be, so it needs --model, and a \
            model with text features. With --dataset the answers carry their titles.

            Examples:
              pinsage-cli query --index lists.index --dataset lists.dataset --item 70389
              pinsage-cli query --index lists.index --model lists.model --text "static site generator"
              pinsage-cli query --index lists.index --dataset lists.dataset --item a --item b --weights 2,1 --diversify 0.3
              pinsage-cli query --index lists.index --dataset lists.dataset --item a --filter 'language = "go" and stars >= 100'
            """)

    @Option(help: ArgumentHelp("The index to search.", valueName: "index"))
    var index: String

    @Option(help: ArgumentHelp("An item to ask for; may be given several times.", valueName: "id"))
    var item: [String] = []

    @Option(help: ArgumentHelp("A vector to ask for: an .npy file of the index's dimension.", valueName: "file.npy"))
    var vector: String?

    @Option(help: ArgumentHelp("A text to ask for.", valueName: "string"))
    var text: String?

    @Option(name: [.customShort("k"), .customLong("k")], help: ArgumentHelp("The number of answers.", valueName: "k"))
    var k = 10

    @Option(
        help: ArgumentHelp(
            "How several items become queries: \(QueryPooling.allCases.map(\.rawValue).joined(separator: ", ")).", valueName: "pooling"))
    var queryPooling = QueryPooling.mean

    @Option(help: ArgumentHelp("How much each --item counts, with mean or max: one number each, separated by commas.", valueName: "numbers"))
    var weights: String?

    @Option(help: ArgumentHelp("Trade nearness for variety: 0 (none) to 1, by maximal marginal relevance.", valueName: "share"))
    var diversify: Float?

    @Option(help: ArgumentHelp("Only items that satisfy this condition on their attributes (needs --dataset; docs/serving.md).", valueName: "expr"))
    var filter: String?

    @Option(help: ArgumentHelp("Only items that this file names, one a line.", valueName: "file"))
    var allow: String?

    @Option(help: ArgumentHelp("No items that this file names, one a line.", valueName: "file"))
    var deny: String?

    @Option(help: ArgumentHelp("Candidates that a search of an hnsw index keeps (default: as the index was built).", valueName: "n"))
    var ef: Int?

    @Option(help: ArgumentHelp("The dataset, for titles.", valueName: "dataset"))
    var dataset: String?

    @Option(help: ArgumentHelp("The model, for --text.", valueName: "model"))
    var model: String?

    @OptionGroup var machine: MachineOptions
    @OptionGroup var outputOptions: OutputOptions

    func validate() throws {
        let kinds = [!item.isEmpty, vector != nil, text != nil].count { $0 }
        guard kinds == 1 else { throw ValidationError("Give one of --item, --vector and --text") }
        if text != nil && model == nil { throw ValidationError("--text needs --model: the text is embedded as a new item") }
        if let text, text.allSatisfy(\.isWhitespace) { throw ValidationError("--text expects words, found none") }
        if let diversify, !(0...1).contains(diversify) { throw ValidationError("--diversify must be 0 to 1, found \(diversify)") }
        if filter != nil && dataset == nil { throw ValidationError("--filter needs --dataset: attributes are in its catalog") }
        if let weights {
            guard queryPooling == .mean || queryPooling == .max else { throw ValidationError("--weights is for --query-pooling mean or max") }
            guard let numbers = itemWeights, numbers.count == item.count, numbers.allSatisfy(\.isFinite) else {
                throw ValidationError("--weights expects a number for each --item (\(item.count)), found \"\(weights)\"")
            }
        }
        if let ef, ef < 1 { throw ValidationError("--ef must be at least 1, found \(ef)") }
        if k < 1 { throw ValidationError("-k must be at least 1, found \(k)") }
    }

    private var itemWeights: [Float]? {
        guard let weights else { return nil }
        let numbers = weights.split(separator: ",", omittingEmptySubsequences: false).map { Float($0.trimmingCharacters(in: .whitespaces)) }
        return numbers.contains(nil) ? nil : numbers.compactMap(\.self)
    }

    func run() throws {
        let kernels = try machine.kernels()
        let index = try StoredIndex.open(index, kernels: kernels)
        let asked = try item.map(index.embeddings.item(named:))
        let queries = try queryVectors(asked, index: index, kernels: kernels)
        let excluded = Set(asked)
        let dataset = try dataset.map { try Dataset.open($0) }
        let catalog = try dataset?.catalog()
        if let dataset { try index.requireRows(of: dataset, file: self.dataset) }
        if weights != nil, queryPooling == .max, index.comparesCosines {
            throw ConfigurationError("--weights with --query-pooling max are factors of scores; this index compares cosines, which have none")
        }
        var allowed = try allow.map { try ItemFilter(items: index.count, allowed: Self.items($0, of: index)) }
        if let deny {
            let others = try ItemFilter(items: index.count, allowed: Self.items(deny, of: index)).complement
            allowed = allowed?.intersection(others) ?? others
        }
        if let filter {
            guard let catalog else {
                throw DataError("--filter needs a dataset with attributes; this one was imported without items", file: self.dataset)
            }
            let matching = ItemFilter(items: index.count, allowed: try catalog.items(matching: CatalogFilter(parsing: filter)))
            allowed = allowed?.intersection(matching) ?? matching
        }
        let pool = diversify == nil ? k : max(k, Diversification.poolSize(k: min(k, index.count)))
        var answers = merged(try neighbors(of: queries, k: pool, in: index, among: allowed, excluding: excluded), k: pool)
        if let diversify { answers = try Diversification(diversity: diversify).chosen(k, from: answers) { index.embeddings[$0] } }
        let rows = try answers.map { answer in
            (id: index.embeddings.identifiers[Int(answer.item.row)], score: answer.score, title: try catalog?.description(of: answer.item).title)
        }
        if outputOptions.json {
            Terminal.result([
                "results": .array(
                    rows.map { row in
                        var object: [String: JSONValue] = ["item": .string(row.id), "score": JSONValue(Double(row.score))]
                        if let title = row.title { object["title"] = .string(title) }
                        return .object(object)
                    })
            ])
            return
        }
        let ids = rows.map { Terminal.line($0.id) }
        let width = ids.map(\.count).max() ?? 0
        for (row, id) in zip(rows, ids) {
            let title = row.title.map { String(repeating: " ", count: width - id.count + 2) + Terminal.line($0) }
            Terminal.result(String(format: "%.4f", row.score) + "  \(id)" + (title ?? ""))
        }
        if rows.count < k { outputOptions.note("\(Terminal.count(rows.count, "answer")): there are no more candidates") }
    }

    private func queryVectors(_ asked: [ItemID], index: any NearestNeighborIndex, kernels: Kernels) throws -> Matrix {
        if let vector {
            let (values, _) = try Npy.open(vector, as: Float.self)
            guard values.count == index.dimension else {
                throw DataError("expected a vector of \(index.dimension) numbers, found \(values.count)", file: vector)
            }
            return Matrix(rows: 1, columns: index.dimension, values: Array(values))
        }
        if let text, let path = model {
            let model = try PinSageModel.open(path)
            try index.embeddings.requireMade(by: model, file: self.index)
            guard model.features.usesText else {
                throw DataError("--text needs a model with text features; this one was trained without them", file: path)
            }
            if try !model.features.knowsWords(of: text) {
                outputOptions.note("none of these words is known to the model: the answers say nothing of them")
            }
            let features = try model.features.vector(for: ItemDescription(title: text))
            let row = Matrix(rows: 1, columns: features.count, values: features)
            return try EmbeddingPass(model: model, kernels: kernels).embeddings(ofNewItems: row)
        }
        let vectors = Matrix(rows: asked.count, columns: index.dimension, values: asked.flatMap { index.embeddings[$0] })
        return queryPooling.vectors(of: vectors, weights: itemWeights)
    }

    private func neighbors(
        of queries: Matrix, k: Int, in index: any NearestNeighborIndex, among filter: ItemFilter?, excluding: Set<ItemID>
    ) throws -> [[Neighbor]] {
        if ef != nil, !(index is HNSWIndex) { throw ConfigurationError("--ef is for indexes of kind \(HNSWIndex.name); this is another") }
        return try index.neighbors(of: queries, k: k, among: filter, excluding: excluding, ef: ef)
    }

    /// The items that a file names, one a line; empty lines are left out.
    private static func items(_ file: String, of index: any NearestNeighborIndex) throws -> [ItemID] {
        guard let text = try? String(contentsOfFile: file, encoding: .utf8) else { throw DataError("cannot be read as text in UTF-8", file: file) }
        return try text.split(whereSeparator: \.isNewline).map { try index.embeddings.item(named: String($0)) }
    }

    /// One list of answers: where several vectors ask, an item counts by its best score.
    private func merged(_ lists: [[Neighbor]], k: Int) -> [Neighbor] {
        guard lists.count > 1 else { return lists.first ?? [] }
        var best: [ItemID: Float] = [:]
        for neighbor in lists.joined() { best[neighbor.item] = max(best[neighbor.item] ?? -.infinity, neighbor.score) }
        return best.map { Neighbor(item: $0.key, score: $0.value) }
            .sorted { ($0.score, $1.item) > ($1.score, $0.item) }
            .prefix(k).map { $0 }
    }
}
