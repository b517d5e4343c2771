/// Why walks could not be made or run.
public enum SamplingError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A setting is outside its range; the text names the setting, the range and the value.
    case invalidConfiguration(String)
    /// An item's row is not in the graph.
    case unknownItem(ItemID, itemCount: Int)
    /// Two arguments that must agree do not; the text names both.
    case argumentMismatch(String)

    public var description: String {
        switch self {
        case .invalidConfiguration(let text): "walk settings: \(text)"
        case .unknownItem(let item, let itemCount): "item row \(item.row) is not in the graph, which has \(itemCount) items"
        case .argumentMismatch(let text): text
        }
    }
}
