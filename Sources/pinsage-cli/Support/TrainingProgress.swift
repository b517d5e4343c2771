internal import Foundation
internal import PinSageKit

/// Shows a training run on standard error: a bar with rate, loss and time left, a line for each validation.
final class TrainingProgress {
    private(set) var finish: TrainingEvent.Finish?
    private var start: TrainingEvent.Start?
    private var bar: ProgressBar?
    private var stage = ""
    private var pairs = 0
    private var lossSum = 0.0, lossCount = 0
    private var waited = 0.0, produced = 0.0, exchanged = 0.0
    /// The last validation's measure, for the bar.
    private var validation: String?
    private let isShown: Bool
    private let ranks: Int

    /// - Parameters:
    ///   - isShown: false shows nothing and still keeps the run's end, for --quiet.
    ///   - ranks: processes that train together.
    init(isShown: Bool, ranks: Int = 1) {
        self.isShown = isShown
        self.ranks = ranks
    }

    /// A stage before the first step.
    func prepare(_ stage: String, _ done: Int, _ total: Int) {
        if stage != self.stage {
            bar?.finish()
            bar = ProgressBar(stage, unit: "steps", isShown: isShown)
            self.stage = stage
        }
        bar?.update(count: done, fraction: total > 0 ? Double(done) / Double(total) : nil)
    }

    func report(_ event: TrainingEvent) {
        switch event {
        case .started(let start):
            bar?.finish()
            bar = ProgressBar("training", unit: "pairs", isShown: isShown)
            self.start = start
            note(
                "\(Terminal.count(start.parameterCount)) parameters, \(Terminal.count(start.pairs)) pairs in \(Terminal.count(start.stepsPerEpoch, "step")) an epoch, "
                    + Terminal.count(start.epochs, "epoch") + (start.firstStep > 0 ? ", going on at step \(start.firstStep)" : ""))
            if ranks > 1 { note("\(ranks) ranks share each minibatch") }
            for text in start.notes { note("note: \(text)") }
        case .step(let step):
            pairs += step.pairs
            lossSum += step.loss
            lossCount += 1
            waited += step.waited
            produced += step.produced
            exchanged += step.exchanged ?? 0
            guard let start else { return }
            let total = Double(max(1, start.epochs * start.stepsPerEpoch - start.firstStep))
            bar?.update(
                count: pairs, fraction: Double(step.step + 1 - start.firstStep) / total, note: note(of: step))
        case .validated(let validation):
            bar?.finish()
            let metrics = ["hit_rate@10", "hit_rate@500", "recall@20", "mrr"].compactMap { name in
                validation.metrics[name].map { "\(name) \(String(format: "%.4f", $0))" }
            }
            note(
                "epoch \(validation.epoch + 1): loss \(String(format: "%.5f", lossSum / Double(max(1, lossCount)))), "
                    + metrics.joined(separator: ", ") + (validation.isBest ? " *" : ""))
            (lossSum, lossCount) = (0, 0)
            self.validation = metrics.first
        case .checkpoint: break
        case .finished(let finish):
            bar?.finish()
            self.finish = finish
        }
    }

    private func note(_ line: String) {
        if isShown { Terminal.error(line) }
    }

    /// What the bar shows beside rate and time left.
    private func note(of step: TrainingEvent.Step) -> String {
        var parts = [String(format: "loss %.4f", step.loss), String(format: "rate %.1e", Double(step.learningRate))]
        if step.hardNegatives > 0 { parts.append("\(step.hardNegatives) hard") }
        if let validation { parts.append(validation) }
        let seconds = max(step.seconds, 1e-9)
        parts.append("\(percent(produced / seconds)) producing")
        parts.append("\(percent(waited / seconds)) waiting")
        if ranks > 1 { parts.append("\(percent(exchanged / seconds)) exchanging") }
        return parts.joined(separator: ", ")
    }

    /// Takes the bar away, before a message or an error.
    func end() { bar?.finish() }

    var pairsPerSecond: Double { Double(pairs) / max(finish?.seconds ?? 0, 1e-9) }

    /// What a run came to, for people.
    func summary(model: String) -> String {
        guard let finish else { return model }
        var rows = [
            ("model", model), ("steps", Terminal.count(finish.steps)),
            (
                "time",
                "\(Terminal.duration(finish.seconds)), \(Terminal.count(Int(pairsPerSecond))) pairs/s"
            ),
            (
                "minibatches",
                "\(percent(finish.produced / max(finish.seconds, 1e-9))) of the time went into making them, "
                    + "\(percent(finish.waited / max(finish.seconds, 1e-9))) into waiting for them"
            ),
        ]
        if let operations = finish.productFLOPs, operations > 0 {
            let rate = String(format: "%.1f", operations / max(finish.seconds, 1e-9) * 1e-9)
            rows.append(("products", "\(rate) GFLOP/s of matrix products that were needed; doctor measures the peak"))
        }
        if let exchanged = finish.exchanged {
            let share = percent(exchanged / max(finish.seconds, 1e-9))
            rows.append(("ranks", "\(ranks); \(share) of the time went into exchanging gradients and waiting for each other"))
        }
        if let best = finish.bestValidation { rows.append(("best validation", String(format: "%.4f (hit-rate@10 or recall@20, plus MRR)", best))) }
        if finish.interrupted { rows.append(("stopped", "before the last epoch; train --resume goes on")) }
        return Terminal.table(rows)
    }

    private func percent(_ share: Double) -> String { String(format: "%.1f %%", 100 * share) }
}
