/// How several items become one question: what a collection, or a list of items, asks for.
///
/// The score of a candidate is the highest product of its vector with any of the question's vectors, so pooling decides how many
/// vectors there are: one for `mean` and `last`, one per item for `max`, one per cluster for `ward`.
public enum QueryPooling: String, CaseIterable, Sendable, Codable {
    /// The mean of the items' vectors.
    case mean
    /// The vector of the last item: what a person did most recently.
    case last
    /// Every item on its own: an answer needs to be near one of them.
    case max
    /// The medoids of the items' clusters: a collection may have several themes, and a medoid is a real item of each.
    ///
    /// Source: Pal et al. 2020 (PinnerSage), Algorithms 1 and 2: Ward clustering, medoid of each cluster.
    case ward

    /// The vectors of one question.
    ///
    /// Shapes: members (B, E), oldest first; weights (B); result (1, E) for `mean` and `last`, up to (B, E) otherwise, (0, E) for no members.
    /// - Parameter weights: how much each member counts: its share of the mean, or a factor of the scores that it gives with `max`; negative ones
    ///   ask for what is unlike. An index of cosines divides factors out again: of them it takes the signs. `nil` is 1 each, and so is whatever `last` and `ward` are given.
    /// - Complexity: O(B E), for `ward` O(B² E).
    public func vectors(of members: Matrix, weights: [Float]? = nil) -> Matrix {
        precondition(weights.map { $0.count == members.rows } ?? true, "\(weights?.count ?? 0) weights for \(members.rows) members")
        var members = members
        if let weights, self == .mean || self == .max {
            for row in 0..<members.rows { for column in 0..<members.columns { members[row, column] *= weights[row] } }
            let sum = weights.reduce(0) { $0 + $1.magnitude }
            if self == .mean, sum > 0 {
                let scale = Float(members.rows) / sum
                for place in members.values.indices { members.values[place] *= scale }
            }
        }
        guard members.rows > 1 else { return members }
        switch self {
        case .max: return members
        case .last: return Matrix(rows: 1, columns: members.columns, values: members.row(members.rows - 1))
        case .mean:
            var mean = [Float](repeating: 0, count: members.columns)
            for row in 0..<members.rows {
                let start = row * members.columns
                for column in 0..<members.columns { mean[column] += members.values[start + column] }
            }
            let share = 1 / Float(members.rows)
            return Matrix(rows: 1, columns: members.columns, values: mean.map { $0 * share })
        case .ward: return WardClusters(of: members).medoids
        }
    }
}

/// Ward's clusters of a few vectors, and the member in the middle of each.
///
/// Source: Ward 1963, by the nearest-neighbor chain (Murtagh 1983) with the Lance-Williams update; PinnerSage stops merging at a
/// threshold of the merge distance and asks with the largest clusters.
struct WardClusters {
    /// More members than this are thinned out evenly, the last one kept: clustering is quadratic.
    static let mostMembers = 400
    /// The most clusters that become vectors, largest first; PinnerSage asks with three.
    static let mostClusters = 3
    /// Merging stops where it would raise the within-cluster sum of squares of unit vectors by more than this.
    static let threshold: Float = 1

    /// Members of each cluster, ascending; largest cluster first, equal sizes by the later last member.
    let clusters: [[Int]]
    let medoids: Matrix

    init(of members: Matrix) {
        var rows = Array(0..<members.rows)
        if rows.count > Self.mostMembers {
            rows = (1...Self.mostMembers).map { $0 * members.rows / Self.mostMembers - 1 }
        }
        let unit = rows.map { row -> [Float] in
            let vector = members.row(row)
            let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return norm > 0 ? vector.map { $0 / norm } : vector
        }
        let found = Self.merged(unit)
        clusters = found.map { $0.map { rows[$0] } }
        let kept = found.prefix(Self.mostClusters)
        var values: [Float] = []
        for cluster in kept { values += members.row(rows[Self.medoid(of: cluster, unit)]) }
        medoids = Matrix(rows: kept.count, columns: members.columns, values: values)
    }

    private static func squaredDistance(_ a: [Float], _ b: [Float]) -> Float {
        var sum: Float = 0
        for index in a.indices {
            let difference = a[index] - b[index]
            sum += difference * difference
        }
        return sum
    }

    /// The member with the smallest sum of squared distances to the others; ties go to the later one.
    private static func medoid(of cluster: [Int], _ unit: [[Float]]) -> Int {
        var best = cluster[0], bestSum = Float.infinity
        for candidate in cluster {
            let sum = cluster.reduce(Float(0)) { $0 + squaredDistance(unit[candidate], unit[$1]) }
            if sum <= bestSum { (best, bestSum) = (candidate, sum) }
        }
        return best
    }

    private static func merged(_ unit: [[Float]]) -> [[Int]] {
        let count = unit.count
        // cost[i * count + j]: by how much merging i and j raises the within-cluster sum of squares.
        var cost = [Float](repeating: 0, count: count * count)
        for i in 0..<count {
            for j in 0..<i {
                let distance = squaredDistance(unit[i], unit[j]) / 2
                cost[i * count + j] = distance
                cost[j * count + i] = distance
            }
        }
        var members: [[Int]?] = (0..<count).map { [$0] }
        var chain: [Int] = []
        var isFinal = [Bool](repeating: false, count: count)  // its cheapest merge is beyond the threshold
        while true {
            if chain.isEmpty {
                guard let start = members.indices.first(where: { members[$0] != nil && !isFinal[$0] }) else { break }
                chain = [start]
            }
            let last = chain[chain.count - 1], before = chain.count > 1 ? chain[chain.count - 2] : -1
            var nearest = before, nearestCost = before >= 0 ? cost[last * count + before] : Float.infinity
            for other in 0..<count where other != last && members[other] != nil && cost[last * count + other] < nearestCost {
                nearest = other
                nearestCost = cost[last * count + other]
            }
            guard nearest >= 0, nearestCost <= threshold else {
                // Ward's merge costs never fall when other clusters merge, so this cluster stays as it is.
                isFinal[last] = true
                chain.removeLast()
                continue
            }
            guard nearest == before, let one = members[before], let two = members[last] else {
                chain.append(nearest)
                continue
            }
            chain.removeLast(2)
            let (sizeOne, sizeTwo) = (Float(one.count), Float(two.count))
            for other in 0..<count where other != before && other != last {
                guard let size = members[other].map({ Float($0.count) }) else { continue }
                let sum = (sizeOne + size) * cost[before * count + other] + (sizeTwo + size) * cost[last * count + other]
                let merged = (sum - size * nearestCost) / (sizeOne + sizeTwo + size)
                cost[before * count + other] = merged
                cost[other * count + before] = merged
            }
            members[before] = (one + two).sorted()
            members[last] = nil
            isFinal[before] = false
        }
        return members.compactMap(\.self).sorted { a, b in
            a.count != b.count ? a.count > b.count : (a.last ?? 0) > (b.last ?? 0)
        }
    }
}
