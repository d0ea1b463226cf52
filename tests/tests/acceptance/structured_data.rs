//! Data of structured events: R69 to R77.

use millrace_tests::http::Request;
use millrace_tests::matrix;
use millrace_tests::rig::{Rig, unique};
use serde_json::json;

use crate::structured::{record, refused};

matrix! {
    fn r069_data_without_content_type_is_json(rig: &'static Rig) {
        let record = record(rig, json!({ "data": { "a": 1 } }));
        assert_eq!(record.header("content-type").as_deref(), Some("application/json"));
        assert_eq!(record.value.as_deref(), Some(&br#"{"a":1}"#[..]));
    }

    fn r070_null_data_is_four_bytes(rig: &'static Rig) {
        assert_eq!(record(rig, json!({ "data": null })).value.as_deref(), Some(&b"null"[..]));
    }

    fn r071_text_data_is_the_string(rig: &'static Rig) {
        let record = record(rig, json!({ "datacontenttype": "text/plain", "data": "hi \"é\"\n" }));
        assert_eq!(record.value.as_deref(), Some("hi \"é\"\n".as_bytes()));
    }

    fn r072_text_data_that_is_no_string(rig: &'static Rig) {
        refused(rig, json!({ "datacontenttype": "text/plain", "data": {} }));
    }

    /// Java answers 400: it does not take this for JSON (receiver.md W24).
    fn r073_json_suffix_with_a_dot(rig: &'static Rig) {
        let record = record(rig, json!({ "datacontenttype": "application/vnd.x+json", "data": {} }));
        assert_eq!(record.value.as_deref(), Some(&b"{}"[..]));
    }

    fn r074_base64_data(rig: &'static Rig) {
        assert_eq!(record(rig, json!({ "data_base64": "aGk=" })).value.as_deref(), Some(&b"hi"[..]));
    }

    fn r075_base64_data_that_is_none(rig: &'static Rig) {
        for data in [
            json!({ "data_base64": "aGk" }),
            json!({ "data_base64": "a*k=" }),
            json!({ "data_base64": 5 }),
            json!({ "data_base64": null }),
            json!({ "data_base64": "aGk=", "data": "hi" }),
        ] {
            refused(rig, data);
        }
    }

    /// Java rounds it to a double (receiver.md W25).
    fn r076_digits_of_numbers_are_kept(rig: &'static Rig) {
        let id = unique();
        let number = "0.1234567890123456789012345";
        let body = format!(r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"t","data":{number}}}"#);
        let record = rig.record_of(&Request::structured("/ns/a", body), &id);
        assert_eq!(record.value.as_deref(), Some(number.as_bytes()));
    }

    fn r077_base64_data_of_version_0_3(rig: &'static Rig) {
        let members = json!({ "specversion": "0.3", "datacontentencoding": "base64", "data": "aGk=" });
        let record = record(rig, members);
        assert_eq!(record.value.as_deref(), Some(&b"hi"[..]));
        assert_eq!(record.header("ce_specversion").as_deref(), Some("0.3"));
    }
}
