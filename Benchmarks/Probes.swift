import CKernels

/// The machine's own limits: what loops that only read, copy or multiply reach in this run.
struct Probes {
    /// Rates per thread count, in GB/s or GFLOP/s.
    private(set) var rates: [Int: [Limit: Double]] = [:]

    /// Raises a limit to a rate that something reached: then nothing exceeds 100 %.
    mutating func saw(_ rate: Double, _ limit: Limit, threads: Int) {
        rates[threads, default: [:]][limit] = max(rates[threads]?[limit] ?? 0, rate)
    }

    func rate(_ limit: Limit, threads: Int) -> Double { rates[threads]?[limit] ?? 0 }

    /// The time that the limits allow a result at best.
    func leastSeconds(_ r: Result) -> Double {
        guard let limit = Limit(rawValue: r.limit), rate(limit, threads: r.threads) > 0 else { return 0 }
        if limit.isCompute { return Double(r.flops) / rate(limit, threads: r.threads) / 1e9 }
        let streamed = r.streamed == 0 ? 0 : Double(r.streamed) / rate(.copy, threads: r.threads)
        return (Double(r.bytes - r.streamed) / rate(limit, threads: r.threads) + streamed) / 1e9
    }

    /// Raises the limit that a result beat.
    ///
    /// Of a mix of random rows and a stream it is the rows' limit alone, as far as that can be: in any order rows come no faster than in sequence.
    /// Only what that does not explain is laid to the stream.
    mutating func admit(_ r: Result) {
        guard leastSeconds(r) > r.leastSeconds, let limit = Limit(rawValue: r.limit) else { return }
        guard r.streamed > 0, limit == .rows else {
            return saw(rate(limit, threads: r.threads) * leastSeconds(r) / r.leastSeconds, limit, threads: r.threads)
        }
        let scattered = Double(r.bytes - r.streamed) / 1e9, inOrder = Double(r.streamed) / 1e9, inSequence = rate(.read, threads: r.threads)
        let left = r.leastSeconds - inOrder / rate(.copy, threads: r.threads)
        saw(left > 0 ? min(scattered / left, inSequence) : inSequence, .rows, threads: r.threads)
        let leftForStream = r.leastSeconds - scattered / rate(.rows, threads: r.threads)
        guard leastSeconds(r) > r.leastSeconds else { return }
        if leftForStream > 0 { return saw(inOrder / leftForStream, .copy, threads: r.threads) }
        // Faster than the sequence alone: everything that was measured is too low by as much.
        let factor = leastSeconds(r) / r.leastSeconds
        for raised in [Limit.rows, .copy] { saw(rate(raised, threads: r.threads) * factor, raised, threads: r.threads) }
    }

    /// Measures every limit for each thread count on the best instruction set.
    mutating func measure(threads counts: [Int], full: Bool) {
        let rows = full ? 1_000_000 : 250_000, count = rows * 256, picks = full ? 500_000 : 100_000
        var random = Generator(99)
        let table = Buffer<Float>(count) { Float($0 & 7) }, other = Buffer<Float>(count), indices = random.rows64(picks, below: rows)
        for threads in counts {
            var context = unsafe ps_context()
            guard unsafe ps_context_make(ps_isa_detect(), Int32(threads), &context) == PS_OK else { continue }
            var sum = 0.0, flops: Int64 = 0
            func gigabytes(_ limit: Limit, _ bytes: Int, _ body: () -> ps_status) {
                saw(Double(bytes) / Timing.measure(seconds: 0.4) { precondition(body() == PS_OK) }.least / 1e9, limit, threads: threads)
            }
            gigabytes(.read, count * 4) { unsafe ps_probe_read_f32(&context, table.pointer, Int64(count), &sum) }
            gigabytes(.copy, count * 8) { unsafe ps_probe_copy_f32(&context, table.pointer, Int64(count), other.pointer) }
            gigabytes(.copy, count * 8) { unsafe ps_scale_f32(&context, 1, Int64(count), other.pointer) }
            for ahead in [1, 2, 4] {
                gigabytes(.rows, picks * 1024) {
                    unsafe ps_probe_rows_f32(&context, table.pointer, indices.pointer, Int64(rows), 256, Int64(picks), Int64(ahead), &sum)
                }
            }
            func products(_ limit: Limit, _ body: () -> ps_status) {
                let time = Timing.measure(seconds: 0.4) { precondition(body() == PS_OK) }
                saw(Double(flops) / time.least / 1e9, limit, threads: threads)
            }
            products(.product) { unsafe ps_probe_multiply_f32(&context, 2_000_000, &flops, &sum) }
            products(.productBF16) { unsafe ps_probe_multiply_bf16(&context, 5_000, &flops, &sum) }
            products(.productInt8) { unsafe ps_probe_multiply_i8(&context, 5_000, &flops, &sum) }
        }
    }
}

/// Repeated timings of one thing.
struct Timing {
    var least: Double
    var median: Double
    var p90: Double
    var iterations: Int

    /// Runs `body` once to warm up, then until `seconds` have passed and at least `atLeast` times; what takes longer than half a minute is run once.
    static func measure(seconds: Double, atLeast: Int = 3, _ body: () -> Void) -> Timing {
        let clock = ContinuousClock()
        let first = clock.measure(body)
        if first > .seconds(30) {
            let only = Double(first.components.seconds) + Double(first.components.attoseconds) * 1e-18
            return Timing(least: only, median: only, p90: only, iterations: 1)
        }
        var times: [Double] = []
        let start = clock.now
        while times.count < atLeast || start.duration(to: clock.now) < .seconds(seconds) {
            let elapsed = clock.measure(body)
            times.append(Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18)
            if times.count >= 10_000 { break }
        }
        times.sort()
        return Timing(least: times[0], median: times[times.count / 2], p90: times[times.count * 9 / 10], iterations: times.count)
    }
}
