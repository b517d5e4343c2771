internal import Synchronization

/// Counts and latencies of requests by route, as Prometheus reads them.
///
/// A histogram has fixed bounds a factor of two apart from 62.5 microseconds to 8 seconds: enough to see a percentile within its bucket, and
/// the buckets of several servers can be added up.
final class RequestMetrics: Sendable {
    /// Upper bounds in seconds.
    static let bounds: [Double] = (0..<18).map { 0.0000625 * Double(1 << $0) }

    private struct Route {
        var buckets = [Int](repeating: 0, count: RequestMetrics.bounds.count + 1)
        var seconds = 0.0
        var statuses: [Int: Int] = [:]
    }

    private let routes = Mutex<[String: Route]>([:])

    func record(route: String, status: Int, seconds: Double) {
        let bucket = Self.bounds.firstIndex { seconds <= $0 } ?? Self.bounds.count
        routes.withLock { routes in
            routes[route, default: Route()].buckets[bucket] += 1
            routes[route, default: Route()].seconds += seconds
            routes[route, default: Route()].statuses[status, default: 0] += 1
        }
    }

    /// Text exposition format 0.0.4. - Parameter gauges: names, help texts and values of the moment.
    func text(gauges: [(name: String, help: String, value: Double)]) -> String {
        let routes = routes.withLock { $0 }.sorted { $0.key < $1.key }
        var text = "# HELP pinsage_requests_total Requests by route and status.\n# TYPE pinsage_requests_total counter\n"
        for (name, route) in routes {
            for (status, count) in route.statuses.sorted(by: { $0.key < $1.key }) {
                text += "pinsage_requests_total{route=\"\(name)\",status=\"\(status)\"} \(count)\n"
            }
        }
        text += "# HELP pinsage_request_duration_seconds Time from the whole request to its answer.\n"
        text += "# TYPE pinsage_request_duration_seconds histogram\n"
        for (name, route) in routes {
            var sum = 0
            for (bound, count) in zip(Self.bounds.map(\.description) + ["+Inf"], route.buckets) {
                sum += count
                text += "pinsage_request_duration_seconds_bucket{route=\"\(name)\",le=\"\(bound)\"} \(sum)\n"
            }
            text += "pinsage_request_duration_seconds_sum{route=\"\(name)\"} \(route.seconds)\n"
            text += "pinsage_request_duration_seconds_count{route=\"\(name)\"} \(sum)\n"
        }
        for gauge in gauges {
            text += "# HELP \(gauge.name) \(gauge.help)\n# TYPE \(gauge.name) gauge\n\(gauge.name) \(gauge.value)\n"
        }
        return text
    }
}
