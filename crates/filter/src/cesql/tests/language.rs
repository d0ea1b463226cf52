//! Literals, attributes, operators, and the two modes.

use super::super::expr::Expr;
use super::super::value::Value;
use super::super::{Expression, Mode, parse};
use super::{JSON, evaluate, fails_with, integers, text, texts, truths, with_event, yields};
use crate::attribute::Attribute;

#[test]
fn literals() {
    yields(&integers([("0", 0), ("12", 12), ("-12", -12), ("+7", 7), ("007", 7)]));
    yields(&integers([("2147483647", i32::MAX), ("-2147483648", i32::MIN)]));
    yields(&truths([("TRUE", true), ("false", false), ("tRuE", true)]));
    yields(&texts([("'a'", "a"), ("\"a\"", "a"), ("''", ""), ("'aB c'", "aB c")]));
    yields(&texts([(r"'it\'s'", "it's"), (r#""a\"b""#, "a\"b"), (r#"'a"b'"#, "a\"b")]));
    // As in Java a doubled quote does not end the text, and both stay.
    yields(&texts([("'a''b'", "a''b"), (r"'a\\b'", r"a\\b"), (r"'\n'", r"\n"), ("'\n'", "\n")]));
}

#[test]
fn attributes() {
    yields(&texts([("specversion", "1.0"), ("id", "123-42"), ("source", "/src")]));
    yields(&texts([("type", "com.acme.created"), ("datacontenttype", "text/plain")]));
    yields(&texts([("dataschema", "/schema"), ("text", "Grüße"), ("empty", "")]));
    yields(&integers([("number", 12)]));
    yields(&truths([("truth", true)]));
    fails_with(
        &["subject", "nosuch", "ID", "Number", "schemaurl", "1a"].map(|it| (it, Value::Missing)),
    );
}

#[test]
fn typed_extensions_and_long_ones() {
    yields(&truths([("number = 12", true), ("number + 1 = 13", true), ("truth", true)]));
    yields(&truths([("'12' = number", true), ("number LIKE '1_'", true)]));
}

#[test]
fn attributes_of_version_03() {
    let json = r#"{"specversion":"0.3","type":"t","source":"/s","id":"1","schemaurl":"/schema"}"#;
    let table =
        [("EXISTS schemaurl", true), ("EXISTS dataschema", false), ("specversion = '0.3'", true)];
    for (expression, truth) in table {
        assert_eq!(evaluate(expression, json), (Value::Boolean(truth), false), "{expression}");
    }
    assert_eq!(evaluate("dataschema", json), (Value::Missing, true));
    assert_eq!(evaluate("schemaurl", json), (Value::Missing, true));
}

#[test]
fn time_has_the_form_of_the_mode() {
    let cases = [
        ("2020-01-01T01:00:00+01:00", "2020-01-01T01:00+01:00"),
        ("2020-01-01T01:00:01Z", "2020-01-01T01:00:01Z"),
        ("2020-01-01T01:00:00.12Z", "2020-01-01T01:00:00.120Z"),
        ("2020-01-01T01:00:59.1234-05:30", "2020-01-01T01:00:59.123400-05:30"),
        ("2020-01-01T01:00:00.000Z", "2020-01-01T01:00Z"),
    ];
    for (sent, java) in cases {
        let json =
            format!(r#"{{"specversion":"1.0","type":"t","source":"/s","id":"1","time":"{sent}"}}"#);
        assert_eq!(evaluate("time", &json), (text(java), false), "{sent}");
        let strict = with_event(&json, |event| {
            let own = format!("time = '{}'", event.time().unwrap());
            Expression::compile(&own, Mode::Strict).unwrap().passes(event)
        });
        assert!(strict, "{sent}");
    }
}

#[test]
fn arithmetic_wraps_and_truncates() {
    yields(&integers([("4 + 1", 5), ("4 - 1", 3), ("4-1", 3), ("4 -1", 3), ("4 * -2", -8)]));
    yields(&integers([("5 / 3", 1), ("-5 / 3", -1), ("5 / -3", -1), ("-5 / -3", 1)]));
    yields(&integers([("5 % 3", 2), ("-5 % 3", -2), ("5 % -3", 2), ("-5 % -3", -2)]));
    yields(&integers([("2147483647 + 1", i32::MIN), ("-2147483648 - 1", i32::MAX)]));
    yields(&integers([("-2147483648 / -1", i32::MIN), ("-2147483648 % -1", 0)]));
    yields(&integers([("65536 * 65536", 0), ("- -2147483648", i32::MIN), ("--10", 10)]));
    yields(&integers([("'5' + '3'", 8), ("5 + TRUE", 6), ("-'10'", -10), ("-TRUE", -1)]));
    fails_with(&integers([("1 / 0", 0), ("1 % 0", 0), ("'x' + 3", 3), ("-'x'", 0)]));
    fails_with(&integers([
        ("nosuch + 5", 0),
        ("5 - nosuch", 0),
        ("-nosuch", 0),
        ("nosuch / 0", 0),
    ]));
}

#[test]
fn comparisons_cast_the_left_side() {
    yields(&truths([("1 = 1", true), ("1 != 1", false), ("1 <> 2", true), ("'a' = 'a'", true)]));
    yields(&truths([("'a' = 'A'", false), ("TRUE = 'true'", true), ("'TRUE' = TRUE", true)]));
    yields(&truths([("TRUE = 'TRUE'", false), ("5 = TRUE", true), ("TRUE = 5", false)]));
    yields(&truths([("'07' = 7", true), ("7 = '07'", false), ("digits = 7", true)]));
    yields(&truths([("1 < 2", true), ("2 < 2", false), ("2 <= 2", true), ("2 > 1", true)]));
    yields(&truths([("2 >= 3", false), ("'10' > '9'", true), ("TRUE > FALSE", true)]));
    fails_with(&truths([("'x' = 0", true), ("'x' = FALSE", true), ("'x' < 1", true)]));
    fails_with(&truths([
        ("nosuch = 'x'", false),
        ("nosuch != 'x'", false),
        ("'x' <> nosuch", false),
    ]));
    fails_with(&truths([("nosuch < 1", false), ("1 > nosuch", false), ("nosuch = nosuch", false)]));
}

#[test]
fn logic_goes_to_the_right_on_one_level() {
    yields(&truths([("TRUE AND FALSE", false), ("FALSE OR TRUE", true), ("TRUE XOR TRUE", false)]));
    yields(&truths([("'true' AND 1", true), ("0 OR 'FALSE'", false), ("TRUE XOR 0", true)]));
    // To the left these would be the opposite.
    yields(&truths([("TRUE OR FALSE AND FALSE", true), ("FALSE AND FALSE OR TRUE", false)]));
    yields(&truths([("TRUE XOR TRUE OR TRUE", false), ("(TRUE XOR TRUE) OR TRUE", true)]));
    // What is not needed is not evaluated.
    yields(&truths([("FALSE AND 1 / 0 = 0", false), ("TRUE OR nosuch", true)]));
    fails_with(&truths([
        ("TRUE AND 1 / 0 = 0", true),
        ("'x' OR TRUE", true),
        ("'x' AND TRUE", false),
    ]));
}

#[test]
fn missing_stays_missing_through_and_and_or() {
    fails_with(&truths([("NOT nosuch", false), ("NOT (nosuch AND TRUE)", false)]));
    fails_with(&truths([("NOT (TRUE AND nosuch)", false), ("NOT (FALSE OR nosuch)", false)]));
    fails_with(&truths([("NOT (nosuch XOR FALSE)", true), ("NOT (FALSE XOR nosuch)", true)]));
    fails_with(&truths([("NOT (nosuch = 'x')", true), ("NOT (nosuch OR FALSE)", true)]));
}

#[test]
fn a_prefix_takes_all_that_follows() {
    yields(&truths([("NOT FALSE", true), ("NOT 'TRUE'", false), ("NOT 10", false)]));
    yields(&truths([("NOT FALSE AND FALSE", true), ("(NOT FALSE) AND FALSE", false)]));
    yields(&truths([("TRUE = NOT 1 = 2", true), ("NOT type LIKE 'x%'", true)]));
    yields(&integers([("- 5 + 3", -8), ("-5 + 3", -2), ("-(5) + 3", -8), ("2 * - 3 + 4", -14)]));
}

#[test]
fn operators_bind_as_documented() {
    yields(&integers([("4 * 2 + 4 / 2", 10), ("4 * (2 + 4) / 2", 12), ("10 - 3 - 2", 5)]));
    yields(&integers([
        ("2 + 3 * 4 % 5", 4),
        ("20 / 2 / 5", 2),
        ("5 - -3 + 1", 9),
        ("1 + 1 IN (1)", 2),
    ]));
    yields(&truths([("1 + 1 = 2 AND 3 > 2", true), ("1 = 2 = FALSE", true)]));
    yields(&truths([("'false' = 'x' LIKE 'y'", true), ("TRUE = 'a' LIKE 'a'", true)]));
    yields(&truths([("1 LIKE '1' IN (TRUE)", true)]));
}

#[test]
fn like() {
    yields(&truths([("'abc' LIKE 'abc'", true), ("'abc' LIKE 'ab'", false), ("'' LIKE ''", true)]));
    yields(&truths([("'abc' NOT LIKE 'abc'", false), ("'abc' LIKE 'ABC'", false)]));
    yields(&truths([("'' LIKE '%'", true), ("'abc' LIKE '%'", true), ("'abc' LIKE 'a%c'", true)]));
    yields(&truths([
        ("'ac' LIKE 'a%c'", true),
        ("'abcb' LIKE 'a%c'", false),
        ("'a' LIKE 'a%a'", false),
    ]));
    yields(&truths([("'azbzc' LIKE 'a%b%c'", true), ("'abab' LIKE '%ab'", true)]));
    yields(&truths([
        ("'aXbYab' LIKE 'a%b%ab'", true),
        ("'ab' LIKE '%%'", true),
        ("'ab' LIKE 'a%b%b'", false),
    ]));
    yields(&truths([
        ("'abc' LIKE 'a_c'", true),
        ("'ac' LIKE 'a_c'", false),
        ("'' LIKE '_'", false),
    ]));
    yields(&truths([
        ("'üb' LIKE '_b'", true),
        ("'a.c' LIKE 'a.c'", true),
        ("'abc' LIKE 'a.c'", false),
    ]));
    yields(&truths([
        ("'xaybz' LIKE '%a_b%'", true),
        ("'xaab' LIKE '%a_b'", true),
        ("'xab' LIKE '%a_b'", false),
    ]));
    yields(&truths([
        ("'aab' LIKE '%_b'", true),
        ("'b' LIKE '%_b'", false),
        ("'zazaab' LIKE '%_aa_%'", true),
    ]));
    yields(&truths([(r"'a%c' LIKE 'a\%c'", true), (r"'abc' LIKE 'a\%c'", false)]));
    yields(&truths([(r"'a_c' LIKE 'a\_c'", true), (r"'abc' LIKE 'a\_c'", false)]));
    yields(&truths([(r"'a\c' LIKE 'a\c'", true), (r"'a\\' LIKE 'a\\'", true)]));
    yields(&truths([
        ("234 LIKE '23_'", true),
        ("TRUE LIKE 'tr%'", true),
        ("FALSE LIKE 'fal%'", true),
    ]));
    // Line breaks stand for themselves only.
    yields(&truths([
        ("lines LIKE 'a%b'", false),
        ("lines LIKE 'a_b'", false),
        ("lines LIKE '%'", false),
    ]));
    yields(&truths([
        ("lines LIKE 'a\nb'", true),
        ("lines LIKE '%\n%'", true),
        ("lines LIKE 'a%'", false),
    ]));
    // A missing attribute reads `false`.
    fails_with(&truths([
        ("nosuch LIKE '%'", true),
        ("nosuch LIKE 'f%'", true),
        ("nosuch NOT LIKE 'x'", true),
    ]));
}

#[test]
fn exists() {
    yields(&truths([("EXISTS subject", false), ("EXISTS time", true), ("EXISTS empty", true)]));
    yields(&truths([("EXISTS ID", true), ("exists SpecVersion", true), ("EXISTS number", true)]));
    yields(&truths([
        ("EXISTS nosuch", false),
        ("NOT EXISTS nosuch", true),
        ("EXISTS schemaurl", false),
    ]));
    yields(&truths([("EXISTS type AND FALSE", false)]));
}

#[test]
fn in_casts_the_members() {
    yields(&truths([("1 IN (1, 2)", true), ("3 IN (1, 2)", false), ("3 NOT IN (1, 2)", true)]));
    yields(&truths([("'a' IN ('b', 'a')", true), ("'1' IN (1)", true), ("1 IN ('01')", true)]));
    yields(&truths([
        ("TRUE IN ('true')", true),
        ("type IN ('x', type)", true),
        ("1 IN (2 - 1)", true),
    ]));
    // Nothing after the first match is evaluated.
    yields(&truths([("1 IN (1, 1 / 0)", true)]));
    fails_with(&truths([
        ("0 IN ('x')", true),
        ("1 IN ('x')", false),
        ("'false' IN (nosuch)", true),
    ]));
    fails_with(&truths([
        ("nosuch IN ('x')", true),
        ("nosuch IN ('true')", false),
        ("nosuch IN (0)", true),
    ]));
}

#[test]
fn constants_are_computed_while_compiling() {
    let root = |expression| parse::parse(expression, Mode::Strict).unwrap();
    assert_eq!(root("LOWER('ABC') LIKE 'a%' AND EXISTS id"), Expr::Constant(Value::Boolean(true)));
    assert_eq!(root("CONCAT('a', 1 + 2)"), Expr::Constant(text("a3")));
    assert_eq!(root("-(-3)"), Expr::Constant(Value::Integer(3)));
    // Errors have to come up in every evaluation.
    assert!(matches!(root("1 / 0"), Expr::Arithmetic(..)));
    assert_eq!(root("(id)"), Expr::Attribute(Attribute::Id));
}

#[test]
fn strict_mode_wants_a_boolean_without_errors() {
    let table = [
        ("TRUE", true),
        ("type = 'com.acme.created'", true),
        ("'TRUE'", false),
        ("1", false),
        ("NOT (nosuch = 'x')", false),
        ("nosuch = 'x' OR TRUE", false),
        ("TRUE OR nosuch = 'x'", true),
        ("NOT EXISTS nosuch", true),
        ("1 / 0 = 0", false),
        ("'x' = 0", false),
        ("NOSUCH() = FALSE", false),
        ("0 IN ('x', 0)", false),
    ];
    for (expression, passes) in table {
        let compiled = Expression::compile(expression, Mode::Strict).unwrap();
        with_event(JSON, |event| assert_eq!(compiled.passes(event), passes, "{expression}"));
    }
}
