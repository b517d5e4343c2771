internal import Foundation

extension TrainingState {
    /// The numbers of a state that are no weights.
    private struct Cursor: Codable {
        var step: Int
        var optimizerStep: Int
        var validationsSinceBest: Int
        var best: Best?

        struct Best: Codable {
            var value: Double
            var step: Int
            var hasIDVectors: Bool
        }
    }

    /// Takes rank 0's state over, so that all ranks start from the same bits, whatever processor computed them; only rank 0 need have read a
    /// checkpoint. Rows of metrics stay on rank 0.
    mutating func synchronize(with group: some TrainingGroup) throws {
        guard group.size > 1 else { return }
        let mine = Cursor(
            step: step, optimizerStep: optimizer.step, validationsSinceBest: validationsSinceBest,
            best: best.map { .init(value: $0.value, step: $0.step, hasIDVectors: $0.idVectors != nil) })
        let cursor = try JSONDecoder().decode(Cursor.self, from: Data(try group.broadcast(Array(try JSONEncoder().encode(mine)))))
        step = cursor.step
        optimizer.step = cursor.optimizerStep
        validationsSinceBest = cursor.validationsSinceBest
        try parameters.updateTensors { _, values in values = try group.broadcastElements(values) }
        optimizer.first = try optimizer.first.map { try group.broadcastElements($0) }
        optimizer.second = try optimizer.second.map { try group.broadcastElements($0) }
        if var vectors = idVectors {
            vectors.table.values = try group.broadcastElements(vectors.table.values)
            vectors.first.values = try group.broadcastElements(vectors.first.values)
            vectors.second.values = try group.broadcastElements(vectors.second.values)
            idVectors = vectors
        }
        guard let known = cursor.best else {
            best = nil
            return
        }
        var weights = best?.parameters ?? parameters
        try weights.updateTensors { _, values in values = try group.broadcastElements(values) }
        var vectors: Matrix?
        if known.hasIDVectors, let shape = idVectors?.table {
            var table = best?.idVectors ?? shape
            table.values = try group.broadcastElements(table.values)
            vectors = table
        }
        best = .init(parameters: weights, idVectors: vectors, value: known.value, step: known.step)
    }
}

/// What must be the same on all ranks, for a run that makes sense.
struct GroupAgreement: Codable, Equatable {
    var graph: UInt32
    var features: String
    var model: PinSageConfiguration
    var walks: WalkConfiguration
    var neighborsPerLayer: [Int]
    var configuration: TrainingConfiguration

    /// - Throws: ``ConfigurationError`` naming the first rank that differs from rank 0, and in what; the same one on every rank.
    func check(with group: some TrainingGroup) throws {
        guard group.size > 1 else { return }
        let all = try group.gather(Array(try JSONEncoder().encode(self))).map { try JSONDecoder().decode(GroupAgreement.self, from: Data($0)) }
        guard let first = all.first else { return }
        for (rank, other) in all.enumerated() where other != first {
            let what =
                other.graph != first.graph
                ? "on another graph" : other.features != first.features ? "with other features" : "with other settings"
            throw ConfigurationError("rank \(rank) trains \(what) than rank 0: every rank needs the same dataset, options and version of the program")
        }
    }
}
