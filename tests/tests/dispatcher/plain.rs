//! Plain records that a KafkaSource makes events: D27 to D40.

use millrace_tests::cases;
use millrace_tests::plan::Plan;
use millrace_tests::producer::NewRecord;
use millrace_tests::stage::{Case, DISCARDED};
use millrace_tests::subscriber::Received;
use serde_json::json;

/// Reference `{ns1, ks, KafkaSource}`, keys read as this type.
fn source(plan: Plan, key_type: &str) -> Plan {
    let plan = plan.resource("/reference/name", "ks").resource("/reference/kind", "KafkaSource");
    plan.egress(|egress| egress.set("/keyType", key_type))
}

fn strings(plan: Plan) -> Plan {
    source(plan, "String")
}

/// The requests for these records, in the order of the records.
fn requests_of(case: &Case<'_>, records: &[NewRecord]) -> Vec<Received> {
    case.send(records);
    case.settles(i64::try_from(records.len()).unwrap());
    let mut requests = case.subscriber().received();
    assert_eq!(requests.len(), records.len(), "{requests:#?}");
    requests.sort_by_key(Received::offset);
    requests
}

/// What these keys become, wanting both attributes to be the same.
fn keys_of(case: &Case<'_>, keys: &[&[u8]]) -> Vec<Option<String>> {
    let records: Vec<_> = keys.iter().map(|key| NewRecord::plain("v").key(key)).collect();
    let attributes = |request: &Received| {
        let key = request.header("ce-key");
        assert_eq!(key, request.header("ce-partitionkey"));
        key
    };
    requests_of(case, &records).iter().map(attributes).collect()
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

cases! { Source;
    fn d027_everything_of_a_plain_record(case, |plan| strings(plan).begin_at(Some(7))) {
        case.send(&[NewRecord::plain(r#"{"value":5}"#).key("0").header("content-type", "application/json").at(1_500)]);
        case.settles(8);
        let request = case.subscriber().one();
        let source = format!("/apis/v1/namespaces/ns1/kafkasources/ks#{}", case.plan.topic);
        for (name, value) in [
            ("ce-specversion", "1.0"), ("ce-id", "partition:0/offset:7"), ("ce-type", "dev.knative.kafka.event"),
            ("ce-source", source.as_str()), ("ce-subject", "partition:0#7"), ("ce-time", "1970-01-01T00:00:01.5Z"),
            ("ce-key", "0"), ("ce-partitionkey", "0"), ("content-type", "application/json"),
            ("ce-knativekafkaoffset", "7"),
        ] {
            assert_eq!(request.header(name).as_deref(), Some(value), "{name}");
        }
        assert_eq!(request.body, br#"{"value":5}"#);
    }

    fn d028_no_content_type(case, strings) {
        let request = &requests_of(case, &[NewRecord::plain("v")])[0];
        assert_eq!(request.header("content-type"), None);
        assert_eq!(request.body, b"v");
    }

    fn d029_content_type_in_other_case(case, strings) {
        let request = &requests_of(case, &[NewRecord::plain("v").header("Content-Type", "TEXT/Plain")])[0];
        assert_eq!(request.header("content-type"), some("text/plain"));
        assert_eq!(request.header("ce-kafkaheadercontenttype"), None);
    }

    fn d030_header_becomes_extension(case, strings) {
        let request = &requests_of(case, &[NewRecord::plain("v").header("X-Trace_ID", "v")])[0];
        assert_eq!(request.header("ce-kafkaheaderxtraceid"), some("v"));
    }

    fn d031_integer_keys(case, |plan| source(plan, "Integer")) {
        let keys = keys_of(case, &[&[0, 0, 0, 7], &[0xff; 4]]);
        assert_eq!(keys, [some("7"), some("-1")]);
    }

    /// Java takes it for text, too, but then cannot send the control characters (dispatcher.md W12).
    fn d032_integer_key_of_eight_bytes(case, |plan| source(plan, "Integer")) {
        let keys = keys_of(case, &[&[0, 0, 0, 0, 0, 0, 0, 7]]);
        assert_eq!(keys, [some("%00%00%00%00%00%00%00%07")]);
    }

    fn d033_integer_key_that_is_text(case, |plan| source(plan, "Integer")) {
        assert_eq!(keys_of(case, &[b"abc"]), [some("abc")]);
    }

    fn d034_double_keys(case, |plan| source(plan, "Double")) {
        let keys = keys_of(case, &[&[0x3f, 0xc0, 0, 0], &[0x40, 0x09, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18]]);
        assert_eq!(keys, [some("1.5"), some("3.141592653589793")]);
    }

    fn d035_byte_array_keys(case, |plan| source(plan, "ByteArray")) {
        assert_eq!(keys_of(case, &[&[1, 2, 3, 4]]), [some("AQIDBA==")]);
    }

    fn d036_empty_key(case, strings) {
        assert_eq!(keys_of(case, &[b""]), [None]);
    }

    fn d037_null_value(case, strings) {
        let request = &requests_of(case, &[NewRecord::default().key("a")])[0];
        assert_eq!(request.header("ce-type"), some("dev.knative.kafka.event"));
        assert_eq!(request.header("ce-key"), some("a"));
        assert_eq!(request.body, b"");
    }

    fn d038_an_event_stays_one(case, strings) {
        let request = &requests_of(case, &[NewRecord::event("1").key("k").header("foo", "x")])[0];
        assert_eq!((request.header("ce-id"), request.header("ce-type")), (some("1"), some("t1")));
        let made = |name: &str| name.eq_ignore_ascii_case("ce-key") || name.to_ascii_lowercase().starts_with("ce-kafkaheader");
        assert!(!request.headers.iter().any(|(name, _)| made(name)), "{request:?}");
    }

    fn d039_reference_without_a_name(case, |plan| strings(plan).resource("/reference/name", "")) {
        case.send(&[NewRecord::plain("hello")]);
        case.settles(1);
        case.metric_becomes(DISCARDED, &[("cloudevents_type", "InvalidCloudEvent")], 1.0);
        assert_eq!(case.subscriber().count(), 0);
    }

    /// Java drops all plain records of that poll (dispatcher.md W11).
    fn d040_null_header_among_plain_records(case, strings) {
        let mut records = vec![NewRecord::plain("v").header("g", "x"); 10];
        records[4] = NewRecord::plain("v").null_header("h").header("g", "x");
        let requests = requests_of(case, &records);
        assert!(requests.iter().all(|request| request.header("ce-kafkaheaderg") == some("x")));
        assert_eq!(requests[4].header("ce-kafkaheaderh"), None);
    }

    /// More of D16.
    fn d016_format_json_of_a_plain_record(case, |plan| strings(plan).egress(|egress| egress.config(json!({ "format": "json" })))) {
        let request = &requests_of_json(case, &NewRecord::plain([0xff, 0]).key("k"));
        assert_eq!(request["data_base64"], "/wA=");
        assert_eq!((&request["key"], &request["id"]), (&json!("k"), &json!("partition:0/offset:0")));
    }
}

fn requests_of_json(case: &Case<'_>, record: &NewRecord) -> serde_json::Value {
    case.send(std::slice::from_ref(record));
    case.settles(1);
    serde_json::from_slice(&case.subscriber().one().body).unwrap()
}
