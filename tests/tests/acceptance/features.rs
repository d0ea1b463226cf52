//! Feature flags of a resource: R104.

use millrace_tests::http::Request;
use millrace_tests::matrix;
use millrace_tests::matrix::Variant;
use millrace_tests::rig::{Rig, unique};

matrix! {
    /// Java does not notice a flag that changes alone. EventType objects are not created yet, and that is what taking
    /// the flag up means for now: the log says so as soon as the flag is there, and events go on.
    fn r104_event_type_autocreate_toggled_alone(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        rig.accepted(&Request::minimal("/ns/a", &unique()));
        let says_so = |line: &serde_json::Value| {
            line["message"].as_str().is_some_and(|text| text.contains("EventType objects are wanted"))
        };
        assert!(!rig.receiver.logs().iter().any(says_so), "nobody has asked for them yet");
        let toggled = rig.contract.next().edit("uid-ns-a", |resource| {
            resource.put("/featureFlags", serde_json::json!({"enableEventTypeAutocreate": true}));
        });
        rig.receiver.swap_contract(toggled.to_bytes());
        let line = rig.receiver.wait_for_log("the flag is noticed", says_so);
        assert_eq!(line["level"], "WARN");
        rig.accepted(&Request::minimal("/ns/a", &unique()));
    }
}
