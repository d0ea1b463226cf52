//! Records that are no events, where plain ones are not made events: D17 to D26.

use millrace_tests::cases;
use millrace_tests::producer::NewRecord;
use millrace_tests::stage::{Case, DISCARDED};

/// Sends a record: it is counted as discarded, its offset is done, nobody is asked.
fn is_discarded(case: &Case<'_>, record: NewRecord) {
    case.send(&[record]);
    case.settles(1);
    case.metric_becomes(DISCARDED, &[("cloudevents_type", "InvalidCloudEvent")], 1.0);
    assert_eq!(case.discarded(), 1.0, "counted under another type, too");
    assert_eq!(case.subscriber().received().len(), 0, "{:#?}", case.subscriber().received());
}

cases! { Broker;
    fn d017_plain_record(case) {
        is_discarded(case, NewRecord::plain("hello"));
    }

    fn d018_no_id(case) {
        is_discarded(case, NewRecord::event("1").without("ce_id"));
    }

    fn d019_unknown_version(case) {
        is_discarded(case, NewRecord::event("1").set("ce_specversion", "2.0"));
    }

    fn d020_source_that_is_no_uri(case) {
        is_discarded(case, NewRecord::event("1").set("ce_source", "a b"));
    }

    fn d021_time_that_is_none(case) {
        is_discarded(case, NewRecord::event("1").header("ce_time", "yesterday"));
    }

    fn d022_extension_name_that_is_none(case) {
        is_discarded(case, NewRecord::event("1").header("ce_bad-name", "x"));
    }

    fn d023_batch_of_events(case) {
        is_discarded(case, NewRecord::event("1").set("content-type", "application/cloudevents-batch+json"));
    }

    fn d024_tombstone(case) {
        is_discarded(case, NewRecord::default().key("k"));
    }

    fn d025_structured_extension_that_is_a_fraction(case) {
        is_discarded(case, NewRecord::structured(r#"{"specversion":"1.0","id":"1","source":"/s","type":"t1","ext":1.5}"#));
    }

    fn d026_valid_ones_around_an_invalid_one(case) {
        case.send(&[NewRecord::event("a"), NewRecord::plain("hello"), NewRecord::event("b")]);
        case.settles(3);
        let mut ids: Vec<_> = case.subscriber().received().iter().filter_map(|request| request.header("ce-id")).collect();
        ids.sort();
        assert_eq!(ids, ["a", "b"]);
    }
}
