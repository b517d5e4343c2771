extension Reference {
    /// out[b,:] = table[indices[b],:]. Shapes: table (N, width); result (indices.count, width).
    public static func gathered(_ table: [Float], width: Int, indices: [Int64]) -> [Float] {
        indices.flatMap { index in table[Int(index) * width..<(Int(index) + 1) * width] }
    }

    /// table[indices[b],:] += rows[b,:], in order of b. Shapes: rows (indices.count, width); table and result (N, width).
    public static func scatterAdded(_ rows: [Float], width: Int, indices: [Int64], into table: [Float]) -> [Double] {
        var sums = table.map(Double.init)
        for (b, index) in indices.enumerated() {
            for column in 0..<width { sums[Int(index) * width + column] += Double(rows[b * width + column]) }
        }
        return sums
    }

    /// The bfloat16 nearest to `value`, as bits; of two equally near the one with an even last bit. NaN gives a quiet NaN.
    public static func bfloat16Bits(_ value: Float) -> UInt16 {
        if value.isNaN { return UInt16(value.bitPattern >> 16) | 0x40 }
        if value.isInfinite { return UInt16(value.bitPattern >> 16) }
        let below = UInt16(value.bitPattern >> 16)  // towards zero
        let above = below + 1
        // The step from the largest finite value leads to 2^128, which stands for infinity in the comparison.
        let upper = above & 0x7fff == 0x7f80 ? 0x1p128 : Double(bfloat16(above).magnitude)
        let toLower = Double(value.magnitude) - Double(bfloat16(below).magnitude)
        let toUpper = upper - Double(value.magnitude)
        if toLower == toUpper { return below & 1 == 0 ? below : above }
        return toLower < toUpper ? below : above
    }

    /// The value of bfloat16 bits.
    public static func bfloat16(_ bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }
}
