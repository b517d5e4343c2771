internal import Histogram
internal import Synchronization

/// Counts and latencies of requests by route, as Prometheus reads them.
///
/// Two views of the latencies: a histogram since the start with fixed bounds a factor of two apart from 62.5 microseconds to 8 seconds, whose
/// buckets several servers can add up; and the quantiles of the last one to two minutes with three digits, by HdrHistogram.
final class RequestMetrics: Sendable {
    /// Upper bounds in seconds.
    static let bounds: [Double] = (0..<18).map { 0.0000625 * Double(1 << $0) }
    /// What of the last minutes is told.
    static let quantiles = [0.5, 0.9, 0.99, 0.999]
    /// How long latencies are collected before the older half of them is forgotten.
    static let span = Duration.seconds(60)
    /// The longest latency that is told apart, in microseconds.
    private static let longest: UInt64 = 120_000_000

    private struct Route {
        var buckets = [Int](repeating: 0, count: RequestMetrics.bounds.count + 1)
        var seconds = 0.0
        var statuses: [Int: Int] = [:]
        /// Microseconds; of this span, and of the one before.
        var latencies = Histogram<UInt32>(highestTrackableValue: RequestMetrics.longest, numberOfSignificantValueDigits: .three)
        var earlier = Histogram<UInt32>(highestTrackableValue: RequestMetrics.longest, numberOfSignificantValueDigits: .three)
        var began: ContinuousClock.Instant

        /// Forgets what is too old.
        mutating func turn(_ now: ContinuousClock.Instant) {
            guard now - began >= RequestMetrics.span else { return }
            swap(&latencies, &earlier)
            if now - began >= RequestMetrics.span * 2 { earlier.reset() }
            latencies.reset()
            began = now
        }
    }

    /// A route's own lock: requests of one route do not wait for those of another.
    private final class Counters: Sendable {
        let route: Mutex<Route>

        init(_ now: ContinuousClock.Instant) { route = Mutex(Route(began: now)) }
    }

    private let routes = Mutex<[String: Counters]>([:])

    func record(route name: String, status: Int, seconds: Double, now: ContinuousClock.Instant = .now) {
        let bucket = Self.bounds.firstIndex { seconds <= $0 } ?? Self.bounds.count
        let microseconds = min(UInt64(max(0, seconds) * 1e6), Self.longest)
        let counters = routes.withLock { routes in
            if let known = routes[name] { return known }
            let made = Counters(now)
            routes[name] = made
            return made
        }
        counters.route.withLock { route in
            route.turn(now)
            route.buckets[bucket] += 1
            route.seconds += seconds
            route.statuses[status, default: 0] += 1
            route.latencies.record(microseconds)
        }
    }

    /// Text exposition format 0.0.4. - Parameter gauges: names, help texts and values of the moment.
    func text(gauges: [(name: String, help: String, value: Double)], now: ContinuousClock.Instant = .now) -> String {
        let routes = routes.withLock { $0 }.sorted { $0.key < $1.key }.map { name, counters in
            let route = counters.route.withLock { route in
                route.turn(now)
                return route
            }
            return (name, route)
        }
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
        text += "# HELP pinsage_request_latency_seconds Quantiles of that time over the last one to two minutes.\n"
        text += "# TYPE pinsage_request_latency_seconds summary\n"
        for (name, route) in routes {
            var recent = route.earlier
            recent.add(route.latencies)
            for quantile in Self.quantiles {
                let value = recent.totalCount == 0 ? "NaN" : (Double(recent.valueAtPercentile(100 * quantile)) / 1e6).description
                text += "pinsage_request_latency_seconds{route=\"\(name)\",quantile=\"\(quantile)\"} \(value)\n"
            }
            text += "pinsage_request_latency_seconds_sum{route=\"\(name)\"} \(route.seconds)\n"
            text += "pinsage_request_latency_seconds_count{route=\"\(name)\"} \(route.buckets.reduce(0, +))\n"
        }
        for gauge in gauges {
            text += "# HELP \(gauge.name) \(gauge.help)\n# TYPE \(gauge.name) gauge\n\(gauge.name) \(gauge.value)\n"
        }
        return text
    }
}
