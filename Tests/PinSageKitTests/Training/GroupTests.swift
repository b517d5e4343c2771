import Foundation
import PinSageTestSupport
import Synchronization
import Testing

@testable import PinSageKit

/// Ranks as threads of one process: everything of data parallel training but MPI itself, which `make test-mpi` adds.
///
/// `@unchecked Sendable`: `condition` guards all that changes.
private final class ThreadGroup: @unchecked Sendable {
    let size: Int
    private let condition = NSCondition()
    private var given: [[UInt8]]
    private var arrived = 0
    private var round = 0
    private var result: [[UInt8]] = []
    private var hasFailed = false

    struct RankFailed: Error {}

    init(size: Int) {
        self.size = size
        given = Array(repeating: [], count: size)
    }

    /// Waits until every rank has given its bytes, and gives all of them.
    func exchange(_ bytes: [UInt8], rank: Int) throws -> [[UInt8]] {
        condition.lock()
        defer { condition.unlock() }
        given[rank] = bytes
        arrived += 1
        if arrived == size {
            result = given
            arrived = 0
            round += 1
            condition.broadcast()
        } else {
            let mine = round
            while round == mine && !hasFailed { condition.wait() }
        }
        if hasFailed { throw RankFailed() }
        return result
    }

    /// Lets nobody wait for a rank that is gone.
    func fail() {
        condition.lock()
        hasFailed = true
        condition.broadcast()
        condition.unlock()
    }

    struct Rank: TrainingGroup {
        let all: ThreadGroup
        let rank: Int
        var size: Int { all.size }

        func sum(_ values: inout [Float]) throws {
            let parts = try everyone(values)
            for index in values.indices { values[index] = parts.reduce(0) { $0 + $1[index] } }
        }

        func sum(_ values: inout [Double]) throws {
            let parts = try everyone(values)
            for index in values.indices { values[index] = parts.reduce(0) { $0 + $1[index] } }
        }

        func gather(_ bytes: [UInt8]) throws -> [[UInt8]] { try all.exchange(bytes, rank: rank) }
        func broadcast(_ bytes: [UInt8]) throws -> [UInt8] { try all.exchange(bytes, rank: rank)[0] }

        private func everyone<Value: BitwiseCopyable>(_ values: [Value]) throws -> [[Value]] {
            let parts = try gather(unsafe values.withUnsafeBytes { unsafe Array($0) })
            return parts.map { bytes in unsafe bytes.withUnsafeBytes { unsafe Array($0.bindMemory(to: Value.self)) } }
        }
    }

    /// Runs `body` as every rank and gives what each came to.
    static func run<R: Sendable>(_ size: Int, _ body: @escaping @Sendable (any TrainingGroup) throws -> R) throws -> [R] {
        let group = ThreadGroup(size: size)
        let results = Mutex<[Int: Result<R, any Error>]>([:])
        let done = DispatchSemaphore(value: 0)
        for rank in 0..<size {
            let thread = Thread {
                let result = Result { try body(Rank(all: group, rank: rank)) }
                if case .failure = result { group.fail() }
                results.withLock { $0[rank] = result }
                done.signal()
            }
            thread.stackSize = 8 << 20
            thread.start()
        }
        for _ in 0..<size { done.wait() }
        return try (0..<size).map { rank in try #require(results.withLock { $0[rank] }).get() }
    }
}

@Suite struct GroupTests {
    private static func trainer(
        _ group: any TrainingGroup, idWidth: Int = 0, loss: LossKind = .maxMargin, optimizer: OptimizerKind = .adam, layers: Int = 2,
        batchSize: Int = 64, negatives: Int = 20, queryMembers: Int = 1, epochs: Int = 2, seed: UInt64 = 4
    ) throws -> Trainer {
        let graph = TinyGraphs.random(items: 300, collections: 60, edgesPerItem: 3, seed: 2)
        let features = FeatureMatrix(values: TinyGraphs.matrix(rows: 300, columns: 8, seed: 3), degree: (column: 7, scale: 0.2))
        var configuration = TrainingConfiguration()
        (configuration.epochs, configuration.batchSize, configuration.negatives) = (epochs, batchSize, negatives)
        (configuration.loss, configuration.optimizer, configuration.seed) = (loss, optimizer, seed)
        (configuration.hardNegatives, configuration.hardNegativeRanks, configuration.clipNorm) = (2, 20...80, 0.05)
        (configuration.patience, configuration.queryMembers) = (2, queryMembers)
        return try Trainer(
            graph: graph, features: features, model: PinSageConfiguration(inputWidth: 8 + idWidth, layers: layers, dimension: 8, idWidth: idWidth),
            walks: WalkConfiguration(walks: 30, walkLength: 2, neighbors: 6), neighborsPerLayer: Array(repeating: 5, count: layers),
            configuration: configuration, idVectors: idWidth > 0 ? TinyGraphs.matrix(rows: 300, columns: idWidth, seed: 9) : nil,
            kernels: try Kernels(threads: 1), group: group)
    }

