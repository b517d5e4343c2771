extension Reference {
    /// A hierarchical navigable small world graph in plain arrays: what `ps_hnsw.h` describes, without batching of work, threads or packing.
    public struct LayeredGraph: Sendable {
        /// Vectors (N, width).
        public let rows: [[Double]]
        /// links[layer][row], best first until they are extended.
        public private(set) var links: [[[Int]]]
        public private(set) var entry = -1
        public private(set) var top = 0

        public init(rows: [[Float]], layers: Int) {
            self.rows = rows.map { $0.map(Double.init) }
            links = Array(repeating: Array(repeating: [], count: rows.count), count: layers)
        }

        /// Better first: higher score, equal scores by lower row.
        private func sorted(_ candidates: [Int], for query: [Double]) -> [Int] {
            candidates.map { (row: $0, score: score(query, $0)) }.sorted { ($0.score, $1.row) > ($1.score, $0.row) }.map(\.row)
        }

        private func score(_ query: [Double], _ row: Int) -> Double {
            zip(query, rows[row]).reduce(0) { $0 + $1.0 * $1.1 }
        }

        /// The best row of layer `layer` + 1 that steps to ever better neighbors lead to.
        private func descend(_ query: [Double], to layer: Int) -> Int {
            var best = entry
            for l in stride(from: top, to: layer, by: -1) {
                while let better = sorted([best] + links[l][best], for: query).first, better != best { best = better }
            }
            return best
        }

        /// The `ef` best of the rows seen, when always the best one whose links were not followed is next.
        private func search(_ query: [Double], layer: Int, from start: Int, ef: Int) -> [Int] {
            var seen: Set<Int> = [start], followed: Set<Int> = [], pool = [start]
            while let next = pool.first(where: { !followed.contains($0) }) {
                followed.insert(next)
                let fresh = links[layer][next].filter { seen.insert($0).inserted }
                pool = Array(sorted(pool + fresh, for: query).prefix(ef))
            }
            return pool
        }

        public func search(_ query: [Float], ef: Int) -> [Int] {
            let query = query.map(Double.init)
            return entry < 0 ? [] : search(query, layer: 0, from: descend(query, to: 0), ef: ef)
        }

        /// Of the candidates, best first, those that are nearer to the center than to any chosen before them.
        private func choose(_ candidates: [Int], center: Int, most: Int) -> [Int] {
            var chosen: [Int] = []
            for row in sorted(candidates, for: rows[center]) where chosen.count < most {
                if chosen.allSatisfy({ score(rows[row], $0) <= score(rows[row], center) }) { chosen.append(row) }
            }
            return chosen
        }

        /// Inserts a batch; the first one of the first batch becomes the entry.
        ///
        /// - Parameters:
        ///   - chosen: links of a new row, for layer 0 and above.
        ///   - widths: the longest a list gets before it is chosen anew.
        ///   - kept: how long it is then.
        public mutating func insert(
            _ batch: [Int], levels: [Int], ef: Int, chosen: (Int, Int), widths: (Int, Int), kept: (Int, Int)
        ) {
            let before = self
            for (row, level) in zip(batch, levels) {
                var start = before.entry < 0 ? nil : before.descend(rows[row], to: min(level, before.top))
                for layer in stride(from: level, through: 0, by: -1) {
                    var candidates: [Int] = []
                    if let from = start, layer <= before.top {
                        candidates = before.search(rows[row], layer: layer, from: from, ef: ef)
                        start = candidates[0]
                    }
                    candidates += zip(batch, levels).filter { $0.0 != row && $0.1 >= layer }.map(\.0)
                    let best = Array(sorted(candidates, for: rows[row]).prefix(ef))
                    links[layer][row] = choose(best, center: row, most: layer == 0 ? chosen.0 : chosen.1)
                }
            }
            let own = links
            var targets: Set<[Int]> = []
            for (row, level) in zip(batch, levels) { for layer in 0...level { for target in own[layer][row] { targets.insert([layer, target]) } } }
            for pair in targets {
                let layer = pair[0], target = pair[1]
                let added = zip(batch, levels).filter { $0.1 >= layer && own[layer][$0.0].contains(target) && !own[layer][target].contains($0.0) }
                let all = own[layer][target] + added.map(\.0)
                let isLong = all.count > (layer == 0 ? widths.0 : widths.1)
                links[layer][target] = isLong ? choose(all, center: target, most: layer == 0 ? kept.0 : kept.1) : all
            }
            if entry < 0, let first = batch.first {
                entry = first
                top = levels[0]
            }
        }

        /// Takes rows out: their own lists become empty, and lists that had them get what these led to, through any number of removed rows, where that
        /// is nearer to the list's owner than to every row in the list.
        public mutating func repair(removed: Set<Int>, kept: (Int, Int)) {
            let before = links
            for layer in links.indices {
                let most = layer == 0 ? kept.0 : kept.1
                for row in rows.indices {
                    guard !removed.contains(row) else {
                        links[layer][row] = []
                        continue
                    }
                    var list = Array(before[layer][row].filter { !removed.contains($0) })
                    guard list.count < before[layer][row].count else { continue }
                    var seen = Set([row] + before[layer][row]), queue = before[layer][row].filter { removed.contains($0) }, found: [Int] = []
                    while let next = queue.popLast() {
                        for other in before[layer][next] where seen.insert(other).inserted {
                            if removed.contains(other) { queue.append(other) } else { found.append(other) }
                        }
                    }
                    for other in sorted(found, for: rows[row]) where list.count < most {
                        if list.allSatisfy({ score(rows[other], $0) <= score(rows[row], other) }) { list.append(other) }
                    }
                    links[layer][row] = list
                }
            }
        }

        /// Lists of at most `kept` rows.
        public mutating func pack(kept: (Int, Int)) {
            for layer in links.indices {
                let most = layer == 0 ? kept.0 : kept.1
                for row in rows.indices where links[layer][row].count > most {
                    links[layer][row] = choose(links[layer][row], center: row, most: most)
                }
            }
        }
    }
}
