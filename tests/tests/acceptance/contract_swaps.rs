//! Changes of the contract file: C6, C7, C9 and C15 to C20.

use std::fs;
use std::time::{Duration, Instant};

use millrace_tests::broker::Broker;
use millrace_tests::contract::{Contract, Resource};
use millrace_tests::http::Request;
use millrace_tests::matrix;
use millrace_tests::matrix::Variant;
use millrace_tests::mount::Mount;
use millrace_tests::rig::{Rig, unique};
use millrace_tests::wait::SOON;
use serde_json::json;

use crate::contract_files::example;
use crate::contracts::{wait_for_malformed, wait_for_status};
use crate::load::Load;

const GENERATION_ONLY: &[u8] = br#"{"generation":"99"}"#;

matrix! {
    fn c006_symlink_swap_disturbs_no_other(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        let loads = ["/ns/a", "/ns/s"].map(|path| Load::start(rig.receiver.port(), path, 1));
        let bootstrap = Broker::shared(variant.broker).bootstrap();
        let third = Resource::new("Broker", "ns", "third", &rig.topics.c, bootstrap);
        let swapped = Instant::now();
        rig.receiver.swap_contract(rig.contract.next().with(third).to_bytes());
        wait_for_status(&rig.receiver, "/ns/third", 202, SOON);
        assert!(swapped.elapsed() < Duration::from_secs(2), "routed after {:?}", swapped.elapsed());
        for load in loads {
            load.wait_for_answers(10);
            load.stop().assert_all_accepted();
        }
    }

    /// Java ignores it: it compares generations only (contract.md 9, no. 1).
    fn c007_same_generation_with_other_content(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        rig.receiver.swap_contract(rig.contract.clone().without("uid-ns-c").to_bytes());
        wait_for_status(&rig.receiver, "/ns/c", 404, SOON);
    }

    fn c009_broken_file_and_back(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        let load = Load::start(rig.receiver.port(), "/ns/a", 1);
        rig.receiver.swap_contract(example("edge/truncated.json"));
        wait_for_malformed(&rig.receiver, 1.0);
        rig.receiver.swap_contract(rig.contract.clone().without("uid-ns-c").to_bytes());
        wait_for_status(&rig.receiver, "/ns/c", 404, SOON);
        load.wait_for_answers(10);
        load.stop().assert_all_accepted();
        wait_for_malformed(&rig.receiver, 1.0);
    }

    fn c015_everything_deleted(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        rig.receiver.swap_contract(GENERATION_ONLY);
        for path in ["/ns/a", "/ns/s", "/ns/c"] {
            wait_for_status(&rig.receiver, path, 404, SOON);
        }
        let probe = Request::get("/ns/a").header("K-Network-Probe", "probe");
        rig.answers(&probe, 404);
    }

    fn c016_plain_file_overwritten(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        let file = rig.receiver.contract().directory().join("data");
        fs::remove_file(&file).unwrap();
        fs::write(&file, rig.contract.next().without("uid-ns-c").to_bytes()).unwrap();
        wait_for_status(&rig.receiver, "/ns/c", 404, SOON);
        // Now in place, without a new name in the directory.
        fs::write(&file, rig.contract.next().next().without("uid-ns-s").to_bytes()).unwrap();
        wait_for_status(&rig.receiver, "/ns/s", 404, SOON);
        rig.accepted(&Request::minimal("/ns/c", &unique()));
    }

    fn c017_ten_swaps_at_once(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        let bootstrap = Broker::shared(variant.broker).bootstrap();
        for turn in 1..=10 {
            let name = format!("turn{turn}");
            let resource = Resource::new("Broker", "ns", &name, &rig.topics.a, bootstrap);
            rig.receiver.swap_contract(Contract::new(turn + 1).with(resource).to_bytes());
        }
        wait_for_status(&rig.receiver, "/ns/turn10", 202, SOON);
        for turn in 1..10 {
            rig.answers(&Request::minimal(&format!("/ns/turn{turn}"), &unique()), 404);
        }
    }

    /// Java's watcher stays silent for good.
    fn c018_directory_removed_and_made_again(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        let directory = rig.receiver.contract().directory().to_owned();
        fs::remove_dir_all(&directory).unwrap();
        rig.accepted(&Request::minimal("/ns/a", &unique()));
        Mount::new(&directory, &[("data", &rig.contract.next().without("uid-ns-c").to_bytes())]);
        wait_for_status(&rig.receiver, "/ns/c", 404, Duration::from_secs(15));
        rig.accepted(&Request::minimal("/ns/a", &unique()));
    }

    fn c019_resource_made_again_with_the_same_path(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        let load = Load::start(rig.receiver.port(), "/ns/a", 3);
        let mut contract = rig.contract.clone();
        for turn in 0..5 {
            let old = if turn == 0 { "uid-ns-a".to_owned() } else { format!("again-{}", turn - 1) };
            contract = contract.next().edit(&old, |a| {
                a.put("/uid", format!("again-{turn}"));
                a.put("/reference/uuid", format!("again-{turn}"));
            });
            contract.resources.reverse();
            rig.receiver.swap_contract(contract.to_bytes());
            load.wait_for_answers(30);
        }
        let outcome = load.stop();
        outcome.assert_all_accepted();
        outcome.assert_none_lost(&rig.tail, &[&rig.topics.a]);
    }

    fn c020_change_of_delivery_settings_under_load(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        let load = Load::start(rig.receiver.port(), "/ns/a", 3);
        let mut contract = rig.contract.clone();
        for retry in 0..5 {
            contract = contract.next().edit("uid-ns-a", |a| a.put("/egressConfig", json!({ "retry": retry })));
            rig.receiver.swap_contract(contract.to_bytes());
            load.wait_for_answers(30);
        }
        load.stop().assert_all_accepted();
    }
}
