//! Events in binary mode: R34 to R55.

use millrace_tests::http::{Connection, Request};
use millrace_tests::matrix;
use millrace_tests::records::headers;
use millrace_tests::rig::{Rig, unique};

fn minimal(id: &str) -> Request {
    Request::minimal("/ns/a", id)
}

/// Sends MIN with one more header and returns one header of its record.
fn stored(rig: &Rig, name: &str, value: impl AsRef<[u8]>, header: &str) -> Option<String> {
    let id = unique();
    rig.record_of(&minimal(&id).header(name, value), &id).header(header)
}

fn refused(rig: &Rig, change: impl FnOnce(Request) -> Request) {
    let id = unique();
    rig.answers(&change(minimal(&id)), 400);
    assert!(rig.tail.now(&rig.topics.a, &id).is_empty(), "refused, and yet there is a record");
}

matrix! {
    fn r034_minimal_event(rig: &'static Rig) {
        let id = unique();
        let record = rig.record_of(&minimal(&id), &id);
        assert_eq!((record.key.as_deref(), record.value.as_deref()), (None, None));
        let expected = [("ce_id", id.as_str()), ("ce_source", "/s"), ("ce_specversion", "1.0"), ("ce_type", "t")];
        assert_eq!(headers(&record), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    fn r035_json_body(rig: &'static Rig) {
        let id = unique();
        let request = minimal(&id).header("Content-Type", "application/json; charset=utf-8").body(r#"{"a": 1}"#);
        let record = rig.record_of(&request, &id);
        assert_eq!(record.value.as_deref(), Some(&br#"{"a": 1}"#[..]));
        assert_eq!(record.header("content-type").as_deref(), Some("application/json; charset=utf-8"));
        assert_eq!(record.header("ce_datacontenttype"), None);
    }

    fn r036_extension_name_is_lower_cased(rig: &'static Rig) {
        assert_eq!(stored(rig, "CE-MyExt", "v", "ce_myext").as_deref(), Some("v"));
    }

    fn r037_extension_names_with_other_characters(rig: &'static Rig) {
        for name in ["ce-my_ext", "ce-my-ext"] {
            refused(rig, |minimal| minimal.header(name, "v"));
        }
    }

    fn r038_version_0_3(rig: &'static Rig) {
        let id = unique();
        let request = minimal(&id).set("ce-specversion", "0.3").header("ce-schemaurl", "http://x/y");
        let record = rig.record_of(&request, &id);
        assert_eq!(record.header("ce_specversion").as_deref(), Some("0.3"));
        assert_eq!(record.header("ce_schemaurl").as_deref(), Some("http://x/y"));
    }

    fn r039_unknown_or_missing_version(rig: &'static Rig) {
        for version in ["19.0", "1.0.2"] {
            refused(rig, |minimal| minimal.set("ce-specversion", version));
        }
        refused(rig, |minimal| minimal.without("ce-specversion"));
    }

    fn r040_missing_required_attribute(rig: &'static Rig) {
        for name in ["ce-id", "ce-source", "ce-type"] {
            refused(rig, |minimal| minimal.without(name));
        }
    }

    fn r041_empty_id(rig: &'static Rig) {
        rig.accepted(&minimal(""));
        let record = rig.tail.of_event(&rig.topics.a, "", 1).remove(0);
        assert_eq!(record.headers.iter().find(|(name, _)| name == "ce_id"), Some(&("ce_id".into(), Some(Vec::new()))));
    }

    fn r042_source_that_is_no_uri_reference(rig: &'static Rig) {
        for source in ["my source", "/a%zz", "http://", "foo:", "/a^b"] {
            refused(rig, |minimal| minimal.set("ce-source", source));
        }
    }

    fn r043_sources_kept_unchanged(rig: &'static Rig) {
        for source in ["urn:x", "?q", "http://[::1]/x"] {
            let id = unique();
            let record = rig.record_of(&minimal(&id).set("ce-source", source), &id);
            assert_eq!(record.header("ce_source").as_deref(), Some(source));
        }
    }

    fn r044_time_in_lower_case_without_seconds(rig: &'static Rig) {
        assert_eq!(stored(rig, "ce-time", "2020-01-01t10:00z", "ce_time").as_deref(), Some("2020-01-01T10:00:00Z"));
    }

    fn r045_time_with_fraction_and_zero_offset(rig: &'static Rig) {
        let time = stored(rig, "ce-time", "2020-01-01T10:00:00.100+00:00", "ce_time");
        assert_eq!(time.as_deref(), Some("2020-01-01T10:00:00.1Z"));
    }

    fn r046_times_that_are_none(rig: &'static Rig) {
        for time in ["2020-01-01T10:00:00", "2020-01-01T23:59:60Z", "2020-02-30T10:00:00Z"] {
            refused(rig, |minimal| minimal.header("ce-time", time));
        }
    }

    fn r047_percent_encoded_value_is_kept(rig: &'static Rig) {
        assert_eq!(stored(rig, "ce-subject", "a%20b", "ce_subject").as_deref(), Some("a%20b"));
    }

    fn r048_header_bytes_are_latin_1(rig: &'static Rig) {
        let id = unique();
        let record = rig.record_of(&minimal(&id).header("ce-subject", b"\xC3\xA9"), &id);
        let subject = record.headers.iter().find(|(name, _)| name == "ce_subject").and_then(|(_, value)| value.clone());
        assert_eq!(subject.as_deref(), Some(&b"\xC3\x83\xC2\xA9"[..]));
    }

    fn r049_last_of_repeated_attributes(rig: &'static Rig) {
        let (first, second) = (unique(), unique());
        let record = rig.record_of(&minimal(&first).header("ce-id", &second), &second);
        assert_eq!(headers(&record).iter().filter(|(name, _)| name == "ce_id").count(), 1);
    }

    fn r050_other_headers_are_dropped(rig: &'static Rig) {
        let id = unique();
        let request = minimal(&id).header("X-Foo", "1").header("Prefer", "reply").header("Authorization", "Bearer x");
        let names: Vec<String> = headers(&rig.record_of(&request, &id)).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["ce_id", "ce_source", "ce_specversion", "ce_type"]);
    }

    fn r051_content_encoding_is_not_decoded(rig: &'static Rig) {
        // "hi", compressed.
        let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xcb\xc8\x04\0\xac*\x93\xd8\x02\0\0\0";
        let id = unique();
        let record = rig.record_of(&minimal(&id).header("Content-Encoding", "gzip").body(gzip), &id);
        assert_eq!(record.value.as_deref(), Some(&gzip[..]));
    }

    fn r052_chunked_body(rig: &'static Rig) {
        let id = unique();
        let mut connection = Connection::open(rig.receiver.port());
        let head = format!("POST /ns/a HTTP/1.1\r\nHost: h\r\nce-specversion: 1.0\r\nce-id: {id}\r\nce-source: /s\r\nce-type: t\r\nTransfer-Encoding: chunked\r\n\r\n");
        connection.send(head.as_bytes());
        for chunk in ["3\r\none\r\n", "3;x=y\r\ntwo\r\n", "5\r\nthree\r\n", "0\r\n\r\n"] {
            connection.send(chunk.as_bytes());
        }
        assert_eq!(connection.answer().status, 202);
        assert_eq!(rig.tail.one(&rig.topics.a, &id).value.as_deref(), Some(&b"onetwothree"[..]));
    }

    fn r053_no_event_at_all(rig: &'static Rig) {
        rig.answers(&Request::new("POST", "/ns/a").body("this is not a cloud event"), 400);
    }

    fn r054_json_that_looks_like_an_event(rig: &'static Rig) {
        let json = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#;
        rig.answers(&Request::new("POST", "/ns/a").header("Content-Type", "application/json").body(json), 400);
    }

    fn r055_other_content_types(rig: &'static Rig) {
        for content_type in ["application/vnd.apache.thrift.binary", "application/xml"] {
            let id = unique();
            let record = rig.record_of(&minimal(&id).header("Content-Type", content_type).body("{}"), &id);
            assert_eq!(record.header("content-type").as_deref(), Some(content_type));
            assert_eq!(record.value.as_deref(), Some(&b"{}"[..]));
        }
    }
}
