//! Log lines to the letter.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn line(message: &str, fields: Vec<(&'static str, Value)>) -> Line<'static> {
    Line {
        // 2026-02-28 12:34:56.007
        time: UNIX_EPOCH + Duration::from_millis(1_772_282_096_007),
        level: Level::WARN,
        target: "receiver::respond",
        thread: "shard-0",
        said: Said { message: message.to_owned(), fields },
    }
}

#[test]
fn json_line_has_the_fields_of_the_java_data_plane() {
    let fields = vec![
        ("path", Value::from("/ns/\"b\"\n")),
        ("statusCode", Value::from(404)),
        ("retry", Value::from(true)),
        ("level", Value::from("taken")),
    ];
    assert_eq!(
        line("No resource at this path.", fields).format(Format::Json),
        concat!(
            r#"{"@timestamp":"2026-02-28T12:34:56.007Z","@version":"1","#,
            r#""message":"No resource at this path. path=/ns/\"b\"\n statusCode=404 retry=true level=taken","#,
            r#""logger_name":"receiver::respond","thread_name":"shard-0","#,
            r#""level":"WARN","level_value":30000,"#,
            r#""path":"/ns/\"b\"\n","statusCode":404,"retry":true,"level_":"taken"}"#,
            "\n"
        )
    );
}

#[test]
fn text_line_stays_one_line() {
    let fields = vec![("path", Value::from("/a\n\u{1b}[2Jb"))];
    assert_eq!(
        line("Odd.", fields).format(Format::Text),
        "2026-02-28T12:34:56.007Z WARN  receiver::respond: Odd. path=/a\\n\\u{1b}[2Jb\n"
    );
}

#[test]
fn level_values_are_logbacks() {
    let values = [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR];
    assert_eq!(values.map(level_value), [5_000, 10_000, 20_000, 30_000, 40_000]);
}

#[test]
fn dates() {
    for (seconds, text) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_399, "2000-02-28T23:59:59.000Z"),
        (951_782_400, "2000-02-29T00:00:00.000Z"),
        (951_868_800, "2000-03-01T00:00:00.000Z"),
        (1_709_164_800, "2024-02-29T00:00:00.000Z"),
        (1_767_225_599, "2025-12-31T23:59:59.000Z"),
        (1_767_225_600, "2026-01-01T00:00:00.000Z"),
        (4_107_542_400, "2100-03-01T00:00:00.000Z"),
    ] {
        assert_eq!(Timestamp(UNIX_EPOCH + Duration::from_secs(seconds)).to_string(), text);
    }
    let before = UNIX_EPOCH - Duration::from_secs(1);
    assert_eq!(Timestamp(before).to_string(), "1970-01-01T00:00:00.000Z");
}

#[test]
fn days_follow_each_other_for_four_centuries() {
    let mut last = date(0);
    for day in 1..=146_097 {
        let next = date(day);
        let in_month = next.0 == last.0 && next.1 == last.1 && next.2 == last.2 + 1;
        let new_month = next.2 == 1
            && (28..=31).contains(&last.2)
            && ((next.0 == last.0 && next.1 == last.1 + 1)
                || (next.0 == last.0 + 1 && (last.1, next.1) == (12, 1)));
        assert!(in_month || new_month, "{last:?} {next:?}");
        last = next;
    }
    assert_eq!(last, (2370, 1, 1));
}

#[test]
fn long_text_is_cut_between_characters() {
    let mut text = Bounded::default();
    for _ in 0..VALUE_BYTES_MAX {
        if text.write_str("aü").is_err() {
            break;
        }
    }
    let text = text.finish();
    assert!(text.len() <= VALUE_BYTES_MAX + CUT.len());
    assert!(text.ends_with(CUT));
    let mut exact = Bounded::default();
    exact.write_str(&"x".repeat(VALUE_BYTES_MAX)).unwrap();
    assert!(!exact.finish().ends_with(CUT));
}

proptest! {
    #[test]
    fn any_line_is_one_json_object_on_one_line(message: String, key in 0..RESERVED.len(), text: String) {
        let fields = vec![(RESERVED[key], Value::from(text.clone()))];
        let json = line(&message, fields).format(Format::Json);
        prop_assert_eq!(json.find('\n'), Some(json.len() - 1));
        let read: Value = serde_json::from_str(&json).unwrap();
        prop_assert!(read["message"].as_str().unwrap().starts_with(&message));
        prop_assert_eq!(read[format!("{}_", RESERVED[key])].as_str(), Some(text.as_str()));
    }
}
