//! The scanner and the string forms against tables and against another parser.

use proptest::prelude::*;

use super::*;

fn is_json(text: &[u8]) -> bool {
    let mut scanner = Scanner::new(text, NESTING_MAX);
    scanner.skip_blanks();
    let ok = scanner.value().is_ok();
    scanner.skip_blanks();
    ok && scanner.at() == text.len()
}

#[test]
fn grammar_table() {
    for yes in [
        "0",
        "-0",
        "10",
        "-1.5",
        "1e3",
        "1E+3",
        "1.0e-30",
        "true",
        "false",
        "null",
        "\"\"",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"",
        "\"\\ud800\"",
        "[]",
        "{}",
        "[ ]",
        "{ }",
        "[1,2]",
        "[[],{},[{}]]",
        "{\"a\":1,\"a\":[{\"b\":null}]}",
        " \t\r\n{ \"a\" : [ 1 , 2 ] } ",
        "\"0123456789abcdef\u{e9}\u{1F600} more than one block of text\"",
    ] {
        assert!(is_json(yes.as_bytes()), "{yes}");
    }
    for no in [
        "",
        " ",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "1e+",
        "+1",
        "0x1",
        "tru",
        "truex",
        "True",
        "nul",
        "\"",
        "\"\\",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"a\nb\"",
        "\"\u{1f}\"",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{a:1}",
        "{\"a\" 1}",
        "{\"a\":1]",
        "[1}",
        "{,}",
        "1 2",
        "'a'",
        "NaN",
        "\u{feff}1",
        "/**/1",
    ] {
        assert!(!is_json(no.as_bytes()), "{no}");
    }
}

#[test]
fn nesting_is_bounded_for_both_brackets() {
    for depth in [1, 63, 64, 65, NESTING_MAX, NESTING_MAX + 1, 100_000] {
        let arrays = ["[".repeat(depth), "]".repeat(depth)].concat();
        let objects = ["{\"a\":".repeat(depth), "1".into(), "}".repeat(depth)].concat();
        assert_eq!(is_json(arrays.as_bytes()), depth <= NESTING_MAX, "{depth}");
        assert_eq!(is_json(objects.as_bytes()), depth <= NESTING_MAX, "{depth}");
    }
}

#[test]
fn a_string_end_is_found_at_every_distance() {
    for length in 0..80 {
        let text = format!("\"{}\" ", "x".repeat(length));
        let mut scanner = Scanner::new(text.as_bytes(), 1);
        assert_eq!(scanner.value().map(|value| value.span), Ok(0..length + 2));
        let bad = format!("\"{}\u{1}{}\"", "é".repeat(length), "y".repeat(20));
        assert!(!is_json(bad.as_bytes()), "{length}");
    }
}

#[test]
fn a_number_end_is_found_at_every_distance() {
    for length in 1..40 {
        for filler in 0..=u8::MAX {
            let digits = "7".repeat(length);
            let text = [digits.as_bytes(), &[filler][..], &b" ".repeat(20)].concat();
            let value = Scanner::new(&text, 1).value();
            match filler {
                b'0'..=b'9' => assert_eq!(value.map(|value| value.span), Ok(0..length + 1)),
                b'.' | b'e' | b'E' => assert!(value.is_err(), "{filler} after {length}"),
                _ => assert_eq!(value.map(|value| value.span), Ok(0..length)),
            }
        }
    }
}

#[test]
fn single_values_must_be_utf8_and_alone() {
    assert_eq!(single_value(b" {\"a\": 1}\n"), Some("{\"a\": 1}"));
    for no in [&b""[..], b"hello", b"{oops", b"1 1", b"\"\xff\""] {
        assert_eq!(single_value(no), None);
    }
    // Inside an event's object there is one level less.
    let deepest = ["[".repeat(NESTING_MAX - 1), "]".repeat(NESTING_MAX - 1)].concat();
    assert!(single_value(deepest.as_bytes()).is_some());
    assert!(single_value(format!("[{deepest}]").as_bytes()).is_none());
}

#[test]
fn strings_unescape_and_refuse_half_characters() {
    let mut out = String::new();
    unescape("a\\u00e9\\ud83d\\ude00\\n\\/\\\"\\\\z", &mut out).unwrap();
    assert_eq!(out, "aé😀\n/\"\\z");
    for half in ["\\ud800", "\\ud800x", "\\udc00", "\\ud800\\n", "\\ud800\\ud800"] {
        assert!(unescape(half, &mut String::new()).is_err(), "{half}");
    }
}

#[test]
fn compact_drops_blanks_and_normalises_strings() {
    let mut out = String::new();
    compact(
        "{ \"a b\" : [ 1.50 , \"\\u00e9\\/ \\\" \\\\\" , \"\\ud800\" ] ,\n\"\\u001f\":null}",
        &mut out,
    );
    assert_eq!(out, "{\"a b\":[1.50,\"é/ \\\" \\\\\",\"\\ud800\"],\"\\u001F\":null}");
}

proptest! {
    #[test]
    fn scanner_agrees_with_serde_json_on_soup(text in "[\\[\\]{}:,\"\\\\ a0-9eE.+tfn-]{0,24}") {
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        // Out-of-range numbers are a matter of that parser's types, not of grammar.
        let range = theirs.as_ref().is_err_and(|error| error.to_string().contains("out of range"));
        prop_assert_eq!(is_json(text.as_bytes()), theirs.is_ok() || (range && is_json(text.as_bytes())));
    }

    #[test]
    fn escape_then_unescape_is_identity(text in any::<String>()) {
        let mut escaped = String::new();
        escape(&text, |piece| escaped.push_str(piece));
        let quoted = format!("\"{escaped}\"");
        prop_assert!(is_json(quoted.as_bytes()));
        prop_assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), text.clone());
        let mut back = String::new();
        unescape(&escaped, &mut back).unwrap();
        prop_assert_eq!(back, text);
    }
}
