internal import NIOCore
internal import NIOHTTP1

/// A request as the endpoints see it, whatever carried it: tests make them without a socket.
struct HTTPCall: Sendable {
    var method: String
    /// Path and query as they were sent.
    var target: String
    /// Percent-decoded segments of the path.
    var segments: [String]
    var parameters: QueryParameters
    var body: [UInt8] = []
    var host: String?
    var authorization: String?
    var contentType: String?
    var origin: String?
    var ifNoneMatch: String?

    /// The path as it was sent.
    var path: Substring { target.prefix { $0 != "?" } }

    /// - Throws: ``Problem`` 400 for a target that is no path of UTF-8.
    init(method: String, target: String) throws(Problem) {
        self.method = method
        self.target = target
        let bytes = target.utf8
        guard bytes.first == UInt8(ascii: "/") else { throw .badRequest("expected a path that begins with /") }
        let end = bytes.firstIndex(of: UInt8(ascii: "?")) ?? bytes.endIndex
        segments = []
        segments.reserveCapacity(4)
        for raw in bytes[..<end].dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            guard let segment = percentDecoded(raw, plusIsSpace: false) else { throw .badRequest("expected percent-encoded UTF-8 in the path") }
            segments.append(segment)
        }
        parameters = try QueryParameters(bytes[end...].dropFirst())
    }

    /// A request that a connection received.
    init(_ head: HTTPRequestHead, body: [UInt8]) throws(Problem) {
        try self.init(method: head.method.rawValue, target: head.uri)
        self.body = body
        host = head.headers.first(name: "host")
        authorization = head.headers.first(name: "authorization")
        contentType = head.headers.first(name: "content-type")
        origin = head.headers.first(name: "origin")
        ifNoneMatch = head.headers.first(name: "if-none-match")
    }
}

/// How a request is answered.
enum HTTPAnswer: Sendable {
    typealias Work = @Sendable () async throws -> HTTPReply

    case ready(HTTPReply)
    /// By what would hold up the other requests of its thread.
    case later(Work)
}

/// An answer, whatever carries it.
struct HTTPReply: Sendable {
    var status = 200
    var contentType: String
    var headers: [(name: String, value: String)] = []
    var body: [UInt8]

    init(status: Int = 200, contentType: String, body: [UInt8]) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }

    static func json(_ json: JSONBuffer, status: Int = 200) -> HTTPReply {
        HTTPReply(status: status, contentType: "application/json", body: json.bytes)
    }

    /// Room for the head of most answers.
    static let headBytes = 256

    /// Writes the status line and header fields.
    ///
    /// - Parameter connection: the Connection field; `nil` for none.
    func writeHead(into buffer: inout ByteBuffer, date: String, connection: String?) {
        func field(_ name: String, _ value: String) {
            buffer.writeString(name)
            buffer.writeStaticString(": ")
            buffer.writeString(value)
            buffer.writeStaticString("\r\n")
        }
        buffer.writeStaticString("HTTP/1.1 ")
        buffer.writeString(String(status))
        buffer.writeStaticString(" ")
        buffer.writeString(Problem.phrase(status))
        buffer.writeStaticString("\r\n")
        field("content-type", contentType)
        // These statuses have no body, and say no length (RFC 9110, section 8.6).
        if status != 204, status != 304 { field("content-length", String(body.count)) }
        field("date", date)
        for (name, value) in headers { field(name, value) }
        if let connection { field("connection", connection) }
        buffer.writeStaticString("\r\n")
    }
}

/// The text that percent-encoded bytes say, or `nil` where they are not UTF-8, or an escape is cut short.
func percentDecoded(_ text: Substring.UTF8View, plusIsSpace: Bool) -> String? {
    guard text.contains(where: { $0 == UInt8(ascii: "%") || $0 == UInt8(ascii: "+") }) else { return String(Substring(text)) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count)
    var rest = text.makeIterator()
    func hexadecimal(_ byte: UInt8?) -> UInt8? { byte.flatMap { Character(UnicodeScalar($0)).hexDigitValue }.map { UInt8($0) } }
    while let byte = rest.next() {
        switch byte {
        case UInt8(ascii: "%"):
            guard let high = hexadecimal(rest.next()), let low = hexadecimal(rest.next()) else { return nil }
            bytes.append(high << 4 | low)
        case UInt8(ascii: "+") where plusIsSpace: bytes.append(UInt8(ascii: " "))
        default: bytes.append(byte)
        }
    }
    return String(validating: bytes, as: UTF8.self)
}
