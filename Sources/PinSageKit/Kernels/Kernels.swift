internal import CKernels
internal import Foundation

/// Instruction sets that the C kernels have leaves for.
public enum InstructionSet: String, CaseIterable, Sendable, Codable {
    case scalar, avx2, avx512, neon

    var code: ps_isa {
        switch self {
        case .scalar: PS_ISA_SCALAR
        case .avx2: PS_ISA_AVX2
        case .avx512: PS_ISA_AVX512
        case .neon: PS_ISA_NEON
        }
    }

    init(code: ps_isa) {
        self =
            switch code {
            case PS_ISA_AVX2: .avx2
            case PS_ISA_AVX512: .avx512
            case PS_ISA_NEON: .neon
            default: .scalar
            }
    }

    /// Every instruction set that this machine can run, slowest first.
    public static var available: [InstructionSet] {
        allCases.filter { ps_isa_supported($0.code) != 0 }
    }

    /// The instruction set that kernels use unless told otherwise: `PINSAGE_ISA` when set and known, else the best available.
    /// ``Kernels/init(instructionSet:threads:)`` refuses a `PINSAGE_ISA` that is not known.
    public static var preferred: InstructionSet {
        (try? named()) ?? InstructionSet(code: ps_isa_detect())
    }

    /// What `PINSAGE_ISA` names; `nil` when it is not set or empty.
    /// - Throws: ``KernelError/unknownInstructionSet(_:)``.
    static func named() throws(KernelError) -> InstructionSet? {
        guard let value = unsafe getenv("PINSAGE_ISA") else { return nil }
        let name = unsafe String(cString: value)
        guard !name.isEmpty else { return nil }
        guard let named = InstructionSet(rawValue: name) else { throw .unknownInstructionSet(name) }
        return named
    }
}

/// The C kernels as Swift calls them: an instruction set and a thread count, and one method per kernel in `Kernels+*.swift`.
///
/// A value is immutable, so any number of threads may share one; but every call blocks and uses up to `threads` threads,
/// so callers make one call at a time and keep off Swift's cooperative pool.
public struct Kernels: Sendable {
    public let instructionSet: InstructionSet
    /// The most threads that a call uses, OpenMP and BLAS alike.
    public let threads: Int

    /// - Parameters:
    ///   - instructionSet: `nil` takes ``InstructionSet/preferred``.
    ///   - threads: `nil` takes every core that this process may use.
    /// - Throws: ``KernelError/unsupportedInstructionSet(_:)``, or ``KernelError/unknownInstructionSet(_:)`` for a mistyped `PINSAGE_ISA`; it never
    ///   degrades silently.
    public init(instructionSet: InstructionSet? = nil, threads: Int? = nil) throws(KernelError) {
        var isa = instructionSet ?? InstructionSet(code: ps_isa_detect())
        if instructionSet == nil, let named = try InstructionSet.named() { isa = named }
        guard ps_isa_supported(isa.code) != 0 else { throw .unsupportedInstructionSet(isa) }
        self.instructionSet = isa
        self.threads = max(1, threads ?? Kernels.availableProcessors)
    }

    /// The number of processors that this process may run on: those that taskset, a container's set or mpirun left it.
    public static var availableProcessors: Int { ProcessInfo.processInfo.activeProcessorCount }

    /// The number of processors of the machine.
    public static var onlineProcessors: Int {
        Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    }

    /// How many threads really run in a parallel region: less than ``threads`` means that the OpenMP runtime is not working.
    public var threadsThatRun: Int {
        unsafe withContext { context in unsafe Int(ps_context_probe_threads(context)) }
    }

    /// What the C kernels use of the processor, in words: "AVX-512 with BF16 and VNNI dot products".
    public var instructions: String {
        unsafe withContext { context in unsafe String(cString: ps_context_description(context)) }
    }

    /// The name of the kernel set that OpenBLAS chose when it was loaded, e.g. "SkylakeX", and its build description.
    public static var blasDescription: (core: String, configuration: String) {
        unsafe (String(cString: ps_blas_core_name()), String(cString: ps_blas_configuration()))
    }

    /// Calls `body` with the C context of this value. The context is a few bytes on the stack, so nothing is shared or freed.
    func withContext<R>(_ body: (UnsafePointer<ps_context>) throws(KernelError) -> R) throws(KernelError) -> R {
        var context = unsafe ps_context()
        try unsafe KernelError.check(ps_context_make(instructionSet.code, Int32(clamping: threads), &context), "context_make")
        return try unsafe withUnsafePointer(to: &context, body)
    }

    private func withContext<R>(_ body: (UnsafePointer<ps_context>) -> R) -> R {
        var context = unsafe ps_context()
        let status = unsafe ps_context_make(instructionSet.code, Int32(clamping: threads), &context)
        precondition(status == PS_OK, "the instruction set was checked when Kernels was made")
        return unsafe withUnsafePointer(to: &context, body)
    }
}
