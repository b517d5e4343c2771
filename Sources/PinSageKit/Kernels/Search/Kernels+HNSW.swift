internal import CKernels

/// The vectors that a search through a graph compares, flat (N, E).
enum TraversalRows: Sendable {
    case f32(StoredArray<Float>)
    /// The bits of bfloat16 values.
    case bf16(StoredArray<UInt16>)
    /// Codes in -127 ... 127, and the value of one step for each row.
    case int8(codes: StoredArray<Int8>, scales: StoredArray<Float>)
}

/// The lists of links of a layered graph: what ``Kernels/search(_:queries:exact:allowed:k:ef:rerank:workspace:)`` follows. See `ps_hnsw.h`.
struct LayeredGraph: Sendable {
    var rows: TraversalRows
    var count: Int
    var width: Int
    /// (N, linksWidth), layer 0.
    var links: StoredArray<UInt32>
    /// (upper lists, upperWidth).
    var upperLinks: StoredArray<UInt32>
    /// (N)
    var upperFirst: StoredArray<UInt32>
    var linksWidth: Int
    var upperWidth: Int
    /// -1 in an empty graph.
    var entry: Int
    var top: Int

    /// The same graph in memory (huge pages where there are any): searches read it at random.
    ///
    /// - Parameter vectors: what f32 rows are, there already.
    func resident(vectors: StoredArray<Float>) -> LayeredGraph {
        var copy = self
        switch rows {
        case .f32: copy.rows = .f32(vectors)
        case .bf16(let rows): copy.rows = .bf16(rows.resident())
        case .int8(let codes, let scales): copy.rows = .int8(codes: codes.resident(), scales: scales.resident())
        }
        copy.links = links.resident()
        copy.upperLinks = upperLinks.resident()
        copy.upperFirst = upperFirst.resident()
        return copy
    }

    /// The most layers above layer 0.
    static var mostLevels: Int { Int(PS_HNSW_MOST_LEVELS) }
    /// What fills lists that are not full.
    static var none: UInt32 { .max }

    /// Calls `body` with the graph as C has it. C writes to the lists only when it inserts.
    fileprivate func withGraph<R>(
        owners: UnsafePointer<UInt32>? = nil, _ body: (UnsafePointer<ps_hnsw_graph>) throws(KernelError) -> R
    ) throws(KernelError) -> R {
        try unsafe links.withUnsafeBufferPointer { links throws(KernelError) in
            try unsafe upperLinks.withUnsafeBufferPointer { upperLinks throws(KernelError) in
                try unsafe upperFirst.withUnsafeBufferPointer { upperFirst throws(KernelError) in
                    try unsafe rows.withRows { rows, scales, storage throws(KernelError) in
                        var graph = unsafe ps_hnsw_graph(
                            N: Int64(count), E: Int64(width), rows: rows, scales: scales, links: UnsafeMutablePointer(mutating: links.baseAddress),
                            upper_links: UnsafeMutablePointer(mutating: upperLinks.baseAddress), upper_first: upperFirst.baseAddress,
                            upper_owners: owners, links_width: Int64(linksWidth), upper_width: Int64(upperWidth),
                            upper_rows: upperWidth > 0 ? Int64(upperLinks.count / upperWidth) : 0, entry: Int64(entry), top: Int32(clamping: top),
                            storage: storage)
                        return try unsafe withUnsafePointer(to: &graph, body)
                    }
                }
            }
        }
    }
}

extension TraversalRows {
    fileprivate func withRows<R>(
        _ body: (UnsafeRawPointer?, UnsafePointer<Float>?, ps_hnsw_storage) throws(KernelError) -> R
    ) throws(KernelError) -> R {
        switch self {
        case .f32(let rows):
            return try unsafe rows.withUnsafeBufferPointer { rows throws(KernelError) in
                try unsafe body(UnsafeRawPointer(rows.baseAddress), nil, PS_HNSW_F32)
            }
        case .bf16(let rows):
            return try unsafe rows.withUnsafeBufferPointer { rows throws(KernelError) in
                try unsafe body(UnsafeRawPointer(rows.baseAddress), nil, PS_HNSW_BF16)
            }
        case .int8(let codes, let scales):
            return try unsafe codes.withUnsafeBufferPointer { codes throws(KernelError) in
                try unsafe scales.withUnsafeBufferPointer { scales throws(KernelError) in
                    try unsafe body(UnsafeRawPointer(codes.baseAddress), scales.baseAddress, PS_HNSW_I8)
                }
            }
        }
    }

