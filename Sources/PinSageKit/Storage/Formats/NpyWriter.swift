#if canImport(Darwin)
    internal import Darwin
#else
    internal import Glibc
#endif

/// Part of temporary names, so that two processes do not write to the same one.
let processIdentifier = getpid()

/// Writes an `.npy` file piece by piece, for arrays that are never in memory as a whole. The shape is given at the end.
public struct NpyWriter<Element: StoredElement> {
    private let file: OutputFile
    private let elementType: ElementType
    private let blankHeader: [UInt8]
    /// The number of elements so far.
    public private(set) var count = 0
    /// Long enough for the header of any shape of two dimensions.
    private static var headerLength: Int { 128 }

    /// - Parameter elementType: `.float16` or `.bfloat16` for `UInt16` values that are such bits.
    public init(_ path: String, elementType: ElementType? = nil) throws {
        self.elementType = elementType ?? Element.elementType
        precondition(self.elementType.size == MemoryLayout<Element>.stride, "\(self.elementType) is not stored in \(Element.self)")
        file = try OutputFile(path)
        blankHeader = [UInt8](repeating: 0x20, count: NpyWriter.headerLength)
        try file.write(blankHeader)
    }

    /// Writes further elements.
    public mutating func append(_ values: some Collection<Element>) throws {
        let done: Void? = try values.withContiguousStorageIfAvailable { buffer in try unsafe file.write(UnsafeRawBufferPointer(buffer)) }
        if done == nil {
            for value in values { try file.write(element: value) }
        }
        count += values.count
    }

    /// Writes one more element.
    public mutating func append(_ value: Element) throws {
        try file.write(element: value)
        count += 1
    }

    /// Completes the file and makes it durable.
    ///
    /// - Parameter shape: at most three dimensions, whose product is ``count``; `nil` is one dimension.
    @discardableResult
    public mutating func finish(shape: [Int]? = nil) throws -> (bytes: Int, crc32c: UInt32) {
        let shape = shape ?? [count]
        precondition(shape.reduce(1, *) == count, "\(count) elements do not have the shape \(shape)")
        let header = Npy.headerBytes(elementType: elementType, shape: shape, length: NpyWriter.headerLength)
        precondition(header.count == NpyWriter.headerLength, "shape \(shape) has too many dimensions")
        try file.replaceStart(blankHeader, with: header)
        return try file.close()
    }
}
