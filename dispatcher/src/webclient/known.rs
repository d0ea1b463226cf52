//! The names of all `WebClientOptions`, and what to say about those that are not acted on.

use millrace_process::options::Names;

/// All of them.
pub(super) const NAMES: Names = Names {
    what: "an HTTP client option",
    honoured: HONOURED,
    meaningless: MEANINGLESS,
    not_available: NOT_AVAILABLE,
};

/// Acted on, in the file above.
const HONOURED: &[&str] = &[
    "connectTimeout",
    "idleTimeout",
    "idleTimeoutUnit",
    "keepAlive",
    "keepAliveTimeout",
    "maxHeaderSize",
    "maxInitialLineLength",
    "maxPoolSize",
    "readIdleTimeout",
    "receiveBufferSize",
    "sendBufferSize",
    "tcpKeepAlive",
    "tcpKeepAliveCount",
    "tcpKeepAliveIdleSeconds",
    "tcpKeepAliveIntervalSeconds",
    "tcpNoDelay",
    "tcpUserTimeout",
    "userAgent",
    "userAgentEnabled",
    "writeIdleTimeout",
];

/// Without meaning here: a POST is never redirected, there are no WebSockets, no cookies and no
/// shared pools, and what waits for a connection is bounded by what may be in flight.
const MEANINGLESS: &[&str] = &[
    "activityLogDataFormat",
    "decoderInitialBufferSize",
    "defaultHost",
    "defaultPort",
    "followRedirects",
    "http2KeepAliveTimeout",
    "http2MaxPoolSize",
    "http2MultiplexingLimit",
    "http2UpgradeMaxContentLength",
    "logActivity",
    "maxChunkSize",
    "maxRedirects",
    "maxWebSocketFrameSize",
    "maxWebSocketMessageSize",
    "maxWebSockets",
    "name",
    "poolCleanerPeriod",
    "poolEventLoopSize",
    "registerWriteHandler",
    "reuseAddress",
    "reusePort",
    "sendUnmaskedFrames",
    "shared",
    "strictThreadMode",
    "tcpCork",
    "tracingPolicy",
    "tryUsePerFrameWebSocketCompression",
    "tryUsePerMessageWebSocketCompression",
    "tryWebSocketDeflateFrameCompression",
    "webSocketAllowClientNoContext",
    "webSocketClosingTimeout",
    "webSocketCompressionAllowClientNoContext",
    "webSocketCompressionLevel",
    "webSocketCompressionRequestServerNoContext",
    "webSocketRequestServerNoContext",
];

const HTTP2: &str = "has no effect: HTTP/2 is not available, requests go over HTTP/1.1";
const TLS: &str = "has no effect: TLS towards subscribers is not available yet";
const PROXY: &str = "has no effect: proxies are not available";
const SYSTEM: &str = "has no effect: the system's value is used";

/// Not acted on: the value with which nothing is lost, and what to say about others.
const NOT_AVAILABLE: &[(&str, Option<&str>, &str)] = &[
    ("alpnVersions", None, HTTP2),
    ("crlPaths", None, TLS),
    ("crlValues", None, TLS),
    ("decompressionSupported", Some("false"), "has no effect: answers are not decompressed"),
    ("enabledCipherSuites", None, TLS),
    ("enabledSecureTransportProtocols", None, TLS),
    ("forceSni", Some("false"), TLS),
    // The upgrade is only tried with HTTP_2.
    ("http2ClearTextUpgrade", None, "has no effect: HTTP/2 is not available"),
    ("http2ClearTextUpgradeWithPreflightRequest", Some("false"), HTTP2),
    ("http2ConnectionWindowSize", None, HTTP2),
    ("initialSettings", None, HTTP2),
    ("localAddress", None, "has no effect: the system chooses the local address"),
    (
        "maxWaitQueueSize",
        Some("-1"),
        "has no effect: what waits for a connection is bounded by max.poll.records alone",
    ),
    ("metricsName", Some(""), "has no effect: there are no vertx_* metrics here"),
    ("nonProxyHosts", None, PROXY),
    ("pipelining", Some("false"), "has no effect: requests are not pipelined"),
    ("pipeliningLimit", None, "has no effect: requests are not pipelined"),
    ("protocolVersion", Some("HTTP_1_1"), HTTP2),
    ("proxyOptions", None, PROXY),
    ("soLinger", Some("-1"), SYSTEM),
    ("ssl", Some("false"), "has no effect: the URL of each target decides"),
    ("sslHandshakeTimeout", None, TLS),
    ("sslHandshakeTimeoutUnit", None, TLS),
    ("tcpFastOpen", Some("false"), SYSTEM),
    ("tcpQuickAck", Some("false"), SYSTEM),
    ("trafficClass", Some("-1"), SYSTEM),
    ("trustAll", Some("false"), TLS),
    ("useAlpn", Some("false"), HTTP2),
    ("verifyHost", Some("true"), TLS),
];
