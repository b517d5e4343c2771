/// A request as the endpoints see it, whatever carried it: tests make them without a socket.
struct HTTPCall: Sendable {
    var method: String
    /// Percent-decoded segments of the path.
    var segments: [String]
    /// The path as it was sent, for the log.
    var path: String
    var parameters: QueryParameters
    var body: [UInt8] = []
    var host: String?
    var authorization: String?
    var contentType: String?
    var origin: String?
    var ifNoneMatch: String?

    /// - Throws: ``Problem`` 400 for a target that is no path of UTF-8.
    init(method: String, target: String) throws(Problem) {
        self.method = method
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let path = String(parts.first ?? "")
        guard path.hasPrefix("/") else { throw .badRequest("expected a path that begins with /") }
        self.path = path
        var segments: [String] = []
        for raw in path.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            guard let segment = percentDecoded(raw.utf8, plusIsSpace: false) else {
                throw .badRequest("expected percent-encoded UTF-8 in the path")
            }
            segments.append(segment)
        }
        self.segments = segments
        parameters = try QueryParameters(parts.count > 1 ? parts[1] : "")
    }
}

/// An answer, whatever carries it.
struct HTTPReply: Sendable {
    var status = 200
    var contentType: String
    var headers: [(name: String, value: String)] = []
    var body: [UInt8]
    var closesConnection = false

    init(status: Int = 200, contentType: String, body: [UInt8]) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }

    static func json(_ json: JSONBuffer, status: Int = 200) -> HTTPReply {
        HTTPReply(status: status, contentType: "application/json", body: json.bytes)
    }
}

/// The text that percent-encoded bytes say, or `nil` where they are not UTF-8, or an escape is cut short.
func percentDecoded(_ text: Substring.UTF8View, plusIsSpace: Bool) -> String? {
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
