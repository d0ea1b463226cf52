//! S6: the tables of bad and odd events, through the receiver into the topic.

use std::collections::BTreeMap;

use millrace_tests::drivers;
use millrace_tests::http::{Connection, Request};
use millrace_tests::matrix::Variant;
use millrace_tests::records::Record;

use crate::routes::Routes;
use crate::table::{EventCase, Seen, Want, Wanted, cases};

drivers! {
    fn bad_events_are_refused_and_odd_ones_kept(variant: Variant) {
        let routes = Routes::new(variant, |setup| setup);
        let cases = [cases("binary.events"), cases("structured.events")].concat();
        // A bad event leaves its connection as good as it was: all of them use one.
        let mut connection = Connection::open(routes.port());
        for case in &cases {
            assert_eq!(connection.exchange(&request(case)).status, wanted_status(case), "{}", case.name);
        }
        let mut landed: BTreeMap<String, Vec<Record>> = BTreeMap::new();
        for record in routes.landed() {
            landed.entry(record.header("ce_id").unwrap_or_default()).or_default().push(record);
        }
        for case in cases.iter().filter(|case| matches!(case.wanted, Wanted::Accepted(_))) {
            let records = landed.get_mut(&case.id()).unwrap_or_else(|| panic!("{}: no record", case.name));
            // Two cases have an empty id.
            let record = records.remove(0);
            case.check(&seen(record));
        }
        landed.retain(|_, records| !records.is_empty());
        assert!(landed.is_empty(), "records of refused events: {landed:?}");
    }

    fn batches_are_taken_whole_or_not(variant: Variant) {
        let routes = Routes::new(variant, |setup| setup.env("INGRESS_BATCH_ENABLED", "true"));
        let mut owed = 0;
        for case in cases("batch.events") {
            assert_eq!(routes.receiver.status(&request(&case)), wanted_status(&case), "{}", case.name);
            if let Wanted::Accepted(wants) = &case.wanted {
                owed += wants.iter().map(|want| if let Want::Events(count) = want { *count } else { 0 }).sum::<usize>();
            }
        }
        assert_eq!(routes.landed().len(), owed);
    }

    fn batches_are_refused_unless_asked_for(variant: Variant) {
        let routes = Routes::new(variant, |setup| setup);
        for case in cases("batch.events") {
            assert_eq!(routes.receiver.status(&request(&case)), 400, "{}", case.name);
        }
        assert!(routes.landed().is_empty());
    }
}

fn request(case: &EventCase) -> Request {
    let request = Request::new("POST", "/ok").body(&case.body);
    case.headers.iter().fold(request, |request, (name, value)| request.header(name, value))
}

fn wanted_status(case: &EventCase) -> u16 {
    if matches!(case.wanted, Wanted::Accepted(_)) { 202 } else { 400 }
}

fn seen(record: Record) -> Seen {
    let headers = record.headers.into_iter().filter_map(|(name, value)| Some((name, value?)));
    Seen { headers: headers.collect(), key: record.key, value: record.value }
}
