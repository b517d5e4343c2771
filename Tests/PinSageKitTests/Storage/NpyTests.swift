import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite struct NpyTests {
    @Test(arguments: [0, 1, 7, 8, 9, 1009])
    func roundTrip(count: Int) throws {
        let folder = try TemporaryFolder()
        let values = (0..<count).map { Float($0) * 0.5 - 3 }
        try Npy.write(values, to: folder["a.npy"])
        let (array, shape) = try Npy.open(folder["a.npy"], as: Float.self)
        #expect(Array(array) == values)
        #expect(shape == [count])
        #expect(try Npy.header(of: folder["a.npy"]).dataOffset % 64 == 0)
    }

    @Test func everyTypeAndShape() throws {
        let folder = try TemporaryFolder()
        func check<Element: StoredElement & Equatable>(_ values: [Element], _ type: ElementType? = nil) throws {
            try Npy.write(values, shape: [2, values.count / 2], elementType: type, to: folder["a.npy"])
            let (array, shape) = try Npy.open(folder["a.npy"], as: Element.self, elementType: type)
            #expect(Array(array) == values)
            #expect(shape == [2, values.count / 2])
        }
        try check([Float.pi, -0, 0x1p-140, .infinity])
        try check([Double.pi, -1, 2, 3])
        try check([UInt8(0), 255])
        try check([UInt16(1), 2], .float16)
        try check([UInt16(1), 2], .bfloat16)
        try check([UInt16(1), 65535])
        try check([UInt32.max, 0])
        try check([UInt64.max, 0])
        try check([Int32.min, Int32.max])
        try check([Int64.min, Int64.max])
    }

    @Test func streamedFilesAreTheSame() throws {
        let folder = try TemporaryFolder()
        let values = (0..<3000).map { Int64($0 * $0) }
        var writer = try NpyWriter<Int64>(folder["streamed.npy"])
        for start in stride(from: 0, to: 3000, by: 700) { try writer.append(values[start..<min(start + 700, 3000)]) }
        let written = try writer.finish(shape: [1000, 3])
        let bytes = try folder.read("streamed.npy")
        #expect(written.bytes == bytes.count)
        #expect(written.crc32c == CRC32C.checksum(bytes))
        #expect(try Array(Npy.open(folder["streamed.npy"], as: Int64.self).array) == values)
    }

    @Test func refusals() throws {
        let folder = try TemporaryFolder()
        func file(_ header: String, _ bytes: Int) throws -> String {
            let text = header + String(repeating: " ", count: 117 - header.utf8.count) + "\n"
            return try folder.write("x.npy", Npy.magic + [1, 0, 118, 0] + Array(text.utf8) + [UInt8](repeating: 0, count: bytes))
        }
        func message(_ header: String, _ bytes: Int) throws -> String {
            let path = try file(header, bytes)
            let error = #expect(throws: DataError.self) { try Npy.open(path, as: Float.self) }
            #expect(error?.file == path)
            return error?.message ?? ""
        }
        #expect(try message("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", 24).contains("Fortran"))
        #expect(try message("{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3), }", 24).contains("big-endian"))
        #expect(try message("{'descr': '|O', 'fortran_order': False, 'shape': (2, 3), }", 24).contains("pickled"))
        #expect(try message("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", 8).contains("structured"))
        #expect(
            try message("{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }", 24).contains("expected elements of type float32, found float64"))
        #expect(try message("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 23).contains("expected 24 bytes"))
        #expect(try message("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 25).contains("found 25"))
        #expect(try message("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", 0).contains("shape"))
        #expect(try message("{'descr': '<f4', 'fortran_order': False}", 0).contains("keys"))
        // One dimension is the same in either order.
        let flat = try file("{'descr': '<f4', 'fortran_order': True, 'shape': (6,), }", 24)
        #expect(try Npy.open(flat, as: Float.self).shape == [6])
        // A matrix that is not finite names the place.
        try Npy.write([Float(0), 1, 2, .nan, 4, 5], shape: [2, 3], to: folder["nan.npy"])
        let error = #expect(throws: DataError.self) { try Npy.matrix(of: folder["nan.npy"]) }
        #expect(error?.message == "expected finite values, found nan in row 1, column 0")
    }

    @Test func truncationAtEveryLengthIsRefused() throws {
        let folder = try TemporaryFolder()
        try Npy.write([Float](repeating: 1, count: 5), to: folder["a.npy"])
        let bytes = try folder.read("a.npy")
        for length in 0..<bytes.count {
            let path = try folder.write("cut.npy", Array(bytes[..<length]))
            #expect(throws: DataError.self) { try Npy.open(path, as: Float.self) }
        }
    }

    @Test func mutationsGiveValuesOrErrors() throws {
        let folder = try TemporaryFolder()
        try Npy.write((0..<12).map { Float($0) }, shape: [3, 4], to: folder["a.npy"])
        let original = try folder.read("a.npy")
        var random = SplitMix(seed: 20)
        for _ in 0..<2000 {
            var bytes = original
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: 0..<128, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            let path = try folder.write("x.npy", bytes)
            do {
                let (array, shape) = try Npy.open(path, as: Float.self)
                #expect(array.count == shape.reduce(1, *))
                #expect(array.count * 4 <= bytes.count)
            } catch is DataError {}
        }
    }

    @Test func numpyReadsAndWritesTheSame() throws {
        let folder = try TemporaryFolder()
        guard try run("python3", ["-c", "import numpy"])?.status == 0 else { return }
        try Npy.write((0..<6).map { Float($0) / 4 }, shape: [2, 3], to: folder["ours.npy"])
        let script = """
            import numpy as n
            a = n.load('ours.npy')
            assert a.dtype == n.float32 and a.shape == (2, 3) and (a == n.arange(6).reshape(2, 3) / 4).all()
            n.save('f2.npy', n.array([[0.1, -65504], [6e-8, 1e-5]], 'f2'))
            n.save('f8.npy', a.astype('f8'))
            n.save('fortran.npy', n.asfortranarray(a))
            n.lib.format.write_array(open('v3.npy', 'wb'), a, version=(3, 0))
            """
        let result = try run("python3", ["-c", script], in: folder.path)
        #expect(result?.status == 0, "\(result?.errors ?? "")")
        #expect(try Npy.matrix(of: folder["f2.npy"]).values == [Float(0.099975586), -65504, 5.9604645e-08, 1.0013580e-05])
        #expect(try Npy.matrix(of: folder["f8.npy"]).values == (0..<6).map { Float($0) / 4 })
        #expect(try Npy.matrix(of: folder["v3.npy"]).rows == 2)
        #expect(throws: DataError.self) { try Npy.matrix(of: folder["fortran.npy"]) }
    }
}

