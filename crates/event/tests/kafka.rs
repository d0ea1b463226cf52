//! Events from records, case by case as in dispatcher.md 18.

mod common;

use common::kafka::{BARE, CE, Given, STRUCTURED};
use millrace_event::{EventError, ExtValue, SpecVersion};

const DATA: Option<&str> = Some("{\"a\":1}");

fn with<'a>(base: &[(&'a str, &'a str)], more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [base, more].concat()
}

fn structured(members: &str) -> Given {
    Given::new(&[STRUCTURED], Some(&common::json_with(members)))
}

#[test]
fn d001_an_event_becomes_a_request() {
    let request = Given::new(&CE, DATA).request().unwrap();
    let headers: Vec<(&str, &str)> =
        request.headers.iter().map(|(name, value)| (&name[..], &value[..])).collect();
    let expected = [
        ("ce-id", "1"),
        ("ce-knativekafkaoffset", "0"),
        ("ce-knativekafkapartition", "0"),
        ("ce-source", "/s"),
        ("ce-specversion", "1.0"),
        ("ce-type", "t1"),
        ("content-type", "application/json"),
    ];
    assert_eq!(headers, expected);
    assert_eq!(request.text(), "{\"a\":1}");
    assert!(request.borrowed);
}

#[test]
fn d003_d004_no_value_is_no_body() {
    for value in [None, Some("")] {
        let request = Given::new(&CE, value).request().unwrap();
        assert_eq!(request.body, None);
        assert_eq!(request.header("ce-id"), Some("1"));
    }
}

#[test]
fn d005_no_content_type_is_made_up() {
    assert_eq!(Given::new(&BARE, DATA).request().unwrap().header("content-type"), None);
}

#[test]
fn d006_d007_structured_json_data_is_sent_as_it_stands() {
    for kind in [
        "application/cloudevents+json",
        "application/cloudevents+json; charset=utf-8",
        "application/cloudevents+json;",
    ] {
        let json = common::json_with(r#""data": { "a" : 1e3 } "#);
        let request = Given::new(&[("content-type", kind)], Some(&json)).request().unwrap();
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.text(), "{ \"a\" : 1e3 }");
        assert!(request.borrowed);
        assert_eq!(request.header("ce-knativekafkapartition"), Some("0"));
    }
}

