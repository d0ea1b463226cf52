//! Binary mode, case by case as in receiver.md 12.

mod common;

use common::{MIN, min_and, send, write};
use millrace_event::{ContentMode, EventError, Scratch, SpecVersion, decode_http};

#[test]
fn r034_an_event_without_body_has_a_null_value() {
    let record = send(&MIN, "").unwrap();
    assert_eq!((record.key.as_deref(), record.value.as_deref()), (None, None));
    let headers: Vec<_> =
        record.headers.iter().map(|(name, value)| (name.as_str(), &value[..])).collect();
    let expected: [(&str, &[u8]); 4] =
        [("ce_id", b"1"), ("ce_source", b"/s"), ("ce_specversion", b"1.0"), ("ce_type", b"t")];
    assert_eq!(headers, expected);
}

#[test]
fn r035_the_body_is_lent_as_it_is() {
    let kind = "application/json; charset=utf-8";
    let record = send(&min_and(&[("Content-Type", kind)]), "{\"a\": 1}").unwrap();
    assert_eq!(record.text(), "{\"a\": 1}");
    assert!(record.borrowed);
    assert_eq!(record.header("content-type"), Some(kind));
    assert_eq!(record.header("ce_datacontenttype"), None);
}

#[test]
fn r036_extension_names_are_lowered() {
    let record = send(&min_and(&[("CE-MyExt", "v"), ("ce-e", "")]), "").unwrap();
    assert_eq!(record.header("ce_myext"), Some("v"));
    assert_eq!(record.header("ce_e"), Some(""));
}

#[test]
fn r037_bad_extension_names_refuse_the_event() {
    for name in ["ce-my_ext", "ce-my-ext", "ce-é", "ce- ", "ce-a.b", "ce--", "ce-data_base64"] {
        let error = send(&min_and(&[(name, "v")]), "").unwrap_err();
        assert!(matches!(error, EventError::ExtensionName { .. }), "{name}: {error}");
    }
}

#[test]
fn r038_version_03_keeps_its_names() {
    let headers = [
        ("ce-specversion", "0.3"),
        ("ce-id", "1"),
        ("ce-source", "/s"),
        ("ce-type", "t"),
        ("ce-schemaurl", "http://x/y"),
        ("ce-dataschema", "not a uri, an extension"),
        ("ce-datacontentencoding", "base64"),
    ];
    let record = send(&headers, "aGk=").unwrap();
    assert_eq!(record.header("ce_specversion"), Some("0.3"));
    assert_eq!(record.header("ce_schemaurl"), Some("http://x/y"));
    assert_eq!(record.header("ce_dataschema"), Some("not a uri, an extension"));
    assert_eq!(record.header("ce_datacontentencoding"), None);
    assert_eq!(record.text(), "aGk=");
}

#[test]
fn version_1_takes_the_names_of_03_as_extensions() {
    let more = [
        ("ce-schemaurl", "a b"),
        ("ce-datacontentencoding", "x"),
        ("ce-dataschema", "/d"),
        ("ce-data", "y"),
    ];
    let record = send(&min_and(&more), "").unwrap();
    assert_eq!(record.header("ce_schemaurl"), Some("a b"));
    assert_eq!(record.header("ce_datacontentencoding"), Some("x"));
    assert_eq!(record.header("ce_dataschema"), Some("/d"));
    assert_eq!(record.header("ce_data"), Some("y"));
}

#[test]
fn r039_other_versions_are_refused() {
    for version in ["19.0", "1.0.2", "", "1", "1.0 ", "0.2"] {
        let headers = [("ce-specversion", version), MIN[1], MIN[2], MIN[3]];
        let error = send(&headers, "").unwrap_err();
        assert_eq!(error, EventError::SpecVersion { found: version.into() });
    }
    assert_eq!(send(&MIN[1..], "").unwrap_err(), EventError::NotCloudEvent);
}

#[test]
fn the_first_specversion_and_the_last_of_all_else_count() {
    let more = [("ce-specversion", "0.3"), ("ce-source", "/s2"), ("ce-x", "1"), ("CE-X", "2")];
    let record = send(&min_and(&more), "").unwrap();
    assert_eq!(record.header("ce_specversion"), Some("1.0"));
    assert_eq!(record.header("ce_source"), Some("/s2"));
    assert_eq!(record.header("ce_x"), Some("2"));
}

#[test]
fn r040_required_attributes_are_required() {
    for (at, attribute) in [(1, "id"), (2, "source"), (3, "type")] {
        let mut headers = MIN.to_vec();
        headers.remove(at);
        assert_eq!(send(&headers, "").unwrap_err(), EventError::Missing { attribute });
    }
}

#[test]
fn r041_empty_attributes_are_accepted() {
    let headers = [MIN[0], ("ce-id", ""), ("ce-source", ""), ("ce-type", ""), ("ce-", "ignored")];
    let record = send(&headers, "").unwrap();
    assert_eq!(record.header("ce_id"), Some(""));
    assert_eq!(record.headers.len(), 4);
}

#[test]
fn r042_r043_source_and_schema_are_uri_references() {
    for bad in ["my source", "/a%zz", "http://", "foo:", "/a^b"] {
        for name in ["ce-source", "ce-dataschema"] {
            let error = send(&min_and(&[(name, bad)]), "").unwrap_err();
            assert_eq!(error.reason(), "uri", "{name} {bad}");
        }
    }
    for good in ["urn:x", "?q", "http://[::1]/x"] {
        let record = send(&min_and(&[("ce-source", good)]), "").unwrap();
        assert_eq!(record.header("ce_source"), Some(good));
    }
}

