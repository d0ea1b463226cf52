//! Properties: nothing panics, and the flat evaluation of `AND`, `OR`, `XOR` agrees with a model
//! that recurses as the language is defined.

use millrace_event::{Event, Scratch, decode_http};
use millrace_filter::{Filter, Mode};
use proptest::prelude::*;

fn with_event<T>(then: impl FnOnce(&Event<'_>) -> T) -> T {
    let headers = [
        ("ce-specversion", "1.0"),
        ("ce-type", "true"),
        ("ce-source", "false"),
        ("ce-id", "a\u{e9}%_b"),
        ("ce-time", "2020-01-01T01:00:00.5+01:00"),
    ];
    let headers = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let mut scratch = Scratch::new();
    then(&decode_http(headers, b"", &mut scratch).expect("a valid event"))
}

/// Expressions over Booleans, `type` (true), `source` (false), `id` (no Boolean), `gone` (missing).
#[derive(Clone, Debug)]
enum Logic {
    Leaf(&'static str),
    Not(Box<Logic>),
    Equal(Box<Logic>, Box<Logic>),
    Chain(Vec<(Logic, &'static str)>, Box<Logic>),
}

/// A value and how it came about.
#[derive(Clone, Copy)]
struct Outcome {
    kind: Kind,
    failed: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Missing,
    Boolean(bool),
    /// The attribute that holds this text, if it is one of a Boolean.
    Text(Option<bool>),
}

impl Kind {
    fn cast(self) -> (bool, bool) {
        match self {
            Self::Missing => (false, false),
            Self::Boolean(truth) => (truth, false),
            Self::Text(truth) => (truth.unwrap_or(false), truth.is_none()),
        }
    }
}

fn printed(logic: &Logic) -> String {
    match logic {
        Logic::Leaf(text) => (*text).to_owned(),
        Logic::Not(inner) => format!("(NOT {})", printed(inner)),
        Logic::Equal(left, right) => format!("({} = {})", printed(left), printed(right)),
        Logic::Chain(terms, last) => {
            let terms =
                terms.iter().map(|(term, operator)| format!("{} {operator} ", printed(term)));
            format!("({}{})", terms.collect::<String>(), printed(last))
        }
    }
}

fn model(logic: &Logic) -> Outcome {
    match logic {
        Logic::Leaf("gone") => Outcome { kind: Kind::Missing, failed: true },
        Logic::Leaf("type") => Outcome { kind: Kind::Text(Some(true)), failed: false },
        Logic::Leaf("source") => Outcome { kind: Kind::Text(Some(false)), failed: false },
        Logic::Leaf("id") => Outcome { kind: Kind::Text(None), failed: false },
        Logic::Leaf(text) => Outcome { kind: Kind::Boolean(*text == "TRUE"), failed: false },
        Logic::Not(inner) => {
            let inner = model(inner);
            let (truth, broken) = inner.kind.cast();
            let truth = inner.kind != Kind::Missing && !truth;
            Outcome { kind: Kind::Boolean(truth), failed: inner.failed || broken }
        }
        Logic::Equal(left, right) => equal(model(left), model(right)),
        Logic::Chain(terms, last) => chain(terms, last),
    }
}

/// Equality whose right side is always a Boolean here.
fn equal(left: Outcome, right: Outcome) -> Outcome {
    let failed = left.failed || right.failed;
    match (left.kind, right.kind) {
        (Kind::Missing, _) | (_, Kind::Missing) => Outcome { kind: Kind::Boolean(false), failed },
        (left, right) => {
            let ((left, broken), (right, _)) = (left.cast(), right.cast());
            Outcome { kind: Kind::Boolean(left == right), failed: failed || broken }
        }
    }
}

/// One operator, and the rest of the chain as its right side.
fn chain(terms: &[(Logic, &'static str)], last: &Logic) -> Outcome {
    let Some(((left, operator), others)) = terms.split_first() else {
        let last = model(last);
        let (truth, broken) = last.kind.cast();
        let kind = if last.kind == Kind::Missing { last.kind } else { Kind::Boolean(truth) };
        return Outcome { kind, failed: last.failed || broken };
    };
    let left = model(left);
    let (truth, broken) = left.kind.cast();
    let failed = left.failed || broken;
    let decided = match *operator {
        "AND" => !truth,
        "OR" => truth,
        _ => false,
    };
    if decided {
        let kind = if left.kind == Kind::Missing { left.kind } else { Kind::Boolean(truth) };
        return Outcome { kind, failed };
    }
    let right = chain(others, last);
    let kind = match *operator {
        "XOR" => Kind::Boolean(truth ^ right.kind.cast().0),
        _ => right.kind,
    };
    Outcome { kind, failed: failed || right.failed }
}

fn logic() -> impl Strategy<Value = Logic> {
    let leaf = prop::sample::select(vec!["TRUE", "FALSE", "type", "source", "id", "gone"]);
    let boolean = prop::sample::select(vec!["TRUE", "FALSE", "gone"]).prop_map(Logic::Leaf);
    leaf.prop_map(Logic::Leaf).prop_recursive(5, 40, 6, move |inner| {
        let operator = prop::sample::select(vec!["AND", "OR", "XOR"]);
        let terms = prop::collection::vec((inner.clone(), operator), 1..6);
        prop_oneof![
            inner.clone().prop_map(|it| Logic::Not(Box::new(it))),
            (inner.clone(), boolean.clone())
                .prop_map(|(left, right)| Logic::Equal(Box::new(left), Box::new(right))),
            (terms, inner).prop_map(|(terms, last)| Logic::Chain(terms, Box::new(last))),
        ]
    })
}

/// Words of the language in any order.
fn soup() -> impl Strategy<Value = String> {
    let words = "( ) , * / % + - = != <> < <= > >= and OR xor NOT like IN EXISTS TRUE false 0 1 -7 \
        2147483647 'a' '%' \"_\" '\\%' id type time gone number LEFT( SUBSTRING( CONCAT( CONCAT_WS( \
        ABS( UPPER( TRIM( LENGTH( INT( BOOL( IS_INT( NOSUCH( ! ; é ' \" \\";
    let words: Vec<&str> = words.split_whitespace().collect();
    prop::collection::vec(prop::sample::select(words), 0..40).prop_map(|it| it.join(" "))
}

/// Expressions that compile, of every operator and function.
fn valid() -> impl Strategy<Value = String> {
    let leaf = "0 1 -7 2147483647 -2147483648 TRUE '' 'a' '5' 'true' id time gone EXISTS\u{a0}gone";
    let leaves: Vec<String> = leaf.split(' ').map(|it| it.replace('\u{a0}', " ")).collect();
    prop::sample::select(leaves).prop_recursive(4, 40, 3, |inner| {
        let operators = "* / % + - = != < <= > >= AND OR XOR";
        let operators: Vec<&str> = operators.split(' ').collect();
        let unary = "ABS INT BOOL STRING IS_BOOL IS_INT LENGTH LOWER UPPER TRIM CONCAT NOT -";
        let unary: Vec<&str> = unary.split(' ').collect();
        let patterns = vec!["'%'", "'a_%b'", "'_'", r"'%\_%'", "''"];
        let pair = (inner.clone(), inner.clone());
        prop_oneof![
            (pair.clone(), prop::sample::select(operators))
                .prop_map(|((left, right), operator)| format!("({left} {operator} {right})")),
            (prop::sample::select(unary), inner.clone()).prop_map(|(f, x)| format!("({f}({x}))")),
            (inner.clone(), prop::sample::select(patterns))
                .prop_map(|(x, pattern)| format!("({x} LIKE {pattern})")),
            (pair.clone(), prop::sample::select(vec!["LEFT", "RIGHT", "SUBSTRING", "CONCAT_WS"]))
                .prop_map(|((x, y), f)| format!("{f}({x}, {y})")),
            (pair.clone(), inner.clone())
                .prop_map(|((x, y), z)| format!("SUBSTRING({x}, {y}, {z})")),
            (pair, inner).prop_map(|((x, y), z)| format!("({x} NOT IN ({y}, {z}))")),
        ]
    })
}

/// What `LIKE` means, one character at a time; the pattern has no escapes.
fn like(text: &[char], pattern: &[char]) -> bool {
    match (text, pattern) {
        ([c, after @ ..], ['%', others @ ..]) => {
            like(text, others) || *c != '\n' && like(after, pattern)
        }
        ([], ['%', others @ ..]) => like(text, others),
        ([c, after @ ..], ['_', others @ ..]) => *c != '\n' && like(after, others),
        ([c, after @ ..], [wanted, others @ ..]) => c == wanted && like(after, others),
        ([], [_, ..]) => false,
        (text, []) => text.is_empty(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn logic_agrees_with_the_model(logic in logic()) {
        let expression = printed(&logic);
        let outcome = model(&logic);
        let lax = Filter::cesql(&expression, Mode::Lax).unwrap();
        let strict = Filter::cesql(&expression, Mode::Strict).unwrap();
        let passes = with_event(|event| (lax.matches(event), strict.matches(event)));
        let is_true = outcome.kind == Kind::Boolean(true) && !outcome.failed;
        prop_assert_eq!(passes, (outcome.kind.cast().0, is_true), "{}", expression);
    }

    #[test]
    fn like_agrees_with_the_model(text in "[ab_\n]{0,8}", pattern in "[ab_%\n]{0,6}") {
        let expression = format!("'{text}' LIKE '{pattern}'");
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        let filter = Filter::cesql(&expression, Mode::Strict).unwrap();
        let passes = with_event(|event| filter.matches(event));
        prop_assert_eq!(passes, like(&chars(&text), &chars(&pattern)), "{}", expression);
    }

    #[test]
    fn any_text_compiles_or_is_refused(text in any::<String>(), soup in soup()) {
        for text in [text, soup] {
            for mode in [Mode::Lax, Mode::Strict] {
                if let Ok(filter) = Filter::cesql(&text, mode) {
                    with_event(|event| filter.matches(event));
                }
            }
        }
    }

    #[test]
    fn what_passes_strictly_passes_laxly(expression in valid()) {
        let strict = Filter::cesql(&expression, Mode::Strict).unwrap();
        let lax = Filter::cesql(&expression, Mode::Lax).unwrap();
        with_event(|event| {
            // `time` alone differs between the modes.
            if strict.matches(event) && !expression.contains("time") {
                assert!(lax.matches(event), "{expression}");
            }
        });
    }
}
