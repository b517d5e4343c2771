internal import PinSageKit

/// A request that is not answered as asked, as problem details.
///
/// Source: RFC 9457. `type` stays `about:blank`, so `title` is the status' phrase and `detail` says what was expected and what was found.
struct Problem: Error, Equatable {
    var status: Int
    var detail: String
    /// Seconds after which it is worth trying again (503).
    var retryAfter: Int?
    /// Methods that the path knows (405).
    var allow: String?

    init(_ status: Int, _ detail: String, retryAfter: Int? = nil, allow: String? = nil) {
        self.status = status
        self.detail = detail
        self.retryAfter = retryAfter
        self.allow = allow
    }

    static func badRequest(_ detail: String) -> Problem { Problem(400, detail) }

    /// What an error of the library means to a client.
    init(_ error: any Error) {
        switch error {
        case let problem as Problem: self = problem
        // Paths of this machine are not a client's business.
        case let error as DataError where error.file == nil: self.init(400, error.message)
        case let error as ConfigurationError: self.init(400, error.message)
        default: self.init(500, "the request failed; the server's log says why")
        }
    }

    static func phrase(_ status: Int) -> String {
        switch status {
        case 200: "OK"
        case 204: "No Content"
        case 304: "Not Modified"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 415: "Unsupported Media Type"
        case 421: "Misdirected Request"
        case 503: "Service Unavailable"
        default: "Internal Server Error"
        }
    }

    var response: HTTPReply {
        var json = JSONBuffer()
        json.beginObject()
        json.member("type", "about:blank")
        json.member("title", Self.phrase(status))
        json.member("status", status)
        json.member("detail", detail)
        json.endObject()
        var reply = HTTPReply(status: status, contentType: "application/problem+json", body: json.bytes)
        if let retryAfter { reply.headers.append(("retry-after", String(retryAfter))) }
        if let allow { reply.headers.append(("allow", allow)) }
        if status == 401 { reply.headers.append(("www-authenticate", "Bearer")) }
        return reply
    }
}
