//! Who gets an event of type `com.acme.created`, source `/src`, id `123-42`, without subject: D46 to D67, C43, C44.
//!
//! In each plan, the egresses named `no…` must not get the event, all others must, and all must be done with it.

use millrace_tests::cases;
use millrace_tests::plan::Plan;
use millrace_tests::producer::NewRecord;
use millrace_tests::stage::Case;
use serde_json::{Value, json};

fn event() -> NewRecord {
    NewRecord::event("123-42").set("ce_type", "com.acme.created").set("ce_source", "/src")
}

/// Sends the event and sees who gets it.
fn judge(case: &Case<'_>) {
    judge_with(case, event());
}

fn judge_with(case: &Case<'_>, record: NewRecord) {
    case.send(&[record]);
    for egress in &case.plan.egresses {
        case.settles_for(egress, 0, 1);
        let suffix = egress.name.rsplit('-').next().unwrap();
        let wanted = usize::from(!suffix.starts_with("no"));
        let received = case.subscriber_of(egress).received();
        assert_eq!(received.len(), wanted, "{} with {}", egress.name, egress.json);
    }
    assert_eq!(
        case.stage
            .dispatcher
            .scrape()
            .sum(millrace_tests::stage::DISCARDED, &[("cloudevents_type", "com.acme.created")]),
        0.0
    );
}

fn legacy(plan: Plan, suffix: &str, attributes: Value) -> Plan {
    plan.and(suffix, |egress| egress.filter(attributes))
}

fn dialects(plan: Plan, suffix: &str, filters: Value) -> Plan {
    plan.and(suffix, |egress| egress.dialects(filters))
}

fn cesql(plan: Plan, verdicts: &[(&str, &str)]) -> Plan {
    verdicts.iter().fold(plan, |plan, (suffix, expression)| {
        plan.and(suffix, |egress| egress.cesql(expression))
    })
}

fn exact(name: &str, value: &str) -> Value {
    json!({ "exact": { "attributes": { name: value } } })
}

fn prefix(name: &str, value: &str) -> Value {
    json!({ "prefix": { "attributes": { name: value } } })
}

fn suffix(name: &str, value: &str) -> Value {
    json!({ "suffix": { "attributes": { name: value } } })
}

