internal import ArgumentParser
internal import PinSageKit
#if MPI
    internal import PinSageMPI
#endif
#if canImport(Darwin)
    internal import Darwin
#else
    internal import Glibc
#endif

/// The processes that `mpirun` started this one with, or this one alone.
struct ParallelRun {
    let group: any TrainingGroup
    #if MPI
        private let mpi: MPIGroup?
    #endif

    /// Whether this process measures, writes and says what happens.
    var isFirst: Bool { group.rank == 0 }

    /// Joins the others, where there are any.
    /// - Throws: ``ConfigurationError`` under mpirun when the program was built without MPI: every process would train for itself, and all
    ///   would write to one place.
    static func join() throws -> ParallelRun {
        let started = sizeGiven
        #if MPI
            guard started != nil else { return ParallelRun(group: SoleProcess(), mpi: nil) }
            let group = try MPIGroup.join()
            return ParallelRun(group: group, mpi: group)
        #else
            if let started, started > 1 {
                throw ConfigurationError(
                    "mpirun started \(started) processes, but this program was built without MPI: build it with 'swift build -c release --traits MPI'"
                )
            }
            return ParallelRun(group: SoleProcess())
        #endif
    }

    /// The number of processes that the launchers of Open MPI, MPICH and Slurm tell theirs; `nil` for a process that none of them started.
    private static var sizeGiven: Int? {
        for name in ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"] {
            if let value = unsafe getenv(name), let count = unsafe Int(String(cString: value)) { return count }
        }
        return nil
    }

    /// Kernels on this rank's part of the machine's processors, unless the command line says how many.
    func kernels(_ machine: MachineOptions) throws -> Kernels {
        #if MPI
            if machine.threads == nil, let mpi {
                // mpirun may bind each rank to processors of its own, or let all of them share.
                let threads = min(Kernels.availableProcessors, max(1, Kernels.onlineProcessors / mpi.localSize))
                return try Kernels(instructionSet: machine.isa, threads: threads)
            }
        #endif
        return try machine.kernels()
    }

    /// Runs `body` and leaves the group. When it throws among several ranks, says why and ends them all: the others wait for this one and would
    /// do so for ever.
    func run(_ body: () throws -> Void) throws {
        #if MPI
            do {
                try body()
                mpi?.leave()
            } catch {
                guard let mpi, mpi.size > 1, !(error is ExitCode) else {
                    mpi?.leave()
                    throw error
                }
                Terminal.error("error: rank \(mpi.rank) of \(mpi.size): \(error)")
                mpi.abort(status: PinSageCLI.status(of: error) ?? 1)
                throw error
            }
        #else
            try body()
        #endif
    }
}
