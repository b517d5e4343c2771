#if canImport(Darwin)
    internal import Darwin
#else
    internal import Glibc
#endif

/// Vectors in an `.npy` file of known shape that several threads write and read at any place, each its own rows.
///
/// Room on the disk is reserved when the file is made, so that a full disk is an error then and not in the middle. Reads and writes go through the
/// system's page cache and take no anonymous memory beyond the caller's matrix; bytes in the file are those that ``Npy`` reads.
///
/// `@unchecked Sendable`: the descriptor is only used with calls that name their position, which any number of threads may make.
final class RowFile: RowStore, @unchecked Sendable {
    let path: String
    let rows: Int
    let columns: Int
    let type: LatentType
    private let descriptor: Int32
    private static let headerBytes = 128

    /// Makes the file, or opens one of this shape that an earlier run left.
    ///
    /// - Throws: ``DataError`` when it cannot be made, has another length, or the disk is full.
    init(_ path: String, rows: Int, columns: Int, type: LatentType) throws {
        self.path = path
        self.rows = rows
        self.columns = columns
        self.type = type
        let elementType: ElementType = type == .f32 ? .float32 : .bfloat16
        let header = Npy.headerBytes(elementType: elementType, shape: [rows, columns], length: Self.headerBytes)
        let length = header.count + rows * columns * type.size
        if let found = FileSystem.kind(of: path)?.bytes {
            guard found == length else { throw DataError("expected \(length) bytes, found \(found)", file: path) }
        } else {
            // Under its name only when its header and room are there: a killed run must not leave half of it.
            try FileSystem.replaceFile(path) { try RowFile.make($0, header: header, length: length) }
        }
        descriptor = unsafe open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileSystem.error("the file cannot be opened", path) }
    }

    private static func make(_ path: String, header: [UInt8], length: Int) throws {
        let file = try OutputFile(path)
        try file.write(header)
        try file.close()
        let descriptor = unsafe open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileSystem.error("the file cannot be made", path) }
        defer { close(descriptor) }
        #if !canImport(Darwin)
            let code = posix_fallocate(descriptor, 0, off_t(length))
            if code != 0 && code != EOPNOTSUPP && code != EINVAL { throw FileSystem.error("no room for \(length) bytes", path, code: code) }
        #endif
        if ftruncate(descriptor, off_t(length)) != 0 { throw FileSystem.error("the file cannot be made as long", path) }
    }

    deinit { close(descriptor) }

    func write(_ matrix: Matrix, at row: Int, kernels: Kernels) throws {
        precondition(matrix.columns == columns && row >= 0 && row + matrix.rows <= rows, "\(matrix.shape) at \(row) of \(rows) x \(columns)")
        switch type {
        case .f32: try unsafe matrix.values.withUnsafeBytes { bytes in try unsafe write(bytes, at: row) }
        case .bf16:
            var bits = [UInt16](repeating: 0, count: matrix.values.count)
            try unsafe bits.withUnsafeMutableBytes { bytes in
                guard let base = bytes.baseAddress else { return }
                try unsafe kernels.store(matrix, as: .bf16, to: base)
                try unsafe write(UnsafeRawBufferPointer(bytes), at: row)
            }
        }
    }

    func read(_ range: Range<Int>, into matrix: inout Matrix, kernels: Kernels) throws {
        precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) of \(rows)")
        matrix.reshape(rows: range.count, columns: columns)
        switch type {
        case .f32: try unsafe matrix.values.withUnsafeMutableBytes { bytes in try unsafe read(bytes, at: range.lowerBound) }
        case .bf16:
            var bits = [UInt16](repeating: 0, count: matrix.values.count)
            try unsafe bits.withUnsafeMutableBytes { bytes in
                try unsafe read(bytes, at: range.lowerBound)
                guard let base = bytes.baseAddress else { return }
                try unsafe kernels.load(UnsafeRawPointer(base), as: .bf16, into: &matrix)
            }
        }
    }

    /// Makes what was written so far survive a power cut.
    func synchronize() throws {
        if fsync(descriptor) != 0 { throw FileSystem.error("the file cannot be written to the disk", path) }
    }

    private func position(of row: Int) -> Int { Self.headerBytes + row * columns * type.size }

    private func write(_ bytes: UnsafeRawBufferPointer, at row: Int) throws { try unsafe write(bytes, position: position(of: row)) }

    private func write(_ bytes: UnsafeRawBufferPointer, position: Int) throws {
        guard let base = bytes.baseAddress else { return }
        try transfer(bytes.count, at: position) { unsafe pwrite(descriptor, base + $0, $1, $2) }
    }

    private func read(_ bytes: UnsafeMutableRawBufferPointer, at row: Int) throws {
        guard let base = bytes.baseAddress else { return }
        try transfer(bytes.count, at: position(of: row)) { unsafe pread(descriptor, base + $0, $1, $2) }
    }

    /// Repeats a system call that may do less than it was asked for.
    private func transfer(_ count: Int, at position: Int, _ call: (_ done: Int, _ count: Int, _ position: off_t) -> Int) throws {
        var done = 0
        while done < count {
            let moved = call(done, min(count - done, 1 << 30), off_t(position + done))
            if moved < 0 && errno == EINTR { continue }
            guard moved > 0 else { throw FileSystem.error("rows cannot be read or written", path, code: moved == 0 ? EIO : errno) }
            done += moved
        }
    }
}
