//! Logback files and LOG_LEVEL, in and out.

use proptest::prelude::*;

use super::*;

const SHIPPED: &str = r#"
    <configuration>
      <appender name="jsonConsoleAppender" class="ch.qos.logback.core.ConsoleAppender">
        <encoder class="net.logstash.logback.encoder.LogstashEncoder"/>
      </appender>
      <appender name="async" class="ch.qos.logback.classic.AsyncAppender">
        <neverBlock>true</neverBlock>
        <appender-ref ref="jsonConsoleAppender" />
      </appender>
      <root level="INFO">
        <appender-ref ref="async"/>
      </root>
    </configuration>
"#;

/// The level at which a target logs: the most verbose one that passes.
fn level_of(levels: &Levels, target: &str) -> LevelFilter {
    let all = [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR];
    let first = all.into_iter().find(|level| levels.enabled(target, *level));
    first.map_or(LevelFilter::OFF, LevelFilter::from_level)
}

#[test]
fn shipped_file_is_info_and_names_what_it_ignores_once() {
    let (levels, ignored) = Levels::from_logback(SHIPPED).unwrap();
    assert_eq!(levels, Levels::default());
    assert_eq!(ignored, ["<appender>"]);
}

#[test]
fn elements_to_levels() {
    use LevelFilter as F;
    let broker = "dev.knative.eventing.kafka.broker";
    let cases: &[(&str, &[(&str, LevelFilter)])] = &[
        (r#"<root level="DEBUG"/>"#, &[("hyper", F::DEBUG), ("millrace_http1", F::DEBUG)]),
        (r#"<root level=" warn "/>"#, &[("receiver::app", F::WARN)]),
        (r#"<root level="OFF"/>"#, &[("receiver", F::OFF)]),
        (r#"<root level="ALL"/>"#, &[("receiver", F::TRACE)]),
        (r#"<root><level value="ERROR"/></root>"#, &[("receiver", F::ERROR)]),
        (r#"<logger name="ROOT" level="TRACE"/>"#, &[("receiver", F::TRACE)]),
        (r"<root/>", &[("receiver", F::INFO)]),
        (
            r#"<logger name="B" level="DEBUG"/><root level="WARN"/>"#,
            &[
                ("millrace_http1::head", F::DEBUG),
                ("millrace_receiver", F::DEBUG),
                ("receiver::ingest", F::DEBUG),
                ("librdkafka", F::WARN),
                ("receivers", F::WARN),
                ("hyper::proto", F::WARN),
            ],
        ),
        (
            r#"<logger name="org.apache.kafka" level="TRACE"/>"#,
            &[("librdkafka", F::TRACE), ("millrace_kafka", F::INFO)],
        ),
        // The nearer name wins, in either order.
        (
            r#"<logger name="B.receiver" level="TRACE"/><logger name="B" level="ERROR"/>"#,
            &[
                ("receiver", F::TRACE),
                ("millrace_receiver::x", F::TRACE),
                ("millrace_kafka", F::ERROR),
            ],
        ),
        (
            r#"<logger name="B" level="ERROR"/><logger name="dev.knative" level="TRACE"/>"#,
            &[("millrace_kafka", F::ERROR), ("dispatcher", F::ERROR)],
        ),
        (
            r#"<logger name="dev" level="TRACE"/><logger name="org" level="OFF"/>"#,
            &[("millrace_kafka", F::TRACE), ("librdkafka", F::OFF), ("hyper", F::INFO)],
        ),
        // One Java class speaks for its package, unless the package speaks for itself.
        (
            r#"<logger name="B.receiver.impl.ReceiverVerticle" level="DEBUG"/>"#,
            &[("receiver::app", F::DEBUG), ("dispatcher", F::DEBUG)],
        ),
        (
            r#"<logger name="B.receiver" level="WARN"/><logger name="B.receiver.impl" level="ALL"/>"#,
            &[("receiver::app", F::WARN)],
        ),
        (
            r#"<logger name="B" level="INHERITED"/><root level="WARN"/>"#,
            &[("receiver::app", F::WARN)],
        ),
        // The last of the same name wins.
        (
            r#"<logger name="B" level="WARN"/><logger name="B" level="DEBUG"/>"#,
            &[("receiver::app", F::DEBUG)],
        ),
    ];
    for (elements, expected) in cases {
        let elements = elements.replace("\"B", &format!("\"{broker}"));
        let xml = format!("<configuration>{elements}</configuration>");
        let (levels, ignored) = Levels::from_logback(&xml).unwrap();
        assert_eq!(ignored, [""; 0], "{elements}");
        for (target, level) in *expected {
            assert_eq!(level_of(&levels, target), *level, "{target} with {elements}");
        }
    }
}

#[test]
fn what_has_no_counterpart_is_named() {
    let xml = r#"<configuration scan="true">
        <include resource="x"/><include resource="y"/>
        <logger name="io.vertx" level="DEBUG"/>
        <logger name="org.apache.kafka" level="${KAFKA_LEVEL}"/>
        <logger name="only.an.appender"/>
        <root level="VERBOSE"/>
    </configuration>"#;
    let (levels, ignored) = Levels::from_logback(xml).unwrap();
    assert_eq!(levels, Levels::default());
    assert_eq!(
        ignored,
        [
            "<include>",
            "logger io.vertx",
            "level \"${KAFKA_LEVEL}\" of logger org.apache.kafka",
            "level \"VERBOSE\" of the root logger",
        ]
    );
}

#[test]
fn broken_files() {
    for xml in ["", "level=INFO", "<configuration>", "<configuration><root level=INFO/>"] {
        assert!(matches!(Levels::from_logback(xml), Err(LevelError::Xml(_))), "{xml}");
    }
    let bomb = "<!DOCTYPE c [<!ENTITY a \"aaaa\">]><configuration>&a;</configuration>";
    assert!(matches!(Levels::from_logback(bomb), Err(LevelError::Xml(_))));
    let other = Levels::from_logback("<log4j/>");
    assert!(matches!(other, Err(LevelError::Root(name)) if name == "log4j"));
}

#[test]
fn setting() {
    use LevelFilter as F;
    for (text, target, level) in [
        ("debug", "receiver", F::DEBUG),
        ("OFF", "receiver", F::OFF),
        ("", "receiver", F::INFO),
        ("warn,librdkafka=debug", "librdkafka", F::DEBUG),
        ("warn, librdkafka=debug", "receiver", F::WARN),
        ("millrace_kafka=trace,millrace=error", "millrace_kafka::producer", F::TRACE),
        ("receiver=debug,receiver=warn", "receiver::app", F::WARN),
        ("receiver::ingest=trace", "receiver::respond", F::INFO),
    ] {
        let levels = Levels::from_setting(text).unwrap();
        assert_eq!(level_of(&levels, target), level, "{text}");
    }
    for text in ["verbose", "info,receiver=", "info,receiver=loud", "=x"] {
        assert!(Levels::from_setting(text).is_err(), "{text}");
    }
}

#[test]
fn most_verbose_level_bounds_them_all() {
    let levels = Levels::from_setting("error,a=debug,b=off").unwrap();
    assert_eq!(levels.most(), LevelFilter::DEBUG);
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[<>/=\"a-z.&!\\[\\]; ]{0,80}") {
        let _ = Levels::from_logback(&text);
        let _ = Levels::from_logback(&format!("<configuration>{text}</configuration>"));
        let _ = Levels::from_setting(&text);
    }
}
