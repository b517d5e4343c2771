internal import ArgumentParser

struct CompletionsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "completions",
        abstract: "Print what a shell needs to complete commands and options.",
        discussion: """
            Examples:
              pinsage-cli completions bash > ~/.local/share/bash-completion/completions/pinsage-cli
              pinsage-cli completions zsh > ~/.zsh/completions/_pinsage-cli
              pinsage-cli completions fish > ~/.config/fish/completions/pinsage-cli.fish
            """)

    enum Shell: String, CaseIterable, ExpressibleByArgument {
        case bash, zsh, fish
    }

    @Argument(help: ArgumentHelp("\(Shell.allCases.map(\.rawValue).joined(separator: ", ")).", valueName: "shell"))
    var shell: Shell

    func run() throws {
        let completion: CompletionShell =
            switch shell {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        Terminal.result(PinSageCLI.completionScript(for: completion))
    }
}
