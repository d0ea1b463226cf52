//! The control plane's probe: R26 to R33 and C28.

use std::time::Duration;

use millrace_tests::contract::CHANNEL_HOST;
use millrace_tests::http::Request;
use millrace_tests::matrix;
use millrace_tests::matrix::Variant;
use millrace_tests::rig::{Rig, unique};
use millrace_tests::wait::until;

fn probe(target: &str) -> Request {
    Request::get(target).header("K-Network-Probe", "probe").header("K-Network-Hash", "probe")
}

matrix! {
    fn r026_c028_probe_of_a_known_path(rig: &'static Rig) {
        let answer = rig.exchange(&probe("/ns/a"));
        assert_eq!((answer.status, answer.header("k-network-hash"), answer.body.len()), (200, Some("probe"), 0));
    }

    fn r027_probe_without_hash(rig: &'static Rig) {
        let answer = rig.exchange(&probe("/ns/a").without("K-Network-Hash"));
        assert_eq!((answer.status, answer.header("k-network-hash")), (200, None));
    }

    fn r028_probe_with_another_value(rig: &'static Rig) {
        rig.answers(&probe("/ns/a").set("K-Network-Probe", "probea"), 405);
    }

    fn r029_c028_probe_of_an_unknown_path(rig: &'static Rig) {
        rig.answers(&probe("/ns/unknown"), 404);
    }

    fn r030_probe_by_host(rig: &'static Rig) {
        rig.answers(&probe("/").set("Host", CHANNEL_HOST), 200);
    }

    /// Until tokens are checked, a resource that wants them is not served at all, so its probe must not say ready.
    fn r031_probe_of_an_authenticated_ingress_that_is_not_served(rig: &'static Rig) {
        rig.answers(&probe("/ns/o"), 404);
        rig.answers(&Request::minimal("/ns/o", &unique()), 404);
        rig.receiver.wait_for_log_text("ERROR", "uid-ns-o");
    }

    fn r032_post_with_probe_headers_is_an_event(rig: &'static Rig) {
        let id = unique();
        let request = Request::minimal("/ns/a", &id).header("K-Network-Probe", "probe").header("K-Network-Hash", "probe");
        let record = rig.record_of(&request, &id);
        assert_eq!(record.header("k-network-probe"), None);
    }

    fn r033_probe_notices_a_removed_resource(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        rig.answers(&probe("/ns/a"), 200);
        rig.receiver.swap_contract(rig.contract.next().without("uid-ns-a").to_bytes());
        until("the probe to see that A is gone", Duration::from_secs(5), || {
            (rig.status(&probe("/ns/a")) == 404).then_some(())
        });
        rig.answers(&probe("/ns/s"), 200);
    }
}
