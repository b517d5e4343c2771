import CKernels
import KernelReference
import Testing

@Suite struct LSHTests {
    /// Small whole numbers: every product is exact, so the codes equal the twin's, thresholds included.
    @Test(arguments: Setting.all) func codesEqualTheTwin(_ setting: Setting) {
        var context = setting.context(), random = Generator(80)
        for (N, E, tables, bits) in [(0, 3, 2, 4), (1, 1, 1, 1), (47, 7, 3, 5), (48, 16, 2, 16), (149, 33, 5, 3)] {
            let rows = NearestTests.wholeNumbers(N * E, &random), planes = NearestTests.wholeNumbers(tables * bits * E, &random)
            let lifts = NearestTests.wholeNumbers(N, &random), planeLifts = NearestTests.wholeNumbers(tables * bits, &random)
            let thresholds = NearestTests.wholeNumbers(tables * bits, &random)
            for isLifted in [false, true] {
                var codes = [UInt16](repeating: 0xabcd, count: N * tables)
                let status =
                    isLifted
                    ? ps_lsh_codes(
                        &context, rows, lifts, planes, planeLifts, thresholds, Int64(N), Int64(E), Int64(tables), Int64(bits), &codes)
                    : ps_lsh_codes(&context, rows, nil, planes, planeLifts, thresholds, Int64(N), Int64(E), Int64(tables), Int64(bits), &codes)
                #expect(status == PS_OK)
                for n in 0..<N {
                    let expected = Reference.hashCodes(
                        row: Array(rows[n * E..<(n + 1) * E]), lift: isLifted ? lifts[n] : 0,
                        planes: (0..<tables * bits).map { Array(planes[$0 * E..<($0 + 1) * E]) }, planeLifts: planeLifts, thresholds: thresholds,
                        bits: bits)
                    #expect(codes[n * tables..<(n + 1) * tables].map(Int.init) == expected, "row \(n) of \(N) x \(E)")
                }
            }
        }
    }

    /// A collection in `tables` tables of `cells` buckets: where the lists lie, and what is in them.
    private struct Lists {
        var postings: [UInt32] = []
        var bounds: [[Range<Int>]] = []

        init(N: Int, tables: Int, cells: Int, _ random: inout Generator) {
            for _ in 0..<tables {
                var lists = [[UInt32]](repeating: [], count: cells)
                // Low buckets are larger, as real ones differ in size.
                for row in 0..<N { lists[min(random.below(cells), random.below(cells))].append(UInt32(row)) }
                bounds.append(
                    lists.map { list in
                        let start = postings.count
                        postings += list
                        return start..<postings.count
                    })
            }
        }
    }

