internal import Foundation
internal import GRDB
public import PinSageKit

extension Embeddings {
    /// Writes the embeddings to a SQLite database, which appears under its name when it is complete.
    ///
    ///     embeddings(row INTEGER PRIMARY KEY, item TEXT UNIQUE NOT NULL, vector BLOB NOT NULL)
    ///     about(dimension INTEGER, normalized INTEGER), one row
    ///
    /// `vector` is `dimension` float32 values in little-endian order: `numpy.frombuffer(vector, "<f4")`.
    ///
    /// - Parameter progress: called with the items written so far.
    /// - Throws: `DataError` when something other than a file is at the path or it cannot be written.
    public func exportSQLite(to path: String, progress: (Int) -> Void = { _ in }) throws {
        try OutputFile.replacing(path) { temporary in
            try CatalogSchema.translatingErrors(of: path) {
                var configuration = Configuration()
                // Nobody sees the file before it is complete.
                configuration.prepareDatabase { db in try db.execute(sql: "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF") }
                let database = try DatabaseQueue(path: temporary, configuration: configuration)
                try database.write { db in
                    try db.execute(
                        sql: """
                            CREATE TABLE about (dimension INTEGER NOT NULL, normalized INTEGER NOT NULL);
                            CREATE TABLE embeddings (row INTEGER PRIMARY KEY, item TEXT UNIQUE NOT NULL, vector BLOB NOT NULL)
                            """)
                    try db.execute(sql: "INSERT INTO about VALUES (?, ?)", arguments: [dimension, isNormalized ? 1 : 0])
                    let statement = try db.makeStatement(sql: "INSERT INTO embeddings VALUES (?, ?, ?)")
                    for row in 0..<count {
                        var bytes: [UInt8] = []
                        bytes.reserveCapacity(4 * dimension)
                        for value in self[ItemID(row)] {
                            let bits = value.bitPattern
                            for shift in [0, 8, 16, 24] as [UInt32] { bytes.append(UInt8(truncatingIfNeeded: bits >> shift)) }
                        }
                        try statement.execute(arguments: [Int64(row), identifiers[row], Data(bytes)])
                        if row % 4096 == 4095 { progress(row + 1) }
                    }
                }
                try database.close()
            }
        }
    }
}
