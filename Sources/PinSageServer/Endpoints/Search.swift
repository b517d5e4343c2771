internal import PinSageKit

/// How a text finds items.
enum SearchMode: String, CaseIterable, Sendable {
    /// By the catalog's words.
    case words
    /// By the model's embedding of the text, as if it were a new item.
    case meaning
    /// One list of both.
    case both
}

extension RecommendationService {
    /// An item that a search found; the score is that of its meaning.
    private struct Hit {
        var item: ItemID
        var score: Float?
        var matched: SearchMode
    }

    /// `POST /v1/search`: items by free text.
    func search(_ call: HTTPCall, _ view: ServingView) async throws -> HTTPReply {
        try call.parameters.allow()
        var body = try JSONBody(call)
        guard let text = try body.text("text"), !text.allSatisfy(\.isWhitespace) else {
            throw Problem.badRequest("expected \"text\" with words in it")
        }
        let mode: SearchMode = try body.choice("mode") ?? .both
        let k = try body.integer("k", in: 1...RequestLimits.k) ?? 20
        let filter = try body.text("filter")
        try body.finish()
        let usesText = view.artifacts.model?.features.usesText ?? false
        if mode == .meaning, !usesText { throw Problem.badRequest("searching by meaning needs a model with text features") }
        if mode == .words, view.artifacts.catalog == nil { throw Problem.badRequest("searching by words needs a dataset with a catalog") }
        return try await work.run {
            let allowed = try filter.map { try view.filter($0) }
            var byWords: [ItemID] = [], byMeaning: [Neighbor] = []
            if mode != .meaning { byWords = try view.search(text, limit: k, among: allowed) }
            // A text without a known word would find what is near to nothing in particular.
            let hasMeaning = try usesText && view.knowsWords(of: text)
            if mode != .words, hasMeaning {
                byMeaning = try view.index.neighbors(of: try view.embedding(of: text), k: k, among: allowed)[0]
            }
            let hits = Self.fused(byWords, byMeaning, k: k)
            var json = JSONBuffer(capacity: 64 + hits.count * 256)
            json.beginObject()
            json.key("results")
            json.beginArray()
            for (hit, card) in zip(hits, try view.cards(of: hits.map(\.item))) {
                json.beginObject()
                json.members(card)
                if let score = hit.score { json.member("score", score) }
                json.member("matched", hit.matched.rawValue)
                json.endObject()
            }
            json.endArray()
            if mode != .words, usesText, !hasMeaning { json.member("note", "the model knows none of these words, so nothing was found by meaning") }
            json.endObject()
            return .json(json)
        }
    }

    /// One list of two: the sum of 1 / (60 + rank), an item that only one list has counting there alone; ties by row.
    ///
    /// Source: Cormack, Clarke and Buettcher 2009, reciprocal rank fusion.
    private static func fused(_ words: [ItemID], _ meaning: [Neighbor], k: Int) -> [Hit] {
        var points: [ItemID: Double] = [:]
        var scores: [ItemID: Float] = [:]
        for (rank, item) in words.enumerated() { points[item, default: 0] += 1 / Double(61 + rank) }
        for (rank, neighbor) in meaning.enumerated() {
            points[neighbor.item, default: 0] += 1 / Double(61 + rank)
            scores[neighbor.item] = neighbor.score
        }
        let found = Set(words)
        return points.sorted { ($0.value, $1.key) > ($1.value, $0.key) }.prefix(k).map { item, _ in
            let matched: SearchMode = scores[item] == nil ? .words : found.contains(item) ? .both : .meaning
            return Hit(item: item, score: scores[item], matched: matched)
        }
    }
}
