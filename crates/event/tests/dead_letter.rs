//! Requests to the dead letter sink, case by case as in dispatcher.md 18.

mod common;

use common::kafka::{CE, Given};
use millrace_event::Failure;

type Headers<'a> = &'a [(&'a [u8], &'a [u8])];

fn failed(status: u16, body: &[u8], headers: Headers<'_>) -> Failure {
    Failure::with_response("http://S/x", status, body, headers.iter().copied())
}

fn given() -> Given {
    Given::new(&CE, Some("{\"a\":1}"))
}

#[test]
fn d082_a_response_is_told_beside_the_original() {
    let original = given().request().unwrap();
    let mut request = given().with_failure(failed(422, b"{\"m\":1}", &[])).request().unwrap();
    let mut taken = |name| request.headers.remove(name);
    assert_eq!(taken("ce-knativeerrordest").as_deref(), Some("http://S/x"));
    assert_eq!(taken("ce-knativeerrorcode").as_deref(), Some("422"));
    assert_eq!(taken("ce-knativeerrordata").as_deref(), Some("eyJtIjoxfQ=="));
    assert_eq!(request, original);
}

#[test]
fn d083_d084_the_body_is_cut_or_absent() {
    let request = given().with_failure(failed(500, &[b'A'; 1030], &[])).request().unwrap();
    assert_eq!(request.header("ce-knativeerrordata").map(str::len), Some(1368));
    let request = given().with_failure(failed(500, b"", &[])).request().unwrap();
    assert_eq!(request.header("ce-knativeerrordata"), None);
    assert_eq!(request.header("ce-knativeerrorcode"), Some("500"));
}

#[test]
fn d085_without_a_response_only_the_destination_is_told() {
    let failure = Failure::without_response("http://S/x");
    let request = given().with_failure(failure).request().unwrap();
    let told = request.headers.keys().filter(|name| name.starts_with("ce-knativeerror"));
    assert_eq!(told.collect::<Vec<_>>(), ["ce-knativeerrordest"]);
}

#[test]
fn d086_d087_headers_of_the_response() {
    let headers: Headers<'_> = &[
        (b"Kne-TestError", b"first"),
        (b"kne-testerror", b"hello"),
        (b"something", b"nope"),
        (b"kne-my-header", b"x"),
        (b"kne-type", b"x"),
        (b"kne-knativeerrordest", b"x"),
    ];
    let request = given().with_failure(failed(422, b"", headers)).request().unwrap();
    assert_eq!(request.header("ce-testerror"), Some("hello"));
    assert_eq!(request.header("ce-type"), Some("t1"));
    assert_eq!(request.header("ce-knativeerrordest"), Some("http://S/x"));
    assert_eq!(request.headers.len(), given().request().unwrap().headers.len() + 3);
}

#[test]
fn extensions_of_the_event_and_overrides_give_way() {
    let mut headers = CE.to_vec();
    headers.extend([("ce_knativeerrorcode", "1"), ("ce_testerror", "old")]);
    let request = Given::new(&headers, None)
        .with_overrides(&[("knativeerrordest", "elsewhere")])
        .with_failure(failed(500, b"", &[(b"kne-testerror", b"new")]))
        .request()
        .unwrap();
    assert_eq!(request.header("ce-knativeerrorcode"), Some("500"));
    assert_eq!(request.header("ce-knativeerrordest"), Some("http://S/x"));
    assert_eq!(request.header("ce-testerror"), Some("new"));
}

#[test]
fn d090_version_03_becomes_version_1() {
    let headers = [
        ("ce_specversion", "0.3"),
        ("ce_id", "1"),
        ("ce_source", "/s"),
        ("ce_type", "t"),
        ("ce_schemaurl", "/schema"),
        ("ce_dataschema", "an extension in 0.3"),
    ];
    let given = Given::new(&headers, Some("hi")).with_failure(failed(500, b"", &[]));
    let request = given.request().unwrap();
    assert_eq!(request.header("ce-specversion"), Some("1.0"));
    assert_eq!(request.header("ce-dataschema"), Some("/schema"));
    assert_eq!(request.header("ce-schemaurl"), None);
    let json = given.see(|event| {
        let mut json = Vec::new();
        event.write_structured(&mut json);
        String::from_utf8(json).unwrap()
    });
    assert!(json.unwrap().starts_with(r#"{"specversion":"1.0","id":"1""#));
}
