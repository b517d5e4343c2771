import CKernels
import Testing

/// An instruction set and a thread count to run a test under.
struct Setting: CustomTestStringConvertible, Sendable {
    let isa: ps_isa
    let threads: Int32

    var testDescription: String { "\(String(cString: ps_isa_name(isa))), \(threads) threads" }

    /// Every instruction set of this machine with 1, 2 and 7 threads.
    static let all: [Setting] = isas.flatMap { isa in [1, 2, 7].map { Setting(isa: isa, threads: $0) } }
    static let isas = [PS_ISA_SCALAR, PS_ISA_AVX2, PS_ISA_AVX512, PS_ISA_NEON].filter { ps_isa_supported($0) != 0 }

    /// A context that gives every thread a part even of the smallest call, so that small tests cut everywhere.
    func context() -> ps_context {
        var context = ps_context()
        #expect(ps_context_make(isa, threads, &context) == PS_OK)
        context.bytes_per_thread = 1
        return context
    }
}

/// Sizes around the lane counts 4, 8 and 16 and the tiles of 3 and 4, with 0, 1 and primes.
let widths = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 67]

/// A seeded generator (SplitMix64), so that a failure repeats.
struct Generator {
    private var state: UInt64
    init(_ seed: Int) { state = UInt64(seed) &* 0x9e37_79b9_7f4a_7c15 &+ 1 }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
    /// Uniform in -1 ..< 1.
    mutating func float() -> Float { Float(next() >> 40) / Float(1 << 23) - 1 }
    mutating func floats(_ count: Int) -> [Float] { (0..<count).map { _ in float() } }
    /// Uniform values with zeros, denormals and huge ones among them. Huge is 1e15, so that a product of two still is a float.
    mutating func extremes(_ count: Int) -> [Float] {
        (0..<count).map { _ in
            switch below(8) {
            case 0: 0
            case 1: float() * 0x1p-133
            case 2: float() * 1e15
            case 3: -0.0
            default: float()
            }
        }
    }
    mutating func indices(_ count: Int, below bound: Int) -> [Int64] { (0..<count).map { _ in Int64(below(bound)) } }
    /// Ragged lists with empty ones and repeated targets among them.
    mutating func lists(_ count: Int, rows: Int, longest: Int) -> (offsets: [Int64], targets: [Int32]) {
        var offsets: [Int64] = [0], targets: [Int32] = []
        for _ in 0..<count {
            let length = rows == 0 || below(4) == 0 ? 0 : below(longest + 1)
            for _ in 0..<length { targets.append(Int32(below(below(3) == 0 ? 1 : rows))) }
            offsets.append(Int64(targets.count))
        }
        return (offsets, targets)
    }
}

/// Expects |actual - expected| <= units * (2^-24 * scale + half a denormal step) for each element, NaN for NaN; names the worst element.
///
/// `scale` is the sum of the absolute values of what was added up: rounding errors are bounded by it, not by the result.
func expectClose(
    _ actual: [Float], _ expected: [Double], scale: [Double]? = nil, units: Double, _ what: Comment? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    guard actual.count == expected.count else {
        Issue.record("\(actual.count) elements, expected \(expected.count)", sourceLocation: sourceLocation)
        return
    }
    var worst = (excess: 0.0, index: -1)
    for i in actual.indices {
        if expected[i].isNaN && actual[i].isNaN { continue }
        if Double(actual[i]) == expected[i] { continue }
        // Each rounding errs by 2^-24 of its result, or by half the step of denormals.
        let allowed = units * (0x1p-24 * (scale?[i] ?? expected[i].magnitude) + 0.75e-45)
        let excess = (Double(actual[i]) - expected[i]).magnitude / allowed
        if !(excess <= 1) && !(excess <= worst.excess) { worst = (excess, i) }
    }
    guard worst.index >= 0 else { return }
    let i = worst.index
    Issue.record(
        "\(what.map { "\($0): " } ?? "")element \(i) is \(actual[i]), expected \(expected[i]): \(worst.excess) times the allowed error",
        sourceLocation: sourceLocation)
}

/// The bits, so that NaN equals itself and -0 differs from 0.
func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }
func magnitudes(_ values: [Float]) -> [Float] { values.map(\.magnitude) }

/// A value that no kernel computes: what an untouched output still holds.
let untouched: Float = -12345.678

/// Asks the kernel for `status` and expects that `output` was left alone.
func expectRefusal(
    _ status: ps_status, _ output: [Float], sourceLocation: SourceLocation = #_sourceLocation, _ call: (inout [Float]) -> ps_status
) {
    var copy = output
    let actual = call(&copy)
    #expect(
        actual == status, "\(String(cString: ps_status_name(actual))), expected \(String(cString: ps_status_name(status)))",
        sourceLocation: sourceLocation)
    #expect(bits(copy) == bits(output), "a refused call wrote", sourceLocation: sourceLocation)
}

/// (loss(x + h) - loss(x - h)) / 2h for each element of x, with the step that was really taken in f32.
func centralDifferences(_ x: [Float], step: Float, loss: ([Float]) -> Double) -> [Double] {
    x.indices.map { i in
        var up = x, down = x
        up[i] += step
        down[i] -= step
        return (loss(up) - loss(down)) / (Double(up[i]) - Double(down[i]))
    }
}
