internal import Foundation
public import PinSageKit

/// Package lists that cannot be read because of the machine, not because of their content.
public struct AptError: Error, CustomStringConvertible, Sendable {
    public let description: String
}

/// The packages of a Debian or Ubuntu archive, and the bipartite graph that they make.
///
/// Items are binary packages. Collections are what people put together: the list of packages that a package's maintainer named in
/// Depends, Recommends, Suggests and Enhances ("depends:NAME"), every debtags facet value ("tag:role::program") and every section
/// ("section:games"). Names of packages that are not in the archive (virtual ones, mostly) are left out, and so are empty collections.
public struct AptArchive: Sendable {
    /// By name, in byte order; names are distinct.
    public let packages: [DebianPackage]

    /// How many packages carry debtags. With none (Ubuntu publishes none) there are no facet collections.
    public let taggedCount: Int

    /// What a person should know about these lists; the import command says it.
    public var notes: [String] {
        taggedCount > 0 ? [] : ["these package lists carry no debtags: the facet collections (\"tag:...\") are left out"]
    }

    /// Parses package lists: Packages files, `apt-cache dumpavail`, or the demo's snapshot.
    ///
    /// Of several stanzas with one name (architectures, versions) the first counts, which is the one that apt would install.
    /// - Throws: `DataError` with the line for what is no package list, and for a list without any package.
    public init(parsing bytes: [UInt8], file: String) throws {
        var byName: [String: DebianPackage] = [:]
        try DebianStanzas.forEach(in: bytes, wanted: DebianPackage.wantedFields, file: file) { stanza in
            guard let package = DebianPackage(stanza) else {
                throw DataError("expected a 'Package' field in the stanza that starts here, found none", file: file, line: stanza.line)
            }
            if byName[package.name] == nil { byName[package.name] = package }
        }
        guard !byName.isEmpty else { throw DataError("expected package stanzas, found none", file: file) }
        packages = byName.values.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        taggedCount = packages.count { !$0.tags.isEmpty }
    }

    /// Reads a saved package list, plain or gzip: a Packages file, `apt-cache dumpavail > FILE`, or the demo's snapshot.
    public init(contentsOf path: String) throws {
        try self.init(parsing: TextFile.bytes(of: path), file: path == "-" ? "standard input" : path)
    }

    /// The package lists of this machine, whatever their compression, as apt's own reader prints them.
    ///
    /// - Parameter command: looked up in PATH.
    /// - Throws: ``AptError`` where apt is missing, fails or has no lists.
    public static func thisMachine(command: String = "apt-cache") throws -> AptArchive {
        let bytes = try output(of: command, arguments: ["dumpavail"])
        guard !bytes.isEmpty else {
            throw AptError(
                description: "apt has no package lists on this machine: run 'apt-get update' first, or import a saved list with --edges FILE")
        }
        return try AptArchive(parsing: bytes, file: "\(command) dumpavail")
    }

    private static func output(of command: String, arguments: [String]) throws -> [UInt8] {
        let folders =
            command.contains("/") ? [""] : (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":").map { $0 + "/" }
        guard let path = folders.map({ $0 + command }).first(where: { FileManager.default.isExecutableFile(atPath: $0) }) else {
            throw AptError(
                description: "expected apt on this machine, found no '\(command)': --format apt needs Debian, Ubuntu or a relative, "
                    + "or a package list given with --edges FILE")
        }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(["LC_ALL": "C.UTF-8"]) { _, new in new }
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardInput = FileHandle.nullDevice
        do {
            try process.run()
            let bytes = try pipe.fileHandleForReading.readToEnd() ?? Data()
            process.waitUntilExit()
            guard process.terminationReason == .exit, process.terminationStatus == 0 else {
                throw AptError(description: "'\(command) \(arguments.joined(separator: " "))' failed with status \(process.terminationStatus)")
            }
            return [UInt8](bytes)
        } catch let error as AptError {
            throw error
        } catch {
            throw AptError(description: "'\(command)' cannot be run: \(error.localizedDescription)")
        }
    }

    /// A collection and the packages in it.
    public struct Collection: Sendable, Equatable {
        public let name: String
        /// Positions in ``AptArchive/packages``, ascending and distinct.
        public let members: [Int]
    }

    /// The names of the columns of ``AptArchive/item(_:)``'s attributes.
    public static let attributeNames = ["section", "priority", "source"]

    /// What the catalog keeps of a package: its name as title, its summary as text, its home page as address.
    public func item(_ position: Int) -> ItemDescription {
        let package = packages[position]
        var attributes = ["priority": package.priority, "source": package.source]
        if !package.section.isEmpty { attributes["section"] = package.section }
        return ItemDescription(title: package.name, url: package.homepage, text: package.summary, attributes: attributes)
    }

    /// Adds all packages and their collections to a dataset in the making.
    public func add(to assembler: inout DatasetAssembler) throws {
        for (position, package) in packages.enumerated() { try assembler.addItem(identifier: package.name, description: item(position)) }
        for collection in collections() {
            // Their names begin with their type and a colon.
            try assembler.setType(ofCollection: collection.name, to: String(collection.name.prefix { $0 != ":" }))
            for member in collection.members { try assembler.addEdge(item: packages[member].name, collection: collection.name) }
        }
    }

    /// Writes the archive as a dataset with its catalog.
    ///
    /// - Throws: `DataError`, as `DatasetAssembler` does; nothing is left at `output` then.
    public func writeDataset(to output: String) throws -> ImportReport {
        var assembler = try DatasetAssembler(output: output) { directory in try SQLiteCatalogWriter(directory: directory) }
        try add(to: &assembler)
        return try assembler.finish(metadata: ["source": "apt"])
    }

    /// All collections: relation lists, then sections, then tags, each by name in byte order.
    public func collections() -> [Collection] {
        let positions = Dictionary(uniqueKeysWithValues: packages.enumerated().map { ($1.name, $0) })
        var result: [Collection] = []
        var sections: [String: [Int]] = [:]
        var tags: [String: [Int]] = [:]
        for (position, package) in packages.enumerated() {
            let members = package.related.compactMap { positions[$0] }.sorted()
            if !members.isEmpty { result.append(Collection(name: "depends:" + package.name, members: members)) }
            if !package.section.isEmpty { sections[package.section, default: []].append(position) }
            for tag in package.tags { tags[tag, default: []].append(position) }
        }
        for (prefix, groups) in [("section:", sections), ("tag:", tags)] {
            for name in groups.keys.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
                result.append(Collection(name: prefix + name, members: groups[name] ?? []))
            }
        }
        return result
    }
}
