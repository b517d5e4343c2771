internal import ArgumentParser

/// What every command that prints results has.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print one JSON document instead of text.")
    var json = false

    @Flag(name: [.long, .customShort("q")], help: "Show no progress and no notes; warnings and errors still go to standard error.")
    var quiet = false

    /// Progress of something long, unless nobody wants to see it.
    func progress(_ label: String, unit: String) -> ProgressBar { ProgressBar(label, unit: unit, isShown: !quiet) }

    /// A line that helps to understand the result, on standard error.
    func note(_ line: String) {
        if !quiet { Terminal.error(line) }
    }
}
