//! Numbers against what Java made of the same texts.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// `[text, bits of the double in hexadecimal or NaN, (int) of it]` from `Double.parseDouble`
/// of OpenJDK 17, or `[text, null]` where it threw.
const RECORDED: &str = include_str!("recorded.jsonl");

#[test]
fn doubles_read_as_in_java() {
    for row in RECORDED.lines() {
        let row: Value = serde_json::from_str(row).unwrap();
        let text = row[0].as_str().unwrap();
        let found = java_double(text);
        match row[1].as_str() {
            None => assert_eq!(found, None, "for {text:?}"),
            Some("NaN") => assert!(found.unwrap().is_nan(), "for {text:?}"),
            Some(bits) => {
                let found = format!("{:x}", found.unwrap().to_bits());
                assert_eq!(found, bits, "for {text:?}");
                let int = JavaValue::convert(text).as_int().map(i64::from);
                assert_eq!(int, row[2].as_i64(), "for {text:?}");
            }
        }
    }
}

#[test]
fn option_values_become_json_as_vertx_has_it() {
    assert_eq!(JavaValue::convert("TRUE"), JavaValue::Bool(true));
    assert_eq!(JavaValue::convert("False"), JavaValue::Bool(false));
    assert_eq!(JavaValue::convert("true "), JavaValue::Text("true ".into()));
    assert_eq!(JavaValue::convert("1e3").as_int(), Some(1000));
    assert_eq!(JavaValue::convert("10d").as_int(), Some(10));
    assert_eq!(JavaValue::convert("0x1p4").as_int(), Some(16));
    assert_eq!(JavaValue::convert("NaN").as_int(), Some(0));
    assert_eq!(JavaValue::convert("1e99").as_int(), Some(i32::MAX));
    assert_eq!(JavaValue::convert("0.0.0.0"), JavaValue::Text("0.0.0.0".into()));
    assert_eq!(JavaValue::convert("SECONDS").as_text(), Some("SECONDS"));
    assert_eq!(JavaValue::convert("").as_text(), Some(""));
    assert_eq!(JavaValue::convert("5").as_bool(), None);
}

#[test]
fn integers_are_decimal_without_blanks() {
    assert_eq!(decimal("8080"), Some(8080));
    assert_eq!(decimal("+5"), Some(5));
    assert_eq!(decimal("-1"), Some(-1));
    for text in ["", " 1", "1 ", "0x10", "1e3", "1_000", "abc", "9223372036854775808", "-", "+"] {
        assert_eq!(decimal(text), None, "{text:?}");
    }
}

#[test]
fn only_the_word_true_is_true() {
    assert!(flag("true") && flag("TRUE") && flag("True"));
    assert!(!flag("yes") && !flag("1") && !flag(" true") && !flag("") && !flag("false"));
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC*", sticky in "[-+]?(0x)?[0-9a-fA-F.]{0,60}[pPeE]?[-+]?[0-9]{0,30}[dDfF]?") {
        let _ = java_double(&text);
        let _ = java_double(&sticky);
    }

    #[test]
    fn every_double_comes_back(value in any::<f64>()) {
        let written = format!("{value:e}");
        prop_assume!(value.is_finite());
        prop_assert_eq!(java_double(&written).map(f64::to_bits), Some(value.to_bits()));
    }
}
