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

    /// The value of IEEE half precision bits: (-1)^sign 2^(exponent - 15) 1.mantissa, or 2^-14 0.mantissa where the exponent is 0.
    public static func float16(_ bits: UInt16) -> Double {
        let sign = bits >> 15 == 0 ? 1.0 : -1.0, exponent = Int(bits >> 10 & 31), mantissa = Double(bits & 1023) / 1024
        if exponent == 31 { return mantissa == 0 ? sign * .infinity : .nan }
        if exponent == 0 { return sign * mantissa * 0x1p-14 }
        return sign * (1 + mantissa) * Double(sign: .plus, exponent: exponent - 15, significand: 1)
    }

    /// The half precision value nearest to `value`, as bits; of two equally near the one with an even last bit; infinity from 65520 on.
    public static func float16Bits(_ value: Float) -> UInt16 {
        let sign: UInt16 = value.sign == .minus ? 0x8000 : 0
        if value.isNaN { return sign | 0x7e00 }
        let magnitude = Double(value.magnitude)
        // The bits of positive halves ascend with their values: the last one that is not above, by bisection.
        var below: UInt16 = 0, above: UInt16 = 0x7c00
        while above - below > 1 {
            let middle = below + (above - below) / 2
            if float16(middle) <= magnitude { below = middle } else { above = middle }
        }
        if magnitude >= 65536 { return sign | 0x7c00 }
        let upper = above == 0x7c00 ? 65536 : float16(above)  // the step that infinity stands for
        let toLower = magnitude - float16(below), toUpper = upper - magnitude
        if toLower == toUpper { return sign | (below & 1 == 0 ? below : above) }
        return sign | (toLower < toUpper ? below : above)
    }
}
