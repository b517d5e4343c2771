internal import Foundation
internal import PinSageKit

/// The files of the page and the description of the API. Their names are a closed list, so no path leads anywhere else.
struct StaticPages: Sendable {
    /// Path without its slash: file and type.
    static let names: [String: (file: String, type: String)] = [
        "": ("index.html", "text/html; charset=utf-8"),
        "app.js": ("app.js", "text/javascript; charset=utf-8"),
        "style.css": ("style.css", "text/css; charset=utf-8"),
        "openapi.json": ("openapi.json", "application/json"),
    ]

    private var files: [String: (type: String, bytes: [UInt8], tag: String)] = [:]

    /// - Throws: `DataError` when the program was installed without its resources.
    init() throws {
        for (path, entry) in Self.names {
            let url = Bundle.module.bundleURL.appendingPathComponent("Resources/" + entry.file)
            guard let data = FileManager.default.contents(atPath: url.path) else {
                throw DataError("expected a file of the web page, found none: the program's resources belong beside it", file: url.path)
            }
            let hash = data.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
            files[path] = (entry.type, [UInt8](data), "\"" + String(hash, radix: 16) + "\"")
        }
    }

    func reply(_ name: String, _ call: HTTPCall) throws(Problem) -> HTTPReply {
        guard let file = files[name] else { throw Problem(404, "there is nothing here") }
        try call.parameters.allow()
        var reply = HTTPReply(contentType: file.type, body: file.bytes)
        if call.ifNoneMatch == file.tag {
            reply.status = 304
            reply.body = []
        }
        reply.headers = [
            ("etag", file.tag), ("cache-control", "no-cache"), ("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer"),
            (
                "content-security-policy",
                "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: http: https:; "
                    + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            ),
        ]
        return reply
    }
}
