// Shopping lists in, related groceries out: the shortest way from memory to neighbors.
import PinSageKit

let lists = [
    "pasta night": ["spaghetti", "tomatoes", "parmesan", "basil", "olive oil"],
    "pizza": ["flour", "tomatoes", "mozzarella", "basil", "olive oil"],
    "lasagne": ["lasagne sheets", "tomatoes", "parmesan", "mozzarella"],
    "pesto": ["basil", "parmesan", "olive oil", "pine nuts", "spaghetti"],
    "pancakes": ["flour", "eggs", "milk", "butter", "maple syrup"],
    "waffles": ["flour", "eggs", "milk", "butter", "sugar"],
    "cake": ["flour", "eggs", "sugar", "butter", "chocolate"],
    "cocoa": ["milk", "sugar", "chocolate"],
]

var assembler = DatasetAssembler()
for (list, groceries) in lists.sorted(by: { $0.key < $1.key }) {
    for grocery in groceries { try assembler.addEdge(item: grocery, collection: list) }
}
let dataset = try assembler.dataset()

var options = TrainingOptions()
options.epochs = 20
options.idWidth = 16  // nothing is known of groceries but the lists they are on
options.holdsOutValidation = false
options.training.hardNegatives = 0
let kernels = try Kernels()
let (model, state) = try TrainingRun(dataset: dataset, catalog: nil, options: options, kernels: kernels).run(output: nil)

let index = ExactIndex(embeddings: try model.embeddings(of: dataset, catalog: nil, kernels: kernels), kernels: kernels)
for name in ["basil", "eggs"] {
    let item = try dataset.item(named: name)
    let query = Matrix(rows: 1, columns: index.dimension, values: index.embeddings[item])
    let related = try index.neighbors(of: query, k: 3, excluding: [item])[0]
    print("\(name):", related.map { dataset.items[Int($0.item.row)] }.joined(separator: ", "))
}
print("trained \(state.step) steps")
