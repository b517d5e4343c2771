import PinSageTestSupport
import Testing

@testable import PinSageKit

@Suite struct FeatureTransformTests {
    private let kernels: Kernels
    private let descriptions: [ItemDescription]
    private let count = 300

    init() throws {
        kernels = try Kernels(threads: 2)
        let topics = ["database server", "text editor", "web framework", "video codec", "game engine"]
        descriptions = (0..<300).map { row in
            ItemDescription(
                title: row == 7 ? nil : "item\(row) \(topics[row % 5])",
                text: row == 7 ? nil : "An open source \(topics[row % 5]) number \(row % 11) — größer \(row % 3 == 0 ? "and fast" : "")",
                attributes: row % 4 == 0 ? ["size": "\(row)"] : ["size": "\(row)", "kind": "k\(row % 6)"])
        }
    }

    private func dataset(features: [FeatureTable] = []) throws -> Dataset {
        var assembler = DatasetAssembler()
        for row in 0..<count { try assembler.addItem(identifier: "i\(row)") }
        for row in 0..<count where row != 3 {
            for collection in 0...(row % 4) { try assembler.addEdge(item: "i\(row)", collection: "c\((row * 7 + collection) % 40)") }
        }
        for table in features { assembler.addFeatures(table) }
        return try assembler.dataset()
    }

    private func table(_ name: String, columns: Int = 6, count: Int? = nil) -> FeatureTable {
        let rows = count ?? self.count
        let values = (0..<rows * columns).map { Float(TextHashing.finished(UInt64($0 + name.utf8.count * 7919)) % 2001) / 1000 - 1 }
        return FeatureTable(name: name, matrix: Matrix(rows: rows, columns: columns, values: values))
    }

    private func length(_ values: some Collection<Float>) -> Float { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }

    @Test func defaultsFollowTheDataset() throws {
        let catalog = InMemoryItemCatalog(descriptions)
        let text = try FeatureTransform.fit(dataset: dataset(), catalog: catalog, kernels: kernels, seed: 1).transform
        #expect(text.usesText && text.dense.isEmpty && text.hasContent && text.width == 129)
        let dense = try FeatureTransform.fit(
            dataset: dataset(features: [table("b"), table("a", columns: 4)]), catalog: catalog, kernels: kernels, seed: 1)
        #expect(!dense.transform.usesText && dense.transform.dense.map(\.name) == ["a", "b"] && dense.transform.width == 11)
        #expect(!dense.transform.needsCatalog)
        let both = try FeatureTransform.fit(
            dataset: dataset(features: [table("a")]), catalog: catalog, configuration: FeatureConfiguration(text: true, textDimension: 16),
            kernels: kernels, seed: 1)
        #expect(both.transform.width == 6 + 16 + 1)
        let neither = try FeatureTransform.fit(dataset: dataset(), catalog: nil, kernels: kernels, seed: 1)
        #expect(!neither.transform.hasContent && neither.matrix.columns == 1)
        let blank = InMemoryItemCatalog(Array(repeating: ItemDescription(), count: count))
        #expect(try FeatureTransform.fit(dataset: dataset(), catalog: blank, kernels: kernels, seed: 1).transform.width == 1)
    }

    @Test func blocksAreUnitVectorsWithWeightsOfLengthOne() throws {
        let configuration = FeatureConfiguration(text: true, textDimension: 12, attributes: ["kind"])
        let (transform, matrix) = try FeatureTransform.fit(
            dataset: dataset(features: [table("a")]), catalog: InMemoryItemCatalog(descriptions), configuration: configuration, kernels: kernels,
            seed: 1)
        let unit = 1 / Float(2.25).squareRoot()
        let buckets = transform.width - 6 - 12 - 1
        #expect(buckets == 16)  // six values of "kind", twice as many columns, rounded up
        for row in [0, 1, 2, 299] {
            let values = matrix.row(row)
            #expect(abs(length(values[0..<6]) - unit) < 1e-5)
            #expect(abs(length(values[6..<18]) - unit) < 1e-5)
            let kind = length(values[18..<34])
            #expect(row % 4 == 0 ? kind == 0 : abs(kind - unit / 2) < 1e-5)
        }
        #expect(length(matrix.row(7)[6..<18]) == 0)  // an item without any text
        #expect(matrix.row(3)[34] == 0)  // an item without edges
        #expect(abs((matrix.values.enumerated().filter { $0.offset % 35 == 34 }.map(\.element).max() ?? 0) - 1) < 1e-6)
        #expect(matrix.values.allSatisfy { $0.isFinite })
    }

