internal import ArgumentParser
internal import PinSageCatalog
internal import PinSageKit

/// What every command that computes has.
struct MachineOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The most threads that run at once (default: all cores).", valueName: "n"))
    var threads: Int?

    @Option(help: ArgumentHelp("Instruction set of the kernels: scalar, avx2, avx512 or neon (default: the best of this machine).", valueName: "isa"))
    var isa: InstructionSet?

    func validate() throws {
        if let threads, threads < 1 { throw ValidationError("--threads must be at least 1, found \(threads)") }
    }

    func kernels() throws -> Kernels { try Kernels(instructionSet: isa, threads: threads) }
}

extension Dataset {
    /// The dataset's titles, texts and attributes; `nil` where it was imported without any.
    func catalog() throws -> SQLiteCatalog? {
        guard let path, catalogPath != nil else { return nil }
        return try SQLiteCatalog(directory: path)
    }
}
