//! The pass in blocks against the scanner, which goes token by token: one passes what the other passes.

use proptest::prelude::*;
use serde_json::Value;

use super::super::{NESTING_MAX, Scanner};
use super::*;

#[track_caller]
fn agree(text: &[u8], nesting_max: usize) {
    let mut scanner = Scanner::new(text, nesting_max);
    let expected = scanner.containers().ok().map(|()| scanner.at());
    let shown = String::from_utf8_lossy(text);
    assert_eq!(container(text, nesting_max), expected, "{shown}");
}

/// The text as an element and as a member, each at every distance from the end of a block.
fn agree_at_each_place(text: &[u8]) {
    for blanks in 0..=BLOCK {
        let room = " ".repeat(blanks);
        for (before, after) in [
            ("[", "]"),
            ("{\"k\":", "}"),
            ("[0,", ",0]"),
            ("[\"", "\"]"),
            ("{", ":1}"),
            ("{\"k\":[1", "]}"),
        ] {
            agree(&[room_in(before, &room).as_bytes(), text, after.as_bytes()].concat(), 9);
        }
    }
}

/// With the room after the bracket, where blanks may stand.
fn room_in(before: &str, room: &str) -> String {
    let (bracket, rest) = before.split_at(1);
    format!("{bracket}{room}{rest}")
}

#[test]
fn tokens_at_each_place_of_a_block() {
    let long = "x".repeat(200);
    let number = "1234567890".repeat(15);
    for text in [
        "",
        "0",
        "-0",
        "00",
        "01",
        "-01",
        "-",
        "--1",
        "+1",
        "10",
        "1.5",
        "-1.5",
        "1.",
        ".5",
        "1..5",
        "1.5.5",
        "0.0",
        "0.05",
        "1e5",
        "1E5",
        "1e+5",
        "1e-05",
        "1e",
        "1e+",
        "1e+-5",
        "1e5e5",
        "1e5.5",
        "1.5e5",
        "1.5e5e",
        "1.e5",
        "1-5",
        "1+5",
        "1e5-5",
        "-e5",
        "e5",
        "1f",
        "true",
        "false",
        "null",
        "tru",
        "truex",
        "truefalse",
        "true1",
        "1true",
        "-true",
        "True",
        "nullnull",
        "null null",
        "\"\"",
        "\"a\"",
        "\"a\"\"b\"",
        "\"a\"1",
        "1\"a\"",
        "\"\\\"\"",
        "\"\\\\\"",
        "\"\\\\\\\"\"",
        "\"\\u00e9\\n\\/\"",
        "\"\\u00g9\"",
        "\"\\u00\"",
        "\"\\x\"",
        "\\",
        "\\\"",
        "\"a\nb\"",
        "\u{1}",
        "\u{b}",
        "\u{7f}",
        "\u{e9}",
        "\"\u{e9}\u{1F600}\"",
        "[]",
        "{}",
        "[}",
        "{]",
        "[[]",
        "[]]",
        "{}}",
        "[,]",
        "{,}",
        "[1,]",
        "[1 2]",
        "[1,,2]",
        "{\"a\":1}",
        "{\"a\":1,}",
        "{\"a\":1,\"b\":[]}",
        "{\"a\" : 1 , \"b\" : { } }",
        "{\"a\":1 \"b\":2}",
        "{\"a\",1}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\"::1}",
        "{\"a\":1:2}",
        "{:1}",
        "{1:1}",
        "{null:1}",
        "{[]:1}",
        "{{}:1}",
        "{\"a\":\"b\":1}",
        "[\"a\":1]",
        "[:]",
        "[{\"a\":[1,{\"b\":2}]},3]",
        ",",
        ":",
        "1,2",
        "1:2",
        "1 , 2",
        "1\t,\r\n2",
        "1\u{b},2",
        "\"k\"",
        "\"k\":1,\"l\"",
        "\"k\" \n:\t1\r,\"l\"",
        &format!("\"{long}\""),
        &format!("\"{long}\\u12\""),
        &format!("\"{long}\u{1}{long}\""),
        &format!("{{\"{long}\":\"{long}\"}}"),
        &format!("{{\"{long}\",\"{long}\"}}"),
        &format!("[\"{long}\":\"{long}\"]"),
        &format!("1\"{long}\""),
        &format!("\"{long}\"1"),
        &number,
        &format!("0{number}"),
        &format!("{number}.{number}e{number}"),
        &format!("{number}.{number}.{number}"),
        &format!("1e{number}e{number}"),
        &format!("1e{number}.{number}"),
        &"[".repeat(8),
        &["[".repeat(8), "]".repeat(8)].concat(),
        &["[".repeat(9), "]".repeat(9)].concat(),
        &format!("1{}2", " ".repeat(130)),
        &format!("\"k\"{}:{0}1", " ".repeat(130)),
        &format!("1{},{0}2", "\n".repeat(70)),
    ] {
        agree_at_each_place(text.as_bytes());
    }
}

