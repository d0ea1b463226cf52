//! The reader against every lenient and every refused form of contract.md 3.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests too.

use millrace_contract::json::{self, NESTING_MAX, ParseError, WARNINGS_MAX, Warnings};
use millrace_contract::proto::{self, Contract, Egress, Resource, dialected_filter, resource};

fn parse(text: &str) -> Result<(Contract, Warnings), ParseError> {
    json::parse(text.as_bytes())
}

/// The one resource of a contract, without warnings.
fn resource(members: &str) -> Resource {
    let (contract, warnings) = parse(&format!(r#"{{"resources":[{{{members}}}]}}"#)).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    contract.resources.into_iter().next().unwrap()
}

/// The one egress of a contract, and the warnings.
fn egress(members: &str) -> Result<(Egress, Warnings), ParseError> {
    let text = format!(r#"{{"resources":[{{"egresses":[{{{members}}}]}}]}}"#);
    let (mut contract, warnings) = parse(&text)?;
    let mut resource = contract.resources.pop().unwrap();
    Ok((resource.egresses.pop().unwrap(), warnings))
}

/// Path and reason of a refused field.
fn refused(text: &str) -> (String, String) {
    match parse(text) {
        Err(ParseError::Field { path, reason }) => (path, reason),
        other => panic!("{text} gave {other:?}"),
    }
}

fn path_refused(text: &str) -> String {
    refused(text).0
}

#[test]
fn whole_numbers_in_every_form() {
    for (given, generation) in [
        ("43", 43),
        (r#""43""#, 43),
        ("43.0", 43),
        (r#""43.0""#, 43),
        ("4.3e1", 43),
        (r#""4.3E1""#, 43),
        (r#""+43""#, 43),
        ("0", 0),
        ("-0", 0),
        ("-0.0", 0),
        (r#""-0""#, 0),
        ("18446744073709551615", u64::MAX),
        (r#""18446744073709551615""#, u64::MAX),
        ("null", 0),
    ] {
        let (contract, warnings) = parse(&format!(r#"{{"generation":{given}}}"#)).unwrap();
        assert_eq!(contract.generation, generation, "{given}");
        assert!(warnings.is_empty());
    }
}

#[test]
fn c014_generation_as_number() {
    assert_eq!(parse(r#"{"generation":43}"#), parse(r#"{"generation":"43"}"#));
}

#[test]
fn what_is_no_whole_number_or_out_of_range_is_refused() {
    for given in [
        "-1",
        "18446744073709551616",
        r#""18446744073709551616""#,
        "1e20",
        "1e308",
        "43.5",
        r#""43.5""#,
        r#""""#,
        r#"" 43""#,
        r#""43 ""#,
        r#""0x2b""#,
        r#""1_000""#,
        r#""inf""#,
        r#""nan""#,
        r#""1e999""#,
        "true",
        "[]",
        "[43]",
        "{}",
    ] {
        assert_eq!(path_refused(&format!(r#"{{"generation":{given}}}"#)), "generation", "{given}");
    }
    for (given, fits) in
        [("2147483647", true), ("2147483648", false), ("-2147483648", true), ("-2147483649", false)]
    {
        let read = egress(&format!(r#""vReplicas":{given}"#));
        assert_eq!(read.is_ok(), fits, "{given}");
    }
    for (given, fits) in [("4294967295", true), ("4294967296", false), ("-1", false)] {
        let read = egress(&format!(r#""egressConfig":{{"retry":"{given}"}}"#));
        assert_eq!(read.is_ok(), fits, "{given}");
    }
}

#[test]
fn booleans_in_every_form() {
    for (given, value) in [("true", true), (r#""true""#, true), ("false", false), ("null", false)] {
        let read = resource(&format!(r#""featureFlags":{{"enableEventTypeAutocreate":{given}}}"#));
        assert_eq!(read.feature_flags.unwrap().enable_event_type_autocreate, value, "{given}");
    }
    for given in ["1", "0", r#""TRUE""#, r#""""#, "[]", "{}"] {
        let text = format!(
            r#"{{"resources":[{{"featureFlags":{{"enableEventTypeAutocreate":{given}}}}}]}}"#
        );
        let path = "resources[0].featureFlags.enableEventTypeAutocreate";
        assert_eq!(path_refused(&text), path, "{given}");
    }
}

#[test]
fn strings_may_be_given_as_scalars() {
    for (given, text) in
        [(r#""a\u00e9\n""#, "a\u{e9}\n"), ("5", "5"), ("true", "true"), ("null", "")]
    {
        assert_eq!(resource(&format!(r#""uid":{given}"#)).uid, text, "{given}");
    }
    assert_eq!(path_refused(r#"{"resources":[{"uid":["a"]}]}"#), "resources[0].uid");
}

#[test]
fn enums_by_name_and_number() {
    for (given, order) in [
        (r#""ORDERED""#, 1),
        ("1", 1),
        (r#""1""#, 1),
        ("1.0", 1),
        (r#""UNORDERED""#, 0),
        ("null", 0),
        // A number of a newer control plane is kept for the model to judge.
        ("7", 7),
        ("-7", -7),
    ] {
        let (egress, warnings) = egress(&format!(r#""deliveryOrder":{given}"#)).unwrap();
        assert_eq!(egress.delivery_order, order, "{given}");
        assert!(warnings.is_empty(), "{given}");
    }
}

#[test]
fn an_unknown_enum_name_is_unset_with_a_warning() {
    for given in [r#""ordered""#, r#""SOMEHOW""#, "true", "1.5", "2147483648"] {
        let (egress, warnings) = egress(&format!(r#""deliveryOrder":{given}"#)).unwrap();
        assert_eq!(egress.delivery_order, 0, "{given}");
        let paths: Vec<_> = warnings.iter().map(|it| it.path.as_str()).collect();
        assert_eq!(paths, ["resources[0].egresses[0].deliveryOrder"], "{given}");
    }
    assert!(egress(r#""deliveryOrder":{}"#).is_err());
}

#[test]
fn warnings_are_bounded() {
    let sinks = vec![r#"{"ingress":{"contentMode":"HOLOGRAM"}}"#; WARNINGS_MAX + 3].join(",");
    let (_, warnings) = parse(&format!(r#"{{"resources":[{sinks}]}}"#)).unwrap();
    assert_eq!((warnings.iter().count(), warnings.dropped()), (WARNINGS_MAX, 3));
}

#[test]
fn null_is_absent_but_not_in_lists_and_maps() {
    let (contract, _) = parse(r#"{"resources":null,"trustBundles":null}"#).unwrap();
    assert_eq!(contract, Contract::default());
    let read = resource(r#""ingress":null,"authSecret":null,"absentAuth":{},"reference":null"#);
    assert_eq!(read.auth, Some(resource::Auth::AbsentAuth(proto::Empty {})));
    assert_eq!((read.ingress, read.reference), (None, None));
    assert_eq!(path_refused(r#"{"resources":[null]}"#), "resources[0]");
    assert_eq!(path_refused(r#"{"trustBundles":["a",null]}"#), "trustBundles[1]");
    let map = r#"{"resources":[{"cloudEventOverrides":{"extensions":{"a":null}}}]}"#;
    assert_eq!(path_refused(map), "resources[0].cloudEventOverrides.extensions.a");
}

#[test]
fn unknown_fields_are_ignored_at_any_depth() {
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let read = resource(&format!(
        r#""x":1,"ingress":{{"y":{{"contentMode":"BAD"}},"path":"/a"}},"absentAuth":{{"z":{deep}}}"#
    ));
    assert_eq!(read.ingress.unwrap().path, "/a");
}

#[test]
fn two_members_of_one_oneof_reject_the_contract() {
    for members in [
        r#""absentAuth":{},"multiAuthSecret":{}"#,
        r#""egresses":[{"replyUrl":"","discardReply":{}}]"#,
        r#""egresses":[{"dialectedFilter":[{"all":{},"any":{}}]}]"#,
        r#""ingress":{"eventPolicies":[{"tokenMatchers":[{"exact":{},"prefix":{}}]}]}"#,
    ] {
        let (_, reason) = refused(&format!(r#"{{"resources":[{{{members}}}]}}"#));
        assert!(reason.contains("oneof"), "{members}: {reason}");
    }
}

#[test]
fn the_last_of_equal_keys_wins() {
    let read = resource(
        r#""uid":"a","uid":"b","topics":["x"],"topics":["y"],"bootstrapServers":"k","bootstrapServers":null"#,
    );
    assert_eq!((read.uid.as_str(), read.bootstrap_servers.as_str()), ("b", ""));
    assert_eq!(read.topics, ["y"]);
    let read = resource(r#""absentAuth":{},"absentAuth":null,"multiAuthSecret":{}"#);
    assert!(matches!(read.auth, Some(resource::Auth::MultiAuthSecret(_))));
}

#[test]
fn messages_and_lists_must_be_such() {
    for (text, path) in [
        (r#"{"resources":{}}"#, "resources"),
        (r#"{"resources":[[]]}"#, "resources[0]"),
        (r#"{"resources":[{"ingress":"/a"}]}"#, "resources[0].ingress"),
        (
            r#"{"resources":[{},{},{},{"egresses":[{"egressConfig":{"retry":"x"}}]}]}"#,
            "resources[3].egresses[0].egressConfig.retry",
        ),
        ("[]", "$"),
        ("7", "$"),
        ("\"\"", "$"),
        ("null", "$"),
    ] {
        assert_eq!(path_refused(text), path, "{text}");
    }
}

/// A filter of `levels` times `not` around nothing, and the whole contract around it.
fn nested(levels: usize) -> String {
    let filter = format!("{}{}", r#"{"not":{"filter":"#.repeat(levels), "{}");
    let filter = format!("{filter}{}", "}}".repeat(levels));
    format!(r#"{{"resources":[{{"egresses":[{{"dialectedFilter":[{filter}]}}]}}]}}"#)
}

#[test]
fn messages_nest_a_hundred_deep_and_no_deeper() {
    // Resource, egress and filter are three; each `not` adds itself and its filter.
    let fits = (NESTING_MAX - 3) / 2;
    let (contract, _) = parse(&nested(fits)).unwrap();
    let mut filter = contract.resources[0].egresses[0].dialected_filter[0].clone();
    let mut levels = 0;
    while let Some(dialected_filter::Filter::Not(not)) = filter.filter {
        filter = *not.filter.unwrap();
        levels += 1;
    }
    assert_eq!(levels, fits);
    let (path, reason) = refused(&nested(fits + 1));
    assert!(path.starts_with("resources[0].egresses[0].dialectedFilter[0].not.filter"), "{path}");
    assert!(reason.contains("deeper than 100"), "{reason}");
}

#[test]
fn any_depth_of_brackets_is_an_error_and_no_crash() {
    for open in ["[", r#"{"a":"#, r#"{"resources":["#] {
        assert!(matches!(parse(&open.repeat(200_000)), Err(ParseError::Syntax { .. })));
    }
}

#[test]
fn what_is_no_json_is_refused_with_its_place() {
    assert_eq!(parse(""), Err(ParseError::Empty));
    for (text, line, column) in [
        (" ", 1, 1),
        ("{", 1, 1),
        ("{\n \"generation\": 1,\n}", 3, 1),
        ("{} {}", 1, 4),
        ("{}\u{0}", 1, 3),
        ("/* c */ {}", 1, 1),
        ("{\"generation\": 1 // c\n}", 1, 18),
        ("{generation: 1}", 1, 2),
        ("{'generation': 1}", 1, 2),
        (r#"{"generation": NaN}"#, 1, 16),
        (r#"{"generation": 01}"#, 1, 17),
        ("\u{feff}{}", 1, 1),
    ] {
        match parse(text) {
            Err(ParseError::Syntax { line: at_line, column: at_column, reason }) => {
                assert_eq!((at_line, at_column), (line, column), "{text:?}: {reason}");
                assert!(!reason.contains(" line "), "place stated twice: {reason}");
            }
            other => panic!("{text:?} gave {other:?}"),
        }
    }
}

#[test]
fn wrong_utf8_is_refused_anywhere() {
    for text in
        [&b"{\"a\":\"\xff\"}"[..], b"{\"\xc3\":1}", b"{\"a\":1}\xff", b"{\"a\":\"\xed\xa0\x80\"}"]
    {
        assert!(matches!(json::parse(text), Err(ParseError::Syntax { .. })), "{text:?}");
    }
}

#[test]
fn a_refusal_names_its_place_for_people() {
    let text = r#"{"resources":[{"egresses":[{"egressConfig":{"retry":-1}}]}]}"#;
    let shown = parse(text).unwrap_err().to_string();
    let place = "contract field `resources[0].egresses[0].egressConfig.retry`";
    assert_eq!(shown, format!("{place}: -1 is out of range"));
}

/// What stands in the wrong place may be a secret, and a log line has to stay short.
#[test]
fn a_refusal_shows_of_a_string_its_length_alone_unless_it_is_a_number_or_a_name() {
    let found = |value: &str| {
        let text = format!(r#"{{"resources":[{{"egressConfig":{{"retry":"{value}"}}}}]}}"#);
        parse(&text).unwrap_err().to_string()
    };
    let place = "contract field `resources[0].egressConfig.retry`: ";
    for (value, says) in [
        ("-1", r#""-1" is out of range"#),
        ("1.5", r#"expected a whole number, found "1.5""#),
        ("MANY", r#"expected a whole number, found "MANY""#),
        ("hunter2", "expected a whole number, found a string of 7 bytes"),
        ("Ünter", "expected a whole number, found a string of 6 bytes"),
    ] {
        assert_eq!(found(value), format!("{place}{says}"));
    }
    for long in ["9".repeat(5_000), "X".repeat(5_000)] {
        assert!(found(&long).len() < 200, "{}", found(&long).len());
    }
    let key = "k".repeat(5_000);
    let text =
        format!(r#"{{"resources":[{{"cloudEventOverrides":{{"extensions":{{"{key}":[]}}}}}}]}}"#);
    let refusal = parse(&text).unwrap_err().to_string();
    assert!(refusal.contains(".extensions.(a name of 5000 bytes)`"), "{refusal}");
}
