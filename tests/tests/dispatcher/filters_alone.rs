//! Filters of dispatchers of their own: the end of one that has met an absent attribute (D54), the strict mode of CESQL
//! (D64), an expression that does not parse (D68).

use std::fs;
use std::time::Duration;

use millrace_tests::matrix::Variant;
use millrace_tests::on_apache;
use millrace_tests::producer::NewRecord;
use millrace_tests::stage::{Kind, Stage};
use millrace_tests::wait::{SOON, within};
use serde_json::json;

/// What each retry of Java's leaves behind.
fn threads_and_files(pid: u32) -> usize {
    let count = |folder: &str| fs::read_dir(format!("/proc/{pid}/{folder}")).unwrap().count();
    count("task") + count("fd")
}

on_apache! {
    /// In Java an egress never ends after that (dispatcher.md W8).
    fn d054_egress_ends_after_an_absent_attribute(variant: Variant) {
        let filter = json!([{ "prefix": { "attributes": { "subject": "x" } } }]);
        let stage = Stage::prepare(variant, Kind::Broker)
            .with("d054", |plan| plan.egress(|egress| egress.dialects(filter)))
            .start();
        let case = stage.case("d054");
        case.send(&[NewRecord::event("1")]);
        case.settles(1);
        stage.dispatcher.swap_contract(stage.contract.next().without(case.plan.to_resource().uid()).to_bytes());
        stage.groups.settles_with(&case.egress().group, 0, SOON);
        assert_eq!((case.subscriber().count(), case.discarded()), (0, 0.0));
    }

    fn d064_strict_cesql(variant: Variant) {
        let expressions = [("no1", "subject = 'x'"), ("no2", "NOT (subject = 'x')"), ("no3", "'TRUE'"), ("no4", "1"), ("pass", "NOT EXISTS subject")];
        let stage = Stage::prepare(variant, Kind::Broker)
            .setup(|setup| setup.env("CESQL_STRICT", "true"))
            .with("d064", |plan| expressions.iter().fold(plan, |plan, (suffix, expression)| plan.and(suffix, |egress| egress.cesql(expression))))
            .start();
        let case = stage.case("d064");
        case.send(&[NewRecord::event("1")]);
        for (suffix, expression) in expressions {
            case.settles_for(case.and(suffix), 0, 1);
            let wanted = usize::from(suffix == "pass");
            assert_eq!(case.subscriber_of(case.and(suffix)).count(), wanted, "{expression}");
        }
    }

    /// Java makes a consumer every five seconds, and never closes one (dispatcher.md W26).
    fn d068_cesql_that_does_not_parse(variant: Variant) {
        let stage = Stage::prepare(variant, Kind::Broker)
            .with("d068-good", |plan| plan)
            .with("d068-bad", |plan| plan.egress(|egress| egress.cesql("type = ( 'x'")))
            .start();
        let (good, bad) = (stage.case("d068-good"), stage.case("d068-bad"));
        good.send(&[NewRecord::event("1")]);
        good.settles(1);
        stage.dispatcher.wait_for_log("the egress that is not started", |line| {
            line["level"] == "ERROR" && line.to_string().contains(bad.egress().uid())
        });
        bad.wait_for_members(0);
        let pid = stage.dispatcher.pid();
        let before = threads_and_files(pid);
        let grown = within(Duration::from_secs(11), || Some(threads_and_files(pid)).filter(|now| *now > before + 8));
        assert_eq!(grown, None, "from {before} threads and files");
        // Mended, it starts where its group stands.
        bad.send(&[NewRecord::event("1").set("ce_type", "x")]);
        let mended = stage.contract.next().edit(bad.plan.to_resource().uid(), |resource| {
            resource.put("/egresses/0/dialectedFilter", json!([{ "cesql": { "expression": "type = 'x'" } }]));
        });
        stage.dispatcher.swap_contract(mended.to_bytes());
        bad.settles(1);
        assert_eq!((good.subscriber().count(), bad.subscriber().count()), (1, 1));
    }
}
