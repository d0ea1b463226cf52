//! Properties against what Java made of the same texts.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::Severity;

/// Texts and what `java.util.Properties.load` of OpenJDK 17 made of them: `[text, [[key,
/// value], …]]` in the order of first mention, or `[text, null]` where it threw.
const RECORDED: &str = include_str!("recorded.jsonl");

fn parse(text: &str) -> Result<Properties, PropertiesError> {
    Properties::parse(text, Origin::File("test.properties".into()))
}

fn pairs(properties: &Properties) -> Vec<(&str, &str)> {
    properties.entries().iter().map(|e| (e.key.as_str(), e.value.as_str())).collect()
}

#[test]
fn random_texts_read_as_in_java() {
    for row in RECORDED.lines() {
        let row: Value = serde_json::from_str(row).unwrap();
        let text = row[0].as_str().unwrap();
        let expected = row[1].as_array().map(|pairs| {
            pairs.iter().map(|p| (p[0].as_str().unwrap(), p[1].as_str().unwrap())).collect()
        });
        let found = parse(text).ok();
        assert_eq!(found.as_ref().map(pairs), expected, "for {text:?}");
    }
}

#[test]
fn the_forms_people_write() {
    let table: [(&str, &[(&str, &str)]); 16] = [
        ("acks=all\n", &[("acks", "all")]),
        (
            "acks:all\r\nretries 3\rlinger.ms\t=\t5",
            &[("acks", "all"), ("retries", "3"), ("linger.ms", "5")],
        ),
        ("  acks = all  \n", &[("acks", "all  ")]),
        ("list=a,\\\n     b,\\\r\n\tc\n", &[("list", "a,b,c")]),
        ("# comment \\\nacks=1\n! another\n", &[("acks", "1")]),
        ("a=1\\\n# no comment", &[("a", "1# no comment")]),
        ("key\\ with\\=signs\\:=v", &[("key with=signs:", "v")]),
        ("a=\\u0061\\t\\n\\\\", &[("a", "a\t\n\\")]),
        ("grin=\\ud83d\\ude00 \u{1f600}", &[("grin", "\u{1f600} \u{1f600}")]),
        ("half=\\ud83dx\\ude00", &[("half", "?x?")]),
        ("a==b=c", &[("a", "=b=c")]),
        ("lonely", &[("lonely", "")]),
        ("=nameless", &[("", "nameless")]),
        ("end=of file\\", &[("end", "of file")]),
        ("\u{feff}acks=1", &[("\u{feff}acks", "1")]),
        ("", &[]),
    ];
    for (text, expected) in table {
        assert_eq!(pairs(&parse(text).unwrap()), expected, "for {text:?}");
    }
}

#[test]
fn a_malformed_escape_refuses_the_file_and_names_the_line() {
    for text in ["a=1\nb=\\u12", "a=1\n\\u12g4=1", "a=1\nb=\\u+123", "\nb=1\\\n\\uuuuu"] {
        assert_eq!(parse(text), Err(PropertiesError::MalformedEscape { line: 2 }), "{text:?}");
    }
}

#[test]
fn the_last_duplicate_counts_and_the_others_are_named() {
    let properties = parse("a=1\nb=2\n\na=3\\\n4\na=5").unwrap();
    assert_eq!(pairs(&properties), [("a", "5"), ("b", "2")]);
    let entry = properties.entry("a").unwrap();
    assert_eq!((entry.line, entry.earlier.as_slice()), (6, [1, 4].as_slice()));
    let mut report = Report::new();
    properties.report_duplicates(&mut report);
    assert_eq!(
        report.to_string(),
        "warning: test.properties:6: a=5: stands more than once (also line 1, 4); \
         the last one counts\n"
    );
}

#[test]
fn lines_are_counted_through_comments_and_continuations() {
    let properties = parse("#\r\n\r\na=1\r\n\\\n  b=\\\n2\nc=3").unwrap();
    let lines: Vec<u32> = properties.entries().iter().map(|entry| entry.line).collect();
    assert_eq!(pairs(&properties), [("a", "1"), ("b", "2"), ("c", "3")]);
    assert_eq!(lines, [3, 5, 7]);
}

#[test]
fn a_missing_file_is_a_warning_and_empty() {
    let mut report = Report::new();
    let properties = Properties::load(Path::new("/nonexistent/p.properties"), &mut report).unwrap();
    assert!(properties.entries().is_empty());
    assert_eq!((report.count(Severity::Warning), report.has_errors()), (1, false));
    assert!(report.to_string().contains("/nonexistent/p.properties"));
}

#[test]
fn a_file_is_loaded_with_its_mistakes_reported() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("p.properties");
    std::fs::write(&path, b"a=\xff\xc3\xa9\na=2").unwrap();
    let mut report = Report::new();
    let properties = Properties::load(&path, &mut report).unwrap();
    assert_eq!(properties.value("a"), Some("2"));
    assert_eq!(report.count(Severity::Warning), 1);

    std::fs::write(&path, "ok=1\nbad=\\uXYZ0").unwrap();
    let mut report = Report::new();
    assert!(Properties::load(&path, &mut report).is_none());
    assert_eq!(report.count(Severity::Error), 1);
    assert_eq!(report.findings()[0].line, Some(2));
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC*[\\\\\r\n\t =:#u0-9a-f]*") {
        let _ = parse(&text);
    }

    #[test]
    fn what_is_escaped_comes_back(key in ".{1,12}", value in ".{0,12}") {
        let escape = |text: &str| -> String {
            text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect()
        };
        let properties = parse(&format!("{}={}", escape(&key), escape(&value))).unwrap();
        prop_assert_eq!(pairs(&properties), [(key.as_str(), value.as_str())]);
    }
}
