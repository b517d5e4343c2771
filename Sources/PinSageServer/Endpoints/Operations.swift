internal import PinSageKit

extension RecommendationService {
    /// `GET /metrics`
    func metricsReply(_ view: ServingView) -> HTTPReply {
        let text = metrics.text(gauges: [
            ("pinsage_items", "Items that answers can have.", Double(view.index.count)),
            ("pinsage_added_items", "Items that were added since the index was built.", Double(view.index.addedCount)),
            ("pinsage_waiting", "Pieces of slow work that run or wait.", Double(work.load)),
        ])
        return HTTPReply(contentType: "text/plain; version=0.0.4; charset=utf-8", body: Array(text.utf8))
    }

    /// `GET /v1/info`: what there is, so that a page knows what to offer.
    func information(_ call: HTTPCall, _ view: ServingView) throws -> HTTPReply {
        try call.parameters.allow()
        var json = JSONBuffer()
        json.beginObject()
        json.member("items", view.index.count)
        json.member("collections", view.artifacts.dataset.collections.count)
        json.member("dimension", view.index.dimension)

        json.key("attributes")
        json.beginArray()
        for name in view.artifacts.catalog?.attributeNames ?? [] { json.value(name) }
        json.endArray()
        json.member("catalog", view.artifacts.catalog != nil)
        json.member("model", view.artifacts.model != nil)
        json.member("writable", paths.live != nil && view.artifacts.model != nil)
        json.member("text_queries", view.artifacts.model?.features.usesText ?? false)
        json.key("examples")
        json.beginArray()
        for card in try view.cards(of: view.artifacts.examples.filter(view.index.contains)) {
            json.beginObject()
            json.members(card)
            json.endObject()
        }
        json.endArray()
        json.endObject()
        return .json(json)
    }
}