/// All ways to put five of these together in an array and in an object.
#[test]
fn all_short_rows_of_tokens() {
    const TOKENS: [&str; 13] =
        ["{", "}", "[", "]", ":", ",", "\"k\"", "0", "7", "-", ".", "e", "null"];
    const LENGTH: u32 = 5;
    let mut text = Vec::new();
    for row in 0..TOKENS.len().pow(LENGTH) {
        for before in ["[", "{\"k\":"] {
            text.clear();
            text.extend_from_slice(before.as_bytes());
            let mut rest = row;
            for _ in 0..LENGTH {
                text.extend_from_slice(TOKENS[rest % TOKENS.len()].as_bytes());
                rest /= TOKENS.len();
            }
            text.extend_from_slice(if before == "[" { b"]" } else { b"}" });
            agree(&text, 9);
        }
    }
}

#[test]
fn nesting_is_bounded() {
    for depth in [1, 2, 63, 64, 65, 127, 128, 129, NESTING_MAX, NESTING_MAX + 1, 5_000] {
        for nesting_max in [1, 64, 65, 128, NESTING_MAX] {
            agree(["[".repeat(depth), "]".repeat(depth)].concat().as_bytes(), nesting_max);
            let objects = ["{\"a\":".repeat(depth), "1".into(), "}".repeat(depth)].concat();
            agree(objects.as_bytes(), nesting_max);
            let mixed = ["[{\"a\":".repeat(depth), "1".into(), "}]".repeat(depth)].concat();
            agree(mixed.as_bytes(), nesting_max);
            agree(mixed.replace("}]}]", "}]]}").as_bytes(), nesting_max);
        }
    }
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-9i64..9).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-9.0f64..9.0).prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        "[\"\\\\a-z\u{1}\u{e9} ]{0,90}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 80, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(".{0,4}", inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_a_writer_writes_is_passed(value in json(), pretty: bool, after in ".{0,70}") {
        let value = Value::Array(vec![value]);
        let text = if pretty { format!("{value:#}") } else { value.to_string() };
        let with_more = format!("{text}{after}");
        prop_assert_eq!(container(with_more.as_bytes(), NESTING_MAX), Some(text.len()));
    }

    /// A few bytes of it changed, left out or put in: whatever that makes of it.
    #[test]
    fn what_is_almost_json_is_judged_alike(
        value in json(),
        pretty: bool,
        changes in proptest::collection::vec(
            (any::<prop::sample::Index>(), 0..3u8, prop::sample::select(&b"{}[]:,\"\\ \n\x01-+.eE0179tfnu\xc3"[..])),
            1..4,
        ),
    ) {
        let value = Value::Array(vec![value]);
        let mut text = if pretty { format!("{value:#}") } else { value.to_string() }.into_bytes();
        for (place, change, byte) in changes {
            let place = place.index(text.len());
            match change {
                0 => text[place] = byte,
                1 => text.insert(place, byte),
                _ if text.len() > 1 => drop(text.remove(place)),
                _ => {}
            }
        }
        if text.first().is_some_and(|first| matches!(first, b'[' | b'{')) {
            agree(&text, NESTING_MAX);
        }
    }
}
