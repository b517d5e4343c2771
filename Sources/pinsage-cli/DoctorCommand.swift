internal import ArgumentParser
internal import Foundation
internal import PinSageKit

struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Say what this machine computes with, and what to set when that is less than it could.")

    @OptionGroup var machine: MachineOptions
    @OptionGroup var outputOptions: OutputOptions

    /// Kernel sets of OpenBLAS without fused multiply-adds on 8 lanes: slow on every processor with AVX2.
    private static let old: Set<String> = [
        "prescott", "core2", "penryn", "dunnington", "atom", "nano", "nehalem", "sandybridge", "generic", "athlon", "opteron", "opteron_sse3",
        "barcelona",
        "bobcat", "bulldozer", "piledriver", "steamroller",
    ]
    /// Kernel sets of OpenBLAS that do not use what the processor has, lower case, and what to set OPENBLAS_CORETYPE to.
    private static let slow: [InstructionSet: (sets: Set<String>, better: String)] = [
        .avx2: (old, "Haswell"),
        .avx512: (old.union(["haswell", "zen", "excavator"]), "SkylakeX"),
        .neon: (["generic", "armv8"], "NEOVERSEN1"),
    ]

    /// What to do about the BLAS kernel set `core` on a processor whose best instruction set is `best`; `nil` when it is a good one.
    static func advice(core: String, best: InstructionSet) -> String? {
        guard let slow = slow[best], slow.sets.contains(core.lowercased()) else { return nil }
        return "OpenBLAS chose its \(core) kernels, below this processor: unset OPENBLAS_CORETYPE where it is set, else set it to \(slow.better)"
    }

    /// The processor's name, as the system has it.
    private static var processor: String {
        if let text = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8),
            let line = text.split(separator: "\n").first(where: { $0.hasPrefix("model name") }), let colon = line.firstIndex(of: ":")
        {
            return line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
        }
        return "unknown"
    }

    func run() throws {
        let kernels = try machine.kernels()
        let blas = Kernels.blasDescription
        var advice: [String] = []
        let best = InstructionSet.available.last ?? .scalar
        if kernels.instructionSet != best {
            advice.append("the kernels use \(kernels.instructionSet.rawValue); unset PINSAGE_ISA and --isa to use \(best.rawValue)")
        }
        if let blasAdvice = DoctorCommand.advice(core: blas.core, best: best) { advice.append(blasAdvice) }
        let ran = kernels.threadsThatRun
        if ran < kernels.threads {
            advice.append(
                "\(kernels.threads) threads were asked for and \(ran) ran: is libomp5 installed, and are OMP_THREAD_LIMIT and OMP_DYNAMIC unset?")
        }
        let rates = try kernels.measuredProductRates(), share = rates.blas / rates.peak
        // A good BLAS reaches more than 0.8 alone on the machine; half also on a busy one. The scalar peak is no limit of BLAS.
        if kernels.instructionSet == best, share < 0.5 {
            advice.append("matrix products reach \(percent(share)) of the peak: is the machine busy, or OpenBLAS a build for older processors?")
        }
        if outputOptions.json {
            Terminal.result([
                "isa": .string(kernels.instructionSet.rawValue), "isa_available": .array(InstructionSet.available.map { .string($0.rawValue) }),
                "processor": .string(DoctorCommand.processor), "instructions": .string(kernels.instructions),
                "openmp": .string(Kernels.openMPRuntime), "peak_gflops": .number(gigas(rates.peak)), "blas_gflops": .number(gigas(rates.blas)),
                "threads": JSONValue(kernels.threads), "threads_ran": JSONValue(kernels.threadsThatRun), "blas_core": .string(blas.core),
                "blas": .string(blas.configuration), "advice": .array(advice.map { .string($0) }),
            ])
            return
        }
        Terminal.result(
            Terminal.table(
                [
                    ("processor", DoctorCommand.processor),
                    (
                        "kernels",
                        "\(kernels.instructionSet.rawValue) (this machine runs \(InstructionSet.available.map(\.rawValue).joined(separator: ", ")))"
                    ),
                    ("instructions", kernels.instructions),
                    ("OpenMP", Kernels.openMPRuntime),
                    ("threads", "\(ran) of \(kernels.threads) ran in a parallel region"),
                    ("OpenBLAS", "\(blas.core): \(blas.configuration)"),
                    (
                        "products",
                        "\(gigas(rates.blas)) GFLOP/s by BLAS, \(percent(share)) of the \(gigas(rates.peak)) of \(kernels.instructionSet.rawValue)"
                    ),
                ] + advice.map { ("advice", $0) }))
    }

    private func percent(_ share: Double) -> String { "\(Int((share * 100).rounded())) %" }
    /// In billions, with one decimal.
    private func gigas(_ rate: Double) -> Double { (rate / 1e8).rounded() / 10 }
}
