//! F4: the dead letter sink is down too. By default the event is given up, counted and told; with `hold` it waits.

use std::thread;
use std::time::{Duration, Instant};

use millrace_tests::drivers;
use millrace_tests::matrix::Variant;
use millrace_tests::producer::NewRecord;
use millrace_tests::schedule::Run;
use millrace_tests::stage::{Case, Kind, Stage};
use millrace_tests::subscriber::Answer;
use millrace_tests::wait::{SOON, until};

use super::hostile::ClosedPort;

const LOST: &str = "millrace_dispatcher_lost_total";
const HELD: &str = "millrace_dispatcher_held_total";
/// reliability.md F4.
const LINES_EACH: Duration = Duration::from_secs(10);
const EVENTS: usize = 20;

/// Lines at ERROR that name this egress.
fn errors(case: &Case<'_>, name: &str) -> usize {
    let trigger = format!("ns1/{name}");
    let lines = case.stage.dispatcher.logs();
    lines.iter().filter(|line| line["level"] == "ERROR" && line["trigger"] == *trigger).count()
}

/// Once in ten seconds, and at all.
fn assert_told(case: &Case<'_>, name: &str, since: Instant) {
    let most = usize::try_from(since.elapsed().as_secs() / LINES_EACH.as_secs()).unwrap() + 1;
    let lines = errors(case, name);
    assert!((1..=most).contains(&lines), "{name}: {lines} lines at ERROR, at most {most} are due");
}

fn events(from: usize, count: usize) -> Vec<NewRecord> {
    (from..from + count).map(|number| NewRecord::event(&format!("event.{number}"))).collect()
}

drivers! {
    /// As Java: the offset is committed, and the event is gone.
    fn f4_sink_down(variant: Variant) {
        let run = Run::begin("f4");
        let sink = ClosedPort::take();
        let stage = Stage::prepare(variant, Kind::Broker)
            .with("f4", |plan| plan.egress(|egress| egress.config(serde_json::json!({ "deadLetter": sink.url() }))))
            .start();
        let case = stage.case("f4");
        case.subscriber().always(Answer::status(500));
        let (began, length) = (Instant::now(), run.seconds(12.0, 60.0));
        let mut sent = 0;
        while began.elapsed() < length {
            case.send(&events(sent, EVENTS));
            sent += EVENTS;
            case.settles(i64::try_from(sent).unwrap());
            thread::sleep(Duration::from_millis(100 + run.seed.below(400, &[sent as u64])));
        }
        until("all to be counted", SOON, || {
            let counted = stage.dispatcher.scrape().sum(LOST, &[("name", "f4"), ("reason", "sink_failed")]);
            (counted == sent as f64).then_some(())
        });
        assert_eq!(case.subscriber().count(), sent);
        assert_told(&case, "f4", began);
        println!("f4: {sent} events given up, {} lines at ERROR in {:.1?}", errors(&case, "f4"), began.elapsed());
    }

    fn f4_sink_down_and_hold(variant: Variant) {
        let run = Run::begin("f4-hold");
        let sinks = [ClosedPort::take(), ClosedPort::take()];
        let url = |sink: usize| serde_json::json!({ "deadLetter": sinks[sink].url() });
        let stage = Stage::prepare(variant, Kind::Broker)
            .setup(|setup| setup.env("DEAD_LETTER_ON_FAILURE", "hold"))
            .with("f4-hold", |plan| plan
                .egress(|egress| egress.config(url(0)))
                .and("ordered", |egress| egress.ordered().config(url(1))))
            .start();
        let case = stage.case("f4-hold");
        let ordered = case.and("ordered");
        for egress in &case.plan.egresses {
            case.subscriber_of(egress).always(Answer::status(500));
        }
        let began = Instant::now();
        // The first and the last are taken without the sink.
        let last = EVENTS;
        case.subscriber().answers(move |request, _| {
            let taken = [0, i64::try_from(last).unwrap() + 1].contains(&request.offset());
            Answer::status(if taken { 200 } else { 500 })
        });
        case.send(&events(0, EVENTS + 2));
        case.subscriber().wait(EVENTS + 2);
        until("all to be held", SOON, || {
            let held = stage.dispatcher.scrape().sum(HELD, &[("name", "f4-hold")]);
            (held == EVENTS as f64).then_some(())
        });
        let down = run.seconds(3.0, 60.0) + Duration::from_millis(run.seed.below(1_000, &[0]));
        // The one before them is committed by then, and nothing behind it.
        case.settles(1);
        while began.elapsed() < down {
            assert_eq!(case.committed(0), Some(1), "beyond what the sink has not taken");
            assert_eq!(stage.groups.committed(&ordered.group, &case.plan.topic, 0), Some(0));
            thread::sleep(Duration::from_millis(100));
        }
        assert_eq!((case.subscriber().count(), case.subscriber_of(ordered).count()), (EVENTS + 2, 1));
        assert_told(&case, "f4-hold", began);
        assert_told(&case, "f4-hold-ordered", began);
        let servers = sinks.map(ClosedPort::open);
        // The wait doubles, up to a minute.
        for egress in &case.plan.egresses {
            until("all to be delivered", Duration::from_secs(150), || {
                let committed = stage.groups.committed(&egress.group, &case.plan.topic, 0);
                (committed == Some(i64::try_from(EVENTS + 2).unwrap())).then_some(())
            });
        }
        let taken = servers.map(|server| server.attempts());
        let once = |from: usize, count: usize| (from..from + count).map(|number| (format!("event.{number}"), 1)).collect();
        assert_eq!(taken, [once(1, EVENTS), once(0, EVENTS + 2)]);
        assert_eq!((case.subscriber().count(), case.subscriber_of(ordered).count()), (EVENTS + 2, EVENTS + 2));
        assert!(stage.dispatcher.scrape().sum(LOST, &[]) == 0.0, "something was given up");
        println!("f4-hold: {} events held for {down:.1?}, all delivered", 2 * EVENTS + 2);
    }
}
