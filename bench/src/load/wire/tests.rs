//! What a request looks like to those who read it.

use serde_json::Value;

use super::*;

fn url() -> Url {
    "http://127.0.0.1:8080/ns/load".parse().unwrap()
}

/// Head lines and body, after a check of the length.
fn split(request: &[u8]) -> (Vec<String>, Vec<u8>) {
    let end = request.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(request[..end].to_vec()).unwrap();
    let body = request[end + 4..].to_vec();
    let lines: Vec<String> = head.split("\r\n").map(str::to_owned).collect();
    assert!(lines.contains(&format!("content-length: {}", body.len())), "{lines:?}");
    (lines, body)
}

fn header<'l>(lines: &'l [String], name: &str) -> &'l str {
    lines.iter().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap()
}

#[test]
fn binary_event_has_its_id_key_type_and_size() {
    let shape = Shape { keys: 3, types: 2, extensions: 2, ..Shape::default() };
    let mut wire = Wire::new(&shape, &url(), 0xabc);
    let (lines, body) = split(wire.fill(7, 9, 11));
    assert_eq!(lines[0], "POST /ns/load HTTP/1.1");
    assert_eq!(header(&lines, "host"), "127.0.0.1:8080");
    let id = EventId::parse(header(&lines, "ce-id").as_bytes()).unwrap();
    assert_eq!(id, EventId { run: 0xabc, stream: 7, number: 9, planned_ns: 11 });
    assert_eq!(header(&lines, "ce-bench1"), "0123456789abcdef");
    assert_eq!(body, vec![b'x'; 1024]);
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..6 {
        let (lines, _) = split(wire.fill(7, number, 0));
        let key = header(&lines, "ce-partitionkey").to_owned();
        seen.insert((key, header(&lines, "ce-type").to_owned()));
    }
    assert_eq!(seen.len(), 6, "every key with every type: {seen:?}");
}

#[test]
fn one_key_and_no_key() {
    let shape = Shape { keys: 1, ..Shape::default() };
    let (lines, _) = split(Wire::new(&shape, &url(), 1).fill(3, 3, 3));
    assert_eq!(header(&lines, "ce-partitionkey"), "key-00000000");
    let (lines, _) = split(Wire::new(&Shape::default(), &url(), 1).fill(3, 3, 3));
    assert!(!lines.iter().any(|line| line.starts_with("ce-partitionkey")));
}

#[test]
fn structured_event_is_json_with_its_data() {
    for data in [Data::Text, Data::Json] {
        let shape = Shape { mode: Mode::Structured, data, size: 300, keys: 2, ..Shape::default() };
        let mut wire = Wire::new(&shape, &url(), 5);
        let (lines, body) = split(wire.fill(1, 2, 3));
        assert_eq!(header(&lines, "content-type"), "application/cloudevents+json");
        let event: Value = serde_json::from_slice(&body).unwrap();
        let id = EventId::parse(event["id"].as_str().unwrap().as_bytes()).unwrap();
        assert_eq!((id.run, id.number), (5, 2));
        let bytes = match data {
            Data::Text => event["data"].as_str().unwrap().len(),
            Data::Json => event["data"].as_array().unwrap().len() * ITEM.len(),
        };
        assert!((280..=330).contains(&bytes), "{bytes}");
    }
}

#[test]
fn batch_numbers_its_events() {
    let shape = Shape { mode: Mode::Batch, batch: 4, size: 10, ..Shape::default() };
    let mut wire = Wire::new(&shape, &url(), 5);
    assert_eq!(wire.events(), 4);
    let (_, body) = split(wire.fill(1, 40, 3));
    let events: Vec<Value> = serde_json::from_slice(&body).unwrap();
    let numbers: Vec<u64> = events
        .iter()
        .map(|event| EventId::parse(event["id"].as_str().unwrap().as_bytes()).unwrap().number)
        .collect();
    assert_eq!(numbers, [40, 41, 42, 43]);
}

#[test]
fn json_data_has_the_size_asked_for() {
    for size in 2..600 {
        let text = data(Data::Json, size);
        assert_eq!(text.len(), size);
        let parsed: Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{size}: {error}: {text}"));
        assert!(parsed.is_array());
    }
}

#[test]
fn urls_are_read_or_refused() {
    let url: Url = "http://localhost:81".parse().unwrap();
    assert_eq!((url.path.as_str(), url.address.port()), ("/", 81));
    assert_eq!("http://127.0.0.1/a?b".parse::<Url>().unwrap().address.port(), 80);
    for text in ["", "https://a/", "http:///a", "http://a b/", "http://no.such.host.invalid/"] {
        assert!(text.parse::<Url>().is_err(), "{text}");
    }
}
