//! What is set on an event before filters see it: D41 to D45.

use millrace_tests::cases;
use millrace_tests::producer::NewRecord;
use serde_json::json;

cases! { Broker;
    fn d041_override_sets_and_replaces(case, |plan| plan.overrides(json!({ "a": "foo" }))) {
        case.send(&[NewRecord::event("1"), NewRecord::event("2").header("ce_a", "bar")]);
        case.settles(2);
        for request in case.subscriber().wait(2) {
            assert_eq!(request.header("ce-a").as_deref(), Some("foo"));
        }
    }

    fn d042_override_of_the_offset(case, |plan| plan.overrides(json!({ "knativekafkaoffset": "99" }))) {
        let request = case.request_of(NewRecord::event("1"));
        assert_eq!(request.header("ce-knativekafkaoffset").as_deref(), Some("99"));
        assert_eq!(request.header("ce-knativekafkapartition").as_deref(), Some("0"));
    }

    fn d043_filter_sees_the_override(case, |plan| plan.overrides(json!({ "env": "prod" }))
        .egress(|egress| egress.filter(json!({ "env": "prod" })))
        .and("dev", |egress| egress.filter(json!({ "env": "dev" })))
    ) {
        let request = case.request_of(NewRecord::event("1").header("ce_env", "dev"));
        assert_eq!(request.header("ce-env").as_deref(), Some("prod"));
        case.settles_for(case.and("dev"), 0, 1);
        assert_eq!(case.subscriber_of(case.and("dev")).count(), 0);
    }

    /// In Java such a name stops the egress (dispatcher.md W10).
    fn d044_override_of_an_illegal_name(case, |plan| plan.overrides(json!({ "Bad-Name": "x", "good": "y", "type": "z" }))) {
        let request = case.request_of(NewRecord::event("1"));
        assert_eq!(request.header("ce-good").as_deref(), Some("y"));
        assert_eq!(request.header("ce-type").as_deref(), Some("t1"));
        assert!(!request.headers.iter().any(|(name, _)| name.to_ascii_lowercase().contains("bad")), "{request:?}");
    }

    fn d045_filter_sees_the_partition(case, |plan| plan.partitions(2)
        .egress(|egress| egress.dialects(json!([{ "exact": { "attributes": { "knativekafkapartition": "0" } } }])))
    ) {
        for partition in 0..2 {
            case.send_to(partition, &[NewRecord::event("1")]);
        }
        for partition in 0..2 {
            case.settles_for(case.egress(), partition, 1);
        }
        assert_eq!(case.subscriber().one().partition(), 0);
    }
}
