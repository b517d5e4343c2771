internal import CKernels

/// The weights of a dense layer in the order in which one instruction set reads them.
struct PackedWeights: Sendable {
    fileprivate let values: StoredArray<Float>
    /// E
    let outputs: Int
    /// D
    let inputs: Int
    fileprivate let instructionSet: InstructionSet
}

extension Kernels {
    /// Packs a weight matrix (E, D) for ``dense(_:_:packed:bias:activation:into:)``. - Complexity: O(E D)
    func packed(_ weight: Matrix) throws(KernelError) -> PackedWeights {
        let (outputs, inputs) = (Int64(weight.rows), Int64(weight.columns))
        let values = try unsafe withContext { context throws(KernelError) in
            var count: Int64 = 0
            try unsafe KernelError.check(ps_dense_packed_count(context, inputs, outputs, &count), "dense_packed_count")
            return try unsafe StoredArray<Float>(count: Int(count)) { buffer throws(KernelError) in
                try unsafe KernelError.check(ps_dense_pack_f32(context, weight.values, inputs, outputs, buffer.baseAddress), "dense_pack")
            }
        }
        return PackedWeights(values: values, outputs: weight.rows, inputs: weight.columns, instructionSet: instructionSet)
    }

    /// y = act(x1 W1' + x2 W2' + bias), as ``dense(_:_:weight:bias:activation:into:)`` but without BLAS: a row of y has the same bits whatever the
    /// other rows and wherever it stands among them.
    ///
    /// Shapes: x1 (B,D1); x2 (B,D2) or none; packed weight (E, D1+D2); bias (E) or none; y becomes (B,E).
    func dense(
        _ x1: Matrix, _ x2: Matrix? = nil, packed weight: PackedWeights, bias: [Float]?, activation: Activation, into y: inout Matrix
    ) throws(KernelError) {
        let width = x1.columns + (x2?.columns ?? 0)
        guard weight.inputs == width, x2 == nil || x2?.rows == x1.rows, bias == nil || bias?.count == weight.outputs else {
            throw .shapeMismatch(
                "dense: inputs \(x1.shape) and \(x2?.shape ?? "none") with weight \(weight.outputs) x \(weight.inputs) and bias \(bias?.count ?? 0)")
        }
        precondition(weight.instructionSet == instructionSet, "weights packed for \(weight.instructionSet), used by \(instructionSet)")
        y.reshape(rows: x1.rows, columns: weight.outputs)
        try unsafe withContext { context throws(KernelError) in
            try unsafe weight.values.withUnsafeBufferPointer { packed throws(KernelError) in
                try unsafe KernelError.check(
                    ps_dense_packed_forward_f32(
                        context, x1.values, Int64(x1.columns), x2?.values, Int64(x2?.columns ?? 0), packed.baseAddress, bias, Int64(x1.rows),
                        Int64(x1.columns), Int64(x2?.columns ?? 0), Int64(weight.outputs), activation.code, &y.values),
                    "dense_packed_forward")
            }
        }
    }
}
