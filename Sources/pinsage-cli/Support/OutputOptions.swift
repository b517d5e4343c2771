internal import ArgumentParser

/// What every command that prints results has.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print one JSON document instead of text.")
    var json = false
}
