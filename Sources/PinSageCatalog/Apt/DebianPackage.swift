/// A binary package as a package list describes it: the parts that become an item and its collections.
public struct DebianPackage: Sendable, Equatable {
    public var name: String
    /// Without the archive component: "games" for "contrib/games". Empty where the list has none.
    public var section: String
    /// "optional" where the list has none.
    public var priority: String
    /// The source package that it is built from; its own name where the list has none.
    public var source: String
    public var homepage: String?
    /// The first line of the description.
    public var summary: String
    /// Names in Depends, Recommends, Suggests and Enhances, in that order, alternatives included, without versions and without repeats.
    /// Some exist only as virtual packages or not at all.
    public var related: [String]
    /// Debtags, as "facet::value", in the list's order without repeats.
    public var tags: [String]

    static let relationFields = ["depends", "recommends", "suggests", "enhances"]
    static let wantedFields = Set(relationFields + ["package", "section", "priority", "source", "homepage", "description", "description-en", "tag"])

    /// - Returns: `nil` for a stanza that names no package.
    init?(_ stanza: DebianStanzas.Stanza) {
        guard let name = stanza["package"], !name.isEmpty else { return nil }
        self.name = name
        section = stanza["section"].map { String($0.split(separator: "/").last ?? "") } ?? ""
        priority = stanza["priority"].flatMap { $0.isEmpty ? nil : $0 } ?? "optional"
        source = stanza["source"].flatMap { $0.split(whereSeparator: \.isWhitespace).first.map(String.init) } ?? name
        homepage = stanza["homepage"].flatMap { $0.isEmpty ? nil : $0 }
        let description = stanza["description"] ?? stanza["description-en"] ?? ""
        summary = description.split(separator: "\n", omittingEmptySubsequences: false).first.map(String.init) ?? ""
        related = Self.distinct(Self.relationFields.flatMap { Self.names(inRelation: stanza[$0] ?? "") })
        tags = Self.distinct(Self.tags(in: stanza["tag"] ?? ""))
    }

    /// The package names in a relation field: "a (>= 1) | b:any, c [amd64] <!nocheck>" names a, b and c.
    static func names(inRelation value: String) -> [String] {
        // Bytes, not characters: an archive has a million of these, and all that divides them is ASCII.
        value.utf8.split { $0 == 0x2C || $0 == 0x7C }.compactMap { part in  // comma, bar
            let name = part.drop(while: isSpace).prefix { !isSpace($0) && !endsName($0) }
            return name.isEmpty ? nil : String(Substring(name))
        }
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
    /// "(", ":", "[" and "<" start a version, an architecture or a build profile.
    private static func endsName(_ byte: UInt8) -> Bool { byte == 0x28 || byte == 0x3A || byte == 0x5B || byte == 0x3C }

    /// The tags in a Tag field: "role::program, implemented-in::{c, c++}" has role::program, implemented-in::c and implemented-in::c++.
    static func tags(in value: String) -> [String] {
        var tags: [String] = []
        var facet: String?  // inside braces, what every value is prefixed with
        for part in value.split(separator: ",") {
            var text = part.trimmingWhitespace()
            if facet == nil, let brace = text.firstIndex(of: "{") {
                facet = String(text[..<brace])
                text = text[text.index(after: brace)...].trimmingWhitespace()
            }
            let closes = facet != nil && text.last == "}"
            if closes { text = text.dropLast().trimmingWhitespace() }
            if !text.isEmpty { tags.append((facet ?? "") + text) }
            if closes { facet = nil }
        }
        return tags.filter { $0.contains("::") }
    }

    private static func distinct(_ values: [String]) -> [String] {
        var seen: Set<String> = []
        return values.filter { seen.insert($0).inserted }
    }
}

extension StringProtocol {
    /// Without spaces, tabs and line breaks at either end.
    fileprivate func trimmingWhitespace() -> SubSequence {
        let start = drop(while: \.isWhitespace)
        guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return self[endIndex...] }
        return self[start.startIndex...last]
    }
}