    /// Whether there are `count` rows of `width` values, and a scale for each where there are scales.
    func holds(count: Int, width: Int) -> Bool {
        switch self {
        case .f32(let rows): rows.count == count * width
        case .bf16(let rows): rows.count == count * width
        case .int8(let codes, let scales): codes.count == count * width && scales.count == count
        }
    }
}

/// Scratch memory of graph searches. It is zeroed once; kernels leave it ready for the next search of the same graph.
///
/// `@unchecked Sendable`: whoever takes one from a pool is its only user until it is given back, and the pool is behind a lock.
final class GraphWorkspace: @unchecked Sendable {
    private let memory: AlignedMemory
    let bytes: Int
    /// The thread count that it was laid out for.
    let threads: Int

    init(bytes: Int, threads: Int) {
        memory = AlignedMemory(bytes: bytes)
        self.bytes = bytes
        self.threads = threads
    }

    var pointer: UnsafeMutableRawPointer { unsafe memory.pointer }
}

/// What one batch of insertions may do; see `ps_hnsw_options`.
struct InsertionOptions: Sendable {
    var ef: Int
    var links: Int
    var upperLinks: Int
    var linksKept: Int
    var upperKept: Int
}

/// What a search through a graph found: `counts[q]` of the k places of query q are filled.
struct GraphAnswers {
    var ids: [Int64]
    var scores: [Float]
    var counts: [Int64]
}

extension Kernels {
    /// bfloat16 copies of values.
    func bfloat16(_ values: StoredArray<Float>) throws(KernelError) -> StoredArray<UInt16> {
        try unsafe StoredArray<UInt16>(count: values.count) { out throws(KernelError) in
            try unsafe withContext { context throws(KernelError) in
                let status = unsafe values.withUnsafeBufferPointer { values in
                    unsafe ps_convert_f32_to_bf16(context, values.baseAddress, Int64(values.count), out.baseAddress)
                }
                try KernelError.check(status, "convert_f32_to_bf16")
            }
        }
    }

    /// int8 codes of rows (N, width), with the value of one step of each row.
    func quantized(_ rows: StoredArray<Float>, width: Int) throws(KernelError) -> (codes: StoredArray<Int8>, scales: StoredArray<Float>) {
        let bounded = try boundedCodes(rows, width: width)
        return (bounded.codes, bounded.scales)
    }

    /// The rows of a matrix divided by their lengths; a row of zeros stays one.
    func normalized(_ rows: Matrix) throws(KernelError) -> Matrix {
        Matrix(rows: rows.rows, columns: rows.columns, values: Array(try normalized(StoredArray(rows.values), width: rows.columns)))
    }

    /// The rows of a table divided by their lengths; a row of zeros stays one.
    func normalized(_ rows: StoredArray<Float>, width: Int) throws(KernelError) -> StoredArray<Float> {
        guard width > 0, rows.count % width == 0 else { throw .shapeMismatch("normalized: \(rows.count) values in rows of \(width)") }
        let count = rows.count / width
        var norms = [Float](repeating: 0, count: count)
        return try unsafe StoredArray<Float>(count: rows.count) { out throws(KernelError) in
            try unsafe withContext { context throws(KernelError) in
                let status = unsafe rows.withUnsafeBufferPointer { rows in
                    unsafe ps_norm_l2_forward_f32(
                        context, rows.baseAddress, Int64(width), Int64(count), Int64(width), out.baseAddress, Int64(width), &norms)
                }
                try KernelError.check(status, "norm_l2")
            }
        }
    }

    /// The scratch memory of searches with pools of `ef`.
    func workspaceBytes(for graph: LayeredGraph, ef: Int) throws(KernelError) -> Int {
        try unsafe withContext { context throws(KernelError) in
            try unsafe graph.withGraph { graph throws(KernelError) in
                var bytes: Int64 = 0
                try unsafe KernelError.check(ps_hnsw_search_workspace_bytes(context, graph, Int64(ef), &bytes), "hnsw_search_workspace")
                return Int(bytes)
            }
        }
    }