    @Test func itemsOfOneTopicAreNearer() throws {
        let matrix = try FeatureTransform.fit(
            dataset: dataset(), catalog: InMemoryItemCatalog(descriptions), configuration: FeatureConfiguration(textDimension: 16, logDegree: false),
            kernels: kernels, seed: 1
        ).matrix
        func cosine(_ one: Int, _ other: Int) -> Float { zip(matrix.row(one), matrix.row(other)).reduce(0) { $0 + $1.0 * $1.1 } }
        var same: Float = 0, different: Float = 0
        for row in 20..<120 {
            same += cosine(row, row + 5)
            different += cosine(row, row + 6)
        }
        #expect(same > different + 30)
    }

    /// The promise that new items are seen as known ones are: bit for bit, also after the files were written and read, on any thread count.
    @Test func vectorsEqualRowsAfterReading() throws {
        let folder = try TemporaryFolder()
        let catalog = InMemoryItemCatalog(descriptions)
        let data = try dataset(features: [table("a"), table("b", columns: 3)])
        let configuration = FeatureConfiguration(text: true, textDimension: 20, attributes: ["kind", "size"])
        let (fitted, matrix) = try FeatureTransform.fit(dataset: data, catalog: catalog, configuration: configuration, kernels: kernels, seed: 4)
        try fitted.write(to: folder.path)
        #expect(folder.names == FeatureTransform.fileNames.sorted())
        for threads in [1, 3] {
            let read = try FeatureTransform.read(from: folder.path, kernels: Kernels(threads: threads))
            #expect(read.width == fitted.width)
            #expect(try read.matrix(for: data, catalog: catalog) == matrix)
            for row in [0, 3, 4, 7, 150, 299] {
                let dense = Dictionary(uniqueKeysWithValues: data.features.map { ($0.name, $0.rows(row..<row + 1).values) })
                let vector = try read.vector(for: descriptions[row], dense: dense, degree: data.graph.degree(of: ItemID(row)))
                #expect(vector == matrix.row(row), "row \(row)")
            }
        }
        // Written again, it is the same file.
        let again = try TemporaryFolder()
        try FeatureTransform.read(from: folder.path).write(to: again.path)
        for name in FeatureTransform.fileNames { #expect(try folder.read(name) == again.read(name)) }
    }

    @Test func theFitIsAFunctionOfItsSeed() throws {
        let catalog = InMemoryItemCatalog(descriptions)
        let first = try FeatureTransform.fit(dataset: dataset(), catalog: catalog, kernels: kernels, seed: 8).matrix
        #expect(try FeatureTransform.fit(dataset: dataset(), catalog: catalog, kernels: kernels, seed: 8).matrix == first)
    }

    @Test func newItemsNeedNothingButTheirText() throws {
        let (transform, _) = try FeatureTransform.fit(
            dataset: dataset(), catalog: InMemoryItemCatalog(descriptions), configuration: FeatureConfiguration(textDimension: 16), kernels: kernels,
            seed: 1)
        let known = try transform.vector(for: ItemDescription(text: "a very fast database server"))
        #expect(abs(length(known) - 1) < 1e-5 && known.last == 0)
        #expect(try transform.vector(for: ItemDescription(text: "zzzzzz qqqqqq")).allSatisfy { $0 == 0 })
        #expect(try transform.vector(for: ItemDescription()).allSatisfy { $0 == 0 })
    }

    @Test func notFiniteCountsAsZero() throws {
        let (transform, _) = try FeatureTransform.fit(dataset: dataset(features: [table("a", columns: 3)]), catalog: nil, kernels: kernels, seed: 1)
        #expect(try transform.vector(for: ItemDescription(), dense: ["a": [.nan, 3, -.infinity]]) == [0, 1, 0, 0])
        #expect(try transform.vector(for: ItemDescription(), dense: ["a": [0, 0, 0]]) == [0, 0, 0, 0])
        #expect(try transform.vector(for: ItemDescription(), dense: ["a": [3e38, 0, 0]])[0] == 1)
    }

    @Test func numericAttributesAreStandardised() throws {
        let configuration = FeatureConfiguration(text: false, attributes: ["size"], logDegree: false)
        let (transform, matrix) = try FeatureTransform.fit(
            dataset: dataset(), catalog: InMemoryItemCatalog(descriptions), configuration: configuration, kernels: kernels, seed: 1)
        #expect(matrix.columns == 1)
        #expect(abs(matrix.values.reduce(0, +)) < 1e-3)
        #expect(abs(length(matrix.values) - Float(count).squareRoot()) < 1e-2)
        #expect(try transform.vector(for: ItemDescription(attributes: ["size": "1e300"])) == [4])
        for text in ["", "nan", "inf", "twelve"] { #expect(try transform.vector(for: ItemDescription(attributes: ["size": text])) == [0]) }
    }

    @Test func errorsNameWhatWasExpectedAndFound() throws {
        let data = try dataset(features: [table("a")])
        let (transform, _) = try FeatureTransform.fit(dataset: data, catalog: nil, kernels: kernels, seed: 1)
        func message(_ body: () throws -> Void) -> String {
            do { try body() } catch { return "\(error)" }
            return "no error"
        }
        let wide = message { try transform.checkCompatible(with: dataset(features: [table("a", columns: 9)])) }
        #expect(wide.contains("width 6") && wide.contains("width 9"))
        #expect(message { try transform.checkCompatible(with: dataset()) }.contains("'a' of width 6"))
        #expect(message { _ = try transform.vector(for: ItemDescription(), dense: ["a": [1, 2]]) }.contains("width 6, found width 2"))
        #expect(message { _ = try transform.vector(for: ItemDescription(), dense: ["z": [1]]) }.contains("'z'"))
        func fit(_ configuration: FeatureConfiguration, _ catalog: (any ItemCatalog)?) -> String {
            message { _ = try FeatureTransform.fit(dataset: data, catalog: catalog, configuration: configuration, kernels: kernels, seed: 1) }
        }
        let catalog = InMemoryItemCatalog(descriptions)
        #expect(fit(FeatureConfiguration(dense: ["q"]), nil).contains("'q', found 'a'"))
        #expect(fit(FeatureConfiguration(text: true), nil).contains("without one"))
        #expect(fit(FeatureConfiguration(attributes: ["color"]), catalog).contains("'color', found 'kind', 'size'"))
        #expect(fit(FeatureConfiguration(text: true, textDimension: 0), catalog).contains("found 0"))
        #expect(fit(FeatureConfiguration(attributes: ["kind", "kind"]), catalog).contains("twice"))
    }

    /// Every prefix and many altered bytes of the files: a value or a thrown error, never a trap.
    @Test func damagedFiles() throws {
        let folder = try TemporaryFolder()
        try FeatureTransform.fit(
            dataset: dataset(), catalog: InMemoryItemCatalog(descriptions),
            configuration: FeatureConfiguration(textDimension: 4, textTerms: 40, attributes: ["kind", "size"]), kernels: kernels, seed: 1
        ).transform.write(to: folder.path)
        #expect(throws: DataError.self) { try FeatureTransform.read(from: folder["missing"]) }
        for name in FeatureTransform.fileNames {
            let bytes = try folder.read(name)
            for step in 0..<120 {
                let bits = TextHashing.finished(UInt64(step + 1))
                var damaged = bytes
                if step % 3 == 0 {
                    damaged.removeLast(1 + Int(bits % UInt64(bytes.count)))
                } else {
                    damaged[Int(bits % UInt64(min(bytes.count, 1500)))] ^= UInt8(1 << (bits >> 61))
                }
                try folder.write(name, damaged)
                if step % 3 == 0 {
                    #expect(throws: DataError.self) { try FeatureTransform.read(from: folder.path) }
                } else if let read = try? FeatureTransform.read(from: folder.path) {
                    #expect(try read.vector(for: descriptions[0]).count == read.width)
                }
            }
            try folder.write(name, bytes)
        }
    }
}
