//! What this version does not do: a resource that needs it is refused by name, and nothing else suffers.

use millrace_tests::broker::Broker;
use millrace_tests::contract::Resource;
use millrace_tests::http::Request;
use millrace_tests::matrix;
use millrace_tests::matrix::Variant;
use millrace_tests::rig::{Rig, unique};
use millrace_tests::wait::SOON;
use serde_json::{Value, json};

use crate::contracts::wait_for_status;

/// Adds a broker with these fields beside one without, and wants the first refused and the second served.
fn assert_refused(variant: Variant, field: &str, value: Value) {
    let rig = Rig::own(variant, |setup| setup);
    let bootstrap = Broker::shared(variant.broker).bootstrap();
    let needy = Resource::new("Broker", "ns", "needy", &rig.topics.a, bootstrap).set(field, value);
    let plain = Resource::new("Broker", "ns", "plain", &rig.topics.a, bootstrap);
    rig.receiver.swap_contract(rig.contract.next().with(needy).with(plain).to_bytes());
    wait_for_status(&rig.receiver, "/ns/plain", 202, SOON);
    rig.answers(&Request::minimal("/ns/needy", &unique()), 404);
    rig.receiver.wait_for_log_text("ERROR", "uid-ns-needy");
}

matrix! {
    /// Kubernetes secrets: R111 to R116.
    fn r111_secret_of_a_resource(variant: Variant) {
        let reference = json!({ "uuid": "u", "namespace": "ns", "name": "credentials", "version": "1" });
        assert_refused(variant, "/authSecret", reference);
    }

    fn r116_several_secrets_of_a_resource(variant: Variant) {
        let reference = json!({
            "protocol": "SASL_SSL",
            "references": [{
                "reference": { "uuid": "u", "namespace": "ns", "name": "credentials", "version": "1" },
                "keyFieldReferences": [{ "secretKey": "user", "field": "USER" }],
            }],
        });
        assert_refused(variant, "/multiAuthSecret", reference);
    }

    /// Tokens: R125 to R141. Serving it without a check would let anyone in.
    fn r125_audience_of_an_ingress(variant: Variant) {
        assert_refused(variant, "/ingress/audience", json!("eventing.knative.dev/broker/ns/needy"));
    }

    /// Without an audience nobody asks for a token, so the policies have no say (receiver.md 2.1).
    fn r140_policies_without_audience(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        let policies = json!([{ "tokenMatchers": [{ "exact": { "attributes": { "sub": "s" } } }] }]);
        let bootstrap = Broker::shared(variant.broker).bootstrap();
        let open = Resource::new("Broker", "ns", "open", &rig.topics.a, bootstrap).set("/ingress/eventPolicies", policies);
        rig.receiver.swap_contract(rig.contract.next().with(open).to_bytes());
        wait_for_status(&rig.receiver, "/ns/open", 202, SOON);
    }
}
