//! Structured events: how the mode is found, attributes and extensions: R56 to R68, R78 and R79.

use millrace_tests::http::Request;
use millrace_tests::matrix;
use millrace_tests::matrix::Variant;
use millrace_tests::records::Record;
use millrace_tests::rig::{Rig, unique};
use serde_json::{Value, json};

/// A minimal structured event with more members.
pub(crate) fn event(id: &str, members: Value) -> Request {
    let mut event = json!({ "specversion": "1.0", "id": id, "source": "/s", "type": "t" });
    if let (Some(event), Value::Object(members)) = (event.as_object_mut(), members) {
        event.extend(members);
    }
    Request::structured("/ns/a", event.to_string())
}

pub(crate) fn record(rig: &Rig, members: Value) -> Record {
    let id = unique();
    rig.record_of(&event(&id, members), &id)
}

pub(crate) fn refused(rig: &Rig, members: Value) {
    let id = unique();
    rig.answers(&event(&id, members), 400);
    assert!(rig.tail.now(&rig.topics.a, &id).is_empty(), "refused, and yet there is a record");
}

matrix! {
    fn r056_structured_event(rig: &'static Rig) {
        let record = record(rig, json!({ "datacontenttype": "application/json", "data": { "message": "helloworld" } }));
        assert_eq!(record.header("content-type").as_deref(), Some("application/json"));
        let value: Value = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
        assert_eq!(value, json!({ "message": "helloworld" }));
        let attributes = ["ce_specversion", "ce_source", "ce_type"].map(|name| record.header(name).unwrap());
        assert_eq!(attributes, ["1.0", "/s", "t"]);
    }

    fn r057_content_type_with_charset(rig: &'static Rig) {
        rig.accepted(&event("1", json!({})).set("Content-Type", "application/cloudevents+json; charset=utf-8"));
    }

    /// Java answers 400: it compares media types byte for byte (receiver.md W24).
    fn r058_content_type_in_other_case_or_with_a_blank(rig: &'static Rig) {
        for content_type in ["Application/CloudEvents+JSON", "application/cloudevents+json ; charset=utf-8"] {
            let id = unique();
            rig.record_of(&event(&id, json!({})).set("Content-Type", content_type), &id);
        }
    }

    fn r059_batch(rig: &'static Rig) {
        let batch = json!([{ "specversion": "1.0", "id": "1", "source": "/s", "type": "t" }]).to_string();
        rig.answers(&Request::structured("/ns/a", batch).set("Content-Type", "application/cloudevents-batch+json"), 400);
    }

    /// Java knows no batches; ours are off unless asked for.
    fn r059_batch_by_setting(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup.env("INGRESS_BATCH_ENABLED", "true"));
        let ids = [unique(), unique(), unique()];
        let events: Vec<Value> =
            ids.iter().map(|id| json!({ "specversion": "1.0", "id": id, "source": "/s", "type": "t" })).collect();
        let batch = |events: &[Value]| {
            let body = Value::from(events).to_string();
            Request::structured("/ns/a", body).set("Content-Type", "application/cloudevents-batch+json")
        };
        rig.accepted(&batch(&events));
        ids.iter().for_each(|id| drop(rig.tail.one(&rig.topics.a, id)));
        // One bad event: none of them is taken.
        let (good, bad) = (unique(), json!({ "specversion": "1.0", "source": "/s", "type": "t" }));
        let good_event = json!({ "specversion": "1.0", "id": good, "source": "/s", "type": "t" });
        rig.answers(&batch(&[good_event, bad]), 400);
        rig.left_no_record(&good);
    }

    fn r060_other_event_formats(rig: &'static Rig) {
        for content_type in ["application/cloudevents+xml", "application/cloudevents+avro"] {
            rig.answers(&event("1", json!({})).set("Content-Type", content_type), 400);
            rig.answers(&Request::minimal("/ns/a", "1").header("Content-Type", content_type), 400);
        }
    }

    fn r061_body_that_is_no_object(rig: &'static Rig) {
        for body in ["", "[]", r#"{"specversion":"1.0","id":"1","source":"/s","#] {
            rig.answers(&Request::structured("/ns/a", body), 400);
        }
    }

    fn r062_id_that_is_no_string(rig: &'static Rig) {
        for id in ["1", "null"] {
            let body = format!(r#"{{"specversion":"1.0","id":{id},"source":"/s","type":"t"}}"#);
            rig.answers(&Request::structured("/ns/a", body), 400);
        }
        rig.answers(&Request::structured("/ns/a", r#"{"specversion":"1.0","source":"/s","type":"t"}"#), 400);
    }

    fn r063_null_subject_is_absent(rig: &'static Rig) {
        assert_eq!(record(rig, json!({ "subject": null })).header("ce_subject"), None);
    }

    fn r064_subject_that_is_no_string(rig: &'static Rig) {
        refused(rig, json!({ "subject": 5 }));
    }

    fn r065_extensions_with_a_type(rig: &'static Rig) {
        let record = record(rig, json!({ "b": true, "i": 5 }));
        assert_eq!([record.header("ce_b"), record.header("ce_i")], [Some("true".into()), Some("5".into())]);
    }

    fn r066_extensions_that_cannot_be(rig: &'static Rig) {
        for extension in [json!({ "f": 1.5 }), json!({ "l": 5_000_000_000_u64 }), json!({ "myExt": "v" })] {
            refused(rig, extension);
        }
    }

    /// Java stores the text `null` (receiver.md W26).
    fn r067_null_extension_is_absent(rig: &'static Rig) {
        assert_eq!(record(rig, json!({ "x": null })).header("ce_x"), None);
    }

    fn r068_object_extension_is_its_json(rig: &'static Rig) {
        assert_eq!(record(rig, json!({ "x": { "a": [1] } })).header("ce_x").as_deref(), Some(r#"{"a":[1]}"#));
    }

    fn r078_headers_do_not_count(rig: &'static Rig) {
        let id = unique();
        let record = rig.record_of(&event(&id, json!({})).header("ce-foo", "bar").header("ce-id", "other"), &id);
        assert_eq!(record.header("ce_foo"), None);
    }

    fn r079_last_of_duplicate_members(rig: &'static Rig) {
        let id = unique();
        let body = format!(r#"{{"id":"first","specversion":"1.0","id":"{id}","source":"/s","type":"t"}}"#);
        rig.record_of(&Request::structured("/ns/a", body), &id);
    }
}