#[test]
fn r044_r045_r046_time_is_normalised_or_refused() {
    for (sent, written) in [
        ("2020-01-01t10:00z", "2020-01-01T10:00:00Z"),
        ("2020-01-01T10:00:00.100+00:00", "2020-01-01T10:00:00.1Z"),
    ] {
        let record = send(&min_and(&[("ce-time", sent)]), "").unwrap();
        assert_eq!(record.header("ce_time"), Some(written));
    }
    for bad in ["2020-01-01T10:00:00", "2020-01-01T23:59:60Z", "2020-02-30T10:00:00Z"] {
        assert_eq!(send(&min_and(&[("ce-time", bad)]), "").unwrap_err().reason(), "time");
    }
}

#[test]
fn r047_values_are_not_decoded() {
    let record = send(&min_and(&[("ce-subject", "a%20b"), ("ce-q", "\"q\"")]), "").unwrap();
    assert_eq!(record.header("ce_subject"), Some("a%20b"));
    assert_eq!(record.header("ce_q"), Some("\"q\""));
}

#[test]
fn r048_bytes_beyond_ascii_are_latin1() {
    let mut headers: Vec<(&[u8], &[u8])> =
        MIN.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    headers.push((b"ce-subject", b"\xc3\xa9"));
    headers.push((b"ce-x", b"\xe9\xff"));
    headers.push((b"content-type", b"text/\xe9"));
    let record = write(ContentMode::Binary, &headers, b"").unwrap();
    assert_eq!(record.headers["ce_subject"], [0xc3, 0x83, 0xc2, 0xa9]);
    assert_eq!(record.headers["ce_x"], [0xc3, 0xa9, 0xc3, 0xbf]);
    assert_eq!(record.header("content-type"), Some("text/é"));
}

#[test]
fn r049_the_last_copy_wins() {
    let record = send(&min_and(&[("ce-id", "2")]), "").unwrap();
    assert_eq!(record.header("ce_id"), Some("2"));
}

#[test]
fn r050_other_headers_are_dropped() {
    let more = [("X-Foo", "1"), ("Prefer", "reply"), ("Authorization", "Bearer x"), ("ce", "y")];
    assert_eq!(send(&min_and(&more), "").unwrap().headers.len(), 4);
}

#[test]
fn r053_r054_without_event_headers_there_is_no_event() {
    for headers in [&[][..], &[("Content-Type", "application/json")]] {
        let body = common::json_with("");
        assert_eq!(send(headers, &body).unwrap_err(), EventError::NotCloudEvent);
    }
}

#[test]
fn r055_any_other_content_type_is_data() {
    for kind in ["application/vnd.apache.thrift.binary", "application/xml", "", "nonsense"] {
        let record = send(&min_and(&[("Content-Type", kind)]), "{}").unwrap();
        assert_eq!(record.header("content-type"), Some(kind));
    }
}

#[test]
fn the_later_of_both_content_type_headers_wins() {
    let (plain, datatype) = (("Content-Type", "a/a"), ("ce-DataContentType", "b/b"));
    let later = |headers: &[(&str, &str)]| {
        send(&min_and(headers), "x").unwrap().header("content-type").map(str::to_owned)
    };
    assert_eq!(later(&[plain, datatype]).as_deref(), Some("b/b"));
    assert_eq!(later(&[datatype, plain]).as_deref(), Some("a/a"));
    assert_eq!(later(&[plain, ("content-type", "c/c")]).as_deref(), Some("c/c"));
    // The first decides the mode: a later structured type is but a value.
    let record = send(&min_and(&[plain, common::CT]), "x").unwrap();
    assert_eq!(record.header("content-type"), Some(common::CT.1));
}

#[test]
fn r080_r081_the_partition_key_is_the_record_key() {
    for key in ["k1", "key-42", ""] {
        let record = send(&min_and(&[("ce-partitionkey", key)]), "").unwrap();
        assert_eq!(record.key.as_deref(), Some(key.as_bytes()));
        assert_eq!(record.header("ce_partitionkey"), Some(key));
    }
}

#[test]
fn filters_see_attributes_in_string_form() {
    let headers = min_and(&[
        ("ce-time", "2020-01-01T10:00:00.1+02:00"),
        ("ce-dataschema", "/d"),
        ("ce-x", "y"),
    ]);
    let mut scratch = Scratch::new();
    let event = decode_http(
        headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())),
        b"",
        &mut scratch,
    )
    .unwrap();
    for (name, value) in [
        ("specversion", Some("1.0")),
        ("id", Some("1")),
        ("source", Some("/s")),
        ("type", Some("t")),
        ("time", Some("2020-01-01T08:00:00.100Z")),
        ("dataschema", Some("/d")),
        ("schemaurl", Some("/d")),
        ("subject", None),
        ("datacontenttype", None),
        ("x", Some("y")),
        ("nothing", None),
        ("ce_x", None),
    ] {
        assert_eq!(event.attribute(name).as_deref(), value, "{name}");
    }
    assert_eq!(event.spec_version(), SpecVersion::V1);
    assert_eq!(event.time(), Some("2020-01-01T10:00:00.1+02:00"));
}

#[test]
fn a_scratch_forgets_the_event_before() {
    let mut scratch = Scratch::new();
    for (id, extension) in [("1", Some("ce-a")), ("2", None)] {
        let mut headers = vec![("ce-id", id), MIN[0], MIN[2], MIN[3]];
        headers.extend(extension.map(|name| (name, "v")));
        let event = decode_http(
            headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())),
            b"",
            &mut scratch,
        )
        .unwrap();
        assert_eq!(event.id(), id);
        assert_eq!(event.extensions().count(), usize::from(extension.is_some()));
    }
}
