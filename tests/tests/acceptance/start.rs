//! Starting with things missing: C2, C3 and what the environment must hold.

use std::fs;

use millrace_tests::broker::Broker;
use millrace_tests::contract::{Topics, fixture};
use millrace_tests::http::Request;
use millrace_tests::matrix;
use millrace_tests::matrix::Variant;
use millrace_tests::process::Receiver;
use millrace_tests::rig::unique;
use millrace_tests::setup::Setup;
use millrace_tests::wait::SOON;

use crate::contracts::wait_for_status;

matrix! {
    fn c002_contract_file_appears_later(variant: Variant) {
        let broker = Broker::shared(variant.broker);
        let topics = Topics::new(&unique());
        topics.all().iter().for_each(|topic| broker.create_topic(topic, 1));
        let receiver = Receiver::start(&Setup::new(variant.driver));
        assert_eq!(receiver.status(&Request::minimal("/ns/a", "1")), 404);
        receiver.swap_contract(fixture(&topics, broker.bootstrap()).to_bytes());
        wait_for_status(&receiver, "/ns/a", 202, SOON);
    }

    fn c003_contract_directory_missing(variant: Variant) {
        let missing = "/nonexistent/brokers-triggers/data";
        let receiver = Receiver::launch(&Setup::new(variant.driver).env("DATA_PLANE_CONFIG_FILE_PATH", missing));
        let status = receiver.wait_exit(SOON);
        assert!(!status.success(), "it ended with {status}");
        assert!(receiver.printed().contains("/nonexistent/brokers-triggers"), "{}", receiver.printed());
    }

    /// All mistakes are reported together (style.md Settings), and nothing is opened.
    fn missing_and_ill_typed_variables(variant: Variant) {
        let setup = Setup::new(variant.driver)
            .without_env("PRODUCER_CONFIG_FILE_PATH")
            .without_env("READINESS_PROBE_PATH")
            .env("INGRESS_PORT", "eighty");
        let receiver = Receiver::launch(&setup);
        assert_eq!(receiver.wait_exit(SOON).code(), Some(78));
        let printed = receiver.printed();
        for name in ["PRODUCER_CONFIG_FILE_PATH", "READINESS_PROBE_PATH", "INGRESS_PORT"] {
            assert!(printed.contains(name), "{name} is not named in {printed}");
        }
    }

    /// Java keeps a process without listeners alive (receiver.md W38).
    fn features_directory_missing(variant: Variant) {
        let setup = Setup::new(variant.driver).contract("").without_env("CONFIG_FEATURES_PATH");
        Receiver::start(&setup);
        Receiver::start(&setup.env("CONFIG_FEATURES_PATH", "/nonexistent"));
    }

    fn the_driver_in_use_is_told(variant: Variant) {
        let receiver = Receiver::start(&Setup::new(variant.driver).contract(""));
        let driver = variant.driver.setting();
        receiver.wait_for_log_text("INFO", driver);
        let samples = receiver.scrape();
        assert_eq!(samples.sum("millrace_io_driver_info", &[("driver", driver)]), 1.0, "{samples:?}");
        // The kernel knows too: a ring is a file of the process.
        let rings = fs::read_dir(format!("/proc/{}/fd", receiver.pid())).unwrap().flatten().filter(|entry| {
            fs::read_link(entry.path()).is_ok_and(|target| target.to_string_lossy().contains("[io_uring]"))
        });
        assert_eq!(rings.count() > 0, driver == "io_uring");
    }
}
