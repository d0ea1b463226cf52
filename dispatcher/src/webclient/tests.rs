//! HTTP client options: what is honoured, what is said.

use millrace_settings::{Origin, Severity};

use super::*;

fn read(text: &str) -> (WebClientOptions, Report) {
    let properties = Properties::parse(text, Origin::File("w.properties".into())).unwrap();
    let mut report = Report::new();
    let options = WebClientOptions::read(&properties, &mut report);
    (options, report)
}

#[test]
fn the_shipped_file_leaves_nothing_to_say_and_its_unit_is_seconds() {
    let (options, report) = read("idleTimeout=10000\nmaxPoolSize=100\n");
    assert_eq!(report.findings(), []);
    assert_eq!(options.idle_timeout, Some(Duration::from_secs(10_000)));
    assert_eq!(options.connections_max, 100);
}

#[test]
fn an_empty_file_has_the_defaults_of_vertx() {
    let (options, report) = read("");
    assert_eq!(report.findings(), []);
    let expected = WebClientOptions {
        connections_max: 5,
        idle_timeout: None,
        keep_alive: true,
        keep_alive_timeout: Duration::from_secs(60),
        connect_timeout: Duration::from_secs(60),
        line_bytes_max: 4096,
        headers_bytes_max: 8192,
        user_agent: Some(concat!("Millrace/", env!("CARGO_PKG_VERSION")).to_owned()),
        socket: ConnectOptions::default(),
    };
    assert_eq!(options, expected);
}

#[test]
fn every_option_that_is_honoured_arrives() {
    let (options, report) = read(
        "idleTimeout=4\nidleTimeoutUnit=MINUTES\nreadIdleTimeout=2\nwriteIdleTimeout=3\n\
         keepAlive=false\nkeepAliveTimeout=0\nconnectTimeout=1500\nmaxInitialLineLength=100\n\
         maxHeaderSize=1024\nmaxPoolSize=7\nuserAgent=mill/1 (x)\ntcpNoDelay=false\n\
         tcpKeepAlive=TRUE\ntcpKeepAliveIdleSeconds=5\ntcpKeepAliveIntervalSeconds=6\n\
         tcpKeepAliveCount=7\ntcpUserTimeout=1500\nsendBufferSize=4096\nreceiveBufferSize=8192\n",
    );
    assert_eq!(report.findings(), []);
    let expected = WebClientOptions {
        connections_max: 7,
        idle_timeout: Some(Duration::from_secs(120)),
        keep_alive: false,
        keep_alive_timeout: NEVER,
        connect_timeout: Duration::from_millis(1500),
        line_bytes_max: 100,
        headers_bytes_max: 1024,
        user_agent: Some("mill/1 (x)".to_owned()),
        socket: ConnectOptions {
            nodelay: false,
            keepalive: Some(KeepAlive {
                idle: Some(Duration::from_secs(5)),
                interval: Some(Duration::from_secs(6)),
                count: Some(7),
            }),
            user_timeout: Some(Duration::from_millis(1500)),
            send_buffer: Some(4096),
            receive_buffer: Some(8192),
        },
    };
    assert_eq!(options, expected);
    assert_eq!(read("userAgentEnabled=false\nuserAgent=x").0.user_agent, None);
}

#[test]
fn wrong_values_are_a_word_and_the_default() {
    for text in [
        "maxPoolSize=0",
        "maxPoolSize=many",
        "idleTimeout=10s",
        "idleTimeoutUnit=seconds",
        "connectTimeout=-1",
        "keepAlive=yes",
        "userAgent=5",
        "userAgent=a\\nb",
        "userAgent=",
    ] {
        let (options, report) = read(text);
        assert_eq!(options, read("").0, "{text}");
        assert_eq!(report.count(Severity::Warning), 1, "{text}: {report}");
    }
}

#[test]
fn options_that_are_not_acted_on_are_named_unless_harmless() {
    for text in [
        "protocolVersion=HTTP_2",
        "pipelining=true",
        "trustAll=true",
        "verifyHost=false",
        "decompressionSupported=true",
        "maxWaitQueueSize=10",
        "localAddress=127.0.0.1",
        "http2ClearTextUpgrade=false",
    ] {
        let (_, report) = read(text);
        assert_eq!(report.count(Severity::Warning), 1, "{text}: {report}");
        assert!(report.to_string().contains("no effect"), "{report}");
    }
    for text in [
        "protocolVersion=HTTP_1_1",
        "maxWaitQueueSize=-1",
        "verifyHost=True",
        "followRedirects=false",
        "maxRedirects=0",
        "http2MaxPoolSize=1",
    ] {
        assert_eq!(read(text).1.findings(), [], "{text}");
    }
}

#[test]
fn an_unknown_option_is_named_with_its_neighbour() {
    let (_, report) = read("maxPoolsize=5");
    assert_eq!(report.findings()[0].nearest.as_deref(), Some("maxPoolSize"));
}

#[test]
fn a_pool_that_protects_is_shared_out_and_one_that_is_never_full_is_not() {
    let pool = |size: usize, shards, records| {
        let options = read(&format!("maxPoolSize={size}")).0;
        options.for_shard(shards, records, Duration::from_secs(30)).pool_size_max
    };
    assert_eq!(pool(100, 8, Some(50)), 100);
    assert_eq!(pool(50, 8, None), 50);
    assert_eq!(pool(5, 2, Some(50)), 3);
    assert_eq!(pool(1, 8, Some(50)), 1);
    assert_eq!(pool(100, 4, Some(500)), 25);
}