cases! { Broker;
    fn d046_legacy_value(case, |plan| {
        let plan = legacy(plan, "pass", json!({ "type": "com.acme.created" }));
        legacy(plan, "no", json!({ "type": "COM.ACME.CREATED" }))
    }) {
        judge(case);
    }

    /// An empty value matches anything, even nothing: unlike Knative's Go brokers.
    fn d047_legacy_empty_value(case, |plan| legacy(plan, "pass", json!({ "type": "", "ext1": "" }))) {
        judge(case);
    }

    fn d048_legacy_name_in_other_case(case, |plan| legacy(plan, "no", json!({ "Type": "com.acme.created" }))) {
        judge(case);
    }

    fn d049_c044_dialects_win_over_legacy(case, |plan| plan
        .and("pass", |egress| egress.filter(json!({ "type": "x" })).dialects(json!([exact("id", "123-42")])))
        .and("no", |egress| egress.filter(json!({ "id": "123-42" })).dialects(json!([exact("type", "x")])))
    ) {
        judge(case);
    }

    fn d050_c043_legacy_without_attributes(case, |plan| {
        let plan = legacy(plan, "pass1", json!({}));
        plan.and("pass2", |egress| egress.set("/filter", json!({})))
    }) {
        judge(case);
    }

    fn d051_exact_on_absent_subject(case, |plan| dialects(plan, "no", json!([exact("subject", "x")]))) {
        judge(case);
    }

    fn d052_prefix(case, |plan| {
        let plan = dialects(plan, "pass", json!([prefix("type", "com.acme.")]));
        dialects(plan, "no", json!([prefix("type", "com.other")]))
    }) {
        judge(case);
    }

    fn d053_suffix(case, |plan| {
        let plan = dialects(plan, "pass", json!([suffix("type", ".created")]));
        dialects(plan, "no", json!([suffix("type", ".deleted")]))
    }) {
        judge(case);
    }

    /// Java throws here, and then cannot end the egress (dispatcher.md W8). That ours ends is in `filters_alone`.
    fn d054_prefix_and_suffix_on_absent_attributes(case, |plan| {
        let plan = dialects(plan, "no1", json!([prefix("subject", "x")]));
        let plan = dialects(plan, "no2", json!([suffix("subject", "x")]));
        dialects(plan, "no3", json!([prefix("nosuchextension", "x")]))
    }) {
        judge(case);
    }

    fn d055_not_prefix_on_absent_subject(case, |plan| dialects(plan, "pass", json!([{ "not": { "filter": prefix("subject", "x") } }]))) {
        judge(case);
    }

    fn d056_not_exact(case, |plan| {
        let plan = dialects(plan, "no", json!([{ "not": { "filter": exact("type", "com.acme.created") } }]));
        dialects(plan, "pass", json!([{ "not": { "filter": exact("type", "other") } }]))
    }) {
        judge(case);
    }

    fn d057_empty_dialects(case, |plan| {
        let plan = dialects(plan, "no1", json!([{ "any": { "filters": [] } }]));
        let plan = dialects(plan, "pass", json!([{ "all": { "filters": [] } }]));
        dialects(plan, "no2", json!([{ "not": {} }]))
    }) {
        judge(case);
    }

    fn d058_all_and_any(case, |plan| {
        let (yes, id, no) = (prefix("type", "com."), exact("id", "123-42"), exact("id", "x"));
        let plan = dialects(plan, "pass1", json!([{ "all": { "filters": [yes, id] } }]));
        let plan = dialects(plan, "pass2", json!([{ "any": { "filters": [no, id] } }]));
        let plan = dialects(plan, "no1", json!([{ "all": { "filters": [yes, no] } }]));
        dialects(plan, "no2", json!([{ "any": { "filters": [no, no] } }]))
    }) {
        judge(case);
    }

    fn d059_one_of_two_filters_is_false(case, |plan| {
        let plan = dialects(plan, "no1", json!([exact("id", "123-42"), exact("type", "x")]));
        let plan = dialects(plan, "no2", json!([exact("type", "x"), exact("id", "123-42")]));
        dialects(plan, "pass", json!([exact("source", "/src"), exact("id", "123-42")]))
    }) {
        judge(case);
    }

    fn d060_time_is_compared_in_utc(case, |plan| {
        let plan = dialects(plan, "pass", json!([exact("time", "2020-01-01T00:00:00Z")]));
        dialects(plan, "no", json!([exact("time", "2020-01-01T01:00:00+01:00")]))
    }) {
        judge_with(case, event().header("ce_time", "2020-01-01T01:00:00+01:00"));
    }

    fn d061_version(case, |plan| {
        let plan = dialects(plan, "pass", json!([exact("specversion", "1.0")]));
        dialects(plan, "no", json!([exact("specversion", "0.3")]))
    }) {
        judge(case);
    }

    fn d062_cesql_like(case, |plan| cesql(plan, &[("pass", "id LIKE '123%'"), ("no", "NOT (id LIKE '123%')")])) {
        judge(case);
    }

    fn d063_cesql_results_that_are_not_boolean(case, |plan| cesql(plan, &[
        ("pass1", "'TRUE'"), ("no1", "'FALSE'"), ("no2", "0"), ("no3", "'abc'"), ("pass2", "1"),
    ])) {
        judge(case);
    }

    fn d064_cesql_absent_attribute(case, |plan| cesql(plan, &[("no", "subject = 'x'"), ("pass", "NOT (subject = 'x')")])) {
        judge(case);
    }

    fn d065_cesql_exists(case, |plan| cesql(plan, &[
        ("no1", "EXISTS subject"), ("pass1", "NOT EXISTS subject"), ("pass2", "EXISTS ID"), ("no2", "ID = '123-42'"),
    ])) {
        judge(case);
    }

    fn d066_cesql_like_on_absent_attribute(case, |plan| cesql(plan, &[("pass", "missing LIKE '%'")])) {
        judge(case);
    }

    fn d067_cesql_division_by_zero(case, |plan| cesql(plan, &[("pass", "1 / 0 = 0")])) {
        judge(case);
    }
}
