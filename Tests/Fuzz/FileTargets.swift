import Foundation

@testable import PinSageKit

/// Parsers of binary files, and of the manifest that vouches for them.
let fileTargets: [FuzzTarget] = [
    FuzzTarget(name: "npy") { scratch in
        let file = FuzzFile(path: scratch + "/array.npy")
        return { bytes in
            file.write(bytes)
            let header = try Npy.header(of: file.path)
            demand(header.dataOffset + header.count * header.elementType.size == bytes.count, "the elements are in the file")
            func check<Element: StoredElement>(_ type: Element.Type) {
                guard let (array, shape) = try? Npy.open(file.path, as: type) else { return }
                demand(array.count == shape.reduce(1, *), "as many elements as the shape says")
                if let last = array.last { withExtendedLifetime(last) {} }
            }
            check(UInt8.self)
            check(Int64.self)
            check(UInt32.self)
            check(Float.self)
            let matrix = try Npy.matrix(of: file.path)
            demand(matrix.values.allSatisfy(\.isFinite), "features are finite")
        }
    },
    FuzzTarget(name: "safetensors") { scratch in
        let file = FuzzFile(path: scratch + "/weights.safetensors")
        return { bytes in
            file.write(bytes)
            _ = try Safetensors.metadata(of: file.path)
            for tensor in try Safetensors.read(file.path).values {
                demand(tensor.values.count == tensor.shape.reduce(1, *), "as many values as the shape says")
                _ = tensor.matrix
            }
        }
    },
    FuzzTarget(name: "manifest") { scratch in
        let file = FuzzFile(path: scratch + "/manifest.json")
        return { bytes in
            // The checksum of the rest stands in the first line; without it nothing would get past that.
            var crc = CRC32C()
            crc.update(bytes)
            let line = "{\n  \"crc32c_of_the_following_lines\": \"\(hexadecimal(crc.value))\",\n"
            file.write(Array(line.utf8) + bytes)
            let manifest = try Manifest(contentsOf: file.path)
            demand(manifest.files.keys.allSatisfy(Manifest.isSafe), "names stay inside the artifact")
            file.write(Array(manifest.serialized().utf8))
            demand(try Manifest(contentsOf: file.path) == manifest, "what is written is read")
        }
    },
]
