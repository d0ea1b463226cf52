//! What is tried again, how often and after how long: D70 to D81.
//!
//! Waits are only bounded from below: what lies above is the machine's.

use std::time::Duration;

use millrace_tests::cases;
use millrace_tests::ports;
use millrace_tests::producer::NewRecord;
use millrace_tests::subscriber::{Answer, Received};
use serde_json::json;

/// Wants these pauses, in milliseconds, between requests.
fn assert_gaps(requests: &[Received], at_least_ms: &[u64]) {
    assert_eq!(requests.len(), at_least_ms.len() + 1);
    for (pair, wanted) in requests.windows(2).zip(at_least_ms) {
        let gap = pair[1].arrived.duration_since(pair[0].arrived);
        assert!(gap >= Duration::from_millis(*wanted), "{gap:?} instead of {wanted} ms");
    }
}

fn events(count: usize) -> Vec<NewRecord> {
    (0..count).map(|number| NewRecord::event(&number.to_string())).collect()
}

cases! { Broker;
    fn d070_linear_until_success(case, |plan| plan.egress(|egress| egress.retry(5, 100).dead_letter())) {
        case.subscriber().answers(|_, number| Answer::status(if number < 4 { 500 } else { 200 }));
        case.send(&events(1));
        case.settles(1);
        assert_gaps(&case.subscriber().received(), &[100, 200, 300, 400]);
        assert_eq!(case.dead_letters().count(), 0);
    }

    fn d071_retries_are_counted(case, |plan| plan.egress(|egress| egress.retry(5, 10))) {
        case.subscriber().always(Answer::status(500));
        case.send(&events(1));
        case.settles(1);
        assert_eq!(case.subscriber().count(), 6);
    }

    fn d072_exponential_begins_with_twice_the_delay(case, |plan| plan
        .egress(|egress| egress.config(json!({ "retry": 3, "backoffPolicy": "Exponential", "backoffDelay": "100" })))
        .and("default", |egress| egress.config(json!({ "retry": 3, "backoffDelay": "100" })))
    ) {
        let both = [case.egress(), case.and("default")];
        for egress in both {
            case.subscriber_of(egress).always(Answer::status(503));
        }
        case.send(&events(1));
        for egress in both {
            case.settles_for(egress, 0, 1);
            assert_gaps(&case.subscriber_of(egress).received(), &[200, 400, 800]);
        }
    }

    fn d073_statuses_that_are_final(case, |plan| plan.egress(|egress| egress.retry(5, 10))) {
        const STATUSES: [u16; 8] = [400, 401, 403, 410, 422, 301, 302, 307];
        let elsewhere = format!("{}/d073-elsewhere", case.stage.subscriber.url());
        case.subscriber().answers(move |request, _| {
            let status = STATUSES[usize::try_from(request.offset()).unwrap()];
            Answer::status(status).header("Location", &elsewhere)
        });
        case.send(&events(STATUSES.len()));
        case.settles(8);
        assert_eq!(case.subscriber().count(), STATUSES.len());
        assert_eq!(case.stage.subscriber.endpoint("d073-elsewhere").count(), 0);
    }

    fn d074_statuses_that_are_tried_again(case, |plan| plan.egress(|egress| egress.retry(1, 10))) {
        const STATUSES: [u16; 6] = [404, 408, 409, 429, 500, 599];
        case.subscriber().answers(|request, _| Answer::status(STATUSES[usize::try_from(request.offset()).unwrap()]));
        case.send(&events(STATUSES.len()));
        case.settles(6);
        let requests = case.subscriber().received();
        for (offset, status) in (0..).zip(STATUSES) {
            let count = requests.iter().filter(|request| request.offset() == offset).count();
            assert_eq!(count, 2, "requests after {status}");
        }
    }

    fn d075_timeout(case, |plan| plan.egress(|egress| egress.retry(5, 10).config(json!({ "timeout": "100" })).dead_letter())) {
        case.subscriber().always(Answer::status(200).after(Duration::from_millis(700)));
        case.send(&events(1));
        case.settles(1);
        assert_eq!(case.subscriber().count(), 6);
        let dead = case.dead_letters().one();
        assert_eq!(dead.header("ce-knativeerrordest").as_deref(), Some(case.egress().destination()));
        assert_eq!(dead.header("ce-knativeerrorcode"), None);
    }

    /// Refused connections leave no trace, so the waits between tell of them; cut ones can be counted.
    fn d076_no_connection(case, |plan| plan
        .egress(|egress| egress.retry(2, 100).dead_letter().set("/destination", format!("http://127.0.0.1:{}/", ports::free())))
        .and("cut", |egress| egress.retry(2, 100).dead_letter())
    ) {
        let cut = case.subscriber_of(case.and("cut"));
        cut.always(Answer::reset());
        case.send(&events(1));
        case.settles(1);
        case.settles_for(case.and("cut"), 0, 1);
        assert_gaps(&cut.received(), &[100, 200]);
        let dead = [case.dead_letters(), case.stage.subscriber.endpoint(&format!("{}.dls", case.and("cut").name))];
        for dead in dead {
            let dead = dead.one();
            assert_eq!((dead.header("ce-knativeerrorcode"), dead.header("ce-knativeerrordata")), (None, None));
        }
        let waited = case.metric(&case.stage.dispatcher.scrape(), "kn_eventing_dispatch_latency_ms_sum", &[]);
        assert!(waited >= 300.0, "{waited} ms: there were no two retries");
    }

    /// In Java a delay of 0 means no retry at all, and the status is lost (dispatcher.md W15).
    fn d077_delay_of_zero(case, |plan| plan.egress(|egress| egress.retry(2, 0).dead_letter())) {
        case.subscriber().always(Answer::status(500));
        case.send(&events(1));
        case.settles(1);
        assert_eq!(case.subscriber().count(), 3);
        assert_eq!(case.dead_letters().one().header("ce-knativeerrorcode").as_deref(), Some("500"));
    }

    fn d078_retry_after_is_not_heeded(case, |plan| plan.egress(|egress| egress.retry(1, 100))) {
        case.subscriber().in_turn(vec![Answer::status(429).header("Retry-After", "30"), Answer::status(200)]);
        case.send(&events(1));
        let requests = case.subscriber().wait_within(2, Duration::from_secs(25));
        assert_gaps(&requests, &[100]);
        case.settles(1);
    }

    fn d079_empty_config_hides_that_of_the_resource(case, |plan| plan
        .resource("/egressConfig", json!({ "retry": 5, "backoffPolicy": "Linear", "backoffDelay": "10" }))
        .egress(|egress| egress.config(json!({})))
    ) {
        case.subscriber().always(Answer::status(500));
        case.send(&events(1));
        case.settles(1);
        assert_eq!(case.subscriber().count(), 1);
    }

    fn d080_config_of_the_resource(case, |plan| plan
        .resource("/egressConfig", json!({ "retry": 2, "backoffPolicy": "Linear", "backoffDelay": "10" }))
    ) {
        case.subscriber().always(Answer::status(500));
        case.send(&events(1));
        case.settles(1);
        assert_eq!(case.subscriber().count(), 3);
    }

    /// Java follows a 303 as a GET (dispatcher.md 9.2).
    fn d081_see_other_is_a_failure(case, |plan| plan.egress(|egress| egress.retry(2, 10).dead_letter())) {
        let elsewhere = format!("{}/d081-elsewhere", case.stage.subscriber.url());
        case.subscriber().always(Answer::status(303).header("Location", elsewhere));
        case.send(&events(1));
        case.settles(1);
        assert_eq!(case.subscriber().count(), 1);
        assert_eq!(case.stage.subscriber.endpoint("d081-elsewhere").count(), 0);
        assert_eq!(case.dead_letters().one().header("ce-knativeerrorcode").as_deref(), Some("303"));
    }
}
