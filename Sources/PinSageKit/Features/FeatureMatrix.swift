#if canImport(Darwin)
    internal import Darwin
#else
    internal import Glibc
#endif

/// The input vectors of all items, with the one column that depends on the graph: log-degree.
public struct FeatureMatrix: Sendable {
    /// (N, width), row = item.
    public var values: Matrix
    /// Where log-degree is, and its factor: the column holds `scale * log(1 + degree)`. `nil` without that feature.
    public var degree: (column: Int, scale: Float)?

    public init(values: Matrix, degree: (column: Int, scale: Float)? = nil) {
        self.values = values
        self.degree = degree
    }

    /// Overwrites the log-degree of one row of gathered vectors, for an item that is seen with fewer edges than it has.
    func setDegree(_ count: Int, ofRow row: Int, in gathered: inout Matrix) {
        guard let degree else { return }
        gathered[row, degree.column] = degree.scale * Float(log1p(Double(max(count, 0))))
    }
}
