internal import CKernels

/// What went wrong in a numeric kernel. A kernel that throws has written nothing.
public enum KernelError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Two shapes that must agree do not; the text names both.
    case shapeMismatch(String)
    /// The processor (or this build) cannot run the requested instruction set.
    case unsupportedInstructionSet(InstructionSet)
    /// `PINSAGE_ISA` names no instruction set; the text is what it says.
    case unknownInstructionSet(String)
    /// A C kernel refused its arguments; `status` is the name of its `ps_status`.
    case refused(kernel: String, status: String)

    public var description: String {
        switch self {
        case .shapeMismatch(let text): "shapes disagree: \(text)"
        case .unsupportedInstructionSet(let isa): "this processor cannot run the instruction set '\(isa.rawValue)'"
        case .unknownInstructionSet(let name):
            "PINSAGE_ISA is '\(name)': it takes \(InstructionSet.allCases.map(\.rawValue).joined(separator: ", "))"
        case .refused(let kernel, let status): "kernel \(kernel) refused its arguments: \(status)"
        }
    }
}

extension KernelError {
    /// Throws unless `status` is PS_OK.
    static func check(_ status: ps_status, _ kernel: StaticString) throws(KernelError) {
        guard status != PS_OK else { return }
        throw .refused(kernel: "\(kernel)", status: unsafe String(cString: ps_status_name(status)))
    }
}
