/// The element types that PinSageKit's files hold, all little-endian.
public enum ElementType: String, Hashable, Sendable, Codable, CaseIterable {
    case float16, bfloat16, float32, float64, int8, uint8, uint16, uint32, uint64, int32, int64

    /// The size of one element in bytes.
    public var size: Int {
        switch self {
        case .int8, .uint8: 1
        case .float16, .bfloat16, .uint16: 2
        case .float32, .uint32, .int32: 4
        case .float64, .uint64, .int64: 8
        }
    }

    /// NumPy's name of the type. NumPy has no bfloat16: it is stored as its bits in unsigned 16-bit integers, and the manifest says so.
    var numpyDescription: String {
        switch self {
        case .float16: "<f2"
        case .float32: "<f4"
        case .float64: "<f8"
        case .int8: "|i1"
        case .uint8: "|u1"
        case .bfloat16, .uint16: "<u2"
        case .uint32: "<u4"
        case .uint64: "<u8"
        case .int32: "<i4"
        case .int64: "<i8"
        }
    }

    init?(numpyDescription text: String) {
        // One byte has no order, and NumPy writes "|"; others write "<u1" too.
        if text == "<u1" || text == "u1" {
            self = .uint8
        } else if text == "<i1" || text == "i1" {
            self = .int8
        } else if let known = ElementType.allCases.first(where: { $0.numpyDescription == text && $0 != .bfloat16 }) {
            self = known
        } else {
            return nil
        }
    }
}

/// A Swift type that arrays in files are made of.
public protocol StoredElement: BitwiseCopyable, Sendable {
    /// The element type that values of this type are written as, unless the writer says otherwise.
    static var elementType: ElementType { get }
}

extension Float: StoredElement { public static var elementType: ElementType { .float32 } }
extension Double: StoredElement { public static var elementType: ElementType { .float64 } }
extension Int8: StoredElement { public static var elementType: ElementType { .int8 } }
extension UInt8: StoredElement { public static var elementType: ElementType { .uint8 } }
extension UInt16: StoredElement { public static var elementType: ElementType { .uint16 } }
extension UInt32: StoredElement { public static var elementType: ElementType { .uint32 } }
extension UInt64: StoredElement { public static var elementType: ElementType { .uint64 } }
extension Int32: StoredElement { public static var elementType: ElementType { .int32 } }
extension Int64: StoredElement { public static var elementType: ElementType { .int64 } }

/// Conversions of 16-bit floating-point numbers, which are kept as their bits.
public enum HalfPrecision {
    /// The value of IEEE 754 binary16 bits. Exact.
    @inlinable public static func float(fromFloat16 bits: UInt16) -> Float {
        let sign = UInt32(bits & 0x8000) << 16
        let magnitude = UInt32(bits & 0x7fff) << 13
        // Moves the exponent from bias 15 to bias 127; subnormals come out right because the product is exact.
        let scaled = (Float(bitPattern: magnitude) * 0x1p112).bitPattern
        let special: UInt32 = magnitude >= 0x0f80_0000 ? 0x7f80_0000 : 0
        return Float(bitPattern: scaled | special | sign)
    }

    /// The value of bfloat16 bits: the upper half of a `Float`. Exact.
    @inlinable public static func float(fromBFloat16 bits: UInt16) -> Float {
        Float(bitPattern: UInt32(bits) << 16)
    }

    /// The nearest bfloat16, ties to even; a NaN stays a NaN.
    @inlinable public static func bfloat16(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        if value.isNaN { return UInt16(truncatingIfNeeded: bits >> 16) | 0x0040 }
        return UInt16(truncatingIfNeeded: (bits &+ 0x7fff &+ ((bits >> 16) & 1)) >> 16)
    }

    /// The nearest binary16, ties to even; what is too large becomes infinite, a NaN stays a NaN.
    @inlinable public static func float16(_ value: Float) -> UInt16 {
        let sign = UInt16(truncatingIfNeeded: (value.bitPattern >> 16) & 0x8000)
        let magnitude = value.bitPattern & 0x7fff_ffff
        if magnitude > 0x7f80_0000 { return sign | 0x7e00 }
        if magnitude >= 0x4780_0000 { return sign | 0x7c00 }  // 65536 and above
        if magnitude < 0x3880_0000 {  // below the smallest normal, 2^-14: adding 0.5 lets the processor round at bit 2^-24
            let rounded = (Float(bitPattern: magnitude) + 0.5).bitPattern
            return sign | UInt16(truncatingIfNeeded: rounded &- Float(0.5).bitPattern)
        }
        let rebased = magnitude &- 0x3800_0000
        let rounded = (rebased &+ 0x0fff &+ ((rebased >> 13) & 1)) >> 13
        return sign | UInt16(truncatingIfNeeded: rounded)
    }
}
