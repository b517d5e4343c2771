internal import HummingbirdCore
internal import Logging
internal import NIOCore
internal import NIOHTTP1

/// The connections of a server, and what all of them share.
struct HTTPConnections: ServerChildChannel {
    struct Value: ServerChildChannelValue {
        let channel: any Channel
    }

    let service: RecommendationService
    let log: RequestLog?
    /// What a client may take to send a request, or be idle.
    let patience: TimeAmount
    let clock = DateHeader()

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            var limits = NIOHTTPDecoderLimitConfiguration()
            limits.maxHeaderFieldSize = RequestLimits.headerBytes
            limits.maxHeaderListSize = RequestLimits.headerBytes
            limits.maxHeaderFieldCount = RequestLimits.headerFields
            try channel.pipeline.syncOperations.addHandler(ByteToMessageHandler(HTTPRequestDecoder(limitConfiguration: limits)))
            try channel.pipeline.syncOperations.addHandler(HTTPConnection(self))
            return Value(channel: channel)
        }
    }

    /// Keeps the server waiting for the connection when it stops.
    func handle(value: Value, logger: Logger) async {
        await withTaskCancellationHandler {
            try? await value.channel.closeFuture.get()
        } onCancel: {
            value.channel.close(promise: nil)
        }
    }
}