    private static func losses(_ state: TrainingState) -> [Double] {
        state.metrics.compactMap { row in
            if case .step(let step) = row { return step.loss }
            return nil
        }
    }

    /// How far two arrays are apart, as a share of the larger one's length.
    private static func distance(_ a: [Float], _ b: [Float]) -> Double {
        var difference = 0.0, length = 0.0
        for (x, y) in zip(a, b) {
            difference += Double((x - y) * (x - y))
            length += Double(x * x)
        }
        return a.count == b.count ? (difference / max(length, 1e-30)).squareRoot() : .infinity
    }

    struct Setting: CustomStringConvertible, Sendable {
        var description: String
        var ranks: Int
        var idWidth = 0
        var loss = LossKind.maxMargin
        var layers = 2
        var batchSize = 64
        var negatives = 20
        var queryMembers = 1
    }

    /// Ranks that share each minibatch come to the losses, weights and id vectors of one process with the same minibatches. SGD, because Adam
    /// divides by the gradient's size and so makes rounding of tiny gradients large.
    @Test(arguments: [
        Setting(description: "two", ranks: 2),
        Setting(description: "three, id vectors", ranks: 3, idWidth: 4),
        Setting(description: "three, softmax", ranks: 3, loss: .softmax, layers: 1),
        Setting(description: "two, queries of several members", ranks: 2, layers: 1, queryMembers: 4),
        Setting(description: "two, cross-entropy, no layers, id vectors", ranks: 2, idWidth: 4, loss: .crossEntropy, layers: 0),
        Setting(description: "more ranks than negatives and often than pairs", ranks: 4, idWidth: 4, layers: 1, batchSize: 3, negatives: 2),
    ]) func comeToWhatOneProcessComesTo(_ setting: Setting) throws {
        let run = { @Sendable (group: any TrainingGroup) throws -> TrainingState in
            let trainer = try Self.trainer(
                group, idWidth: setting.idWidth, loss: setting.loss, optimizer: .sgd, layers: setting.layers, batchSize: setting.batchSize,
                negatives: setting.negatives, queryMembers: setting.queryMembers)
            return try trainer.run(from: trainer.initialState())
        }
        let one = try run(SoleProcess())
        let ranks = try ThreadGroup.run(setting.ranks, run)
        let start = try Self.trainer(SoleProcess(), idWidth: setting.idWidth, layers: setting.layers).initialState()
        #expect(one.parameters != start.parameters)
        for state in ranks {
            #expect(state.step == one.step && state.parameters == ranks[0].parameters && state.idVectors?.table == ranks[0].idVectors?.table)
        }
        for (position, tensor) in one.parameters.tensors.enumerated() {
            let distance = Self.distance(tensor.values, ranks[0].parameters.values(at: position))
            #expect(distance < 1e-4, "\(tensor.name) is \(distance) away")
        }
        if let table = one.idVectors?.table {
            let distance = Self.distance(table.values, ranks[0].idVectors?.table.values ?? [])
            // Adam, whatever the optimizer of the weights.
            #expect(distance < 1e-2, "id vectors are \(distance) away")
            #expect(table != start.idVectors?.table)
        }
        for (loss, other) in zip(Self.losses(one), Self.losses(ranks[0])) { #expect(abs(loss - other) <= 1e-4 * abs(loss) + 1e-6) }
        #expect(Self.losses(one).count == Self.losses(ranks[0]).count)
    }

    /// The ranks' shares of a minibatch are, put together, the minibatch of one process.
    @Test func sharesMakeUpTheMinibatch() throws {
        let whole = try Self.trainer(SoleProcess()).makeSource()
        let step = whole.stepsPerEpoch + 1  // an epoch with hard negatives
        let expected = try whole.minibatch(step: step)
        let parts = try ThreadGroup.run(3) { group in try Self.trainer(group).makeSource().minibatch(step: step) }
        #expect(parts.flatMap(\.pairs) == expected.pairs && parts.allSatisfy { $0.pairCount == expected.pairs.count })
        #expect(parts.map(\.layout.ownNegatives) == [0..<6, 6..<13, 13..<20] && expected.layout.ownNegatives == 0..<20)
        #expect(parts.reduce(0) { $0 + $1.layout.hard.count } == expected.layout.hard.count && !expected.layout.hard.isEmpty)
        #expect(parts.reduce(0) { $0 + $1.layout.excluded.count } == expected.layout.excluded.count)
        let items = parts.reduce(into: Set<UInt32>()) { $0.formUnion($1.input.graph.inputItems) }
        #expect(items == Set(expected.input.graph.inputItems))
    }

    /// Rank 0 alone measures and stores; its word stops all, and what one rank is asked stops all at the same step.
    @Test func rankZeroDecides() throws {
        let values = [0.5, 0.3, 0.2, 0.9]
        let calls = Mutex<(validated: [Int], stored: [Int])>(([], []))
        let states = try ThreadGroup.run(2) { group in
            let trainer = try Self.trainer(group, epochs: 4)
            var hooks = Trainer.Hooks()
            var count = 0
            hooks.validate = { _, _ in
                calls.withLock { $0.validated.append(group.rank) }
                count += 1
                return (["mrr": values[count - 1]], values[count - 1])
            }
            hooks.checkpoint = { _ in calls.withLock { $0.stored.append(group.rank) } }
            return try trainer.run(from: trainer.initialState(), hooks: hooks)
        }
        let stepsPerEpoch = try Self.trainer(SoleProcess()).makeSource().stepsPerEpoch
        #expect(calls.withLock { $0.validated } == [0, 0, 0] && calls.withLock { $0.stored } == [0, 0, 0])
        for state in states { #expect(state.step == 3 * stepsPerEpoch && state.bestValidation == 0.5) }
        #expect(states[0].bestParameters == states[1].bestParameters && states[0].bestParameters != states[0].parameters)

        let stopped = try ThreadGroup.run(3) { group in
            let trainer = try Self.trainer(group)
            var hooks = Trainer.Hooks()
            var asked = 0
            hooks.isInterrupted = {
                asked += 1
                return group.rank == 2 && asked == 4
            }
            return try trainer.run(from: trainer.initialState(), hooks: hooks)
        }
        #expect(stopped.map(\.step) == [4, 4, 4])
    }

    /// A run that was stopped goes on from rank 0's state alone and ends in the same bits.
    @Test func resumesFromRankZero() throws {
        let all = try ThreadGroup.run(2) { group in
            let trainer = try Self.trainer(group, idWidth: 4)
            return try trainer.run(from: trainer.initialState())
        }
        let again = try ThreadGroup.run(2) { group in
            let trainer = try Self.trainer(group, idWidth: 4)
            var hooks = Trainer.Hooks()
            var asked = 0
            hooks.isInterrupted = {
                asked += 1
                return asked == 5
            }
            let stopped = try trainer.run(from: trainer.initialState(), hooks: hooks)
            return try trainer.run(from: group.rank == 0 ? stopped : trainer.initialState())
        }
        for state in again {
            #expect(state.parameters == all[0].parameters && state.idVectors?.table == all[0].idVectors?.table && state.step == all[0].step)
        }
    }

    /// Ranks that train on different things say so, all of them, before the first step.
    @Test func refuseToTrainDifferentThings() throws {
        let messages = try ThreadGroup.run(3) { group in
            let trainer = try Self.trainer(group, seed: group.rank == 1 ? 5 : 4)
            do {
                _ = try trainer.run(from: trainer.initialState())
                return "nothing"
            } catch let error as ConfigurationError {
                return error.description
            }
        }
        #expect(Set(messages).count == 1 && messages[0].hasPrefix("rank 1 trains with other settings than rank 0"), "\(messages)")
    }
}
