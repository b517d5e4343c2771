/// Vectors of an item's attributes: categorical ones hashed one-hot, numeric ones standardised.
///
/// An attribute whose every known value is a finite number is numeric: (value - mean) / deviation, limited to -4...4; a missing value is 0,
/// the mean. All others are categorical: the hash of name and value picks one of `buckets` columns, which is 1. The categorical part of a
/// row is scaled to length 1, the numeric part divided by the square root of the number of numeric attributes.
struct AttributeFeatures: Sendable, Equatable {
    struct Numeric: Sendable, Equatable {
        var name: String
        var mean: Double
        /// 0 where all values are equal: the column is then 0.
        var deviation: Double
    }

    var categorical: [String]
    var numeric: [Numeric]
    /// Columns of the categorical part; 0 without categorical attributes.
    var buckets: Int
    var seed: UInt64

    var dimension: Int { buckets + numeric.count }

    /// Gathers what the fit needs to know of each attribute, item by item.
    struct Fitting {
        private struct Column {
            var isNumeric = true
            var values: Set<String> = []
            var count = 0.0, mean = 0.0, squares = 0.0
        }
        /// Distinct values beyond these cannot make the one-hot part wider, so they are not remembered.
        private static let mostValues = 1 << 12
        private let names: [String]
        private var columns: [Column]

        init(names: [String]) {
            self.names = names
            columns = Array(repeating: Column(), count: names.count)
        }

        mutating func add(_ description: ItemDescription) {
            for (index, name) in names.enumerated() {
                guard let text = description.attributes[name], !text.isEmpty else { continue }
                if columns[index].values.count < Self.mostValues { columns[index].values.insert(text) }
                columns[index].count += 1
                if let value = AttributeFeatures.number(text) {
                    // Welford 1962: one pass, without the cancellation of summed squares.
                    let delta = value - columns[index].mean
                    columns[index].mean += delta / columns[index].count
                    columns[index].squares += delta * (value - columns[index].mean)
                } else {
                    columns[index].isNumeric = false
                }
            }
        }

        /// - Throws: ``DataError`` for an attribute that no item has.
        func finished(seed: UInt64) throws -> AttributeFeatures {
            var result = AttributeFeatures(categorical: [], numeric: [], buckets: 0, seed: seed)
            var values = 0
            for (name, column) in zip(names, columns) {
                guard column.count > 0 else { throw DataError("expected an attribute that some item has, found none with '\(name)'") }
                if column.isNumeric {
                    result.numeric.append(Numeric(name: name, mean: column.mean, deviation: (column.squares / column.count).squareRoot()))
                } else {
                    result.categorical.append(name)
                    values += column.values.count
                }
            }
            // Twice as many columns as values keeps collisions few; 256 keep the rows short.
            if values > 0 { result.buckets = min(256, max(8, 1 << (Int.bitWidth - (2 * values - 1).leadingZeroBitCount))) }
            return result
        }
    }

    static func number(_ text: String) -> Double? {
        guard let value = Double(text), value.isFinite else { return nil }
        return value
    }

    /// Fills `values[start ..< start + dimension]`, which are zeros, scaled so that the categorical part has the length `weight`.
    func fill(_ values: inout [Float], at start: Int, _ attributes: [String: String], weight: Float) {
        for name in categorical {
            guard let value = attributes[name], !value.isEmpty else { continue }
            values[start + bucket(name, value)] += 1
        }
        scaleToLength(weight, &values, start..<start + buckets)
        let share = weight / Float(max(1, numeric.count)).squareRoot()
        for (index, column) in numeric.enumerated() {
            guard column.deviation > 0, let text = attributes[column.name], let value = Self.number(text) else { continue }
            values[start + buckets + index] = share * Float(min(4, max(-4, (value - column.mean) / column.deviation)))
        }
    }

    private func bucket(_ name: String, _ value: String) -> Int {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325 ^ TextHashing.finished(seed)
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        hash = (hash ^ 0xFF) &* 0x0000_0100_0000_01B3  // a byte that no UTF-8 has, between name and value
        for byte in value.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        return Int(TextHashing.finished(hash).multipliedFullWidth(by: UInt64(buckets)).high)
    }
}
