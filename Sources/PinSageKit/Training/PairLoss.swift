/// The loss of a minibatch on the embeddings of its roots, and its gradient by them.
///
/// Source: Ying et al. 2018, equation 1. Random negatives are shared by all pairs; hard negatives belong to one.
struct PairLoss {
    /// Which rows of the embeddings play which part.
    struct Layout: Sendable {
        /// (P lists) rows of each query's items with their shares: a query is the weighted sum of their embeddings.
        var queries = RaggedLists()
        /// (P) rows of the positives.
        var positives: [Int64] = []
        /// Which of the M shared negatives this rank embeds: all of them in a run of one process.
        var ownNegatives = 0..<0
        /// Rows of the shared negatives that this rank embeds, `ownNegatives.count`.
        var negatives: [Int64] = []
        /// (P + 1) and (Z): each pair's own hard negatives.
        var hardOffsets: [Int64] = [0]
        var hard: [Int32] = []
        /// (pair, column of `negatives`) that must not count, because that item is a positive of the pair's query.
        var excluded: [(pair: Int32, negative: Int32)] = []
        /// log of how often each shared negative is expected in a draw of M; empty for a uniform draw, where it would cancel.
        var logExpectedCounts: [Float] = []
    }

    let configuration: TrainingConfiguration
    let kernels: Kernels
    private let group: any TrainingGroup
    private var queries = Matrix(rows: 0, columns: 0)
    private var positives = Matrix(rows: 0, columns: 0)
    private var negatives = Matrix(rows: 0, columns: 0)
    private var dqueries = Matrix(rows: 0, columns: 0)
    private var dpositives = Matrix(rows: 0, columns: 0)
    private var dnegatives = Matrix(rows: 0, columns: 0)

    init(configuration: TrainingConfiguration, kernels: Kernels, group: any TrainingGroup = SoleProcess()) {
        self.configuration = configuration
        self.kernels = kernels
        self.group = group
    }

    /// This rank's part of the mean loss of all ranks' pairs; `dz` becomes the gradient of all of it by this rank's z.
    ///
    /// The negatives' vectors go to every rank, and the gradients by them come back summed, so that no rank embeds what another does.
    /// Shapes: z, dz (rows, E).
    /// - Parameter pairCount: pairs of all ranks; `nil`: this is the only one.
    mutating func loss(z: Matrix, layout: Layout, pairCount: Int? = nil, dz: inout Matrix) throws -> Double {
        let pairs = layout.queries.rowCount
        let allPairs = max(pairCount ?? pairs, 1)
        try kernels.pool(z, lists: layout.queries, into: &queries)
        try kernels.gather(z, rows: layout.positives, into: &positives)
        try kernels.gather(z, rows: layout.negatives, into: &negatives)
        var hardCount = layout.hard.count
        if group.size > 1 {
            let all = try group.gatherElements(negatives.values)
            negatives = Matrix(rows: all.count / z.columns, columns: z.columns, values: all)
            hardCount = Int(try group.sum(of: Double(hardCount)))
        }

        var shared = Matrix(rows: 0, columns: 0)
        try kernels.product(queries, transposed: false, negatives, transposed: true, into: &shared)
        for (pair, negative) in layout.excluded { shared[Int(pair), Int(negative)] = -.infinity }
        var scores = Kernels.PairScores(
            positive: try kernels.rowDots(queries, positives), shared: shared, hardOffsets: layout.hardOffsets,
            hard: try kernels.raggedDots(queries, z, offsets: layout.hardOffsets, targets: layout.hard))
        shared = Matrix(rows: 0, columns: 0)  // the scores are its only owner now, so the loss may overwrite them in place
        let perPair = 1 / Float(allPairs)
        let losses: [Float]
        switch configuration.loss {
        case .maxMargin:
            let hardPerPair = max(1, hardCount / allPairs)
            losses = try kernels.maxMarginLoss(
                &scores, margin: configuration.margin, sharedWeight: perPair / Float(max(negatives.rows, 1)),
                hardWeight: perPair * configuration.hardNegativeWeight / Float(hardPerPair))
        case .softmax:
            losses = try kernels.sampledSoftmaxLoss(
                &scores, temperature: configuration.temperature, weight: perPair,
                logExpectedCounts: layout.logExpectedCounts.isEmpty ? nil : layout.logExpectedCounts)
        case .crossEntropy:
            losses = try kernels.crossEntropyLoss(&scores, temperature: configuration.temperature, weight: perPair)
        }

        // The scores are now gradients: through the products back to the three groups of rows, then to z.
        try kernels.product(scores.shared, negatives, into: &dqueries)
        try kernels.product(scores.shared, transposed: true, queries, into: &dnegatives)
        dpositives.reshape(rows: pairs, columns: z.columns)
        dpositives.fill(0)
        try kernels.rowDotsBackward(queries, positives, dout: scores.positive, da: &dqueries, db: &dpositives)
        dz.reshape(rows: z.rows, columns: z.columns)
        if layout.hard.isEmpty {
            dz.fill(0)
        } else {
            let lists = RaggedLists(offsets: layout.hardOffsets, targets: layout.hard, weights: scores.hard)
            let dhard = try kernels.pooled(z, lists: lists)
            for index in dqueries.values.indices { dqueries.values[index] += dhard.values[index] }
            let transposed = try kernels.transposed(lists, tableRows: z.rows)
            try kernels.poolBackward(queries, weights: scores.hard, transposed: transposed, accumulate: false, into: &dz)
        }
        let transposedQueries = try kernels.transposed(layout.queries, tableRows: z.rows)
        try kernels.poolBackward(dqueries, weights: layout.queries.weights, transposed: transposedQueries, accumulate: true, into: &dz)
        try kernels.scatterAdd(dpositives, to: layout.positives, of: &dz)
        if group.size > 1 {
            try group.sum(&dnegatives.values)
            dnegatives = dnegatives.rows(layout.ownNegatives)
        }
        try kernels.scatterAdd(dnegatives, to: layout.negatives, of: &dz)
        return losses.reduce(0.0) { $0 + Double($1) }
    }
}
