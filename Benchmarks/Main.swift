import ArgumentParser
import CKernels
import Foundation
import PinSageKit

/// Measures every kernel on every instruction set against what the machine itself can do.
@main
struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure the C kernels and their Swift twins against this machine's limits.",
        discussion: """
            The machine's limits (stream and random reads, copies, products) are measured in the same run; 'percent' is the share of the limit \
            that binds a case. A debug build rebuilds and runs itself in release.
            """)

    @Option(help: "Only cases whose name contains one of these, separated by commas.")
    var filter: String?

    @Option(help: "Thread counts, separated by commas. [default: 1 and all cores]")
    var threads: String?

    @Option(help: "Instruction sets, separated by commas: scalar, avx2, avx512, neon, swift. [default: all that run here]")
    var isa: String?

    @Option(help: ArgumentHelp("Write all results to this file.", valueName: "file"))
    var json: String?

    @Option(
        help: ArgumentHelp(
            "Print ratios to an earlier --json file and warn of slower cases; exit 1 when a count grew or a case vanished or changed.",
            valueName: "file"))
    var compare: String?

    @Option(help: ArgumentHelp("Write a page with a roofline plot to this file.", valueName: "file"))
    var html: String?

    @Flag(help: "The large sizes of the stated figures; needs about 4 GB and some minutes.")
    var full = false

    @Flag(help: "List the cases and exit.")
    var list = false

    @Option(help: ArgumentHelp("Instead of the cases: recall and speed of an hnsw index of these vectors; needs --queries.", valueName: "file.npy"))
    var vectors: String?

    @Option(help: ArgumentHelp("The queries for --vectors.", valueName: "file.npy"))
    var queries: String?

    @Flag(help: "For --vectors: read them where they are in the file; else they are copied first, as an application has them.")
    var mapped = false

    @Option(help: "For --vectors, instead of the curve of an hnsw index: lsh (against exact), filters or changes (removals and insertions).")
    var measure: String?

    @Option(help: "The recall that lsh is tuned to for --measure.")
    var recall = 0.95

    @Option(help: "What --vectors compares first: f32, bf16 or int8.")
    var storage = "int8"

    @Option(help: "Links of an item for --vectors.")
    var links = 16

    @Option(help: "Candidates that links are chosen from for --vectors.")
    var efConstruction = HNSWConfiguration().efConstruction

    @Option(help: ArgumentHelp("Instead of the cases: rates of random walks on this graph, a dataset or a .i32 file of pairs.", valueName: "graph"))
    var walks: String?

    @Flag(help: "For --walks: copy the graph into huge pages first.")
    var resident = false

    @Option(help: ArgumentHelp("For --walks: how many items walks start from.", valueName: "count"))
    var seeds = 20_000

    @Option(help: ArgumentHelp("For --walks: how often each rate is measured.", valueName: "count"))
    var repetitions = 7

    private static let isaNames = ["scalar", "avx2", "avx512", "neon", "swift"]

    mutating func validate() throws {
        for name in isa?.split(separator: ",") ?? [] where !Self.isaNames.contains(String(name)) {
            throw ValidationError("--isa knows \(Self.isaNames.joined(separator: ", ")), not '\(name)'")
        }
        for name in isa?.split(separator: ",").map(String.init) ?? [] {
            guard let set = InstructionSet(rawValue: name), !InstructionSet.available.contains(set) else { continue }
            throw ValidationError("this machine cannot run '\(name)'; it runs \(InstructionSet.available.map(\.rawValue).joined(separator: ", "))")
        }
        for count in threads?.split(separator: ",") ?? [] where (Int(count) ?? 0) < 1 || (Int(count) ?? 0) > 4096 {
            throw ValidationError("--threads takes counts of at least 1, not '\(count)'")
        }
    }

    /// The index that --vectors asks for.
    private func indexCurve(_ vectors: String, _ queries: String) throws -> IndexCurve {
        guard let storage = IndexStorage(rawValue: storage) else { throw ValidationError("--storage takes f32, bf16 or int8, not '\(storage)'") }
        let count = threads.flatMap { Int($0) } ?? ProcessInfo.processInfo.activeProcessorCount
        let set = try isa.map { name -> InstructionSet in
            guard let set = InstructionSet(rawValue: name) else { throw ValidationError("--vectors runs on one instruction set, not '\(name)'") }
            return set
        }
        return IndexCurve(
            vectors: vectors, queries: queries, isMapped: mapped,
            configuration: HNSWConfiguration(links: links, efConstruction: efConstruction, storage: storage),
            kernels: try Kernels(instructionSet: set, threads: count))
    }

    mutating func run() throws {
        if let walks {
            let counts = threads?.split(separator: ",").compactMap { Int($0) } ?? [1, ProcessInfo.processInfo.activeProcessorCount]
            let rates = WalkRates(
                path: walks, isResident: resident, threads: Set(counts).sorted(), seeds: max(1, seeds), repetitions: max(1, repetitions))
            #if DEBUG
                try Release.runAgain(CommandLine.arguments.dropFirst())
            #else
                try rates.run()
            #endif
            return
        }
        if let vectors {
            guard let queries else { throw ValidationError("--vectors needs --queries") }
            let curve = try indexCurve(vectors, queries)
            let subject = try measure.map { name -> IndexMeasurements.Subject in
                guard let subject = IndexMeasurements.Subject(rawValue: name) else {
                    throw ValidationError(
                        "--measure knows \(IndexMeasurements.Subject.allCases.map(\.rawValue).joined(separator: ", ")), not '\(name)'")
                }
                return subject
            }
            #if DEBUG
                try Release.runAgain(CommandLine.arguments.dropFirst())
            #else
                if let subject { try curve.measurements(of: subject, recall: recall).run() } else { try curve.run() }
            #endif
            return
        }
        let wanted = filter?.split(separator: ",").map(String.init)
        let cases = Case.all.filter { c in wanted?.contains { c.name.contains($0) } ?? true }
        guard !cases.isEmpty else { throw ValidationError("no case contains '\(filter ?? "")'; --list names them") }
        if list {
            for c in cases { print("\(c.name)  (\(c.shape(full ? .full : .quick)))") }
            return
        }
        #if DEBUG
            try Release.runAgain(CommandLine.arguments.dropFirst())
        #else
            try measureCases(cases)
        #endif
    }

    private func measureCases(_ cases: [Case]) throws {
        let cores = ProcessInfo.processInfo.activeProcessorCount
        let counts = Set(threads?.split(separator: ",").compactMap { Int($0) } ?? [1, cores]).sorted()
        let names = isa?.split(separator: ",").map(String.init) ?? Self.isaNames
        let sets = [PS_ISA_SCALAR, PS_ISA_AVX2, PS_ISA_AVX512, PS_ISA_NEON].filter {
            unsafe ps_isa_supported($0) != 0 && names.contains(String(cString: ps_isa_name($0)))
        }
        // Read the older run first: better to fail now than after minutes.
        let old = try compare.map(Report.read)
        note("measuring the machine")
        var probes = Probes()
        // The twins run on one thread, whatever the kernels are asked to.
        probes.measure(threads: names.contains("swift") ? Set(counts + [1]).sorted() : counts, full: full)
        var results: [Result] = []
        for c in cases {
            if !sets.isEmpty {
                let workload = c.make(full ? .full : .quick)
                for count in counts {
                    for set in sets {
                        var context = unsafe ps_context()
                        guard unsafe ps_context_make(set, Int32(count), &context) == PS_OK else { continue }
                        var status = PS_OK
                        let timing = Timing.measure(seconds: full ? 1 : 0.3) { unsafe status = workload.kernel(&context) }
                        guard status == PS_OK else {
                            throw ValidationError("\(c.name) was refused: \(unsafe String(cString: ps_status_name(status)))")
                        }
                        var measured = result(
                            c, timing, isa: unsafe String(cString: ps_isa_name(set)), threads: count, workload, full ? .full : .quick)
                        // On more threads some of them depend on who was first.
                        if count == 1 { measured.counts = workload.counts() }
                        results.append(measured)
                        note("\(c.name) \(unsafe String(cString: ps_isa_name(set))) \(count)")
                    }
                }
            }
            if names.contains("swift") {
                let workload = c.make(.twin)
                results.append(result(c, Timing.measure(seconds: 0, workload.twin()), isa: "swift", threads: 1, workload, .twin))
            }
        }
        for r in results where r.isa != "swift" { probes.admit(r) }
        for i in results.indices { results[i].percent = probes.leastSeconds(results[i]) / results[i].leastSeconds * 100 }
        let limits = counts.flatMap { count in
            Limit.allCases.map {
                Report.Rate(limit: $0.rawValue, threads: count, rate: probes.rate($0, threads: count), unit: $0.isCompute ? "GFLOP/s" : "GB/s")
            }
        }
        let report = Report(machine: machine(cores), full: full, limits: limits, results: results)
        print(report.table)
        if let json { try report.write(json) }
        if let html { try report.html.write(toFile: html, atomically: true, encoding: .utf8) }
        guard let old else { return }
        let asked = Set(cases.map(\.name))
        // What this run left out on purpose did not vanish.
        let comparison = report.compared(with: old) { r in
            asked.contains(r.case) && names.contains(r.isa) && (r.isa == "swift" || counts.contains(r.threads))
        } isKnown: { name in
            Case.all.contains { $0.name == name }
        }
        print("")
        for line in comparison.lines { print(line) }
        for warning in comparison.warnings { note("warning: \(warning)") }
        for failure in comparison.failures { note("error: \(failure)") }
        if !comparison.failures.isEmpty { throw ExitCode(1) }
    }

    private func result(_ c: Case, _ timing: Timing, isa: String, threads: Int, _ workload: Workload, _ size: Size) -> Result {
        Result(
            case: c.name, family: c.family, isa: isa, threads: threads, seconds: timing.median, leastSeconds: timing.least,
            p90Seconds: timing.p90, iterations: timing.iterations, bytes: workload.bytes, flops: workload.flops, streamed: workload.streamed,
            gbps: Double(workload.bytes) / timing.median / 1e9, gflops: Double(workload.flops) / timing.median / 1e9, limit: c.limit.rawValue,
            percent: 0, shape: c.shape(size))
    }

    private func machine(_ cores: Int) -> Report.Machine {
        var processor = "unknown processor"
        if let text = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8),
            let line = text.split(separator: "\n").first(where: { $0.hasPrefix("model name") }), let colon = line.firstIndex(of: ":")
        {
            processor = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
        }
        return unsafe Report.Machine(
            processor: processor, cores: cores, instructionSet: String(cString: ps_isa_name(ps_isa_detect())),
            blas: String(cString: ps_blas_core_name()), blasConfiguration: String(cString: ps_blas_configuration()))
    }

    private func note(_ text: String) { FileHandle.standardError.write(Data("\(text)\n".utf8)) }
}
