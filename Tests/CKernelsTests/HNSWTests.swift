import CKernels
import KernelReference
import Testing

/// A graph in memory that lives as long as the test.
private final class Graph {
    let N: Int, E: Int, storage: ps_hnsw_storage
    let rows: [Float]
    let levels: [Int], order: [Int]
    private let f32: UnsafeMutableBufferPointer<Float>, bf16: UnsafeMutableBufferPointer<UInt16>, codes: UnsafeMutableBufferPointer<Int8>
    private let scales: UnsafeMutableBufferPointer<Float>
    private let first: UnsafeMutableBufferPointer<UInt32>, owners: UnsafeMutableBufferPointer<UInt32>
    private var links: UnsafeMutableBufferPointer<UInt32>, upper: UnsafeMutableBufferPointer<UInt32>
    private(set) var c = ps_hnsw_graph()

    init(_ rows: [Float], E: Int, storage: ps_hnsw_storage, width: Int, upperWidth: Int, levels: [Int], order: [Int], context: inout ps_context) {
        (N, self.E, self.storage, self.rows) = (levels.count, E, storage, rows)
        (self.levels, self.order) = (levels, order)
        f32 = .allocate(capacity: rows.count)
        _ = f32.initialize(from: rows)
        bf16 = .allocate(capacity: rows.count)
        _ = bf16.initialize(from: rows.map(Reference.bfloat16Bits))
        codes = .allocate(capacity: rows.count)
        scales = .allocate(capacity: levels.count)
        var residuals = [Float](repeating: 0, count: levels.count), norms = residuals
        #expect(
            ps_knn_quantize_i8(
                &context, rows, Int64(levels.count), Int64(E), codes.baseAddress, scales.baseAddress, &residuals, &norms) == PS_OK)
        var firsts: [UInt32] = [], owned: [UInt32] = []
        for (row, level) in levels.enumerated() {
            firsts.append(UInt32(owned.count))
            owned += Array(repeating: UInt32(row), count: level)
        }
        first = .allocate(capacity: firsts.count)
        _ = first.initialize(from: firsts)
        owners = .allocate(capacity: owned.count)
        _ = owners.initialize(from: owned)
        links = .allocate(capacity: N * width)
        links.initialize(repeating: none)
        upper = .allocate(capacity: owned.count * upperWidth)
        upper.initialize(repeating: none)
        c.N = Int64(N)
        c.E = Int64(E)
        c.storage = storage
        switch storage {
        case PS_HNSW_F32: c.rows = UnsafeRawPointer(f32.baseAddress)
        case PS_HNSW_BF16: c.rows = UnsafeRawPointer(bf16.baseAddress)
        default:
            c.rows = UnsafeRawPointer(codes.baseAddress)
            c.scales = UnsafePointer(scales.baseAddress)
        }
        c.upper_first = UnsafePointer(first.baseAddress)
        c.upper_owners = UnsafePointer(owners.baseAddress)
        c.upper_rows = Int64(owned.count)
        (c.links, c.links_width, c.upper_links, c.upper_width) = (links.baseAddress, Int64(width), upper.baseAddress, Int64(upperWidth))
        c.entry = -1
    }

    deinit {
        f32.deallocate()
        bf16.deallocate()
        codes.deallocate()
        scales.deallocate()
        first.deallocate()
        owners.deallocate()
        links.deallocate()
        upper.deallocate()
    }

    func insert(_ batch: [Int], ef: Int, chosen: (Int, Int), kept: (Int, Int), _ context: inout ps_context) {
        var options = ps_hnsw_options(
            ef: Int64(ef), links: Int64(chosen.0), upper_links: Int64(chosen.1), links_kept: Int64(kept.0), upper_kept: Int64(kept.1))
        let batchLevels = batch.map { Int32(levels[$0]) }
        var bytes: Int64 = -1
        let lists = batchLevels.reduce(0) { $0 + Int64($1) + 1 }
        #expect(ps_hnsw_insert_workspace_bytes(&context, &c, &options, Int64(batch.count), lists, &bytes) == PS_OK)
        var workspace = [UInt64](repeating: 0, count: Int(bytes) / 8 + 1)
        #expect(ps_hnsw_insert(&context, &c, batch.map(UInt32.init), batchLevels, Int64(batch.count), &options, &workspace, bytes) == PS_OK)
        if c.entry < 0, let row = batch.first {
            c.entry = Int64(row)
            c.top = Int32(levels[row])
        }
    }

    func pack(kept: (Int, Int), _ context: inout ps_context) {
        var bytes: Int64 = -1
        #expect(ps_hnsw_pack_workspace_bytes(&context, &c, &bytes) == PS_OK)
        var workspace = [UInt64](repeating: 0, count: Int(bytes) / 8 + 1)
        let packed = UnsafeMutableBufferPointer<UInt32>.allocate(capacity: N * kept.0)
        let packedUpper = UnsafeMutableBufferPointer<UInt32>.allocate(capacity: Int(c.upper_rows) * kept.1)
        packed.initialize(repeating: 0)
        packedUpper.initialize(repeating: 0)
        #expect(
            ps_hnsw_pack(&context, &c, Int64(kept.0), Int64(kept.1), packed.baseAddress, packedUpper.baseAddress, &workspace, bytes) == PS_OK)
        links.deallocate()
        upper.deallocate()
        (links, upper) = (packed, packedUpper)
        (c.links, c.links_width, c.upper_links, c.upper_width) = (links.baseAddress, Int64(kept.0), upper.baseAddress, Int64(kept.1))
    }

    /// Takes rows out, in place.
    func repair(removed: Set<Int>, kept: (Int, Int), _ context: inout ps_context) {
        var bytes: Int64 = -1
        #expect(ps_hnsw_repair_workspace_bytes(&context, &c, &bytes) == PS_OK)
        var workspace = [UInt64](repeating: 0, count: Int(bytes) / 8 + 1)
        var words = [UInt64](repeating: 0, count: (N + 63) / 64)
        for row in removed { words[row / 64] |= 1 << UInt64(row % 64) }
        var lower = [UInt32](repeating: 7, count: N * kept.0), above = [UInt32](repeating: 7, count: Int(c.upper_rows) * kept.1)
        #expect(ps_hnsw_repair(&context, &c, words, Int64(kept.0), Int64(kept.1), &lower, &above, &workspace, bytes) == PS_OK)
        #expect(kept.0 == Int(c.links_width) && kept.1 == Int(c.upper_width))
        for i in lower.indices { links[i] = lower[i] }
        for i in above.indices { upper[i] = above[i] }
        #expect(workspace.prefix((N + 63) / 64).allSatisfy { $0 == 0 }, "marks are left clear")
    }

    func list(_ row: Int, layer: Int) -> [Int] {
        let width = Int(layer == 0 ? c.links_width : c.upper_width)
        if layer > levels[row] { return [] }
        let all = layer == 0 ? links : upper, start = layer == 0 ? row * width : (Int(first[row]) + layer - 1) * width
        return all[start..<start + width].prefix { $0 != none }.map(Int.init)
    }

    /// Takes over the lists of a graph of the same shape.
    func copyLists(of other: Graph) {
        #expect(links.count == other.links.count && upper.count == other.upper.count)
        for i in links.indices { links[i] = other.links[i] }
        for i in upper.indices { upper[i] = other.upper[i] }
    }

    func overwrite(_ word: (Int) -> UInt32) {
        for i in links.indices { links[i] = word(i) }
        for i in upper.indices { upper[i] = word(i) }
    }

    func search(
        _ queries: [Float], k: Int, ef: Int, rerank: Int? = nil, allowed: [UInt64]? = nil, _ context: inout ps_context
    ) -> (ids: [Int64], scores: [Float], counts: [Int64]) {
        let Q = E == 0 ? 1 : queries.count / E
        var ids = [Int64](repeating: -7, count: Q * k), counts = [Int64](repeating: -7, count: Q)
        var scores = [Float](repeating: untouched, count: Q * k), bytes: Int64 = -1
        #expect(ps_hnsw_search_workspace_bytes(&context, &c, Int64(ef), &bytes) == PS_OK)
        var workspace = [UInt64](repeating: 0, count: Int(bytes) / 8 + 1)
        let exact = rerank == nil ? nil : UnsafePointer(f32.baseAddress)
        // Twice in the same workspace: the first search must have left it ready for the second.
        for _ in 0..<2 {
            let status =
                if let allowed {
                    ps_hnsw_search(
                        &context, &c, queries, exact, allowed, Int64(Q), Int64(k), Int64(ef), Int64(rerank ?? k), &ids, &scores, &counts, &workspace,
                        bytes)
                } else {
                    ps_hnsw_search(
                        &context, &c, queries, exact, nil, Int64(Q), Int64(k), Int64(ef), Int64(rerank ?? k), &ids, &scores, &counts, &workspace,
                        bytes)
                }
            #expect(status == PS_OK)
        }
        return (ids, scores, counts)
    }
}