#[test]
fn d008_d009_structured_data_in_its_other_forms() {
    let request =
        structured(r#""data_base64":"AQI=","datacontenttype":"application/octet-stream""#);
    let request = request.request().unwrap();
    assert_eq!(request.body.as_deref(), Some(&[1, 2][..]));
    assert_eq!(request.header("content-type"), Some("application/octet-stream"));
    let request = structured(r#""data":"hi","datacontenttype":"text/plain""#).request().unwrap();
    assert_eq!((request.text(), request.borrowed), ("hi", true));
    let request = structured(r#""data":"\n","datacontenttype":"text/plain""#).request().unwrap();
    assert_eq!((request.text(), request.borrowed), ("\n", false));
}

#[test]
fn d010_the_time_is_normalised() {
    let headers = with(&CE, &[("ce_time", "2020-01-01T01:00:00.120+01:00")]);
    let request = Given::new(&headers, DATA).request().unwrap();
    assert_eq!(request.header("ce-time"), Some("2020-01-01T01:00:00.12+01:00"));
}

#[test]
fn d011_d013_d014_which_headers_count() {
    let headers = with(
        &CE,
        &[
            ("ce_MyExt", "v"),
            ("ce_partitionkey", "p1"),
            ("foo", "x"),
            ("ce_", "x"),
            ("CE_upper", "x"),
            ("ce-dash", "x"),
            ("Content-Type", "text/plain"),
        ],
    );
    let request = Given::new(&headers, DATA).with_key(b"k").request().unwrap();
    assert_eq!(request.header("ce-myext"), Some("v"));
    assert_eq!(request.header("ce-partitionkey"), Some("p1"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.headers.len(), 9);
}

#[test]
fn d012_version_03_keeps_its_names() {
    let headers = with(&CE[1..], &[("ce_specversion", "0.3"), ("ce_schemaurl", "/x")]);
    let request = Given::new(&headers, DATA).request().unwrap();
    assert_eq!(request.header("ce-specversion"), Some("0.3"));
    assert_eq!(request.header("ce-schemaurl"), Some("/x"));
    let headers = with(&CE, &[("ce_dataschema", "/x"), ("ce_subject", "s")]);
    let request = Given::new(&headers, DATA).request().unwrap();
    assert_eq!(request.header("ce-dataschema"), Some("/x"));
    assert_eq!(request.header("ce-subject"), Some("s"));
}

#[test]
fn d015_values_outside_ascii_are_encoded() {
    let headers = with(&CE, &[("ce_e", "grün"), ("ce_subject", "a\r\nb: c%")]);
    let request = Given::new(&headers, DATA).request().unwrap();
    assert_eq!(request.header("ce-e"), Some("gr%C3%BCn"));
    assert_eq!(request.header("ce-subject"), Some("a%0D%0Ab: c%"));
}

#[test]
fn values_are_utf8_and_what_is_not_is_replaced() {
    let mut given = Given::new(&CE, DATA);
    given.headers.push((b"ce_e".to_vec(), Some(b"a\xff\xe2\x82".to_vec())));
    given.headers.push((b"ce_subject".to_vec(), Some("é".into())));
    let seen = given.see(|event| {
        (event.extension_text("e").map(str::to_owned), event.subject().map(str::to_owned))
    });
    assert_eq!(seen.unwrap(), (Some("a\u{fffd}\u{fffd}".into()), Some("é".into())));
}

#[test]
fn d016_the_structured_form_has_the_additions_too() {
    let given = Given::new(&CE, DATA).with_overrides(&[("a", "foo")]);
    let json = given.see(|event| {
        let mut json = Vec::new();
        event.write_structured(&mut json);
        String::from_utf8(json).unwrap()
    });
    let expected = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t1","datacontenttype":"application/json","knativekafkapartition":0,"knativekafkaoffset":"0","a":"foo","data":{"a":1}}"#;
    assert_eq!(json.unwrap(), expected);
}

#[test]
fn d017_d019_d023_d024_what_is_no_event() {
    let reason = |headers: &[(&str, &str)], value: Option<&str>| {
        Given::new(headers, value).request().unwrap_err().reason()
    };
    assert_eq!(reason(&[], Some("hello")), "not_a_cloudevent");
    assert_eq!(reason(&[], None), "not_a_cloudevent");
    assert_eq!(reason(&[("ce_SpecVersion", "1.0")], None), "not_a_cloudevent");
    assert_eq!(reason(&with(&CE, &[("ce_specversion", "2.0")]), DATA), "specversion");
    for kind in [
        "application/cloudevents-batch+json",
        "application/cloudevents+json ; charset=utf-8",
        "application/cloudevents+jsonx",
        "application/cloudevents",
    ] {
        let headers = with(&BARE, &[("content-type", kind)]);
        assert_eq!(reason(&headers, DATA), "unsupported_format", "{kind}");
    }
    assert_eq!(reason(&[STRUCTURED], None), "json");
    assert_eq!(reason(&[STRUCTURED], Some("")), "json");
    assert_eq!(reason(&[STRUCTURED], Some("{}")), "missing_attribute");
    assert_eq!(reason(&[STRUCTURED], Some("[]")), "json");
}

#[test]
fn the_type_of_a_structured_record_is_compared_to_the_letter() {
    // By Java this is binary, as it is no event's media type.
    let headers = with(&BARE, &[("content-type", "Application/CloudEvents+json")]);
    let request = Given::new(&headers, DATA).request().unwrap();
    assert_eq!(request.header("content-type"), Some("Application/CloudEvents+json"));
}

#[test]
fn d018_each_required_attribute_is_required() {
    for (index, name) in [(1, "id"), (2, "source"), (3, "type")] {
        let mut headers = CE.to_vec();
        headers.remove(index);
        let error = Given::new(&headers, DATA).request().unwrap_err();
        assert_eq!(error, EventError::Missing { attribute: name });
    }
    let headers = with(&CE, &[("ce_id", ""), ("ce_type", "")]);
    assert_eq!(Given::new(&headers, DATA).request().unwrap().header("ce-type"), Some(""));
}

#[test]
fn d020_d021_d022_malformed_attributes() {
    for (header, reason) in [
        (("ce_source", "a b"), "uri"),
        (("ce_dataschema", "a b"), "uri"),
        (("ce_time", "yesterday"), "time"),
        (("ce_bad-name", "x"), "extension_name"),
        (("ce_bad_name", "x"), "extension_name"),
        (("ce_é", "x"), "extension_name"),
    ] {
        let error = Given::new(&with(&CE, &[header]), DATA).request().unwrap_err();
        assert_eq!(error.reason(), reason, "{header:?}");
    }
}

#[test]
fn d025_structured_extensions_and_their_types() {
    for bad in ["1.5", "2147483648", "1e2"] {
        let error = structured(&format!("\"e\":{bad}")).request().unwrap_err();
        assert_eq!(error.reason(), "attribute_type", "{bad}");
    }
    let given = structured(r#""i":-7,"b":true,"s":"x","o":{"a": [1]},"n":null"#);
    let request = given.request().unwrap();
    for (name, text) in [("i", "-7"), ("b", "true"), ("s", "x"), ("o", "{\"a\":[1]}")] {
        assert_eq!(request.header(&format!("ce-{name}")), Some(text));
    }
    assert_eq!(request.header("ce-n"), None);
    given
        .see(|event| {
            let value = |wanted| event.extensions().find(|(name, _)| *name == wanted).unwrap().1;
            assert_eq!(value("i"), ExtValue::Integer(-7));
            assert_eq!(value("b"), ExtValue::Boolean(true));
            assert_eq!(value("knativekafkapartition"), ExtValue::Integer(0));
            assert_eq!(value("knativekafkaoffset"), ExtValue::Long(0));
        })
        .unwrap();
}

#[test]
fn the_last_header_counts_and_null_never_does() {
    let mut given = Given::new(
        &with(&CE, &[("ce_id", "2"), ("ce_E", "1"), ("ce_e", "2"), ("ce_specversion", "0.3")]),
        DATA,
    );
    for name in ["ce_id", "ce_e", "ce_specversion", "content-type", "ce_bad name", "other"] {
        given.headers.push((name.into(), None));
    }
    let request = given.request().unwrap();
    assert_eq!(request.header("ce-id"), Some("2"));
    assert_eq!(request.header("ce-e"), Some("2"));
    assert_eq!(request.header("ce-specversion"), Some("0.3"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    // The last type decides on the mode.
    let headers = with(&BARE, &[STRUCTURED, ("content-type", "text/plain")]);
    let request = Given::new(&headers, Some("hi")).request().unwrap();
    assert_eq!(request.header("content-type"), Some("text/plain"));
}

#[test]
fn stray_headers_do_not_touch_a_structured_event() {
    let headers = [("ce_bad-name", "x"), ("ce_e", "x"), ("ce_specversion", "7"), STRUCTURED];
    let request = Given::new(&headers, Some(&common::json_with(""))).request().unwrap();
    assert_eq!((request.header("ce-id"), request.header("ce-e")), (Some("1"), None));
}

#[test]
fn d041_to_d045_overrides_replace_and_filters_see_them() {
    let headers = with(&CE, &[("ce_a", "bar"), ("ce_knativekafkapartition", "9")]);
    let given = Given::new(&headers, DATA).with_overrides(&[
        ("a", "foo"),
        ("env", "prod"),
        ("knativekafkaoffset", "99"),
        ("Bad-Name", "x"),
        ("type", "x"),
    ]);
    let request = given.request().unwrap();
    assert_eq!(request.header("ce-a"), Some("foo"));
    assert_eq!(request.header("ce-knativekafkaoffset"), Some("99"));
    assert_eq!(request.header("ce-knativekafkapartition"), Some("0"));
    assert_eq!(request.header("ce-type"), Some("t1"));
    assert_eq!(request.headers.len(), 9);
    given
        .see(|event| {
            for (name, text) in
                [("env", "prod"), ("knativekafkapartition", "0"), ("knativekafkaoffset", "99")]
            {
                assert_eq!(event.attribute(name).as_deref(), Some(text), "{name}");
            }
            assert_eq!(event.spec_version(), SpecVersion::V1);
        })
        .unwrap();
}

#[test]
fn offsets_beyond_32_bits_stay_whole() {
    let mut given = Given::new(&CE, DATA);
    given.offset = i64::MAX;
    let text = "9223372036854775807";
    assert_eq!(given.request().unwrap().header("ce-knativekafkaoffset"), Some(text));
    given
        .see(|event| {
            let (_, value) =
                event.extensions().find(|(name, _)| *name == "knativekafkaoffset").unwrap();
            assert_eq!(value, ExtValue::Long(i64::MAX));
        })
        .unwrap();
}

#[test]
fn a_hostile_number_of_headers_takes_no_time_in_its_square() {
    let names: Vec<String> = (0..200_000).map(|name| format!("ce_e{}", name % 100_000)).collect();
    let mut headers = CE.to_vec();
    headers.extend(names.iter().map(|name| (&name[..], "v")));
    assert_eq!(Given::new(&headers, DATA).request().unwrap().headers.len(), 100_007);
    let members: Vec<String> = (0..100_000).map(|name| format!("\"e{name}\":1")).collect();
    let given = structured(&members.join(","));
    let written = given.see(|event| {
        let mut json = Vec::new();
        event.write_structured(&mut json);
        json.len()
    });
    assert!(written.unwrap() > 1_000_000);
}
