//! Casts and functions.

use super::super::TEXT_BYTES_MAX;
use super::super::value::Value;
use super::{evaluate, fails_with, integers, text, texts, truths, yields};

#[test]
fn casts() {
    yields(&integers([("INT('-7')", -7), ("INT(TRUE)", 1), ("int(3)", 3), ("INT('+2')", 2)]));
    yields(&truths([
        ("BOOL('TRUE')", true),
        ("BOOL(0)", false),
        ("BOOL(-1)", true),
        ("BOOL(FALSE)", false),
    ]));
    yields(&texts([("STRING(TRUE)", "true"), ("STRING(-3)", "-3"), ("STRING('x')", "x")]));
    yields(&truths([
        ("IS_INT('7')", true),
        ("IS_INT(7)", true),
        ("IS_INT('7.0')", false),
        ("IS_INT(TRUE)", false),
    ]));
    yields(&truths([
        ("IS_BOOL('FALSE')", true),
        ("IS_BOOL(TRUE)", true),
        ("IS_BOOL(1)", false),
        ("is_bool('x')", false),
    ]));
    fails_with(&integers([
        ("INT('x')", 0),
        ("INT('2147483648')", 0),
        ("INT('')", 0),
        ("INT(nosuch)", 0),
    ]));
    fails_with(&truths([("BOOL('x')", false), ("BOOL(nosuch)", false)]));
    fails_with(&texts([("STRING(nosuch)", "false")]));
}

#[test]
fn integer_and_text_functions() {
    yields(&integers([
        ("ABS(-3)", 3),
        ("ABS('3')", 3),
        ("ABS(0)", 0),
        ("ABS(-2147483647)", i32::MAX),
    ]));
    fails_with(&integers([("ABS(-2147483648)", i32::MAX), ("ABS('x')", 0)]));
    yields(&integers([
        ("LENGTH('abc')", 3),
        ("LENGTH('')", 0),
        ("LENGTH(text)", 5),
        ("LENGTH(TRUE)", 4),
    ]));
    yields(&texts([("CONCAT()", ""), ("CONCAT('a')", "a"), ("CONCAT('a', 1, TRUE)", "a1true")]));
    yields(&texts([
        ("CONCAT_WS(',')", ""),
        ("CONCAT_WS(',', 'a')", "a"),
        ("concat_ws('-', 1, 2)", "1-2"),
    ]));
    yields(&texts([("LOWER('AbC')", "abc"), ("LOWER('ÄB')", "äb"), ("LOWER('ab')", "ab")]));
    yields(&texts([("UPPER('AbC')", "ABC"), ("UPPER(text)", "GRÜSSE"), ("UPPER('AB')", "AB")]));
    yields(&texts([
        ("TRIM('  a b \t\n')", "a b"),
        ("TRIM('a')", "a"),
        ("TRIM(UPPER(' a '))", "A"),
    ]));
}

#[test]
fn parts_of_texts() {
    yields(&texts([("LEFT('abc', 2)", "ab"), ("LEFT('abc', 9)", "abc"), ("LEFT('', 0)", "")]));
    yields(&texts([
        ("LEFT(text, 3)", "Grü"),
        ("RIGHT(text, 3)", "üße"),
        ("RIGHT('abc', 2)", "bc"),
    ]));
    yields(&texts([("RIGHT('abc', 9)", "abc"), ("RIGHT('abc', 0)", ""), ("LEFT(1234, 2)", "12")]));
    fails_with(&texts([
        ("LEFT('abc', -2)", "abc"),
        ("RIGHT('abc', -1)", "abc"),
        ("LEFT('abc', 'x')", ""),
    ]));
    yields(&texts([("SUBSTRING('abcdef', 1)", "abcdef"), ("SUBSTRING('abcdef', 6)", "f")]));
    yields(&texts([("SUBSTRING('abcdef', -3)", "def"), ("SUBSTRING('abcdef', -6)", "abcdef")]));
    yields(&texts([("SUBSTRING('abcdef', 0)", ""), ("SUBSTRING('abcdef', 0, 1)", "")]));
    yields(&texts([("SUBSTRING('abcdef', 2, 4)", "bcde"), ("SUBSTRING('Sakila', -5, 3)", "aki")]));
    yields(&texts([("SUBSTRING('abc', 2, 2147483647)", "bc"), ("SUBSTRING('abc', 2, 0)", "")]));
    yields(&texts([("SUBSTRING(text, 3, 2)", "üß")]));
    fails_with(&texts([
        ("SUBSTRING('abc', 4)", ""),
        ("SUBSTRING('abc', -4)", ""),
        ("SUBSTRING('', 1)", ""),
    ]));
    fails_with(&texts([("SUBSTRING('abc', 1, -1)", ""), ("SUBSTRING('abc', -2147483648, 1)", "")]));
}

#[test]
fn functions_that_do_not_exist_are_false() {
    fails_with(&truths([("NOSUCH()", false), ("ABS(1, 2)", false), ("CONCAT_WS()", false)]));
    fails_with(&truths([("SUBSTRING('a')", false), ("NOT NOSUCH_AT_ALL(1)", true)]));
}

#[test]
fn joined_texts_are_bounded() {
    let big = "x".repeat(TEXT_BYTES_MAX / 2);
    let json = format!(r#"{{"specversion":"1.0","type":"t","source":"/s","id":"1","x":"{big}"}}"#);
    assert_eq!(evaluate("LENGTH(CONCAT(x, x))", &json), (Value::Integer(1_048_576), false));
    assert_eq!(evaluate("CONCAT(x, x, 'y')", &json), (text(""), true));
    assert_eq!(evaluate("CONCAT_WS('-', x, x)", &json), (text(""), true));
}
