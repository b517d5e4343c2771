import Foundation
import PinSageKit
import PinSageTestSupport
import Testing

#if Server
    private let programHasServer = true
#else
    private let programHasServer = false
#endif

/// The program as a server: starting, answering, stopping, and what is left after a kill.
@Suite(.enabled(if: programHasServer, "the program was built without the trait Server")) struct ServeTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try folder.write(
            "i.tsv",
            "item\ttitle\tcolour\n" + (0..<40).map { "i\($0)\t\($0 % 2 == 0 ? "apple pear plum" : "hammer saw drill") \($0)\tc\($0 % 3)\n" }.joined())
        try folder.write("e.tsv", "item\tcollection\n" + (0..<160).map { "i\($0 % 40)\tl\($0 % 2)-\($0 * 7 % 5)\n" }.joined())
        for arguments in [
            ["import", "--edges", folder["e.tsv"], "--items", folder["i.tsv"], "--output", folder["d"]],
            ["train", folder["d"], "--output", folder["m"], "--epochs", "1", "--dimension", "8"],
            ["embed", "--model", folder["m"], "--dataset", folder["d"], "--output", folder["v"]],
            ["index", "--embeddings", folder["v"], "--output", folder["x"], "--kind", "hnsw"],
        ] {
            let result = try pinsage(arguments)
            try #require(result.status == 0, "\(arguments[0]): \(result.errors)")
        }
    }

    /// A running server and the port it says it listens on.
    private final class Server {
        let process: Process
        let port: Int

        init(_ arguments: [String]) throws {
            let pipe = Pipe()
            process = try startPinsage(["serve", "--port", "0"] + arguments, errors: pipe)
            var text = ""
            while !text.contains("/\n") {
                let data = pipe.fileHandleForReading.availableData
                if data.isEmpty { break }
                text += String(decoding: data, as: UTF8.self)
            }
            let digits = text.split(separator: ":").last?.prefix { $0.isNumber } ?? ""
            port = try #require(Int(digits), "the server says \(text)")
        }

        deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }
    }

    /// One request with the curl program; `nil` without one.
    private func ask(_ server: Server, _ arguments: String...) throws -> (status: String, body: String) {
        let result = try #require(
            try run(
                "curl",
                ["--silent", "--max-time", "20", "--write-out", "\n%{http_code}"] + arguments.dropLast() + [
                    "http://127.0.0.1:\(server.port)" + (arguments.last ?? "")
                ]))
        let lines = result.output.split(separator: "\n", omittingEmptySubsequences: false)
        return (String(lines.last ?? ""), lines.dropLast().joined(separator: "\n"))
    }

    private var hasCurl: Bool { ["/usr/bin/curl", "/bin/curl", "/usr/local/bin/curl"].contains { FileManager.default.isExecutableFile(atPath: $0) } }

    @Test func servesStopsAndRemembers() throws {
        guard hasCurl else { return }  // this test asks with curl
        let arguments = ["--index", folder["x"], "--dataset", folder["d"], "--model", folder["m"]]
        let server = try Server(arguments + ["--request-log", folder["log"]])
        let related = try ask(server, "/v1/items/i4/related?k=3")
        let answers = try JSONValue(parsing: Array(related.body.utf8))["results"]?.array
        #expect(related.status == "200" && answers?.count == 3)
        #expect(try ask(server, "/").body.contains("<title>"))
        for number in 0..<20 {
            let body = #"{"item": "new \#(number)", "title": "apple pear", "collections": ["l0-1"], "attributes": {"colour": "c9"}}"#
            let answer = try ask(server, "--header", "content-type: application/json", "--data", body, "/v1/items")
            #expect(answer.status == "200", "\(answer.body)")
        }
        #expect(try ask(server, "--request", "DELETE", "/v1/items/i6").status == "204")
        kill(server.process.processIdentifier, SIGKILL)
        server.process.waitUntilExit()

        let again = try Server(arguments)
        for number in 0..<20 { #expect(try ask(again, "/v1/items/new%20\(number)").status == "200") }
        #expect(try ask(again, "/v1/items/i6").status == "404")
        #expect(try ask(again, "/v1/items/i4/related?k=100&filter=colour='c9'").body.contains("new 19"))
        kill(again.process.processIdentifier, SIGTERM)
        again.process.waitUntilExit()
        #expect(again.process.terminationStatus == 0 && again.process.terminationReason == .exit)
        let log = String(decoding: try folder.read("log"), as: UTF8.self)
        #expect(log.split(separator: "\n").first.map { $0.contains(#""target":"/v1/items/i4/related?k=3","status":200"#) } ?? true)
    }

    @Test func badUsageAndBadData() throws {
        let index = ["--index", folder["x"]], both = index + ["--dataset", folder["d"]]
        for (arguments, status, message) in [
            (index, 64, "--dataset"), (both + ["--host", "0.0.0.0"], 64, "--api-key-file"), (both + ["--port", "70000"], 64, "70000"),
            (both + ["--api-key-file", folder["missing"]], 65, "API keys"),
            (["--index", folder["m"], "--dataset", folder["d"]], 65, "an index artifact"),
            (both + ["--timeout", "0"], 64, "1 thread"),
        ] as [([String], Int32, String)] {
            let result = try pinsage(["serve"] + arguments)
            #expect(result.status == status && result.errors.contains(message), "\(arguments): \(result.status) \(result.errors)")
        }
    }
}