    /// The lists of a graph without the rows that `removed` has the bits of; see `ps_hnsw_repair`.
    ///
    /// - Parameter owners: the row that each upper list belongs to.
    func repaired(
        _ graph: LayeredGraph, without removed: [UInt64], owners: StoredArray<UInt32>
    ) throws(KernelError) -> (lower: StoredArray<UInt32>, upper: StoredArray<UInt32>) {
        guard removed.count == (graph.count + 63) / 64, owners.count * graph.upperWidth == graph.upperLinks.count,
            graph.rows.holds(count: graph.count, width: graph.width), graph.links.count == graph.count * graph.linksWidth,
            graph.upperFirst.count == graph.count
        else { throw .shapeMismatch("repaired: \(removed.count) words, \(owners.count) lists for a graph of \(graph.count) rows") }
        var upper = StoredArray<UInt32>([])
        let lower = try unsafe StoredArray<UInt32>(count: graph.links.count) { lower throws(KernelError) in
            upper = try unsafe StoredArray<UInt32>(count: graph.upperLinks.count) { upper throws(KernelError) in
                try unsafe withContext { context throws(KernelError) in
                    try unsafe owners.withUnsafeBufferPointer { owners throws(KernelError) in
                        try unsafe graph.withGraph(owners: owners.baseAddress) { c throws(KernelError) in
                            var bytes: Int64 = 0
                            try unsafe KernelError.check(ps_hnsw_repair_workspace_bytes(context, c, &bytes), "hnsw_repair_workspace")
                            let workspace = GraphWorkspace(bytes: Int(bytes), threads: threads)
                            try unsafe KernelError.check(
                                ps_hnsw_repair(
                                    context, c, removed, Int64(graph.linksWidth), Int64(graph.upperWidth), lower.baseAddress, upper.baseAddress,
                                    workspace.pointer, bytes), "hnsw_repair")
                        }
                    }
                }
            }
        }
        return (lower, upper)
    }

    /// The k best rows of each query; see `ps_hnsw_search`.
    ///
    /// Shapes: queries (Q, E); exact (N, E), allowed (N bits) optional. Nobody else may use the workspace meanwhile.
    func search(
        _ graph: LayeredGraph, queries: Matrix, exact: StoredArray<Float>?, allowed: [UInt64]?, k: Int, ef: Int, rerank: Int,
        workspace: GraphWorkspace
    ) throws(KernelError) -> GraphAnswers {
        guard queries.columns == graph.width, exact.map({ $0.count == graph.count * graph.width }) ?? true,
            allowed.map({ $0.count == (graph.count + 63) / 64 }) ?? true, graph.rows.holds(count: graph.count, width: graph.width),
            graph.links.count == graph.count * graph.linksWidth, graph.upperFirst.count == graph.count
        else { throw .shapeMismatch("search: queries \(queries.shape) against a graph of \(graph.count) rows of \(graph.width)") }
        guard workspace.threads == threads else { throw .shapeMismatch("search: \(threads) threads, a workspace for \(workspace.threads)") }
        var ids = [Int64](repeating: 0, count: queries.rows * k)
        var scores = [Float](repeating: 0, count: queries.rows * k)
        var counts = [Int64](repeating: 0, count: queries.rows)
        try unsafe withContext { context throws(KernelError) in
            try unsafe graph.withGraph { graph throws(KernelError) in
                func run(_ exact: UnsafePointer<Float>?, _ allowed: UnsafePointer<UInt64>?) -> ps_status {
                    unsafe ps_hnsw_search(
                        context, graph, queries.values, exact, allowed, Int64(queries.rows), Int64(k), Int64(ef), Int64(rerank), &ids,
                        &scores, &counts, workspace.pointer, Int64(workspace.bytes))
                }
                func run(_ exact: UnsafePointer<Float>?) -> ps_status {
                    guard let allowed else { return unsafe run(exact, nil) }
                    return unsafe allowed.withUnsafeBufferPointer { unsafe run(exact, $0.baseAddress) }
                }
                let status =
                    if let exact { unsafe exact.withUnsafeBufferPointer { unsafe run($0.baseAddress) } } else { run(nil) }
                try KernelError.check(status, "hnsw_search")
            }
        }
        return GraphAnswers(ids: ids, scores: scores, counts: counts)
    }
}

