import Foundation

@testable import PinSageCatalog
@testable import PinSageKit

/// Parsers of text that people and other programs write.
let textTargets: [FuzzTarget] = [
    FuzzTarget(name: "edges") { scratch in
        let file = FuzzFile(path: scratch + "/edges")
        return { bytes in
            let (first, rest) = bytes.choice
            file.write(rest)
            let formats = EdgeFormat.allCases
            let format = formats[Int(first & 3) % formats.count]
            var chunks = ChunkReader(try TextSource(file.path), isQuoted: format == .csv, chunkBytes: 16 + Int(first >> 2))
            guard let start = try chunks.next() else { return }
            let parser = try EdgeChunkParser(first: start, name: "edges", format: format, configuration: ImportConfiguration())
            var items = IdentifierInterner(), isFirst = true
            var edges = ParsedEdges(), rows: [UInt32] = []
            var next: TextChunk? = start
            while let chunk = next {
                try parser.parse(chunk, isFirst: isFirst, into: &edges)
                isFirst = false
                items.add(edges.items, of: edges.bytes, rows: &rows)
                for edge in 0..<edges.count {
                    demand(items[Int(rows[edge])] == edges.item(edge), "an item has the name that was read")
                    demand(!edges.collection(edge).isEmpty, "collections have names")
                }
                demand(edges.weights.allSatisfy { $0 > 0 && $0.isFinite }, "weights are positive")
                next = try chunks.next(reusing: edges.takeBytes())
            }
        }
    },
    FuzzTarget(name: "items") { scratch in
        let file = FuzzFile(path: scratch + "/items")
        return { bytes in
            let (first, rest) = bytes.choice
            file.write(rest)
            let formats = TableFormat.allCases
            try TextTable(file.path, format: formats[Int(first) % formats.count]).forEachRow(required: ["item"]) { row in
                _ = DatasetImporter.description(row, except: "item")
                demand(row.names.count == row.values.count, "a value for each name")
            }
        }
    },
    FuzzTarget(name: "gzip") { scratch in
        let file = FuzzFile(path: scratch + "/text.gz")
        return { bytes in
            file.write(bytes)
            demand(try TextFile.bytes(of: file.path, limit: 1 << 22).count <= 1 << 22, "a limit holds")
        }
    },
    FuzzTarget(name: "identifiers") { scratch in
        let file = FuzzFile(path: scratch + "/ids.txt")
        return { bytes in
            file.write(bytes)
            let names = try IdentifierFile.read(file.path)
            var interner = IdentifierInterner()
            let rows = names.map { interner.add($0).row }
            let identifiers = interner.identifiers()
            for (name, row) in zip(names, rows) {
                demand(identifiers[row] == name && identifiers.row(of: name) == row, "a name leads to its row and back")
            }
            if let first = names.first { _ = identifiers.closest(to: String(first.dropLast()) + "x") }
        }
    },
    FuzzTarget(name: "json") { _ in
        { bytes in
            let value = try JSONValue(parsing: bytes)
            demand(try JSONValue(parsing: Array(value.serialized().utf8)) == value, "what is written is read")
            demand(try JSONValue(parsing: Array(value.serialized(indented: true).utf8)) == value, "what is written is read")
        }
    },
    FuzzTarget(name: "times") { _ in
        { bytes in
            _ = Graph.time(parsing: String(decoding: bytes, as: UTF8.self))
            unsafe bytes.withUnsafeBufferPointer { field in
                if let weight = unsafe FieldParsing.weight(field) { demand(weight > 0 && weight.isFinite, "weights are positive") }
            }
        }
    },
    FuzzTarget(name: "settings") { scratch in
        let file = FuzzFile(path: scratch + "/train.json")
        return { bytes in
            file.write(bytes)
            _ = try TrainingOptions.read(from: file.path)
        }
    },
    FuzzTarget(name: "debian") { _ in
        { bytes in _ = try AptArchive(parsing: bytes, file: "Packages").collections() }
    },
    FuzzTarget(name: "filter") { scratch in
        let served = try FuzzServed(scratch)
        let catalog = try SQLiteCatalog(directory: served.dataset)
        return { bytes in
            let filter = try CatalogFilter(parsing: String(decoding: bytes, as: UTF8.self))
            let found = try catalog.items(matching: filter)
            demand(found.allSatisfy { $0.row < FuzzServed.itemCount }, "a filter finds items that there are")
        }
    },
    FuzzTarget(name: "evaluation") { scratch in
        let file = FuzzFile(path: scratch + "/questions.tsv")
        let served = try FuzzServed(scratch)
        let dataset = try Dataset.open(served.dataset)
        let reader = try EvaluationTaskReader(items: dataset.items, dataset: dataset)
        return { bytes in
            let (first, rest) = bytes.choice
            file.write(rest)
            switch first % 5 {
            case 0: _ = try reader.pairs(file.path)
            case 1: _ = try reader.collections(file.path)
            case 2: _ = try reader.candidates(file.path)
            case 3: _ = try PairsFile.read(file.path)
            default: _ = try CollectionsFile.read(file.path)
            }
        }
    },
]
