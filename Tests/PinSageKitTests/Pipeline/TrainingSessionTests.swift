import Foundation
import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite struct TrainingSessionTests {
    private static func run(epochs: Int) throws -> TrainingRun {
        let edges = (0..<240).map { (item: $0 % 40 + $0 / 120 * 40, collection: $0 % 40 / 4 + $0 / 120 * 10) }
        let dataset = Dataset(
            graph: TinyGraphs.graph(items: 80, collections: 20, edges: edges), items: Identifiers((0..<80).map { "i\($0)" }),
            collections: Identifiers((0..<20).map { "c\($0)" }))
        var options = TrainingOptions()
        (options.epochs, options.hiddenWidth, options.layerWidth, options.dimension, options.idWidth) = (epochs, 8, 8, 8, 8)
        (options.walks, options.neighbors, options.holdsOutValidation) = (10, [4], false)
        (options.training.batchSize, options.training.negatives) = (8, 10)
        return TrainingRun(dataset: dataset, catalog: nil, options: options, kernels: try Kernels(threads: 1))
    }

    @Test func eventsArriveInOrderAndTheResultIsThatOfRun() async throws {
        let run = try Self.run(epochs: 2)
        let session = run.start(output: nil)
        var steps: [Int] = [], last: TrainingEvent?
        for await event in session {
            if case .step(let step) = event { steps.append(step.step) }
            last = event
        }
        let (model, state) = try await session.result
        #expect(steps == Array(0..<state.step) && !steps.isEmpty)
        guard case .finished(let finish) = last else {
            Issue.record("the last event is \(String(describing: last))")
            return
        }
        #expect(!finish.interrupted)
        let expected = try run.run(output: nil)
        #expect(model.parameters == expected.model.parameters && model.idVectors == expected.model.idVectors)
        // A second look at the result is the same one.
        #expect(try await session.result.state.step == state.step)
    }

    @Test func errorsReachWhoWaits() async throws {
        let folder = try TemporaryFolder()
        let file = try folder.write("taken", "not a model")
        let session = try Self.run(epochs: 1).start(output: file)
        for await _ in session { Issue.record("there is nothing to tell") }
        await #expect(throws: DataError.self) { try await session.result }
    }

    /// Far more epochs than a test waits for: it ends because it is stopped.
    @Test func aCancelledReaderStopsTheRun() async throws {
        let session = try Self.run(epochs: 1_000_000).start(output: nil)
        let reader = Task {
            var steps = 0
            for await event in session { if case .step = event { steps += 1 } }
            return steps
        }
        while reader.isCancelled == false {
            await Task.yield()
            reader.cancel()
        }
        _ = await reader.value
        await #expect(throws: CancellationError.self) { try await session.result }
    }

    @Test func aCancelledWaiterStopsTheRun() async throws {
        let session = try Self.run(epochs: 1_000_000).start(output: nil)
        let waiter = Task { try await session.result.state.step }
        for await event in session { if case .step = event { waiter.cancel() } }
        await #expect(throws: CancellationError.self) { try await waiter.value }
    }

    @Test func aStoppedRunResumesToTheSameWeights() async throws {
        let folder = try TemporaryFolder()
        // Stopped at once, long before its end however slowly this task gets its turn.
        let run = try Self.run(epochs: 40), path = folder["m"]
        let session = run.start(output: path)
        session.cancel()
        await #expect(throws: CancellationError.self) { try await session.result }
        let resumed = try await run.start(output: path, resumes: true).result
        let whole = try run.run(output: nil)
        #expect(resumed.model.parameters == whole.model.parameters && resumed.state.step == whole.state.step)
    }
}
