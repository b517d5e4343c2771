#if MPI
    internal import CPinSageMPI
    public import PinSageKit

    /// The processes that `mpirun` started together, as a ``TrainingGroup``: one machine or several.
    ///
    /// All calls must come from the thread that joined.
    public struct MPIGroup: TrainingGroup {
        public let rank: Int
        public let size: Int
        /// Ranks on this machine, which share its processors.
        public let localSize: Int

        /// Starts MPI. Once a process.
        /// - Throws: ``MPIError``.
        public static func join() throws -> MPIGroup {
            var rank: Int32 = 0, size: Int32 = 1, localSize: Int32 = 1
            try MPIError.check(unsafe pinsage_mpi_start(&rank, &size, &localSize), "starting")
            return MPIGroup(rank: Int(rank), size: Int(size), localSize: Int(localSize))
        }

        public func sum(_ values: inout [Float]) throws {
            try MPIError.check(unsafe pinsage_mpi_sum_f32(&values, Int64(values.count)), "summing \(values.count) values")
        }

        public func sum(_ values: inout [Double]) throws {
            try MPIError.check(unsafe pinsage_mpi_sum_f64(&values, Int64(values.count)), "summing \(values.count) values")
        }

        public func gather(_ bytes: [UInt8]) throws -> [[UInt8]] {
            let counts = try counts(of: bytes)
            var all = [UInt8](repeating: 0, count: Int(counts.reduce(0, +)))
            try MPIError.check(unsafe pinsage_mpi_gather(bytes, counts, &all), "gathering \(all.count) bytes")
            var start = 0
            return counts.map { count in
                defer { start += Int(count) }
                return Array(all[start..<start + Int(count)])
            }
        }

        public func broadcast(_ bytes: [UInt8]) throws -> [UInt8] {
            let count = try Int(counts(of: bytes)[0])
            var result = rank == 0 ? bytes : [UInt8](repeating: 0, count: count)
            try MPIError.check(unsafe pinsage_mpi_broadcast(&result, Int64(count)), "broadcasting \(count) bytes")
            return result
        }

        /// The length of what each rank gives.
        private func counts(of bytes: [UInt8]) throws -> [Int64] {
            var counts = [Int64](repeating: 0, count: size)
            try MPIError.check(unsafe pinsage_mpi_gather_counts(Int64(bytes.count), &counts), "gathering lengths")
            return counts
        }

        /// Ends MPI, when this rank's work is done; waits for the others where MPI wants that.
        public func leave() { _ = pinsage_mpi_finish() }

        /// Ends the processes of all ranks with a status.
        public func abort(status: Int32) { pinsage_mpi_abort(status) }
    }

    /// An operation that MPI could not do.
    public struct MPIError: Error, CustomStringConvertible, Sendable {
        public let description: String

        static func check(_ code: Int32, _ what: @autoclosure () -> String) throws {
            guard code != 0 else { return }
            var text = [CChar](repeating: 0, count: 512)
            unsafe pinsage_mpi_error_text(code, &text, Int32(text.count))
            let reason = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            throw MPIError(description: "MPI failed at \(what()): \(reason)")
        }
    }
#endif
