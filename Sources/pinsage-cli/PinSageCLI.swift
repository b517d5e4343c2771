internal import ArgumentParser

@main
struct PinSageCLI: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pinsage-cli",
        abstract: "Related items from what people put together: train, embed, index, query and evaluate PinSage models.")
}
