/// Learned id vectors, an optional input feature of items, with their sparse Adam state.
///
/// Only rows that a minibatch touches are updated, so a step costs by the batch and not by the catalogue.
struct IDVectors: Sendable {
    var table: Matrix
    var first: Matrix
    var second: Matrix

    init(table: Matrix) {
        self.table = table
        first = Matrix(rows: table.rows, columns: table.columns)
        second = first
    }

    /// Fills the id columns of a minibatch's input with the current vectors.
    func fill(_ input: inout NetworkInput, atColumn column: Int, kernels: Kernels) throws(KernelError) {
        let items = input.graph.inputItems
        if input.neighbors.rows > 0 {
            try kernels.gather(table, rows: items.map { Int64($0) }, into: &input.neighbors, atColumn: column)
        }
        try kernels.gather(table, rows: input.graph.selfInputRows.map { Int64(items[Int($0)]) }, into: &input.own, atColumn: column)
        input.own.clear(rows: input.rowsWithoutID, columns: column..<column + table.columns)
    }

    /// What every rank found of the items that it saw, as one list of distinct items with the sums of their gradients' id columns.
    ///
    /// Sums go in the order of ranks, so that all ranks get the same bits.
    func summed(
        items: [UInt32], gradient: Matrix, atColumn column: Int, over group: some TrainingGroup, kernels: Kernels
    ) throws -> (items: [UInt32], gradient: Matrix) {
        let width = table.columns
        var mine = Matrix(rows: items.count, columns: width)
        for row in items.indices {
            for index in 0..<width { mine[row, index] = gradient[row, column + index] }
        }
        let named = try group.gatherElements(items)
        let rows = Matrix(rows: named.count, columns: width, values: try group.gatherElements(mine.values))
        let distinct = Set(named).sorted()
        let place = Dictionary(uniqueKeysWithValues: zip(distinct, 0...))
        var sums = Matrix(rows: distinct.count, columns: width)
        try kernels.scatterAdd(rows, to: named.map { Int64(place[$0] ?? 0) }, of: &sums)
        return (distinct, sums)
    }

    /// One step along the gradient by the input vectors of `items` (rows of `gradient`, whose id columns start at `column`).
    mutating func update(
        items: [UInt32], gradient: Matrix, atColumn column: Int, step: Int, learningRate: Float, weightDecay: Float, kernels: Kernels
    ) throws(KernelError) {
        // The kernel wants ascending rows, so that it walks the table once and needs no locks.
        let order = items.indices.sorted { items[$0] < items[$1] }
        var sorted = Matrix(rows: items.count, columns: table.columns)
        for (row, source) in order.enumerated() {
            for index in 0..<table.columns { sorted[row, index] = gradient[source, column + index] }
        }
        try kernels.adamStep(
            rows: order.map { Int64(items[$0]) }, of: &table, gradient: sorted, m: &first, v: &second, step: step, learningRate: learningRate,
            beta1: Optimizer.beta1, beta2: Optimizer.beta2, epsilon: Optimizer.epsilon, weightDecay: weightDecay)
    }
}
