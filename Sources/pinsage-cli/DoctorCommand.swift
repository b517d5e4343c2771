internal import ArgumentParser
internal import PinSageKit

struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Say what this machine computes with, and what to set when that is less than it could.")

    @OptionGroup var machine: MachineOptions
    @OptionGroup var outputOptions: OutputOptions

    /// Kernel sets of OpenBLAS that do not use the processor's widest vectors, by what the processor has.
    private static let slow: [InstructionSet: Set<String>] = [
        .avx2: ["Prescott", "Core2", "Nehalem", "Sandybridge", "Generic", "Athlon", "Opteron", "Barcelona", "Bulldozer"],
        .avx512: ["Prescott", "Core2", "Nehalem", "Sandybridge", "Generic", "Haswell", "Zen"],
    ]

    func run() throws {
        let kernels = try machine.kernels()
        let blas = Kernels.blasDescription
        var advice: [String] = []
        let best = InstructionSet.available.last ?? .scalar
        if kernels.instructionSet != best {
            advice.append("the kernels use \(kernels.instructionSet.rawValue); unset PINSAGE_ISA and --isa to use \(best.rawValue)")
        }
        if DoctorCommand.slow[best]?.contains(where: { $0.lowercased() == blas.core.lowercased() }) == true {
            advice.append(
                "OpenBLAS chose its \(blas.core) kernels, below this processor; unset OPENBLAS_CORETYPE, or set it to SkylakeX where there is AVX-512"
            )
        }
        if kernels.threadsThatRun < kernels.threads {
            advice.append(
                "\(kernels.threads) threads were asked for and \(kernels.threadsThatRun) ran: is libomp5 installed, and are there as many cores?")
        }
        if outputOptions.json {
            Terminal.result([
                "isa": .string(kernels.instructionSet.rawValue), "isa_available": .array(InstructionSet.available.map { .string($0.rawValue) }),
                "threads": JSONValue(kernels.threads), "threads_ran": JSONValue(kernels.threadsThatRun), "blas_core": .string(blas.core),
                "blas": .string(blas.configuration), "advice": .array(advice.map { .string($0) }),
            ])
            return
        }
        Terminal.result(
            Terminal.table(
                [
                    (
                        "kernels",
                        "\(kernels.instructionSet.rawValue) (this machine runs \(InstructionSet.available.map(\.rawValue).joined(separator: ", ")))"
                    ),
                    ("threads", "\(kernels.threadsThatRun) of \(kernels.threads) ran in a parallel region"),
                    ("OpenBLAS", "\(blas.core): \(blas.configuration)"),
                ] + advice.map { ("advice", $0) }))
    }
}
