internal import CKernels

extension Kernels {
    /// What this machine reaches right now with loops that only multiply or only read: what passes over large tables are measured against.
    public struct Limits: Sendable {
        /// Multiplications and additions of a large matrix product, per second.
        public var productsPerSecond: Double
        /// Bytes of rows read in random order, per second.
        public var rowBytesPerSecond: Double
    }

    /// The file of the OpenMP runtime that runs the kernels' threads, as it was loaded; "none" when they were built without.
    public static var openMPRuntime: String { unsafe String(cString: ps_openmp_runtime()) }

    /// What the processor's multiply-add units give, and how much of that BLAS gets out of them.
    public struct ProductRates: Sendable {
        /// Multiplications and additions per second of loops that work in registers alone.
        public var peak: Double
        /// Those of a product of 1024 x 1024 matrices by BLAS.
        public var blas: Double
    }

    /// Measures ``ProductRates`` with all threads, in about a third of a second.
    public func measuredProductRates() throws(KernelError) -> ProductRates {
        let clock = ContinuousClock()
        var rates = ProductRates(peak: 0, blas: 0)
        let size = 1024
        let x = Matrix(rows: size, columns: size, values: Array(repeating: 0.5, count: size * size))
        var y = x
        try unsafe withContext { context throws(KernelError) in
            // The first rounds wake the threads and the processor's clock.
            for _ in 0..<8 {
                var flops: Int64 = 0, sum = 0.0
                var start = clock.now
                var status = unsafe ps_probe_multiply_f32(context, 200_000, &flops, &sum)
                try KernelError.check(status, "probe_multiply")
                rates.peak = max(rates.peak, Double(flops) / (start.duration(to: clock.now) / .seconds(1)))
                start = clock.now
                status = unsafe ps_matmul_f32(
                    context, x.values, Int64(size), 0, x.values, Int64(size), 1, Int64(size), Int64(size), Int64(size), 1, 0, &y.values, Int64(size))
                try KernelError.check(status, "matmul")
                rates.blas = max(rates.blas, 2 * Double(size * size * size) / (start.duration(to: clock.now) / .seconds(1)))
            }
        }
        return rates
    }

    /// Measures ``Limits`` with all threads, for about two seconds.
    ///
    /// - Parameters:
    ///   - rowBytes: length of one row in bytes.
    ///   - tableBytes: of the table that rows are read from; at most 2 GiB are used.
    public func measuredLimits(rowBytes: Int, tableBytes: Int) throws -> Limits {
        let clock = ContinuousClock()
        func best(_ repetitions: Int, _ body: () throws -> Void) rethrows -> Double {
            var least = Double.infinity
            for _ in 0..<repetitions { least = try min(least, clock.measure(body) / .seconds(1)) }
            return least
        }
        // The largest of the blocks that passes multiply, and its smaller sisters, by BLAS and by our own kernel: whatever is fastest here.
        var products = 0.0
        let size = 1024
        let x = Matrix(rows: size, columns: size, values: Array(repeating: 0.5, count: size * size))
        var y = Matrix(rows: 0, columns: 0)
        let packed = try packed(x)
        for isPacked in [false, true] {
            let seconds = try best(8) {
                if isPacked {
                    try dense(x, packed: packed, bias: nil, activation: .none, into: &y)
                } else {
                    try dense(x, weight: x, bias: nil, activation: .none, into: &y)
                }
            }
            products = max(products, 2 * Double(size * size * size) / seconds)
        }
        let columns = max(1, rowBytes / 4)
        let rows = max(1, min(tableBytes, 2 << 30) / (4 * columns))
        let picks = max(1, min(rows, (256 << 20) / (4 * columns)))
        let table = unsafe StoredArray<Float>(count: rows * columns) { buffer in
            // Pages that nobody wrote are all one page of zeros, and would be read from the cache.
            for position in stride(from: 0, to: buffer.count, by: 1024) { unsafe buffer[position] = 1 }
        }
        var state: UInt64 = 1
        let indices = (0..<picks).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int64((state >> 33).multipliedFullWidth(by: UInt64(rows) << 33).high)
        }
        var seconds = Double.infinity
        for ahead in [4, 8, 16] as [Int64] {
            seconds = try min(
                seconds,
                best(4) {
                    try unsafe withContext { context throws(KernelError) in
                        try unsafe table.withUnsafeBufferPointer { table throws(KernelError) in
                            var sum = 0.0
                            let status = unsafe ps_probe_rows_f32(
                                context, table.baseAddress, indices, Int64(rows), Int64(columns), Int64(picks), ahead, &sum)
                            try KernelError.check(status, "probe_rows")
                        }
                    }
                })
        }
        return Limits(productsPerSecond: products, rowBytesPerSecond: Double(picks * columns * 4) / seconds)
    }
}
