//! The names of all `HttpServerOptions`, and what to say about those that are not acted on.

use millrace_process::options::Names;

/// All of them.
pub(super) const NAMES: Names = Names {
    what: "an HTTP server option",
    honoured: HONOURED,
    meaningless: MEANINGLESS,
    not_available: NOT_AVAILABLE,
};

/// Acted on, in the file above.
const HONOURED: &[&str] = &[
    "acceptBacklog",
    "host",
    "idleTimeout",
    "idleTimeoutUnit",
    "maxHeaderSize",
    "maxInitialLineLength",
    "readIdleTimeout",
    "receiveBufferSize",
    "sendBufferSize",
    "soLinger",
    "tcpFastOpen",
    "tcpKeepAlive",
    "tcpKeepAliveCount",
    "tcpKeepAliveIdleSeconds",
    "tcpKeepAliveIntervalSeconds",
    "tcpNoDelay",
    "tcpQuickAck",
    "tcpUserTimeout",
    "trafficClass",
    "writeIdleTimeout",
];

/// Without meaning here: answers have no body, there are no WebSockets and no forms, the port
/// is always shared between shards, and reads are as large as the buffer allows.
const MEANINGLESS: &[&str] = &[
    "acceptUnmaskedFrames",
    "activityLogDataFormat",
    "compressionContentSizeThreshold",
    "compressionLevel",
    "compressionSupported",
    "decoderInitialBufferSize",
    "fileRegionEnabled",
    "logActivity",
    "maxChunkSize",
    "maxFormAttributeSize",
    "maxFormBufferedBytes",
    "maxFormFields",
    "maxQueryParams",
    "maxWebSocketFrameSize",
    "maxWebSocketMessageSize",
    "perFrameWebSocketCompressionSupported",
    "perMessageWebSocketCompressionSupported",
    "registerWebSocketWriteHandlers",
    "registerWriteHandler",
    "reuseAddress",
    "reusePort",
    "strictThreadMode",
    "tcpCork",
    "tracingPolicy",
    "webSocketAllowServerNoContext",
    "webSocketClosingTimeout",
    "webSocketCompressionLevel",
    "webSocketPreferredClientNoContext",
    "webSocketSubProtocols",
];

const HTTP2: &str = "has no effect: HTTP/2 is not available";
const TLS: &str = "has no effect: TLS is not available yet";

/// Not acted on: the value with which nothing is lost, and what to say about others.
const NOT_AVAILABLE: &[(&str, Option<&str>, &str)] = &[
    ("alpnVersions", None, HTTP2),
    ("clientAuth", Some("NONE"), "has no effect: client certificates are not checked"),
    ("crlPaths", None, TLS),
    ("crlValues", None, TLS),
    ("decompressionSupported", Some("false"), "has no effect: bodies are not decompressed"),
    ("enabledCipherSuites", None, TLS),
    ("enabledSecureTransportProtocols", None, TLS),
    (
        "handle100ContinueAutomatically",
        Some("true"),
        "has no effect: Expect: 100-continue is always answered",
    ),
    ("http2ClearTextEnabled", Some("false"), HTTP2),
    ("http2ConnectionWindowSize", None, HTTP2),
    ("http2MaxSmallContinuationFrames", None, HTTP2),
    ("http2RstFloodMaxRstFramePerWindow", None, HTTP2),
    ("http2RstFloodWindowDuration", None, HTTP2),
    ("http2RstFloodWindowDurationTimeUnit", None, HTTP2),
    ("initialSettings", None, HTTP2),
    ("port", None, "has no effect: INGRESS_PORT decides"),
    ("proxyProtocolTimeout", None, "has no effect: the PROXY protocol is not available"),
    ("proxyProtocolTimeoutUnit", None, "has no effect: the PROXY protocol is not available"),
    ("sni", Some("false"), TLS),
    ("ssl", Some("false"), TLS),
    ("sslHandshakeTimeout", None, TLS),
    ("sslHandshakeTimeoutUnit", None, TLS),
    ("trafficShapingOptions", None, "has no effect: traffic is not shaped"),
    ("useAlpn", Some("false"), HTTP2),
    (
        "useProxyProtocol",
        Some("false"),
        "has no effect: the PROXY protocol is not available, so requests through such a proxy \
         are refused as malformed",
    ),
];
