// SPDX-License-Identifier: Apache-2.0
// Spans: joining, and exchanges.

internal import ServiceContextModule
internal import Tracing

/// The time from the start to the moment when the node is part of a cluster, or to the reason why it never was.
struct JoinSpan: Sendable {
    private let span: any Span

    init(node: String, cluster: String) {
        self.span = startSpan("goferbroke.join", ofKind: .client)
        self.span.attributes["goferbroke.node"] = node
        self.span.attributes["goferbroke.cluster"] = cluster
    }

    func end(_ error: GoferBrokeError?) {
        if let error {
            self.span.recordError(error)
            self.span.setStatus(SpanStatus(code: .error, message: error.description))
        }
        self.span.end()
    }
}

/// An exchange, told when it has ended.
enum ExchangeSpan {
    static func record(node: String, peer: String, duration: Duration, laneCount: Int) {
        let end = DefaultTracerClock.now.nanosecondsSinceEpoch
        let nanoseconds = UInt64(clamping: Int64(duration / .nanoseconds(1)))
        let begin = DefaultTracerClock.Timestamp(nanosecondsSinceEpoch: end - min(nanoseconds, end))
        let span = startSpan("goferbroke.exchange", context: .topLevel, ofKind: .client, at: begin)
        span.attributes["goferbroke.node"] = node
        span.attributes["goferbroke.peer"] = peer
        span.attributes["goferbroke.lanes"] = laneCount
        span.end(at: DefaultTracerClock.Timestamp(nanosecondsSinceEpoch: end))
    }
}
