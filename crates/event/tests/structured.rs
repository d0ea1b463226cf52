//! Structured mode, case by case as in receiver.md 12.

mod common;

use common::{CT, MIN, json_with, min_and, send, send_json};
use millrace_event::EventError;

#[test]
fn r056_data_is_the_value_and_attributes_are_headers() {
    let members = r#""datacontenttype":"application/json","data":{"message":"helloworld"},"subject":"é","time":"2020-01-01T10:00Z","dataschema":"/d""#;
    let record = send_json(members).unwrap();
    assert_eq!(record.text(), r#"{"message":"helloworld"}"#);
    assert!(record.borrowed);
    for (name, value) in [
        ("ce_specversion", "1.0"),
        ("ce_id", "1"),
        ("ce_source", "/s"),
        ("ce_type", "t"),
        ("content-type", "application/json"),
        ("ce_subject", "é"),
        ("ce_time", "2020-01-01T10:00:00Z"),
        ("ce_dataschema", "/d"),
    ] {
        assert_eq!(record.header(name), Some(value), "{name}");
    }
    assert_eq!(record.headers.len(), 8);
}

#[test]
fn r057_r058_the_media_type_is_read_leniently() {
    for kind in [
        "application/cloudevents+json; charset=utf-8",
        "Application/CloudEvents+JSON",
        "application/cloudevents+json ; charset=utf-8",
    ] {
        assert!(send(&[("content-type", kind)], &json_with("")).is_ok(), "{kind}");
    }
}

#[test]
fn r059_r060_other_event_formats_are_refused() {
    for kind in [
        "application/cloudevents-batch+json",
        "application/cloudevents+xml",
        "application/cloudevents+avro",
        "Application/CloudEvents+protobuf",
        "application/cloudevents",
    ] {
        for headers in [vec![("Content-Type", kind)], min_and(&[("Content-Type", kind)])] {
            let error = send(&headers, &format!("[{}]", json_with(""))).unwrap_err();
            assert_eq!(error, EventError::UnsupportedFormat { media_type: kind.into() });
        }
    }
}

#[test]
fn r061_what_is_no_json_object_is_refused() {
    let truncated = json_with("\"data\":[1,2");
    for body in ["", " ", "[]", "1", "null", "{", "{\"a\":1", truncated.trim_end_matches('}'), "{]"]
    {
        assert_eq!(send(&[CT], body).unwrap_err().reason(), "json", "{body}");
    }
    let array = format!("[{}]", json_with(""));
    assert_eq!(send(&[CT], &array).unwrap_err().reason(), "json");
}

#[test]
fn r062_required_attributes_must_be_strings() {
    for attribute in ["specversion", "id", "source", "type"] {
        for (value, reason) in [
            (None, "missing_attribute"),
            (Some("null"), "missing_attribute"),
            (Some("1"), "attribute_type"),
            (Some("true"), "attribute_type"),
            (Some("{}"), "attribute_type"),
            (Some("[\"1\"]"), "attribute_type"),
            (Some("\"\\ud800\""), "attribute_type"),
        ] {
            let mut members = vec![];
            for (name, good) in [
                ("specversion", "\"1.0\""),
                ("id", "\"1\""),
                ("source", "\"/s\""),
                ("type", "\"t\""),
            ] {
                let value = if name == attribute { value } else { Some(good) };
                members.extend(value.map(|value| format!("\"{name}\":{value}")));
            }
            let body = format!("{{{}}}", members.join(","));
            assert_eq!(send(&[CT], &body).unwrap_err().reason(), reason, "{body}");
        }
    }
    let body = r#"{"specversion":"1.1","id":"1","source":"/s","type":"t"}"#;
    assert_eq!(send(&[CT], body).unwrap_err().reason(), "specversion");
}

#[test]
fn r063_r064_optional_attributes_are_strings_or_absent() {
    for name in ["subject", "time", "dataschema", "datacontenttype"] {
        let record = send_json(&format!("\"{name}\":null")).unwrap();
        assert_eq!(record.headers.len(), 4, "{name}");
        for bad in ["5", "false", "[]", "{}"] {
            let error = send_json(&format!("\"{name}\":{bad}")).unwrap_err();
            assert_eq!(error.reason(), "attribute_type", "{name} {bad}");
        }
    }
    assert_eq!(send_json(r#""time":"now""#).unwrap_err().reason(), "time");
    assert_eq!(send_json(r#""dataschema":"a b""#).unwrap_err().reason(), "uri");
}

#[test]
fn r065_to_r068_extensions_by_type() {
    for (value, text) in [
        ("true", "true"),
        ("false", "false"),
        ("5", "5"),
        ("-0", "0"),
        ("2147483647", "2147483647"),
        ("-2147483648", "-2147483648"),
        ("\"\"", ""),
        ("\"a\\u00e9\\n\\\"\"", "aé\n\""),
        ("{ \"a\" : [ 1 ] }", "{\"a\":[1]}"),
        ("[ \"x y\", null ]", "[\"x y\",null]"),
    ] {
        let record = send_json(&format!("\"x\":{value}")).unwrap();
        assert_eq!(record.header("ce_x"), Some(text), "{value}");
    }
    for bad in ["1.5", "5000000000", "2147483648", "-2147483649", "1e3", "1.0", "\"\\udc00\""] {
        let error = send_json(&format!("\"x\":{bad}")).unwrap_err();
        assert_eq!(error.reason(), "attribute_type", "{bad}");
        assert!(error.to_string().contains("attribute x "), "{error}");
    }
    for name in ["myExt", "my-ext", "my_ext", "é", "a b", "a\\u002d"] {
        let error = send_json(&format!("\"{name}\":\"v\"")).unwrap_err();
        assert_eq!(error.reason(), "extension_name", "{name}");
    }
    assert_eq!(send_json("\"x\":null").unwrap().header("ce_x"), None);
}

#[test]
fn r069_r070_data_without_type_is_json() {
    for data in ["{}", "null", "\"text\"", "1.50", "[ 1, 2 ]"] {
        let record = send_json(&format!("\"data\":{data}")).unwrap();
        assert_eq!(record.header("content-type"), Some("application/json"));
        assert_eq!(record.text(), data);
        assert!(record.borrowed);
    }
    let record = send_json("").unwrap();
    assert_eq!((record.value.as_deref(), record.header("content-type")), (None, None));
}

#[test]
fn r071_r072_data_of_other_types_is_a_string() {
    let record = send_json(r#""datacontenttype":"text/plain","data":"hi é""#).unwrap();
    assert_eq!(record.text(), "hi é");
    assert!(record.borrowed);
    let record = send_json(r#""data":"a\n\ud83d\ude00","datacontenttype":"text/plain""#).unwrap();
    assert_eq!(record.text(), "a\n😀");
    let empty = send_json(r#""datacontenttype":"text/plain","data":"""#).unwrap();
    assert_eq!(empty.value.as_deref(), Some(&b""[..]));
    for bad in ["{}", "1", "null", "true", "[\"hi\"]", "\"\\ud800\""] {
        let members = format!(r#""datacontenttype":"text/plain","data":{bad}"#);
        assert_eq!(send_json(&members).unwrap_err().reason(), "data", "{bad}");
    }
}

#[test]
fn r073_json_suffixes_count_as_json() {
    for kind in ["application/vnd.x+json", "Application/JSON", "image/svg+json ; a=b", "text/json"]
    {
        let members = format!(r#""datacontenttype":"{kind}","data":{{}}"#);
        let record = send_json(&members).unwrap();
        assert_eq!((record.text(), record.header("content-type")), ("{}", Some(kind)));
    }
}

#[test]
fn r074_r075_base64_data() {
    let record = send_json(r#""data_base64":"aGk=""#).unwrap();
    assert_eq!((record.text(), record.header("content-type")), ("hi", None));
    let empty = send_json(r#""data_base64":"""#).unwrap();
    assert_eq!(empty.value.as_deref(), Some(&b""[..]));
    for bad in [
        r#""data_base64":"aGk""#,
        r#""data_base64":"a-_=""#,
        r#""data_base64":"é""#,
        r#""data_base64":5"#,
        r#""data_base64":null"#,
        r#""data_base64":"aGk=","data":"x""#,
        r#""data":null,"data_base64":"aGk=""#,
    ] {
        assert_eq!(send_json(bad).unwrap_err().reason(), "data", "{bad}");
    }
}

#[test]
fn r076_numbers_keep_their_digits() {
    for number in ["0.1234567890123456789012345", "1e3", "123456789012345678901234567890"] {
        assert_eq!(send_json(&format!("\"data\":{number}")).unwrap().text(), number);
    }
}

#[test]
fn r077_version_03_has_an_encoding() {
    let send_03 = |members: &str| {
        let body = json_with(members).replace("1.0", "0.3");
        send(&[CT], &body)
    };
    let record = send_03(r#""datacontentencoding":"base64","data":"aGk=""#).unwrap();
    assert_eq!((record.text(), record.header("ce_specversion")), ("hi", Some("0.3")));
    assert_eq!(record.header("content-type"), Some("application/json"));
    assert_eq!(record.header("ce_datacontentencoding"), None);
    assert_eq!(send_03(r#""data_base64":"aGk=""#).unwrap().text(), "hi");
    assert_eq!(send_03(r#""datacontentencoding":null,"data":"aGk=""#).unwrap().text(), "\"aGk=\"");
    let record = send_03(r#""schemaurl":"/x","dataschema":"a b""#).unwrap();
    assert_eq!(record.header("ce_schemaurl"), Some("/x"));
    assert_eq!(record.header("ce_dataschema"), Some("a b"));
    for bad in [
        r#""datacontentencoding":"base64","data":{}"#,
        r#""datacontentencoding":"base64","data":"?""#,
    ] {
        assert_eq!(send_03(bad).unwrap_err().reason(), "data");
    }
    assert_eq!(send_03(r#""datacontentencoding":1"#).unwrap_err().reason(), "attribute_type");
    assert_eq!(send_03(r#""schemaurl":"a b""#).unwrap_err().reason(), "uri");
    // In version 1.0 the name means nothing: an extension.
    let record = send_json(r#""datacontentencoding":"base64","data":"aGk=""#).unwrap();
    assert_eq!(record.text(), "\"aGk=\"");
    assert_eq!(record.header("ce_datacontentencoding"), Some("base64"));
}

#[test]
fn r078_event_headers_are_ignored() {
    let headers = [CT, ("ce-foo", "bar"), ("ce-bad-name", "x"), MIN[1]];
    let record = send(&headers, &json_with("").replace("\"1\"", "\"2\"")).unwrap();
    assert_eq!((record.headers.len(), record.header("ce_id")), (4, Some("2")));
}

#[test]
fn r079_the_last_of_duplicate_members_wins() {
    let record = send_json(
        r#""x":1.5,"id":7,"id":"2","data":1,"data":2,"x":true,"x":"y","z":"1","z":null,"subject":"s","subject":null"#,
    )
    .unwrap();
    assert_eq!(record.header("ce_id"), Some("2"));
    assert_eq!(record.header("ce_x"), Some("y"));
    assert_eq!((record.header("ce_z"), record.header("ce_subject")), (None, None));
    assert_eq!(record.text(), "2");
    assert_eq!(send_json(r#""id":7"#).unwrap_err().reason(), "attribute_type");
}

#[test]
fn r082_a_typed_partition_key_has_its_string_form() {
    for (value, key) in [("5", "5"), ("-0", "0"), ("true", "true"), ("\"\\u006b\"", "k")] {
        let record = send_json(&format!("\"partitionkey\":{value}")).unwrap();
        assert_eq!(record.key.as_deref(), Some(key.as_bytes()));
    }
    assert_eq!(send_json("\"partitionkey\":null").unwrap().key, None);
}

#[test]
fn escaped_keys_and_values_mean_what_they_say() {
    let body = r#"{"\u0073pecversion":"1\u002e0","i\u0064":"\u0031","source":"\/s","type":"t","dat\u0061":1,"e\u0078t":"v"}"#;
    let record = send(&[CT], body).unwrap();
    assert_eq!(record.header("ce_id"), Some("1"));
    assert_eq!(record.header("ce_source"), Some("/s"));
    assert_eq!(record.header("ce_ext"), Some("v"));
    assert_eq!(record.text(), "1");
}

#[test]
fn blanks_mark_and_text_around_the_object_are_fine() {
    let body = format!("\u{feff} \r\n{} rest {{", json_with("\"data\" : [ 1 ] "));
    assert_eq!(send(&[CT], &body).unwrap().text(), "[ 1 ]");
    let mut bytes = json_with("").into_bytes();
    bytes.extend_from_slice(b"\xff\xfe");
    let headers = [(CT.0.as_bytes(), CT.1.as_bytes())];
    assert!(common::write(millrace_event::ContentMode::Binary, &headers, &bytes).is_ok());
}

#[test]
fn bad_utf8_anywhere_in_the_object_is_refused() {
    let headers = [(CT.0.as_bytes(), CT.1.as_bytes())];
    for place in ["\"data\":\"@\"", "\"x\":\"@\"", "\"data\":{\"@\":1}", "\"subject\":\"@\""] {
        let body = json_with(place).into_bytes();
        let at = body.iter().position(|&byte| byte == b'@').unwrap();
        let mut body = body;
        body[at] = 0xe9;
        let error =
            common::write(millrace_event::ContentMode::Binary, &headers, &body).unwrap_err();
        assert_eq!(error, EventError::Json { why: "not UTF-8", at });
    }
}

#[test]
fn nesting_counts_the_event_itself() {
    for (depth, accepted) in [(999, true), (1000, false)] {
        let data = ["[".repeat(depth), "]".repeat(depth)].concat();
        let outcome = send_json(&format!("\"data\":{data}"));
        assert_eq!(outcome.is_ok(), accepted, "{depth}");
    }
}

#[test]
fn thousands_of_extensions_do_not_take_square_time() {
    let members: Vec<String> =
        (0..60_000).map(|n| format!("\"e{}\":\"{n}\"", n % 30_000)).collect();
    let record = send_json(&members.join(",")).unwrap();
    assert_eq!(record.headers.len(), 30_004);
    assert_eq!(record.header("ce_e7"), Some("30007"));
}
