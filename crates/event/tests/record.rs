//! Records of content mode STRUCTURED, case by case as in receiver.md 12.

mod common;

use common::{CT, MIN, json_with, min_and, send_structured};

const HEAD: &str = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t""#;

#[test]
fn r083_members_stand_in_order() {
    let record = send_structured(
        &min_and(&[
            ("ce-ext", "v"),
            ("ce-time", "2020-01-01T10:00Z"),
            ("ce-subject", "x"),
            ("ce-dataschema", "/d"),
            ("Content-Type", "application/json"),
        ]),
        " {\"a\": 1}\n",
    )
    .unwrap();
    let rest = r#","datacontenttype":"application/json","dataschema":"/d","subject":"x","time":"2020-01-01T10:00:00Z","ext":"v","data":{"a": 1}}"#;
    assert_eq!(record.text(), format!("{HEAD}{rest}"));
    assert_eq!(record.headers.len(), 1);
    assert_eq!(record.header("content-type"), Some("application/cloudevents+json"));
}

#[test]
fn r084_other_types_become_base64() {
    for kind in ["text/plain", "application/vnd.x+json", "Application/JSON", ""] {
        let record = send_structured(&min_and(&[("Content-Type", kind)]), "hi").unwrap();
        let rest = format!(r#","datacontenttype":"{kind}","data_base64":"aGk="}}"#);
        assert_eq!(record.text(), format!("{HEAD}{rest}"));
        // Even bytes that are JSON: the type decides.
        let record = send_structured(&min_and(&[("Content-Type", kind)]), "[1]").unwrap();
        let rest = format!(r#","datacontenttype":"{kind}","data_base64":"WzFd"}}"#);
        assert_eq!(record.text(), format!("{HEAD}{rest}"));
    }
    let members = r#""datacontenttype":"text/plain","data":"hi""#;
    let record = send_structured(&[CT], &json_with(members)).unwrap();
    let rest = r#","datacontenttype":"text/plain","data_base64":"aGk="}"#;
    assert_eq!(record.text(), format!("{HEAD}{rest}"));
}

#[test]
fn r085_r086_bytes_that_are_not_json_become_base64() {
    let record = send_structured(&MIN, "hello").unwrap();
    assert_eq!(record.text(), format!("{HEAD},\"data_base64\":\"aGVsbG8=\"}}"));
    let record =
        send_structured(&min_and(&[("Content-Type", "application/json")]), "{oops").unwrap();
    let rest = r#","datacontenttype":"application/json","data_base64":"e29vcHM="}"#;
    assert_eq!(record.text(), format!("{HEAD}{rest}"));
    let record = send_structured(&MIN, "[1]").unwrap();
    assert_eq!(record.text(), format!("{HEAD},\"data\":[1]}}"));
    let record = send_structured(&[CT], &json_with(r#""data_base64":"aGk=""#)).unwrap();
    assert_eq!(record.text(), format!("{HEAD},\"data_base64\":\"aGk=\"}}"));
    let record = send_structured(&[CT], &json_with(r#""data_base64":"WzFd""#)).unwrap();
    assert_eq!(record.text(), format!("{HEAD},\"data\":[1]}}"));
}

#[test]
fn r087_without_data_there_is_no_data_member() {
    assert_eq!(send_structured(&MIN, "").unwrap().text(), format!("{HEAD}}}"));
}

#[test]
fn r088_typed_extensions_stay_typed() {
    let body = json_with(r#""i":-0,"b":false,"c":true,"n":-5,"s":"a\"\\\u001f\u0008é/","z":null"#);
    let record = send_structured(&[CT], &body).unwrap();
    let rest = r#","i":0,"b":false,"c":true,"n":-5,"s":"a\"\\\u001F\bé/"}"#;
    assert_eq!(record.text(), format!("{HEAD}{rest}"));
}

#[test]
fn structured_data_stays_as_sent_whatever_its_type() {
    let body = json_with(r#""data": { "a" : 1e3 } ,"datacontenttype":"application/vnd.x+json""#);
    let record = send_structured(&[CT], &body).unwrap();
    let rest = r#","datacontenttype":"application/vnd.x+json","data":{ "a" : 1e3 }}"#;
    assert_eq!(record.text(), format!("{HEAD}{rest}"));
}

#[test]
fn version_03_writes_its_own_members() {
    let headers = [
        ("ce-specversion", "0.3"),
        MIN[1],
        MIN[2],
        MIN[3],
        ("ce-schemaurl", "/x"),
        ("Content-Type", "text/plain"),
    ];
    let record = send_structured(&headers, "hi").unwrap();
    assert_eq!(
        record.text(),
        r#"{"specversion":"0.3","id":"1","source":"/s","type":"t","datacontenttype":"text/plain","schemaurl":"/x","datacontentencoding":"base64","data":"aGk="}"#
    );
    let back = common::send(&[CT], record.text()).unwrap();
    assert_eq!((back.text(), back.header("ce_schemaurl")), ("hi", Some("/x")));
}

#[test]
fn r090_the_key_is_set_in_structured_mode_too() {
    let record = send_structured(&min_and(&[("ce-partitionkey", "k")]), "").unwrap();
    assert_eq!(record.key.as_deref(), Some(&b"k"[..]));
    assert_eq!(record.text(), format!("{HEAD},\"partitionkey\":\"k\"}}"));
}

#[test]
fn an_extension_called_data_is_left_out_of_the_object() {
    let record = send_structured(&min_and(&[("ce-data", "x"), ("ce-y", "z")]), "[1]").unwrap();
    assert_eq!(record.text(), format!("{HEAD},\"y\":\"z\",\"data\":[1]}}"));
}
