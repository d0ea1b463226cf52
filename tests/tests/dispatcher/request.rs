//! The shape of a request: D1 to D16.

use millrace_tests::cases;
use millrace_tests::producer::NewRecord;
use millrace_tests::subscriber::Received;
use serde_json::{Value, json};

const JSON: &str = r#"{"a":1}"#;

fn assert_headers(request: &Received, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        assert_eq!(request.header(name).as_deref(), Some(*value), "{name} of {request:?}");
    }
}

/// The names of the headers that come from the event, sorted.
fn event_headers(request: &Received) -> Vec<String> {
    let names = request.headers.iter().map(|(name, _)| name.to_ascii_lowercase());
    let mut names: Vec<_> =
        names.filter(|name| name.starts_with("ce-") || name == "content-type").collect();
    names.sort();
    names
}

fn structured(fields: Value) -> NewRecord {
    let mut event = json!({ "specversion": "1.0", "id": "1", "source": "/s", "type": "t1" });
    for (name, value) in fields.as_object().into_iter().flatten() {
        event[name] = value.clone();
    }
    NewRecord::structured(event.to_string())
}

cases! { Broker;
    fn d001_binary_event(case, |plan| plan.egress(|egress| egress.to("/x"))) {
        let request = case.request_of(NewRecord::event("1"));
        assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/d001_binary_event/x"));
        assert_headers(&request, &[
            ("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t1"),
            ("content-type", "application/json"), ("Prefer", "reply"), ("Kn-Namespace", "ns1"),
            ("ce-knativekafkapartition", "0"), ("ce-knativekafkaoffset", "0"), ("content-length", "7"),
        ]);
        assert_eq!(request.header("host"), Some(case.stage.subscriber.authority()));
        assert_eq!(event_headers(&request), [
            "ce-id", "ce-knativekafkaoffset", "ce-knativekafkapartition", "ce-source", "ce-specversion", "ce-type",
            "content-type",
        ]);
        assert_eq!(request.body, JSON.as_bytes());
    }

    fn d002_path_and_query(case, |plan| plan.egress(|egress| egress.to("/p/q?x=1"))) {
        assert_eq!(case.request_of(NewRecord::event("1")).target, "/d002_path_and_query/p/q?x=1");
    }

    fn d003_null_value(case) {
        let request = case.request_of(NewRecord::event("1").null_value());
        assert_eq!(request.body, b"");
        assert_headers(&request, &[("ce-id", "1"), ("ce-type", "t1")]);
    }

    fn d004_empty_value(case) {
        let request = case.request_of(NewRecord::event("1").value(""));
        assert_eq!(request.body, b"");
        assert_headers(&request, &[("ce-id", "1"), ("ce-type", "t1")]);
    }

    fn d005_no_content_type(case) {
        let request = case.request_of(NewRecord::event("1").without("content-type"));
        assert_eq!(request.header("content-type"), None);
        assert_eq!(request.body, JSON.as_bytes());
    }

    /// Java writes the data anew; we pass its bytes through (dispatcher.md W29).
    fn d006_structured_json(case) {
        let json = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t1","data": { "b" : 1.50, "a" : "\u00e9" },"ext":"v"}"#;
        let request = case.request_of(NewRecord::structured(json));
        assert_headers(&request, &[
            ("content-type", "application/json"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t1"),
            ("ce-specversion", "1.0"), ("ce-ext", "v"), ("ce-knativekafkaoffset", "0"),
        ]);
        assert_eq!(String::from_utf8_lossy(&request.body), r#"{ "b" : 1.50, "a" : "\u00e9" }"#);
    }

    fn d007_structured_json_with_charset(case) {
        let record = structured(json!({ "data": { "a": 1 } }));
        let request = case.request_of(record.set("content-type", "application/cloudevents+json; charset=utf-8"));
        assert_headers(&request, &[("content-type", "application/json"), ("ce-id", "1")]);
        assert_eq!(request.body, JSON.as_bytes());
    }

    fn d008_structured_base64(case) {
        let request = case.request_of(structured(json!({ "datacontenttype": "application/octet-stream", "data_base64": "AQI=" })));
        assert_headers(&request, &[("content-type", "application/octet-stream")]);
        assert_eq!(request.body, [1, 2]);
    }

    fn d009_structured_text(case) {
        let request = case.request_of(structured(json!({ "datacontenttype": "text/plain", "data": "hi" })));
        assert_headers(&request, &[("content-type", "text/plain")]);
        assert_eq!(request.body, b"hi");
    }

    fn d010_time_is_normalised(case) {
        let request = case.request_of(NewRecord::event("1").header("ce_time", "2020-01-01T01:00:00.120+01:00"));
        assert_headers(&request, &[("ce-time", "2020-01-01T01:00:00.12+01:00")]);
    }

    fn d011_extension_name_is_lower_cased(case) {
        let request = case.request_of(NewRecord::event("1").header("ce_MyExt", "v"));
        assert_headers(&request, &[("ce-myext", "v")]);
    }

    fn d012_version_0_3_stays(case) {
        let record = NewRecord::event("1").set("ce_specversion", "0.3").header("ce_schemaurl", "/x");
        let request = case.request_of(record);
        assert_headers(&request, &[("ce-specversion", "0.3"), ("ce-schemaurl", "/x")]);
        assert_eq!(request.header("ce-dataschema"), None);
    }

    fn d013_key_and_other_headers_stay_behind(case) {
        let request = case.request_of(NewRecord::event("1").key("secret-key").header("foo", "secret-value"));
        for (name, value) in &request.headers {
            let value = String::from_utf8_lossy(value);
            assert!(name != "foo" && !value.contains("secret"), "{name}: {value}");
        }
        assert_eq!(request.header("ce-partitionkey"), None);
    }

    fn d014_partition_key_of_the_event(case) {
        let request = case.request_of(NewRecord::event("1").header("ce_partitionkey", "p1"));
        assert_headers(&request, &[("ce-partitionkey", "p1")]);
    }

    /// Java sends Latin-1 or `?`; we percent-encode as the HTTP binding says (dispatcher.md W12), controls too, and
    /// leave printable ASCII as it is.
    fn d015_other_characters_are_percent_encoded(case) {
        let record = NewRecord::event("1").header("ce_color", "gr\u{fc}n").header("ce_odd", "a\u{1}b\u{20ac}\u{7f}")
            .header("ce_plain", "100% \"sure\" {x}");
        let request = case.request_of(record);
        assert_headers(&request, &[
            ("ce-color", "gr%C3%BCn"), ("ce-odd", "a%01b%E2%82%AC%7F"), ("ce-plain", "100% \"sure\" {x}"),
        ]);
    }

    /// Java knows no such format (dispatcher.md W28).
    fn d016_format_json(case, |plan| plan
        .egress(|egress| egress.config(json!({ "format": "json" })))
        .and("binary", |egress| egress.config(json!({ "format": "binary" })))
        .and("empty", |egress| egress.config(json!({ "format": "" })))
    ) {
        let request = case.request_of(NewRecord::event("1").header("ce_ext", "v"));
        let content_type = request.header("content-type").unwrap();
        assert_eq!(content_type.split(';').next(), Some("application/cloudevents+json"));
        let event: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(event["data"], json!({ "a": 1 }));
        for (name, value) in [("specversion", "1.0"), ("id", "1"), ("type", "t1"), ("source", "/s"), ("ext", "v"), ("datacontenttype", "application/json")] {
            assert_eq!(event[name], value, "{name} of {event}");
        }
        for same in ["binary", "empty"] {
            case.settles_for(case.and(same), 0, 1);
            let request = case.subscriber_of(case.and(same)).one();
            assert_headers(&request, &[("content-type", "application/json"), ("ce-ext", "v")]);
            assert_eq!(request.body, JSON.as_bytes());
        }
    }
}
