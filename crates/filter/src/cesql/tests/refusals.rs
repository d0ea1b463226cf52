//! What does not compile, and what its error says.

use super::super::{CesqlError, EXPRESSION_BYTES_MAX, Expression, Mode, NESTING_MAX, parse};
use super::{JSON, with_event};

#[track_caller]
fn refused(expression: &str, mode: Mode) -> CesqlError {
    match Expression::compile(expression, mode) {
        Ok(compiled) => panic!("{expression} compiled to {compiled:?}"),
        Err(error) => error,
    }
}

#[test]
fn syntax_errors_say_where_and_what() {
    let table = [
        ("", "character 1: expected a value, an attribute, a function, NOT, - or (, found the end"),
        ("type = ", "character 8: expected a value"),
        ("type 'x'", "character 6: expected an operator or the end, found 'x'"),
        ("(type = 'ü' OR", "character 15: expected a value"),
        ("('ü' = type", "character 12: expected an operator or ), found the end"),
        ("type = = 'x'", "character 8: expected a value"),
        ("type LIKE id", "character 11: expected a quoted pattern after LIKE, found id"),
        ("type IN 'x'", "character 9: expected ( after IN, found 'x'"),
        ("type IN ()", "character 10: expected a value"),
        ("type IN ('x'", "character 13: expected an operator, a comma or ), found the end"),
        ("type NOT = 'x'", "character 10: expected LIKE or IN after NOT, found ="),
        ("EXISTS 'x'", "character 8: expected an attribute after EXISTS, found 'x'"),
        ("EXISTS in", "character 8: expected an attribute after EXISTS, found in"),
        ("ABS(1,)", "character 7: expected a value"),
        ("my_ext = 'x'", "character 1: expected a value"),
        ("ext1(2)", "character 5: expected an operator or the end, found ("),
        ("type = 'x", "character 8: the text that begins here has no end"),
        (r"type = 'x\'", "character 8: the text that begins here has no end"),
        ("2147483648", "character 1: 2147483648 is not between"),
        ("1 + -2147483649", "character 5: -2147483649 is not between"),
        ("AND", "character 1: expected a value"),
    ];
    for (expression, message) in table {
        for mode in [Mode::Lax, Mode::Strict] {
            let error = refused(expression, mode).to_string();
            assert!(error.contains(message), "{expression}: {error}");
        }
    }
}

#[test]
fn unknown_characters_are_skipped_as_in_java_or_refused() {
    for expression in ["id = '1';", "{id} = '1'", "id\u{a0}= '1'", "$id = '1' ✓"] {
        let lax = parse::parse(expression, Mode::Lax).unwrap();
        assert_eq!(lax, parse::parse("id = '1'", Mode::Lax).unwrap());
        let error = refused(expression, Mode::Strict);
        assert!(matches!(error, CesqlError::Character { .. }), "{error}");
    }
    assert_eq!(
        refused("id = '1';", Mode::Strict),
        CesqlError::Character { position: 9, found: ';' }
    );
}

#[test]
fn correlation_ids_are_refused_clearly() {
    let error = refused("type = 'x' AND kn_verify_correlation_id(id, 'a')", Mode::Lax).to_string();
    assert!(error.contains("character 16: KN_VERIFY_CORRELATION_ID is not available"), "{error}");
}

#[test]
fn depth_and_length_are_bounded() {
    let deep = |levels: usize, open: &str, close: &str| {
        format!("{}1{}", open.repeat(levels), close.repeat(levels))
    };
    for (open, close) in [
        ("(", ")"),
        ("NOT ", ""),
        ("- ", ""),
        ("ABS(", ")"),
        ("1 IN (id, ", ")"),
        ("id + ", ""),
        ("", " LIKE 'x'"),
    ] {
        for mode in [Mode::Lax, Mode::Strict] {
            Expression::compile(&deep(NESTING_MAX / 2, open, close), mode).unwrap();
        }
        // What stands around `id` cannot be computed away.
        let text = deep(10_000, open, close).replace('1', "id");
        if text.len() <= EXPRESSION_BYTES_MAX {
            let error = refused(&text, Mode::Lax);
            assert!(matches!(error, CesqlError::TooDeep { .. }), "{open}: {error}");
        }
    }
    let chain = vec!["type = 'x'"; 4000].join(" OR ");
    Expression::compile(&chain, Mode::Lax).unwrap();
    let error = refused(&chain.repeat(2), Mode::Lax);
    assert!(matches!(error, CesqlError::TooLong { .. }), "{error}");
}

#[test]
fn the_deepest_expressions_need_little_stack() {
    let depths = [("(", ")"), ("NOT ", ""), ("ABS(", ")"), ("1 IN (id, ", ")"), ("id = ", "")];
    let work = move || {
        for (open, close) in depths {
            let deepest = (1..=NESTING_MAX).rev().find_map(|levels| {
                let text = format!("{}id{}", open.repeat(levels), close.repeat(levels));
                Expression::compile(&text, Mode::Lax).ok()
            });
            let deepest = deepest.unwrap();
            with_event(JSON, |event| deepest.passes(event));
        }
    };
    // Half of what threads get by default; optimised code needs far less.
    std::thread::Builder::new().stack_size(1024 * 1024).spawn(work).unwrap().join().unwrap();
}