@Suite struct HalfPrecisionTests {
    @Test func everyFloat16RoundTrips() {
        var wrong = 0
        for bits in UInt16.min...UInt16.max {
            let value = HalfPrecision.float(fromFloat16: bits)
            let back = HalfPrecision.float16(value)
            if value.isNaN ? back & 0x7fff <= 0x7c00 : back != bits { wrong += 1 }
        }
        #expect(wrong == 0)
    }

    @Test func knownValues() {
        #expect(HalfPrecision.float(fromFloat16: 0x3c00) == 1)
        #expect(HalfPrecision.float(fromFloat16: 0x0001) == 0x1p-24)
        #expect(HalfPrecision.float(fromFloat16: 0xfbff) == -65504)
        #expect(HalfPrecision.float16(65520) == 0x7c00)  // halfway to 2^16 rounds to even: infinity
        #expect(HalfPrecision.float16(65519) == 0x7bff)
        #expect(HalfPrecision.float16(0x1p-25) == 0)  // halfway to the smallest subnormal rounds to even: zero
        #expect(HalfPrecision.float16(0x1.8p-25) == 1)
        #expect(HalfPrecision.float16(2049) == HalfPrecision.float16(2048))
        #expect(HalfPrecision.bfloat16(1.00390625) == 0x3f80)
        #expect(HalfPrecision.bfloat16(1.01171875) == 0x3f82)
        #expect(HalfPrecision.float(fromBFloat16: HalfPrecision.bfloat16(.nan)).isNaN)
        #expect(HalfPrecision.bfloat16(.greatestFiniteMagnitude) == 0x7f80)
    }
}
