//! Properties: nothing panics, and decoding agrees with a naive model.

mod common;

use std::collections::BTreeMap;

use common::{CT, send, write};
use millrace_event::{ContentMode, Scratch, decode_batch};
use proptest::prelude::*;
use serde_json::Value;

/// What receiver.md 3.4 and 4.2 ask of a JSON event of version 1.0 without data, told with a tree.
fn model(json: &Value) -> Option<BTreeMap<String, String>> {
    let mut headers = BTreeMap::new();
    for (name, value) in json.as_object()? {
        if !name.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase()) {
            return None;
        }
        let attribute = matches!(&name[..], "specversion" | "id" | "source" | "type" | "subject");
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text.clone(),
            _ if attribute => return None,
            Value::Bool(truth) => truth.to_string(),
            Value::Number(number) => i32::try_from(number.as_i64()?).ok()?.to_string(),
            tree => tree.to_string(),
        };
        headers.insert(format!("ce_{name}"), text);
    }
    let required = ["ce_specversion", "ce_id", "ce_source", "ce_type"];
    let complete = required.iter().all(|name| headers.contains_key(*name));
    (complete && headers["ce_specversion"] == "1.0").then_some(headers)
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::hash_map(any::<String>(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Mostly valid attributes, so that whole events pass often.
fn any_event() -> impl Strategy<Value = Value> {
    let required = || prop_oneof![12 => "[a-z]{0,6}".prop_map(Value::from), 1 => any_value()];
    // The model does not know the URI rule, which has its own tables.
    let source = prop_oneof![
        12 => "/[a-z]{0,6}".prop_map(Value::from),
        1 => any_value().prop_filter("no free text", |value| !value.is_string()),
    ];
    let version = prop_oneof![12 => Just(Value::from("1.0")), 1 => any_value()];
    let name = prop_oneof![9 => "[a-z0-9]{1,5}", 1 => "[a-zA-Z_-]{1,5}"];
    let reserved = ["time", "data", "specversion", "id", "type", "source"];
    let name =
        name.prop_filter("has rules of its own", move |name| !reserved.contains(&name.as_str()));
    let extension = prop_oneof![6 => any::<String>().prop_map(Value::from), 1 => any_value()];
    let extensions = proptest::collection::vec((name, extension), 0..24);
    (version, required(), source, required(), extensions).prop_map(
        |(version, id, source, kind, extensions)| {
            let mut members: serde_json::Map<String, Value> = extensions.into_iter().collect();
            for (name, value) in
                [("specversion", version), ("id", id), ("source", source), ("type", kind)]
            {
                members.insert(name.into(), value);
            }
            Value::Object(members)
        },
    )
}

proptest! {
    #[test]
    fn structured_events_agree_with_the_model(event in any_event(), pretty: bool) {
        let body = if pretty {
            serde_json::to_string_pretty(&event).unwrap()
        } else {
            event.to_string()
        };
        let decoded = send(&[CT], &body).ok().map(|record| {
            record.headers.keys().map(|name| (name.clone(), record.header(name).unwrap().to_owned()))
                .collect::<BTreeMap<_, _>>()
        });
        prop_assert_eq!(decoded, model(&event));
    }

    #[test]
    fn data_is_forwarded_as_sent(data in any_value(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&data).unwrap() } else { data.to_string() };
        let record = common::send_json(&format!("\"data\": {text} ")).unwrap();
        prop_assert_eq!(record.text(), text);
    }

    #[test]
    fn a_structured_record_decodes_to_the_same_event(
        id in any::<String>(), subject in any::<String>(), ext in any::<String>(),
        body in proptest::collection::vec(any::<u8>(), 0..300),
        kind in prop_oneof![Just("text/plain"), Just("application/json"), Just("")],
    ) {
        // Through a binary request first: header values are Latin-1 there, so ASCII only.
        let ascii = |text: &str| text.chars().filter(char::is_ascii).collect::<String>();
        let (id, subject, ext) = (ascii(&id), ascii(&subject), ascii(&ext));
        let headers = common::min_and(&[
            ("ce-id", &id), ("ce-subject", &subject), ("ce-ext", &ext), ("Content-Type", kind),
        ]);
        let headers: Vec<(&[u8], &[u8])> =
            headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let direct = write(ContentMode::Binary, &headers, &body).unwrap();
        let structured = write(ContentMode::Structured, &headers, &body).unwrap();
        serde_json::from_slice::<Value>(structured.value.as_deref().unwrap()).unwrap();
        let back = send(&[CT], structured.text()).unwrap();
        prop_assert_eq!(&back.headers, &direct.headers);
        // JSON data loses the blanks around it, nothing else.
        let trim = |value: &Option<Vec<u8>>| value.as_ref().map(|value| value.trim_ascii().to_vec());
        prop_assert_eq!(trim(&back.value), trim(&direct.value));
    }

    #[test]
    fn any_bytes_are_judged_without_panic(
        headers in proptest::collection::vec(
            (prop_oneof!["ce-[a-z]{0,4}", Just("ce-time".into()), Just("Content-Type".into()), "[ -~]{0,8}"],
             proptest::collection::vec(any::<u8>(), 0..40)), 0..8),
        body in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let mut headers: Vec<(&[u8], &[u8])> =
            headers.iter().map(|(name, value)| (name.as_bytes(), &value[..])).collect();
        for mode in [ContentMode::Binary, ContentMode::Structured] {
            let _verdict = write(mode, &headers, &body);
        }
        headers.extend(common::MIN.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        for mode in [ContentMode::Binary, ContentMode::Structured] {
            let _verdict = write(mode, &headers, &body);
        }
    }

    #[test]
    fn a_damaged_event_is_judged_without_panic(at in 0..200_usize, byte: u8, cut in 0..200_usize) {
        let mut body = common::json_with(
            r#""time":"2020-01-01T10:00:00.1+01:00","x":{"a":"\ud83d\ude00"},"data_base64":"aGk=","datacontenttype":"text/plain","e":"\n","n":-12"#,
        ).into_bytes();
        if let Some(place) = body.get_mut(at) {
            *place = byte;
        }
        body.truncate(body.len().min(cut + 60));
        let headers = [(CT.0.as_bytes(), CT.1.as_bytes())];
        for mode in [ContentMode::Binary, ContentMode::Structured] {
            let _verdict = write(mode, &headers, &body);
        }
        let batch = [b"[", &body[..], b",", &body[..], b"]"].concat();
        let _verdict = decode_batch(&batch, &mut Scratch::new(), |_| {});
    }
}