    private func search(
        _ postings: [UInt32], _ terms: [[ps_lsh_term]], rows: [Float], queries: [Float], allowed: [UInt64]?, N: Int, E: Int, k: Int, candidates: Int,
        _ context: inout ps_context
    ) -> (ids: [Int64], scores: [Float], counts: [Int64], visited: [Int64]) {
        let Q = terms.count, all = Array(terms.joined())
        var offsets: [Int64] = [0]
        for list in terms { offsets.append(offsets[offsets.count - 1] + Int64(list.count)) }
        var ids = [Int64](repeating: -7, count: Q * k), counts = [Int64](repeating: -7, count: Q), visited = counts
        var scores = [Float](repeating: untouched, count: Q * k), bytes: Int64 = -1
        #expect(
            ps_lsh_search_workspace_bytes(&context, Int64(N), Int64(terms.map(\.count).max() ?? 0), Int64(candidates), &bytes) == PS_OK)
        var workspace = [UInt64](repeating: 0xdead_beef, count: Int(bytes) / 8 + 1)
        func run(_ allowed: UnsafePointer<UInt64>?) -> ps_status {
            ps_lsh_search(
                &context, postings, Int64(postings.count), all, offsets, rows, queries, allowed, Int64(N), Int64(E), Int64(Q), Int64(k),
                Int64(candidates), &ids, &scores, &counts, &visited, &workspace, bytes)
        }
        #expect((allowed.map { run($0) } ?? run(nil)) == PS_OK)
        return (ids, scores, counts, visited)
    }

    /// The rows with the largest sums, and of these the best products, for any mix of weights, ties and filters; over several windows.
    @Test(arguments: Setting.all) func searchEqualsTheTwin(_ setting: Setting) {
        var context = setting.context(), random = Generator(81)
        for (N, tables, cells, pass) in [(1, 1, 1, 0), (157, 4, 6, 0), (157, 4, 6, 1), (3000, 9, 40, 2), (150_000, 6, 1500, 3)] {
            let E = 5, Q = 5
            let rows = NearestTests.wholeNumbers(N * E, &random), queries = NearestTests.wholeNumbers(Q * E, &random)
            let lists = Lists(N: N, tables: tables, cells: cells, &random)
            let terms = (0..<Q).map { _ in
                (0..<tables * 5).map { _ -> ps_lsh_term in
                    let table = random.below(tables), range = lists.bounds[table][random.below(cells)]
                    return ps_lsh_term(
                        begin: Int64(range.lowerBound), end: Int64(range.upperBound), weight: UInt32(1 + random.below(pass == 1 ? 2 : 200)),
                        table: UInt32(table))
                }
            }
            // A bucket is asked for once, and the heaviest term comes first.
            let distinct = terms.map { list -> [ps_lsh_term] in
                var seen: Set<Int64> = []
                return list.filter { $0.begin < $0.end && seen.insert($0.begin).inserted }.sorted { $0.weight > $1.weight }
            }
            var allowed = [UInt64](repeating: 0, count: (N + 63) / 64)
            for row in stride(from: 0, to: N, by: 3) { allowed[row / 64] |= 1 << UInt64(row % 64) }
            for isFiltered in [false, true] {
                for (k, candidates) in [(1, 1), (3, 20), (10, 500)] {
                    let found = search(
                        lists.postings, distinct, rows: rows, queries: queries, allowed: isFiltered ? allowed : nil, N: N, E: E, k: k,
                        candidates: candidates, &context)
                    for q in 0..<Q {
                        let reference = distinct[q].map { term in
                            Reference.HashTerm(rows: lists.postings[Int(term.begin)..<Int(term.end)].map(Int.init), weight: Int(term.weight))
                        }
                        let candidates = Reference.weakAnd(
                            reference, count: N, allowed: { !isFiltered || $0 % 3 == 0 }, candidates: candidates)
                        let scores = candidates.map { row in
                            (0..<E).reduce(0.0) { $0 + Double(queries[q * E + $1]) * Double(rows[row * E + $1]) }
                        }
                        let best = candidates.indices.sorted { (scores[$0], candidates[$1]) > (scores[$1], candidates[$0]) }.prefix(k)
                        #expect(found.counts[q] == Int64(best.count))
                        #expect(
                            found.ids[q * k..<(q + 1) * k].map(Int.init) == best.map { candidates[$0] } + Array(repeating: -1, count: k - best.count),
                            "\(N) rows, query \(q), k \(k), filtered \(isFiltered)")
                        #expect(found.scores[q * k..<q * k + best.count].map(Double.init) == best.map { scores[$0] })
                        #expect(found.visited[q] <= distinct[q].reduce(0) { $0 + $1.end - $1.begin })
                    }
                }
            }
        }
    }

    /// With a few heavy terms and many light ones, the light lists are read only where they can still decide.
    @Test func boundsSaveReading() {
        var context = Setting(isa: PS_ISA_SCALAR, threads: 1).context()
        let N = 400_000
        // Rows 0 ..< 50 have the heavy term; every row has a light one.
        let postings = (0..<50).map(UInt32.init) + (0..<N).map(UInt32.init)
        let terms = [
            ps_lsh_term(begin: 0, end: 50, weight: 100, table: 0), ps_lsh_term(begin: 50, end: Int64(50 + N), weight: 3, table: 1),
        ]
        let found = search(
            postings, [terms], rows: [Float](repeating: 1, count: N), queries: [1], allowed: nil, N: N, E: 1, k: 5, candidates: 10, &context)
        #expect(found.ids == [0, 1, 2, 3, 4])
        #expect(found.visited[0] <= 50 + 65536, "\(found.visited)")
    }

    @Test(arguments: Setting.all) func damagedPostingsAreSafe(_ setting: Setting) {
        var context = setting.context(), random = Generator(82)
        let N = 70_000, rows = random.floats(N)
        for _ in 0..<8 {
            let postings = (0..<500).map { _ in
                random.below(3) == 0 ? UInt32(truncatingIfNeeded: random.next()) : UInt32(random.below(N))
            }
            let terms = (0..<5).map { (list: Int) -> ps_lsh_term in
                ps_lsh_term(begin: Int64(100 * list), end: Int64(100 * list) + 100, weight: 9, table: UInt32(list))
            }
            let found = search(postings, [terms], rows: rows, queries: [1], allowed: nil, N: N, E: 1, k: 20, candidates: 50, &context)
            #expect(found.ids.allSatisfy { -1..<Int64(N) ~= $0 })
        }
    }

    @Test func badArgumentsAreRefused() {
        var context = Setting(isa: PS_ISA_SCALAR, threads: 2).context()
        let rows: [Float] = [1, 2, 3], postings: [UInt32] = [0, 1, 2]
        var codes = [UInt16](repeating: 7, count: 3), bytes: Int64 = -1
        for (tables, bits, status): (Int64, Int64, ps_status) in [
            (1, 0, PS_BAD_PARAMETER), (1, 17, PS_BAD_PARAMETER), (0, 4, PS_BAD_PARAMETER), (-1, 4, PS_NEGATIVE_SIZE), (.max, 2, PS_SIZE_OVERFLOW),
        ] {
            #expect(ps_lsh_codes(&context, rows, nil, rows, rows, rows, 3, 1, tables, bits, &codes) == status, "\(tables) \(bits)")
        }
        #expect(ps_lsh_codes(&context, nil, nil, rows, rows, rows, 3, 1, 1, 3, &codes) == PS_NULL_POINTER)
        #expect(codes == [7, 7, 7])
        #expect(ps_lsh_search_workspace_bytes(&context, -1, 1, 1, &bytes) == PS_NEGATIVE_SIZE)
        #expect(ps_lsh_search_workspace_bytes(&context, 3, 2, 2, nil) == PS_NULL_POINTER)
        #expect(ps_lsh_search_workspace_bytes(&context, 3, 2, 2, &bytes) == PS_OK)
        var workspace = [UInt64](repeating: 0, count: Int(bytes) / 8 + 1)
        var ids: [Int64] = [-7, -7], counts: [Int64] = [-7]
        var scores = [untouched, untouched]
        func term(_ begin: Int64, _ end: Int64, weight: UInt32 = 5, table: UInt32 = 0) -> ps_lsh_term {
            ps_lsh_term(begin: begin, end: end, weight: weight, table: table)
        }
        func search(_ terms: [ps_lsh_term], _ offsets: [Int64], k: Int64 = 2, candidates: Int64 = 2, short: Int64 = 0) -> ps_status {
            ps_lsh_search(
                &context, postings, 3, terms, offsets, rows, rows, nil, 3, 1, 1, k, candidates, &ids, &scores, &counts, nil, &workspace,
                bytes - short)
        }
        #expect(search([term(0, 3)], [0, 1], k: 0) == PS_BAD_PARAMETER)
        #expect(search([term(0, 3)], [0, 1], candidates: 1) == PS_BAD_PARAMETER)
        #expect(search([term(0, 4)], [0, 1]) == PS_INDEX_OUT_OF_RANGE)
        #expect(search([term(2, 1)], [0, 1]) == PS_INDEX_OUT_OF_RANGE)
        #expect(search([term(0, 3, weight: 0)], [0, 1]) == PS_BAD_PARAMETER)
        #expect(search([term(0, 3, table: 65536)], [0, 1]) == PS_BAD_PARAMETER)
        #expect(search([term(0, 3), term(0, 3, weight: 6, table: 1)], [0, 2]) == PS_BAD_PARAMETER)
        #expect(search([term(0, 3, weight: 65535), term(0, 3, weight: 1, table: 1)], [0, 2]) == PS_BAD_PARAMETER)
        #expect(search([term(0, 3)], [1, 1]) == PS_BAD_OFFSETS)
        #expect(search([term(0, 3)], [0, 1], short: 8) == PS_WORKSPACE_TOO_SMALL)
        #expect(ids == [-7, -7] && counts == [-7] && scores == [untouched, untouched])
        // All three rows have the same sum: the lower two are compared.
        #expect(search([term(0, 3)], [0, 1]) == PS_OK && ids == [1, 0])
    }
}