/// PS_HNSW_NONE, a macro that Swift does not see.
private let none = UInt32.max

@Suite struct HNSWTests {
    private let chosen = (4, 3), widths = (11, 5), kept = (8, 4)

    private func levels(_ N: Int, _ random: inout Generator) -> [Int] {
        (0..<N).map { _ in
            var level = 0
            while level < 3 && random.below(4) == 0 { level += 1 }
            return level
        }
    }

    /// Rows of small whole numbers: every score is exact in f32 and bf16, so graphs and answers must equal the twin's, ties and all.
    @Test(arguments: Setting.all) func graphAndSearchEqualTheTwin(_ setting: Setting) {
        var context = setting.context(), random = Generator(70)
        for E in [1, 7, 16, 33] {
            let N = 157
            let rows = NearestTests.wholeNumbers(N * E, &random), levels = levels(N, &random)
            let order = (0..<N).map { ($0, random.next()) }.sorted { (levels[$1.0], $0.1) < (levels[$0.0], $1.1) }.map(\.0)
            var twin = Reference.LayeredGraph(rows: (0..<N).map { Array(rows[$0 * E..<($0 + 1) * E]) }, layers: 4)
            let graphs = [PS_HNSW_F32, PS_HNSW_BF16].map {
                Graph(rows, E: E, storage: $0, width: widths.0, upperWidth: widths.1, levels: levels, order: order, context: &context)
            }
            func expectEqualLists(_ what: String) {
                for graph in graphs {
                    for layer in 0..<4 {
                        for row in 0..<N {
                            #expect(graph.list(row, layer: layer) == twin.links[layer][row], "\(what): E \(E), layer \(layer), row \(row)")
                        }
                    }
                }
            }
            var next = 0
            for size in [1, 2, 40, 7, 64, 43] {
                let batch = Array(order[next..<next + size])
                twin.insert(batch, levels: batch.map { levels[$0] }, ef: 20, chosen: chosen, widths: widths, kept: kept)
                for graph in graphs { graph.insert(batch, ef: 20, chosen: chosen, kept: kept, &context) }
                next += size
                expectEqualLists("after \(next)")
            }
            #expect(next == N)
            twin.pack(kept: kept)
            for graph in graphs { graph.pack(kept: kept, &context) }
            expectEqualLists("packed")
            var repaired = twin
            let removed = Set((0..<N).filter { _ in random.below(3) == 0 })
            repaired.repair(removed: removed, kept: kept)
            do {
                let graph = Graph(
                    rows, E: E, storage: PS_HNSW_F32, width: kept.0, upperWidth: kept.1, levels: levels, order: order, context: &context)
                graph.copyLists(of: graphs[0])
                graph.repair(removed: removed, kept: kept, &context)
                for layer in 0..<4 {
                    for row in 0..<N {
                        #expect(graph.list(row, layer: layer) == repaired.links[layer][row], "repaired: E \(E), layer \(layer), row \(row)")
                    }
                }
            }
            let queries = NearestTests.wholeNumbers(9 * E, &random)
            for graph in graphs {
                for (k, ef) in [(1, 1), (3, 8), (30, 30)] {
                    let answers = graph.search(queries, k: k, ef: ef, &context)
                    for q in 0..<9 {
                        let query = Array(queries[q * E..<(q + 1) * E])
                        let best = Array(twin.search(query, ef: ef).prefix(k)), places = q * k..<(q + 1) * k
                        #expect(answers.counts[q] == Int64(best.count))
                        #expect(answers.ids[places].map(Int.init) == best + Array(repeating: -1, count: k - best.count))
                        let scores = Reference.scores(query: query, rows: rows, count: N, width: E)
                        #expect(answers.scores[places].prefix(best.count).map(Double.init) == best.map { scores[$0] })
                    }
                }
            }
        }
    }

