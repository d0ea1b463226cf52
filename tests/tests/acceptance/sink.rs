//! Records in structured content mode (KafkaSink): R83 to R88 and R90.

use millrace_tests::http::Request;
use millrace_tests::matrix;
use millrace_tests::records::{Record, headers};
use millrace_tests::rig::{Rig, unique};
use serde_json::{Value, json};

fn minimal(id: &str) -> Request {
    Request::minimal("/ns/s", id)
}

/// The value's text; there must be one, whose only header is the content type.
fn text(record: &Record) -> String {
    let expected = [("content-type".to_owned(), "application/cloudevents+json".to_owned())];
    assert_eq!(headers(record), expected);
    String::from_utf8(record.value.clone().expect("a structured record has a value")).unwrap()
}

fn object(record: &Record) -> Value {
    serde_json::from_str(&text(record)).expect("the value is valid JSON")
}

matrix! {
    fn r083_members_in_order(rig: &'static Rig) {
        let id = unique();
        let request = minimal(&id)
            .header("ce-subject", "x")
            .header("ce-time", "2020-01-01t10:00z")
            .header("ce-dataschema", "http://x/y")
            .header("ce-zext", "v")
            .header("Content-Type", "application/json")
            .body(r#"{"a":1}"#);
        let expected = format!(
            r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"t","datacontenttype":"application/json","dataschema":"http://x/y","subject":"x","time":"2020-01-01T10:00:00Z","zext":"v","data":{{"a":1}}}}"#
        );
        assert_eq!(text(&rig.structured_record_of(&request, &id)), expected);
    }

    fn r084_text_is_base64(rig: &'static Rig) {
        let id = unique();
        let record = rig.structured_record_of(&minimal(&id).header("Content-Type", "text/plain").body("hi"), &id);
        assert_eq!(object(&record)["data_base64"], "aGk=");
        assert_eq!(object(&record).get("data"), None);
    }

    /// Java writes invalid JSON (receiver.md W23).
    fn r085_untyped_body_that_is_no_json(rig: &'static Rig) {
        let id = unique();
        let record = rig.structured_record_of(&minimal(&id).body("hello"), &id);
        assert_eq!(object(&record)["data_base64"], "aGVsbG8=");
    }

    /// Java writes invalid JSON (receiver.md W23).
    fn r086_json_body_that_is_no_json(rig: &'static Rig) {
        let id = unique();
        let record = rig.structured_record_of(&minimal(&id).header("Content-Type", "application/json").body("{oops"), &id);
        assert_eq!(object(&record)["data_base64"], "e29vcHM=");
    }

    fn r087_no_data_member_without_body(rig: &'static Rig) {
        let id = unique();
        let expected = format!(r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"t"}}"#);
        assert_eq!(text(&rig.structured_record_of(&minimal(&id), &id)), expected);
    }

    fn r088_extensions_keep_their_type(rig: &'static Rig) {
        let id = unique();
        let event = json!({ "specversion": "1.0", "id": id, "source": "/s", "type": "t", "b": true, "i": -5, "s": "5" });
        let record = rig.structured_record_of(&Request::structured("/ns/s", event.to_string()), &id);
        assert_eq!(object(&record), event);
    }

    fn r090_key_and_member(rig: &'static Rig) {
        let id = unique();
        let record = rig.structured_record_of(&minimal(&id).header("ce-partitionkey", "k1"), &id);
        assert_eq!((record.key.as_deref(), record.partition), (Some(&b"k1"[..]), 2));
        assert_eq!(object(&record)["partitionkey"], "k1");
    }
}
