internal import ArgumentParser
internal import PinSageKit
#if canImport(Darwin)
    internal import Darwin
#else
    internal import Glibc
#endif

@main
struct PinSageCLI: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pinsage-cli",
        abstract: "Related items from what people put together: train, embed, index, query and evaluate PinSage models.",
        discussion: """
            Results go to standard output, messages and progress to standard error. Exit status: 0 success, 64 bad usage, 65 bad data, 1 otherwise.
            """,
        subcommands: [
            ImportCommand.self, AppendCommand.self, CompactCommand.self, PruneCommand.self, SynthCommand.self, SplitCommand.self, TrainCommand.self,
            EmbedCommand.self, ExportCommand.self, IndexCommand.self, QueryCommand.self, EvaluateCommand.self, AblationCommand.self,
            NeighborsCommand.self, InputsCommand.self, Project2DCommand.self, ServeCommand.self, InfoCommand.self, DoctorCommand.self,
            DemoCommand.self,
            CompletionsCommand.self,
        ])

    static func main() async {
        // A file that may not grow further is then an error like a full disk, and not the end of the process.
        signal(SIGXFSZ, SIG_IGN)
        refuseUnknownCommand()
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            exit(reporting: error)
        }
    }

    /// Ends the process when the first word is no command, with the command that is most like it: the parser would only call it unexpected.
    private static func refuseUnknownCommand() {
        guard let word = CommandLine.arguments.dropFirst().first, !word.hasPrefix("-") else { return }
        let names = configuration.subcommands.compactMap { type in type.configuration.commandName } + ["help"]
        guard !names.contains(word) else { return }
        let closest = names.map { (name: $0, edits: edits($0, word)) }.filter { $0.edits <= 2 }.min { $0.edits < $1.edits }?.name
        Terminal.error(
            "error: there is no command '\(Terminal.line(word))'" + (closest.map { "; did you mean '\($0)'?" } ?? "")
                + " ('pinsage-cli --help' lists all)")
        exit(withError: ExitCode(64))
    }

    /// Ends the process with a message and the status that belongs to the error.
    private static func exit(reporting error: any Error) -> Never {
        // Usage errors (64), help (0) and statuses that a command chose are ArgumentParser's.
        guard let status = status(of: error) else { exit(withError: error) }
        Terminal.error("error: \(error)")
        exit(withError: ExitCode(status))
    }

    /// The exit status of an error of ours; `nil` for one that ArgumentParser knows better how to report.
    static func status(of error: any Error) -> Int32? {
        switch error {
        case is DataError, TrainingError.tooFewPairs: 65
        case is ConfigurationError, SamplingError.invalidConfiguration, KernelError.unsupportedInstructionSet, KernelError.unknownInstructionSet: 64
        case is TrainingError, is SamplingError, is KernelError: 1
        default: nil
        }
    }
}
