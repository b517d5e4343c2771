import Foundation
import PinSageTestSupport
import Testing

@testable import PinSageKit
@testable import PinSageServer

@Suite struct SafetyTests {
    private let folder: TemporaryFolder
    private let fixture: ServedFixture
    private static let readKey = "read-key-0123456789", writeKey = "write-key-0123456789"

    init() throws {
        folder = try TemporaryFolder()
        fixture = try ServedFixture.shared.get()
    }

    private func keys() throws -> APIKeys {
        try APIKeys(contentsOf: try folder.write("keys", "# keys\nread \(Self.readKey)\n\nwrite\t\(Self.writeKey)\r\n"))
    }

    @Test func otherAddressesNeedKeysOrConsent() throws {
        var options = ServerOptions()
        for host in ["127.0.0.1", "127.9.9.9", "::1", "localhost"] {
            options.host = host
            #expect(throws: Never.self) { try options.validate() }
        }
        for host in ["0.0.0.0", "::", "192.168.1.1", "example.org", "127.0.0.1.example.org", "127.0.0"] {
            options.host = host
            options.keys = nil
            options.isInsecure = false
            #expect(throws: ConfigurationError.self, "\(host)") { try options.validate() }
            options.isInsecure = true
            #expect(throws: Never.self) { try options.validate() }
            options.isInsecure = false
            options.keys = try keys()
            #expect(throws: Never.self) { try options.validate() }
        }
    }

    @Test func keysSayWhoMayDoWhat() throws {
        let keys = try keys()
        #expect(keys.access(of: "Bearer " + Self.readKey) == .read)
        #expect(keys.access(of: "bearer " + Self.writeKey) == .write)
        for wrong in [
            nil, "", "Bearer ", Self.readKey, "Basic " + Self.readKey, "Bearer " + Self.readKey + "x", "Bearer " + Self.readKey.dropLast(),
            "Bearer " + Self.readKey.uppercased(),
        ] as [String?] {
            #expect(keys.access(of: wrong) == nil, "\(wrong ?? "none")")
        }
    }

    @Test func badKeyFiles() throws {
        for (text, message) in [
            ("", "at least one"), ("read short", "16 characters"), ("admin 0123456789abcdef", "read KEY"), ("0123456789abcdef", "1:"),
        ] {
            let path = try folder.write("bad", text)
            let error = #expect(throws: DataError.self) { try APIKeys(contentsOf: path) }
            #expect(error?.description.contains(message) == true, "\(text): \(error?.description ?? "")")
        }
        #expect(throws: DataError.self) { try APIKeys(contentsOf: folder["missing"]) }
    }

    @Test func requestsWithoutAKeyAreRefused() async throws {
        var options = ServerOptions()
        options.host = "0.0.0.0"
        options.keys = try keys()
        let service = try fixture.service(options)
        #expect(await service.ask("GET", "/v1/items/it1").status == 401)
        #expect(await service.ask("GET", "/v1/items/it1", key: "wrong").headers["www-authenticate"] == "Bearer")
        #expect(await service.ask("GET", "/metrics").status == 401)
        // Whether an item exists is not said either.
        #expect(await service.ask("GET", "/v1/items/nobody").status == 401)
        #expect(await service.ask("GET", "/v1/items/it1", key: Self.readKey, host: "recommend.example.org").status == 200)
        #expect(await service.ask("GET", "/healthz").status == 200)
        #expect(await service.ask("GET", "/").status == 200)
    }

    /// A page elsewhere whose name was made to resolve to loopback must not read what is only for this machine.
    @Test func otherHostNamesAreRefusedOnLoopback() async throws {
        let service = try fixture.service()
        for host in ["localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST"] {
            #expect(await service.ask("GET", "/v1/items/it1", host: host).status == 200, "\(host)")
        }
        for host in ["evil.example:8080", "", "127.0.0.1.evil.example", "[fe80::1]:8080"] {
            #expect(await service.ask("GET", "/v1/items/it1", host: host).status == 421, "\(host)")
        }
    }

    @Test func otherDatasetsAreRefused() throws {
        try folder.write("e.tsv", "item\tcollection\na\tc\nb\tc\n")
        _ = try DatasetImporter().run(edges: [folder["e.tsv"]], output: folder["d"])
        var paths = fixture.paths
        paths.dataset = folder["d"]
        let error = #expect(throws: DataError.self) { try fixture.service(paths: paths) }
        #expect(error?.description.contains("the index has 120 items, the dataset has 2") == true)
    }
}
