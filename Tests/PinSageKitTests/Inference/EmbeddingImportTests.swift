import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite struct EmbeddingImportTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func embeddings(_ count: Int = 300, width: Int = 12, normalized: Bool) throws -> Embeddings {
        let values = IndexVectors.clustered(count, width: width, seed: 5).map { normalized ? $0 : $0 * 3 }
        return try Embeddings(
            identifiers: Identifiers((0..<count).map { "item \($0)" }), vectors: StoredArray(values), dimension: width, isNormalized: normalized)
    }

    /// What is exported and opened gives every kind of index the same bytes as the artifact.
    @Test(arguments: [true, false]) func roundTrip(normalized: Bool) throws {
        let made = try embeddings(normalized: normalized)
        try made.write(to: folder["e"])
        try made.export(as: .npy, to: folder["v.npy"], threads: 2)
        let stored = try Embeddings.open(folder["e"]), opened = try Embeddings.open(folder["v.npy"])
        #expect(Array(opened.vectors) == Array(stored.vectors) && opened.dimension == 12 && opened.count == 300)
        #expect((0..<300).allSatisfy { opened.identifiers[$0] == stored.identifiers[$0] })
        #expect(try opened.item(named: "item 299").row == 299)
        #expect(opened.isNormalized == normalized && stored.isNormalized == normalized)
        #expect(opened.modelFingerprint == nil && opened.vectorsChecksum == nil)
        let kernels = try Kernels(threads: 2)
        var cosine = HNSWConfiguration(links: 8, efConstruction: 40, batch: 50)
        cosine.metric = .cosine
        let kinds: [(Embeddings) throws -> any NearestNeighborIndex] = [
            { ExactIndex(embeddings: $0, kernels: kernels) }, { try ExactIndex.build($0, storage: .int8, kernels: kernels) },
            { try HNSWIndex.build($0, configuration: cosine, kernels: kernels) },
            { try LSHIndex.build($0, configuration: LSHConfiguration(recall: 0.9), kernels: kernels) },
        ]
        for (kind, build) in kinds.enumerated() {
            try build(stored).write(to: folder["\(kind).stored"])
            try build(opened).write(to: folder["\(kind).opened"])
            let manifests = try ["stored", "opened"].map { try Artifact.open(folder["\(kind).\($0)"]).manifest }
            // With a checksum of every file.
            #expect(manifests[0].files == manifests[1].files && manifests[0].metadata == manifests[1].metadata, "index \(kind)")
        }
    }

    @Test func emptyEmbeddings() throws {
        try embeddings(0, normalized: true).export(as: .npy, to: folder["v.npy"], threads: 1)
        let opened = try Embeddings.open(folder["v.npy"])
        #expect(opened.count == 0 && opened.dimension == 12 && opened.isNormalized)
    }

    /// More identifiers than one chunk of the text, and names as other programs end lines.
    @Test func identifiers() throws {
        let count = 40_000
        try Npy.write([Float](repeating: 0, count: count), shape: [count, 1], to: folder["v.npy"])
        try folder.write("v.npy.ids.txt", (0..<count).map { "name \($0) 0123456789\n" }.joined())
        let opened = try Embeddings.open(folder["v.npy"])
        #expect(opened.count == count)
        #expect((0..<count).allSatisfy { opened.identifiers[$0] == "name \($0) 0123456789" })
        #expect((0..<count).allSatisfy { opened.identifiers.row(of: "name \($0) 0123456789") == $0 })
        try Npy.write([Float](repeating: 0, count: 3), shape: [3, 1], to: folder["w.npy"])
        for text in ["a\r\nb c\r\nñ%09", "\u{FEFF}a\nb c\nñ%09\n"] {
            try folder.write("w.npy.ids.txt", text)
            let identifiers = try Embeddings.open(folder["w.npy"]).identifiers
            #expect((0..<3).map { identifiers[$0] } == ["a", "b c", "ñ%09"])
        }
    }

    /// Length 1 or 0 in every row: a rounded one counts, another does not, wherever it is.
    @Test func findsOutWhetherVectorsAreNormalized() throws {
        let length = Float(0.5).squareRoot()
        for (last, expected) in [
            ([length, length], true), ([0, 0], true), ([1 + 1e-6, 0], true), ([0.6, -0.8], true), ([1.001, 0], false), ([0.5, 0.5], false),
            ([.nan, 0], false), ([.infinity, 0], false), ([0, 1e-20], false),
        ] as [([Float], Bool)] {
            try Npy.write([1, 0, 0, -1] + last, shape: [3, 2], to: folder["v.npy"])
            try folder.write("v.npy.ids.txt", "a\nb\nc\n")
            #expect(try Embeddings.open(folder["v.npy"]).isNormalized == expected, "\(last)")
        }
    }

    private func message(of path: String) -> String {
        let error = #expect(throws: DataError.self) { try Embeddings.open(path) }
        return error.map { "\($0)" } ?? ""
    }

    @Test(arguments: [
        ("a\nb\n", "v.npy.ids.txt", "expected 3 identifiers", "found 2"), ("a\nb\nc\nd\n", "v.npy.ids.txt", "expected 3 identifiers", "found 4"),
        ("", "v.npy.ids.txt", "expected 3 identifiers", "found 0"), ("a\nb\na\n", "v.npy.ids.txt:3", "\"a\" again", "in line 1"),
        ("a\n\nc\n", "v.npy.ids.txt:2", "expected an identifier", "empty line"),
        ("a\nb\n\r\n", "v.npy.ids.txt:3", "expected an identifier", "empty line"),
        ("a\nb\u{0}\nc\n", "v.npy.ids.txt:2", "expected text", "NUL"),
    ]) func namesWhatIsWrongWithIdentifiers(text: String, place: String, expected: String, found: String) throws {
        try Npy.write([Float](repeating: 1, count: 6), shape: [3, 2], to: folder["v.npy"])
        try folder.write("v.npy.ids.txt", text)
        let message = message(of: folder["v.npy"])
        #expect(message.contains(folder.path + "/" + place) && message.contains(expected) && message.contains(found), "\(message)")
    }

    @Test func namesWhatIsWrongWithFiles() throws {
        func expect(_ path: String, _ parts: String...) {
            let message = message(of: folder[path])
            for part in parts { #expect(message.contains(part), "\(message)") }
        }
        try Npy.write([Float](repeating: 1, count: 6), shape: [3, 2], to: folder["v.npy"])
        expect("v.npy", folder["v.npy.ids.txt"], "identifiers of the 3 rows", "no such file")
        try folder.write("v.npy.ids.txt", [0x61, 0x0a, 0xff, 0x0a, 0x62, 0x0a])
        expect("v.npy", folder["v.npy.ids.txt"] + ":2", "UTF-8")
        try Npy.write([Double](repeating: 1, count: 6), shape: [3, 2], to: folder["wide.npy"])
        expect("wide.npy", folder["wide.npy"], "expected elements of type float32, found float64", "astype")
        try Npy.write([UInt16](repeating: 1, count: 6), shape: [3, 2], elementType: .float16, to: folder["half.npy"])
        expect("half.npy", folder["half.npy"], "found float16")
        try Npy.write([Float](repeating: 1, count: 6), to: folder["flat.npy"])
        expect("flat.npy", folder["flat.npy"], "expected vectors of the shape (items, dimension), found (6,)")
        try Npy.write([Float](repeating: 1, count: 8), shape: [2, 2, 2], to: folder["cube.npy"])
        expect("cube.npy", folder["cube.npy"], "found (2, 2, 2)")
        try Npy.write([Float](), shape: [3, 0], to: folder["thin.npy"])
        expect("thin.npy", folder["thin.npy"], "found (3, 0)")
        let bytes = try folder.read("v.npy")
        try folder.write("cut.npy", Array(bytes.dropLast(4)))
        expect("cut.npy", folder["cut.npy"], "expected 24 bytes of elements")
        try folder.write("text.npy", "a\tb\n")
        expect("text.npy", folder["text.npy"], "NumPy")
        expect("none.npy", folder["none.npy"], "found nothing")
    }
}