    private func random(_ N: Int, _ E: Int, _ storage: ps_hnsw_storage, batch: Int, _ context: inout ps_context) -> (graph: Graph, queries: [Float]) {
        var random = Generator(71)
        let rows = random.floats(N * E), levels = levels(N, &random)
        let order = (0..<N).sorted { (levels[$1], $0) < (levels[$0], $1) }
        let graph = Graph(rows, E: E, storage: storage, width: 24, upperWidth: 12, levels: levels, order: order, context: &context)
        for start in stride(from: 0, to: N, by: batch) {
            graph.insert(Array(order[start..<min(start + batch, N)]), ef: 40, chosen: (8, 8), kept: (16, 8), &context)
        }
        graph.pack(kept: (16, 8), &context)
        return (graph, random.floats(20 * E))
    }

    /// Codes lose a little, f32 scoring of what was found gives it back: with everything in the pool the answer is the exact one.
    @Test(arguments: Setting.all) func everyStorageFindsTheExactAnswer(_ setting: Setting) {
        var context = setting.context(), one = Setting(isa: setting.isa, threads: 1).context()
        let N = 400, E = 24, k = 10
        for storage in [PS_HNSW_F32, PS_HNSW_BF16, PS_HNSW_I8] {
            let (graph, queries) = random(N, E, storage, batch: 37, &context)
            let again = random(N, E, storage, batch: 37, &one).graph
            for row in 0..<N { for layer in 0..<4 { #expect(graph.list(row, layer: layer) == again.list(row, layer: layer)) } }
            let answers = graph.search(queries, k: k, ef: N, rerank: N, &context)
            for q in 0..<20 {
                let scores = Reference.scores(query: Array(queries[q * E..<(q + 1) * E]), rows: graph.rows, count: N, width: E)
                #expect(answers.ids[q * k..<(q + 1) * k].map(Int.init) == Reference.topK(scores, k: k), "storage \(storage)")
            }
            // Every third row only.
            var allowed = [UInt64](repeating: 0, count: (N + 63) / 64)
            for row in stride(from: 0, to: N, by: 3) { allowed[row / 64] |= 1 << UInt64(row % 64) }
            let some = graph.search(queries, k: k, ef: N, rerank: N, allowed: allowed, &context)
            for q in 0..<20 {
                let scores = Reference.scores(query: Array(queries[q * E..<(q + 1) * E]), rows: graph.rows, count: N, width: E)
                let best = Array(Reference.topK(scores, k: N).filter { $0 % 3 == 0 }.prefix(k))
                #expect(some.ids[q * k..<(q + 1) * k].map(Int.init) == best)
            }
            // A small pool gives the same on any thread count, alone or in a batch.
            let few = graph.search(queries, k: 3, ef: 12, rerank: 6, &context)
            for q in 0..<20 {
                let single = graph.search(Array(queries[q * E..<(q + 1) * E]), k: 3, ef: 12, rerank: 6, &one)
                #expect(Array(few.ids[q * 3..<(q + 1) * 3]) == single.ids && bits(Array(few.scores[q * 3..<(q + 1) * 3])) == bits(single.scores))
            }
        }
    }

    /// Links as a damaged file may hold them: any answer will do, but none from outside.
    @Test(arguments: Setting.all) func damagedListsAreSafe(_ setting: Setting) {
        var context = setting.context(), random = Generator(72)
        let N = 130, E = 9
        let (graph, queries) = self.random(N, E, PS_HNSW_I8, batch: 50, &context)
        for pass in 0..<6 {
            graph.overwrite { _ in
                switch pass {
                case 0: 0
                case 1: UInt32(N)
                case 2: .max - 1
                case 3: 0x8000_0000
                default: random.below(3) == 0 ? UInt32(truncatingIfNeeded: random.next()) : UInt32(random.below(N))
                }
            }
            if pass % 2 == 1 { graph.repair(removed: Set(stride(from: 0, to: N, by: 4)), kept: (16, 8), &context) }
            let answers = graph.search(queries, k: 10, ef: 30, rerank: 30, &context)
            for (place, id) in answers.ids.enumerated() {
                #expect(-1..<Int64(N) ~= id)
                #expect((id >= 0) == (place % 10 < Int(answers.counts[place / 10])))
            }
        }
    }

    @Test func badArgumentsAreRefused() {
        var context = Setting(isa: PS_ISA_SCALAR, threads: 2).context()
        let (graph, queries) = random(40, 3, PS_HNSW_F32, batch: 16, &context)
        var bytes: Int64 = -1
        var c = graph.c
        #expect(ps_hnsw_search_workspace_bytes(&context, &c, 0, &bytes) == PS_BAD_PARAMETER)
        #expect(ps_hnsw_search_workspace_bytes(&context, &c, .max, &bytes) == PS_SIZE_OVERFLOW)
        #expect(ps_hnsw_search_workspace_bytes(&context, nil, 4, &bytes) == PS_NULL_POINTER)
        #expect(bytes == -1)
        #expect(ps_hnsw_search_workspace_bytes(&context, &c, 8, &bytes) == PS_OK)
        var ids = [Int64](repeating: -7, count: 4), counts: [Int64] = [-7], workspace = [UInt64](repeating: 0, count: Int(bytes) / 8 + 1)
        let out = [Float](repeating: untouched, count: 4)
        func search(
            _ graph: ps_hnsw_graph, Q: Int64 = 1, k: Int64 = 4, ef: Int64 = 8, rerank: Int64 = 8, short: Int64 = 0, _ out: inout [Float]
        ) -> ps_status {
            var graph = graph
            return ps_hnsw_search(&context, &graph, queries, nil, nil, Q, k, ef, rerank, &ids, &out, &counts, &workspace, bytes - short)
        }
        func changed(_ change: (inout ps_hnsw_graph) -> Void) -> ps_hnsw_graph {
            var copy = c
            change(&copy)
            return copy
        }
        expectRefusal(PS_NEGATIVE_SIZE, out) { search(c, Q: -1, &$0) }
        expectRefusal(PS_NEGATIVE_SIZE, out) { search(changed { $0.N = -1 }, &$0) }
        expectRefusal(PS_NULL_POINTER, out) { search(changed { $0.rows = nil }, &$0) }
        expectRefusal(PS_NULL_POINTER, out) { search(changed { $0.links = nil }, &$0) }
        expectRefusal(PS_NULL_POINTER, out) { search(changed { $0.storage = PS_HNSW_I8 }, &$0) }
        expectRefusal(PS_SIZE_OVERFLOW, out) { search(changed { $0.E = .max / 2 }, &$0) }
        expectRefusal(PS_BAD_PARAMETER, out) { search(c, ef: 3, &$0) }
        expectRefusal(PS_BAD_PARAMETER, out) { search(c, rerank: 3, &$0) }
        expectRefusal(PS_BAD_PARAMETER, out) { search(changed { $0.entry = 40 }, &$0) }
        expectRefusal(PS_BAD_PARAMETER, out) { search(changed { $0.top = 16 }, &$0) }
        expectRefusal(PS_WORKSPACE_TOO_SMALL, out) { search(c, short: 8, &$0) }
        #expect(ids.allSatisfy { $0 == -7 } && counts == [-7])

        let before = (0..<40).map { graph.list($0, layer: 0) }
        var options = ps_hnsw_options(ef: 4, links: 4, upper_links: 4, links_kept: 8, upper_kept: 8)
        #expect(ps_hnsw_insert_workspace_bytes(&context, &c, &options, 2, 4, &bytes) == PS_OK)
        var room = [UInt64](repeating: 0, count: Int(bytes) / 8 + 1)
        func insert(_ batch: [UInt32], _ levels: [Int32], short: Int64 = 0) -> ps_status {
            ps_hnsw_insert(&context, &c, batch, levels, 2, &options, &room, bytes - short)
        }
        #expect(insert([0, 40], [0, 0]) == PS_INDEX_OUT_OF_RANGE)
        #expect(insert([0, 1], [0, 16]) == PS_BAD_PARAMETER)
        #expect(insert([0, 1], [0, -1]) == PS_BAD_PARAMETER)
        #expect(insert([0, 1], [0, 0], short: bytes) == PS_WORKSPACE_TOO_SMALL)
        options.links = 17
        #expect(insert([0, 1], [0, 0]) == PS_BAD_PARAMETER)
        options.links = 4
        options.ef = 0
        #expect(insert([0, 1], [0, 0]) == PS_BAD_PARAMETER)
        #expect((0..<40).map { graph.list($0, layer: 0) } == before)
    }
}