/// A graph that is being built: lists with room to spare, which ``insert(batch:levels:kernels:)`` extends and ``packed(kernels:)`` cuts.
@safe final class GrowingGraph {
    let rows: TraversalRows
    let count: Int
    let width: Int
    let options: InsertionOptions
    private let linksWidth: Int
    private let upperWidth: Int
    private let upperFirst: StoredArray<UInt32>
    private let upperOwners: StoredArray<UInt32>
    private let links: AlignedMemory
    private let upperLinks: AlignedMemory
    private var workspace = GraphWorkspace(bytes: 0, threads: 1)
    var entry = -1
    var top = 0

    /// - Parameters:
    ///   - levels: the highest layer of each row.
    ///   - spare: how many links beyond `linksKept` a list may get before it is chosen anew; saves most of that work.
    init(rows: TraversalRows, count: Int, width: Int, levels: [UInt8], options: InsertionOptions, spare: Int) {
        precondition(rows.holds(count: count, width: width) && levels.count == count, "a graph of \(count) rows of \(width)")
        self.rows = rows
        self.count = count
        self.width = width
        self.options = options
        linksWidth = options.linksKept + spare
        upperWidth = options.upperKept + spare / 2
        var firsts = [UInt32](repeating: 0, count: count)
        var owners: [UInt32] = []
        for row in 0..<count {
            firsts[row] = UInt32(owners.count)
            for _ in 0..<levels[row] { owners.append(UInt32(row)) }
        }
        upperFirst = StoredArray(firsts)
        upperOwners = StoredArray(owners)
        links = AlignedMemory(bytes: count * linksWidth * 4)
        upperLinks = AlignedMemory(bytes: owners.count * upperWidth * 4)
        unsafe links.pointer.initializeMemory(as: UInt8.self, repeating: 0xff, count: count * linksWidth * 4)
        unsafe upperLinks.pointer.initializeMemory(as: UInt8.self, repeating: 0xff, count: owners.count * upperWidth * 4)
    }

    private func withGraph<R>(_ body: (UnsafePointer<ps_hnsw_graph>) throws(KernelError) -> R) throws(KernelError) -> R {
        try unsafe rows.withRows { rows, scales, storage throws(KernelError) in
            try unsafe upperFirst.withUnsafeBufferPointer { firsts throws(KernelError) in
                try unsafe upperOwners.withUnsafeBufferPointer { owners throws(KernelError) in
                    var graph = unsafe ps_hnsw_graph(
                        N: Int64(count), E: Int64(width), rows: rows, scales: scales,
                        links: links.pointer.assumingMemoryBound(to: UInt32.self),
                        upper_links: upperLinks.pointer.assumingMemoryBound(to: UInt32.self),
                        upper_first: firsts.baseAddress, upper_owners: owners.baseAddress, links_width: Int64(linksWidth),
                        upper_width: Int64(upperWidth), upper_rows: Int64(owners.count), entry: Int64(entry), top: Int32(clamping: top),
                        storage: storage)
                    return try unsafe withUnsafePointer(to: &graph, body)
                }
            }
        }
    }

