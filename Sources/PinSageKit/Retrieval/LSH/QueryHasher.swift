#if canImport(Darwin)
    internal import Darwin
#else
    internal import Glibc
#endif

/// Turns queries into weighted terms.
///
/// Source: Lv et al. 2007, query-directed probing, with probabilities in place of their scores. A neighbor lies at about `distance` d from the query, so its
/// projection on a Gaussian direction differs by about d times a standard normal number, and a bit whose projection is m away from its threshold flips with
/// probability Phi(-m / d). A bucket's probability is the product over its bits; buckets of all tables are visited by descending probability.
struct QueryHasher: Sendable {
    let index: LSHIndex
    /// How many tables are looked into.
    let tables: Int

    /// Queries have no more terms than this.
    static let mostTerms = 4096
    /// Steps of weights: an eighth of a unit of the logarithm.
    static let weightScale: Float = 8
    static let mostWeight: Float = 255

    /// A set of flipped bits of one table.
    private struct Probe {
        /// Logarithm of the probability that a neighbor is in the bucket.
        var logarithm: Float
        var table: Int32
        /// The last flipped bit, as a place in the order of rising costs; -1 when none is flipped.
        var last: Int32
        var flipped: UInt32

        func isBefore(_ other: Probe) -> Bool {
            if logarithm != other.logarithm { return logarithm > other.logarithm }
            return (table, flipped) < (other.table, other.flipped)
        }
    }

    /// The terms of a query by weight descending, enough for about `visits` postings.
    ///
    /// - Parameters:
    ///   - query: not zero, finite.
    ///   - products: with the directions of all hyperplanes.
    func terms(of query: [Float], products: [Float], visits: Int) -> [HashTerm] {
        let parameters = index.parameters, bits = parameters.bits, cells = 1 << bits, count = index.count
        let norm = query.reduce(Float(0)) { $0 + $1 * $1 }.squareRoot()
        let scale = parameters.length / norm
        guard scale.isFinite, scale > 0 else { return [] }
        var codes = [UInt32](repeating: 0, count: tables)
        var costs = [Float](repeating: 0, count: tables * bits), order = [Int](repeating: 0, count: tables * bits)
        var heap: [Probe] = []
        heap.reserveCapacity(4 * tables)
        let unit = 1 / (max(parameters.distance, 1e-6 * parameters.length) * Float(2).squareRoot())
        for table in 0..<tables {
            var logarithm: Float = 0
            for bit in 0..<bits {
                let plane = table * bits + bit
                let margin = products[plane] * scale - index.planes.thresholds[plane]
                if margin >= 0 { codes[table] |= 1 << UInt32(bit) }
                let flips = 0.5 * erfcf(margin.magnitude * unit)
                // A bit far from its threshold, and what a damaged file may hold.
                let probability = flips.isFinite ? min(max(flips, 1e-12), 0.5) : 0.5
                costs[plane] = logf((1 - probability) / probability)
                logarithm += logf(1 - probability)
                order[plane] = bit
            }
            order[table * bits..<(table + 1) * bits].sort { (costs[table * bits + $0], $0) < (costs[table * bits + $1], $1) }
            Self.push(Probe(logarithm: logarithm, table: Int32(table), last: -1, flipped: 0), onto: &heap)
        }
        func cost(_ table: Int, _ place: Int) -> Float { costs[table * bits + order[table * bits + place]] }
        func flag(_ table: Int, _ place: Int) -> UInt32 { 1 << UInt32(order[table * bits + place]) }

        var terms: [HashTerm] = [], chances: [Float] = []
        var likely = [Float](repeating: 0, count: tables), lengths = likely
        var read = 0, looked = 0
        while read < visits, terms.count < Self.mostTerms, looked < 4 * Self.mostTerms, let probe = Self.pop(&heap) {
            let table = Int(probe.table), place = Int(probe.last)
            looked += 1
            if place + 1 < bits {
                var next = probe
                next.last += 1
                next.flipped |= flag(table, place + 1)
                next.logarithm -= cost(table, place + 1)
                Self.push(next, onto: &heap)
                if place >= 0 {
                    next.flipped &= ~flag(table, place)
                    next.logarithm += cost(table, place)
                    Self.push(next, onto: &heap)
                }
            }
            let bucket = table * (cells + 1) + Int(codes[table] ^ probe.flipped)
            let begin = Int(index.buckets[bucket]), end = Int(index.buckets[bucket + 1])
            guard begin < end, end <= count else { continue }
            let chance = expf(probe.logarithm)
            terms.append(HashTerm(begin: table * count + begin, end: table * count + end, weight: 0, table: UInt32(table)))
            chances.append(chance)
            likely[table] += chance
            lengths[table] += Float(end - begin)
            read += end - begin
        }
        // How much likelier a neighbor has the term than any item, against how much likelier it has none of the table's: the sum over tables is
        // the logarithm of the odds, were tables independent.
        for place in terms.indices {
            let table = Int(terms[place].table), share = Float(terms[place].end - terms[place].begin) / Float(count)
            let none = max(1 - likely[table], 1e-3) / max(1 - lengths[table] / Float(count), 1e-3)
            let odds = logf(max(chances[place], 1e-12) / share) - logf(none)
            let weight = (odds * Self.weightScale).rounded()
            terms[place].weight = weight.isFinite ? UInt32(min(max(weight, 1), Self.mostWeight)) : 1
        }
        return terms.sorted { ($0.weight, $1.begin) > ($1.weight, $0.begin) }
    }

    private static func push(_ probe: Probe, onto heap: inout [Probe]) {
        var place = heap.count
        heap.append(probe)
        while place > 0, probe.isBefore(heap[(place - 1) / 2]) {
            heap[place] = heap[(place - 1) / 2]
            place = (place - 1) / 2
        }
        heap[place] = probe
    }

    private static func pop(_ heap: inout [Probe]) -> Probe? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        guard !heap.isEmpty else { return first }
        var place = 0
        while true {
            var child = 2 * place + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child + 1].isBefore(heap[child]) { child += 1 }
            guard heap[child].isBefore(last) else { break }
            heap[place] = heap[child]
            place = child
        }
        heap[place] = last
        return first
    }
}
