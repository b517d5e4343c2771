// GET /related/ID?k=10: what goes with an item, from an index and a dataset that pinsage-cli made.
import Hummingbird
import PinSageKit

struct Related: ResponseEncodable {
    var item: String
    var score: Float
}

guard CommandLine.arguments.count == 4, let port = Int(CommandLine.arguments[3]) else {
    print("usage: ServerEmbedding INDEX DATASET PORT")
    throw DataError("expected an index, a dataset and a port")
}
// Requests run beside each other, each search on one thread.
let kernels = try Kernels(threads: 1)
let index = try StoredIndex.open(CommandLine.arguments[1], kernels: kernels)
let dataset = try Dataset.open(CommandLine.arguments[2])

let router = Router()
router.get("/related/{item}") { request, context -> [Related] in
    let name = try context.parameters.require("item")
    let k = request.uri.queryParameters.get("k", as: Int.self) ?? 10
    guard let row = dataset.items.row(of: name) else { throw HTTPError(.notFound, message: "there is no item \(name)") }
    guard (1...100).contains(k) else { throw HTTPError(.badRequest, message: "expected k from 1 to 100") }
    let item = ItemID(row)
    let query = Matrix(rows: 1, columns: index.dimension, values: index.embeddings[item])
    return try index.neighbors(of: query, k: k, excluding: [item])[0].map {
        Related(item: dataset.items[Int($0.item.row)], score: $0.score)
    }
}
let app = Application(router: router, configuration: .init(address: .hostname("127.0.0.1", port: port)))
try await app.runService()
