/// Edges by row in the order in which they were read, in blocks, so that growing never copies them.
struct EdgeLog: Sendable {
    struct Block: Sendable {
        var items: [UInt32] = []
        var collections: [UInt32] = []
        /// Empty when all are 1.
        var weights: [Float] = []
        /// Empty when all are unknown.
        var times: [Int64] = []
    }

    private(set) var blocks: [Block] = []
    private(set) var count = 0

    mutating func append(_ block: Block) {
        blocks.append(block)
        count += block.items.count
    }

    func graph(itemCount: Int, collectionCount: Int) throws -> Graph {
        func joined<Element>(_ keyPath: KeyPath<Block, [Element]>) -> StoredArray<Element> {
            unsafe StoredArray(count: count) { output in
                var position = 0
                for block in blocks {
                    for value in block[keyPath: keyPath] {
                        unsafe output[position] = value
                        position += 1
                    }
                }
            }
        }
        func filled<Element>(_ keyPath: KeyPath<Block, [Element]>, _ missing: Element) -> [Element]? {
            guard blocks.contains(where: { !$0[keyPath: keyPath].isEmpty }) else { return nil }
            return blocks.flatMap { block in
                block[keyPath: keyPath].isEmpty ? Array(repeating: missing, count: block.items.count) : block[keyPath: keyPath]
            }
        }
        return try GraphBuilder.graph(
            itemCount: itemCount, collectionCount: collectionCount, items: joined(\.items), collections: joined(\.collections),
            weights: filled(\.weights, 1), times: filled(\.times, Graph.unknownTime))
    }
}
