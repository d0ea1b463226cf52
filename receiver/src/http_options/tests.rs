//! HTTP server options: what is honoured, what is said.

use millrace_settings::{Origin, Severity};

use super::*;

fn read(text: &str) -> (HttpOptions, Report) {
    let properties = Properties::parse(text, Origin::File("h.properties".into())).unwrap();
    let mut report = Report::new();
    let options = HttpOptions::read(&properties, &mut report);
    (options, report)
}

#[test]
fn the_shipped_file_has_the_defaults_of_vertx_and_leaves_nothing_to_say() {
    let (options, report) = read("idleTimeout=0\n");
    assert_eq!(report.findings(), []);
    assert_eq!(options.idle_timeout, Duration::from_secs(3600));
    assert_eq!((options.read_idle_timeout, options.write_idle_timeout), (None, None));
    assert_eq!((options.line_bytes_max, options.headers_bytes_max), (4096, 8192));
    assert_eq!(options.listen(8080), ListenOptions::new(IpAddr::from([0, 0, 0, 0]), 8080));
    assert_eq!(read("").0, options);
}

#[test]
fn every_option_that_is_honoured_arrives() {
    let (options, report) = read(
        "host=127.0.0.1\nidleTimeout=2\nreadIdleTimeout=3\nwriteIdleTimeout=1e1\n\
         maxInitialLineLength=100\nmaxHeaderSize=1024\nacceptBacklog=64\ntcpNoDelay=false\n\
         tcpKeepAlive=TRUE\ntcpKeepAliveIdleSeconds=5\ntcpKeepAliveIntervalSeconds=6\n\
         tcpKeepAliveCount=7\nsoLinger=0\ntcpFastOpen=true\ntcpQuickAck=true\n\
         tcpUserTimeout=1500\nsendBufferSize=4096\nreceiveBufferSize=8192\ntrafficClass=46\n",
    );
    assert_eq!(report.findings(), []);
    let seconds = Duration::from_secs;
    assert_eq!(options.idle_timeout, seconds(2));
    assert_eq!(options.read_idle_timeout, Some(seconds(3)));
    assert_eq!(options.write_idle_timeout, Some(seconds(10)));
    assert_eq!((options.line_bytes_max, options.headers_bytes_max), (100, 1024));
    let expected = ListenOptions {
        host: IpAddr::from([127, 0, 0, 1]),
        port: 1,
        backlog: Some(64),
        nodelay: false,
        keepalive: Some(KeepAlive {
            idle: Some(seconds(5)),
            interval: Some(seconds(6)),
            count: Some(7),
        }),
        linger: Some(Duration::ZERO),
        fast_open: true,
        quick_ack: true,
        user_timeout: Some(Duration::from_millis(1500)),
        send_buffer: Some(4096),
        receive_buffer: Some(8192),
        traffic_class: Some(46),
    };
    assert_eq!(options.listen(1), expected);
}

#[test]
fn units_are_those_of_java() {
    let table = [
        ("NANOSECONDS", Duration::from_nanos(5)),
        ("MICROSECONDS", Duration::from_micros(5)),
        ("MILLISECONDS", Duration::from_millis(5)),
        ("SECONDS", Duration::from_secs(5)),
        ("MINUTES", Duration::from_secs(300)),
        ("HOURS", Duration::from_secs(18_000)),
        ("DAYS", Duration::from_secs(432_000)),
    ];
    for (unit, expected) in table {
        let (options, report) = read(&format!("idleTimeout=5\nidleTimeoutUnit={unit}"));
        assert_eq!(options.idle_timeout, expected, "{unit}");
        assert_eq!(report.findings(), [], "{unit}");
    }
    let longest = read("idleTimeout=2147483647\nidleTimeoutUnit=DAYS").0.idle_timeout;
    assert!(longest > Duration::from_secs(86_400), "held, not wrapped");
}

#[test]
fn wrong_values_are_a_word_and_the_default() {
    for text in [
        "idleTimeout=-1",
        "idleTimeout=10 s",
        "idleTimeoutUnit=seconds",
        "idleTimeoutUnit=5",
        "maxHeaderSize=0",
        "maxHeaderSize=big",
        "tcpNoDelay=yes",
        "tcpNoDelay=1",
        "host=1",
        "host=not a host",
        "trafficClass=256",
    ] {
        let (options, report) = read(text);
        assert_eq!(options, read("").0, "{text}");
        assert_eq!(report.count(Severity::Warning), 1, "{text}: {report}");
        assert_eq!(report.findings()[0].line, Some(1), "{text}");
    }
}

#[test]
fn options_that_are_not_acted_on_are_named_unless_harmless() {
    for text in [
        "useProxyProtocol=true",
        "decompressionSupported=true",
        "http2ClearTextEnabled=true",
        "useAlpn=true",
        "clientAuth=REQUIRED",
        "port=80",
        "handle100ContinueAutomatically=false",
    ] {
        let (_, report) = read(text);
        assert_eq!(report.count(Severity::Warning), 1, "{text}: {report}");
        assert!(report.to_string().contains("no effect"), "{report}");
    }
    for text in [
        "useProxyProtocol=False",
        "decompressionSupported=false",
        "http2ClearTextEnabled=false",
        "clientAuth=NONE",
        "compressionSupported=true",
        "maxWebSocketFrameSize=1",
    ] {
        assert_eq!(read(text).1.findings(), [], "{text}");
    }
}

#[test]
fn an_unknown_option_is_named_with_its_neighbour() {
    let (_, report) = read("idletimeout=5\nidleTimout=5");
    let nearest: Vec<_> = report.findings().iter().map(|f| f.nearest.as_deref()).collect();
    assert_eq!(nearest, [Some("idleTimeout"), Some("idleTimeout")]);
}
