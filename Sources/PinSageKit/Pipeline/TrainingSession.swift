internal import Foundation
internal import Synchronization

/// A training run on a thread of its own: a sequence of its events, and what it came to.
///
///     let session = run.start(output: "lists.model")
///     for await event in session { if case .step(let step) = event { print(step.loss) } }
///     let model = try await session.result.model
///
/// It stops after the step at hand when ``cancel()`` is called, or when a task is cancelled that reads its events or waits for its result; a
/// run with an output leaves a checkpoint then, from which another one resumes to the same weights. Events are kept until somebody reads them,
/// so that none is lost; they go to one reader. A run that nobody waits for goes on to its end.
public final class TrainingSession: AsyncSequence, Sendable {
    public typealias Element = TrainingEvent
    public typealias Failure = Never

    private let events: AsyncStream<TrainingEvent>
    private let outcome: Task<(model: PinSageModel, state: TrainingState), any Error>
    private let stop: StopRequest

    fileprivate init(_ run: TrainingRun, output: String?, resumes: Bool, validation: EvaluationTask?, initialModel: PinSageModel?) {
        let stop = StopRequest()
        let (events, continuation) = AsyncStream<TrainingEvent>.makeStream()
        continuation.onTermination = { reason in
            if case .cancelled = reason { stop.isMade.store(true, ordering: .relaxed) }
        }
        self.stop = stop
        self.events = events
        outcome = Task.detached {
            try await withCheckedThrowingContinuation { waiting in
                // Training blocks, which a thread of the cooperative pool must not.
                Thread.detachNewThread {
                    waiting.resume(
                        with: Result {
                            defer { continuation.finish() }
                            var wasInterrupted = false
                            var hooks = TrainingRun.Hooks()
                            hooks.isInterrupted = { stop.isMade.load(ordering: .relaxed) }
                            hooks.onEvent = { event in
                                if case .finished(let finish) = event { wasInterrupted = finish.interrupted }
                                continuation.yield(event)
                            }
                            let result = try run.run(
                                output: output, resumes: resumes, validation: validation, initialModel: initialModel, hooks: hooks)
                            if wasInterrupted { throw CancellationError() }
                            return result
                        })
                }
            }
        }
    }

    /// The events, from the first that was not read yet.
    public func makeAsyncIterator() -> AsyncStream<TrainingEvent>.Iterator { events.makeAsyncIterator() }

    /// Stops the run after the step at hand. What it came to is then a `CancellationError`, unless it was done already.
    public func cancel() { stop.isMade.store(true, ordering: .relaxed) }

    /// What the run came to, waiting for its end; cancelling the waiting task cancels the run.
    ///
    /// - Throws: `CancellationError` for a run that was stopped, and what ``TrainingRun/run(output:resumes:validation:initialModel:hooks:)`` throws.
    public var result: (model: PinSageModel, state: TrainingState) {
        get async throws {
            try await withTaskCancellationHandler {
                try await outcome.value
            } onCancel: {
                cancel()
            }
        }
    }
}

extension TrainingRun {
    /// Begins training on a thread of its own; the arguments are those of ``run(output:resumes:validation:initialModel:hooks:)``.
    public func start(
        output: String?, resumes: Bool = false, validation: EvaluationTask? = nil, initialModel: PinSageModel? = nil
    ) -> TrainingSession {
        TrainingSession(self, output: output, resumes: resumes, validation: validation, initialModel: initialModel)
    }
}

/// Asked between steps, set by anybody.
private final class StopRequest: Sendable {
    let isMade = Atomic<Bool>(false)
}