    /// Takes lists over from another graph, in which row `r` was row `sources[r]`; rows whose source is ``LayeredGraph/none`` keep empty lists.
    ///
    /// Links to rows that are not taken over, or that their layer does not have, are left out. A row that is taken over has the level that it had. Call it once, before insertions.
    ///
    /// - Parameters:
    ///   - lists: the lists of the other graph's rows, those of layer 0 and those above, as ``Kernels/repaired(_:without:owners:)`` gives them.
    ///   - places: the new row of each row of the other graph, or ``LayeredGraph/none``.
    func adopt(_ lists: (lower: StoredArray<UInt32>, upper: StoredArray<UInt32>), of other: LayeredGraph, sources: [UInt32], places: [UInt32]) {
        precondition(
            sources.count == count && places.count == other.count && linksWidth >= other.linksWidth && upperWidth >= other.upperWidth,
            "\(sources.count) sources for \(count) rows")
        let levels = (0..<count).map { Int($0 + 1 < count ? upperFirst[$0 + 1] : UInt32(upperOwners.count)) - Int(upperFirst[$0]) }
        let lower = unsafe self.links.pointer.assumingMemoryBound(to: UInt32.self)
        let upper = unsafe upperLinks.pointer.assumingMemoryBound(to: UInt32.self)
        func copy(_ from: StoredArray<UInt32>, _ start: Int, _ length: Int, layer: Int, to out: UnsafeMutablePointer<UInt32>) {
            var kept = 0
            for place in start..<start + length {
                let link = Int(from[place])
                guard link < places.count else { break }
                // A row that the layer does not have: damage, and it has no list there that a later link back could go into.
                guard places[link] != LayeredGraph.none, levels[Int(places[link])] >= layer else { continue }
                unsafe out[kept] = places[link]
                kept += 1
            }
        }
        for (row, source) in sources.enumerated() where source != LayeredGraph.none {
            let source = Int(source)
            unsafe copy(lists.lower, source * other.linksWidth, other.linksWidth, layer: 0, to: lower + row * linksWidth)
            for layer in 0..<levels[row] {
                let from = Int(other.upperFirst[source]) + layer, to = Int(upperFirst[row]) + layer
                unsafe copy(lists.upper, from * other.upperWidth, other.upperWidth, layer: layer + 1, to: upper + to * upperWidth)
            }
        }
    }

    /// Inserts rows; see `ps_hnsw_insert`. The caller keeps ``entry`` and ``top`` up to date.
    func insert(batch: [UInt32], levels: [Int32], kernels: Kernels) throws(KernelError) {
        precondition(batch.count == levels.count, "\(batch.count) rows, \(levels.count) levels")
        var options = ps_hnsw_options(
            ef: Int64(self.options.ef), links: Int64(self.options.links), upper_links: Int64(self.options.upperLinks),
            links_kept: Int64(self.options.linksKept), upper_kept: Int64(self.options.upperKept))
        let lists = levels.reduce(0) { $0 + Int64($1) + 1 }
        try unsafe kernels.withContext { context throws(KernelError) in
            try unsafe withGraph { graph throws(KernelError) in
                var bytes: Int64 = 0
                try unsafe KernelError.check(
                    ps_hnsw_insert_workspace_bytes(context, graph, &options, Int64(batch.count), lists, &bytes), "hnsw_insert_workspace")
                if workspace.bytes < bytes || workspace.threads != kernels.threads {
                    workspace = GraphWorkspace(bytes: Int(bytes), threads: kernels.threads)
                }
                try unsafe KernelError.check(
                    ps_hnsw_insert(context, graph, batch, levels, Int64(batch.count), &options, workspace.pointer, Int64(workspace.bytes)),
                    "hnsw_insert")
            }
        }
    }

    /// The finished graph.
    func packed(kernels: Kernels) throws(KernelError) -> LayeredGraph {
        var upper = StoredArray<UInt32>([])
        let lower = try unsafe StoredArray<UInt32>(count: count * options.linksKept) { lower throws(KernelError) in
            upper = try unsafe StoredArray<UInt32>(count: upperOwners.count * options.upperKept) { upper throws(KernelError) in
                try unsafe kernels.withContext { context throws(KernelError) in
                    try unsafe withGraph { graph throws(KernelError) in
                        var bytes: Int64 = 0
                        try unsafe KernelError.check(ps_hnsw_pack_workspace_bytes(context, graph, &bytes), "hnsw_pack_workspace")
                        let workspace = GraphWorkspace(bytes: Int(bytes), threads: kernels.threads)
                        try unsafe KernelError.check(
                            ps_hnsw_pack(
                                context, graph, Int64(options.linksKept), Int64(options.upperKept), lower.baseAddress, upper.baseAddress,
                                workspace.pointer, bytes), "hnsw_pack")
                    }
                }
            }
        }
        return LayeredGraph(
            rows: rows, count: count, width: width, links: lower, upperLinks: upper, upperFirst: upperFirst, linksWidth: options.linksKept,
            upperWidth: options.upperKept, entry: entry, top: top)
    }
}
