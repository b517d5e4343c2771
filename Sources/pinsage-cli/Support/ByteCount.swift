internal import ArgumentParser

/// A number of bytes as people write it: 1048576, 512M, 4G, 1.5GiB. Units are powers of 1024.
struct ByteCount: ExpressibleByArgument, Hashable {
    var bytes: Int

    init(_ bytes: Int) { self.bytes = bytes }

    init?(argument: String) {
        var text = argument.uppercased()
        if text.hasSuffix("IB") { text.removeLast(2) } else if text.hasSuffix("B") { text.removeLast() }
        let units: [Character: Double] = ["K": 0x1p10, "M": 0x1p20, "G": 0x1p30, "T": 0x1p40]
        var scale = 1.0
        if let last = text.last, let unit = units[last] {
            scale = unit
            text.removeLast()
        }
        guard let amount = Double(text), amount >= 0, amount * scale < 0x1p62 else { return nil }
        bytes = Int(amount * scale)
    }

    var defaultValueDescription: String {
        for (unit, scale) in [("T", 40), ("G", 30), ("M", 20), ("K", 10)] where bytes > 0 && bytes % (1 << scale) == 0 {
            return "\(bytes >> scale)\(unit)"
        }
        return "\(bytes)"
    }
}
