internal import NIOCore
internal import NIOHTTP1

/// One connection: puts its requests together, has them answered one at a time in their order, and sends the answers.
///
/// All of it runs on the connection's event loop: what is answered in microseconds costs no task and no change of threads, what takes longer is done
/// elsewhere and comes back. Until an answer is made, and while the client does not read those that were sent, its further requests wait; of these no
/// more is read than one read brought.
final class HTTPConnection: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    private enum State {
        /// Waits for a request, or for the rest of one.
        case receiving
        case answering
        /// What still comes is thrown away.
        case closing
    }

    /// How long a connection that we ended stays open for the other side to read its last answer: closing at once would reset it while the client
    /// still sends, and take that answer away.
    private static let lingering = TimeAmount.seconds(1)

    private let server: HTTPConnections
    private var state = State.receiving
    /// Parts of requests that came and were not looked at yet.
    private var parts = CircularBuffer<HTTPServerRequestPart>(initialCapacity: 4)
    /// The request that is received or answered now.
    private var head: HTTPRequestHead?
    private var body: [UInt8] = []
    /// What came after the parts is no HTTP.
    private var isBroken = false
    /// Nothing comes after the parts.
    private var isInputEnded = false
    private var isServerStopping = false
    private var isReadHeldBack = false
    /// When the client's turn began: to send a request, or to read an answer.
    private var turnBegan = NIODeadline.now()
    private var timer: Scheduled<Void>?

    init(_ server: HTTPConnections) { self.server = server }

    // MARK: What comes in

    func handlerAdded(context: ChannelHandlerContext) {
        turnBegan = .now()
        setTimer(server.patience, context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        state = .closing
        parts.removeAll()
        timer?.cancel()
        timer = nil
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard state != .closing else { return }
        parts.append(unwrapInboundIn(data))
        proceed(context)
    }

    func read(context: ChannelHandlerContext) {
        if parts.isEmpty { context.read() } else { isReadHeldBack = true }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        proceed(context)
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is ChannelShouldQuiesceEvent: isServerStopping = true
        case let event as ChannelEvent where event == .inputClosed: isInputEnded = true
        default: return context.fireUserInboundEventTriggered(event)
        }
        proceed(context)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // What comes after an end is thrown away, and the decoder says so again and again.
        guard state != .closing, !isBroken else { return }
        guard error is HTTPParserError else { return context.close(promise: nil) }
        isBroken = true
        proceed(context)
    }

    // MARK: Requests

    /// Goes on as far as what came allows.
    private func proceed(_ context: ChannelHandlerContext) {
        while state == .receiving, context.channel.isWritable, let part = parts.popFirst() { take(part, context) }
        guard parts.isEmpty else { return }
        if state == .receiving {
            if isBroken {
                refuse(.badRequest("expected HTTP/1.1 with at most \(RequestLimits.headerFields) header fields"), context)
            } else if head == nil, isInputEnded || isServerStopping {
                end(with: ByteBuffer(), context)
            }
        }
        if isReadHeldBack {
            isReadHeldBack = false
            context.read()
        }
    }

    private func take(_ part: HTTPServerRequestPart, _ context: ChannelHandlerContext) {
        switch part {
        case .head(let head):
            self.head = head
            turnBegan = .now()
            if head.uri.utf8.count > RequestLimits.targetBytes {
                let found = head.uri.utf8.count
                refuse(Problem(414, "expected a target of at most \(RequestLimits.targetBytes) bytes, found \(found)"), context)
            } else if let length = head.headers.first(name: "content-length").flatMap({ Int($0) }), length > RequestLimits.bodyBytes {
                refuse(Problem(413, "expected a body of at most \(RequestLimits.bodyBytes) bytes, found \(length)"), context)
            }
        case .body(let bytes):
            guard body.count + bytes.readableBytes <= RequestLimits.bodyBytes else {
                return refuse(Problem(413, "expected a body of at most \(RequestLimits.bodyBytes) bytes, found more"), context)
            }
            body += bytes.readableBytesView
        case .end: answer(context)
        }
    }

    private func answer(_ context: ChannelHandlerContext) {
        guard let head else { return }
        state = .answering
        let start = ContinuousClock.now
        do {
            let call = try HTTPCall(head, body: body)
            let (answer, route) = server.service.answer(to: call)
            switch answer {
            case .ready(let reply): send(reply, route, start, context)
            case .later(let work):
                // Safe to carry: they are used on the loop again.
                let here = NIOLoopBound((self, context), eventLoop: context.eventLoop)
                let (loop, service) = (context.eventLoop, server.service)
                Task {
                    let reply = await service.reply(of: work, route: route)
                    loop.execute {
                        let (connection, context) = here.value
                        // Unless the client went away meanwhile.
                        guard connection.state == .answering else { return }
                        connection.send(reply, route, start, context)
                        connection.proceed(context)
                    }
                }
            }
        } catch {
            send(Problem(error).response, RecommendationService.unknownRoute, start, context)
        }
    }

    /// Answers a request that is not received to its end; nothing after it could be understood.
    private func refuse(_ problem: Problem, _ context: ChannelHandlerContext) {
        parts.removeAll()
        send(problem.response, RecommendationService.unknownRoute, .now, context, isLast: true)
    }

    // MARK: Answers

    private func send(
        _ reply: HTTPReply, _ route: String, _ start: ContinuousClock.Instant, _ context: ChannelHandlerContext, isLast: Bool = false
    ) {
        let head = head
        // The decoder stops after a request to change the protocol.
        let changesProtocol = head.map { $0.headers.contains(name: "upgrade") || $0.method == .CONNECT } ?? false
        let isLast = isLast || isServerStopping || head?.isKeepAlive == false || changesProtocol
        let sendsBody = head?.method != .HEAD
        var buffer = context.channel.allocator.buffer(capacity: HTTPReply.headBytes + (sendsBody ? reply.body.count : 0))
        reply.writeHead(into: &buffer, date: server.clock.text, connection: isLast ? "close" : head?.version == .http1_0 ? "keep-alive" : nil)
        if sendsBody { buffer.writeBytes(reply.body) }
        self.head = nil
        body = []
        turnBegan = .now()
        if isLast {
            end(with: buffer, context)
        } else {
            context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
            if state == .answering { state = .receiving }
        }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        server.service.metrics.record(route: route, status: reply.status, seconds: seconds)
        server.log?.write(
            method: head?.method.rawValue ?? "", target: head?.uri ?? "", status: reply.status, bytes: reply.body.count, seconds: seconds)
    }

    /// Sends the last bytes and closes when they are sent.
    private func end(with bytes: ByteBuffer, _ context: ChannelHandlerContext) {
        state = .closing
        setTimer(server.patience, context)
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenSuccess {
            if self.isInputEnded { return context.close(promise: nil) }
            context.close(mode: .output, promise: nil)
            self.setTimer(Self.lingering, context)
        }
        context.writeAndFlush(wrapOutboundOut(bytes), promise: promise)
    }

    // MARK: Patience

    private func setTimer(_ delay: TimeAmount, _ context: ChannelHandlerContext) {
        timer?.cancel()
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: delay) { self.timerEnded(context) }
    }

    private func timerEnded(_ context: ChannelHandlerContext) {
        // Our own slowness is not the client's.
        if state == .answering { turnBegan = .now() }
        let left = turnBegan + server.patience - .now()
        if state != .closing, left > .nanoseconds(0) {
            setTimer(left, context)
        } else if state == .receiving, head != nil, context.channel.isWritable {
            refuse(Problem(408, "the body came too slowly"), context)
        } else {
            context.close(promise: nil)
        }
    }
}
