//! F3: many egresses whose subscriber fails all the time: what their retries cost, and whether timers fire when due.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use millrace_tests::drivers;
use millrace_tests::footprint::{cpu_seconds, resident_kib};
use millrace_tests::matrix::Variant;
use millrace_tests::producer::NewRecord;
use millrace_tests::schedule::Run;
use millrace_tests::stage::{Kind, Stage};
use millrace_tests::subscriber::Answer;
use millrace_tests::wait::until;

const RETRIES: u32 = 10;
/// Before the first retry; linear, so twice as much before the second.
const DELAY_MS: u64 = 250;
/// Of each egress, at once.
const EVENTS: usize = 5;
/// Timers count in milliseconds of a coarse clock, 10 ms a step.
const EARLY_MS_MAX: u64 = 15;
/// What retries of all egresses together may take beside what they take when idle, in the short form and in the long
/// one, where it is the goal's: 5,000 events on their way, each with a connection of its own.
const RSS_GROWTH_KIB_MAX: [u64; 2] = [32 << 10, 128 << 10];
const PATIENCE: Duration = Duration::from_secs(240);

drivers! {
    fn f3_many_egresses_that_fail(variant: Variant) {
        let run = Run::begin("f3");
        let egresses = run.either(40, 1_000);
        let stage = Stage::prepare(variant, Kind::Broker)
            .with("f3", |plan| {
                let plan = plan.egress(|egress| egress.retry(RETRIES, DELAY_MS));
                (1..egresses).fold(plan, |plan, number| {
                    plan.and(&number.to_string(), |egress| egress.retry(RETRIES, DELAY_MS))
                })
            })
            .start();
        let case = stage.case("f3");
        let pid = stage.dispatcher.pid();
        // One event that everybody takes at once says that all have joined.
        case.send(&[NewRecord::event("first")]);
        until("all to have joined", PATIENCE, || {
            case.plan.egresses.iter().all(|it| case.subscriber_of(it).count() == 1).then_some(())
        });
        let (idle_kib, idle_from) = (resident_kib(pid), cpu_seconds(pid));
        let idle_began = Instant::now();
        millrace_tests::wait::pass(Duration::from_secs(3));
        let idle_share = (cpu_seconds(pid) - idle_from) / idle_began.elapsed().as_secs_f64();

        for egress in &case.plan.egresses {
            case.subscriber_of(egress).always(Answer::status(500));
        }
        let events: Vec<_> = (0..EVENTS).map(|id| NewRecord::event(&id.to_string())).collect();
        let (began, cpu_from) = (Instant::now(), cpu_seconds(pid));
        case.send(&events);
        let attempts = 1 + EVENTS * (1 + RETRIES as usize);
        let mut peak_kib = 0;
        until("all attempts", PATIENCE, || {
            peak_kib = peak_kib.max(resident_kib(pid));
            let done = |it| case.subscriber_of(it).count() >= attempts;
            case.plan.egresses.iter().all(done).then_some(())
        });
        let (took, cpu) = (began.elapsed(), cpu_seconds(pid) - cpu_from);
        for egress in &case.plan.egresses {
            case.settles_for(egress, 0, 1 + EVENTS as i64);
        }

        // From the arrival of one attempt, which is answered at once, to that of the next.
        let mut late = Vec::new();
        for egress in &case.plan.egresses {
            let received = case.subscriber_of(egress).received();
            assert_eq!(received.len(), attempts, "{}", egress.name);
            let mut by_event = BTreeMap::<_, Vec<Instant>>::new();
            for request in received {
                by_event.entry(request.header("ce-id")).or_default().push(request.arrived);
            }
            by_event.remove(&Some("first".to_owned()));
            for arrived in by_event.values() {
                assert_eq!(arrived.len(), 1 + RETRIES as usize, "{}", egress.name);
                for (pair, retry) in arrived.windows(2).zip(1..) {
                    let (due, waited) = (retry * DELAY_MS, (pair[1] - pair[0]).as_millis());
                    let waited = u64::try_from(waited).unwrap();
                    assert!(waited + EARLY_MS_MAX >= due, "after {waited} ms, due {due}, {}", egress.name);
                    late.push(waited.saturating_sub(due));
                }
            }
        }
        late.sort_unstable();
        let at = |share: f64| late[((late.len() - 1) as f64 * share) as usize];
        println!(
            "f3 {variant:?}: {egresses} egresses, {} retries in {took:.1?}; late by p50 {} ms, p90 {} ms, p99 {} ms, \
            at most {} ms; {:.0} % of a core (idle {:.0} %), RSS {} MiB idle, {} MiB failing",
            late.len(), at(0.5), at(0.9), at(0.99), at(1.0),
            100.0 * cpu / took.as_secs_f64(), 100.0 * idle_share, idle_kib / 1024, peak_kib / 1024
        );
        let grown = peak_kib.saturating_sub(idle_kib);
        let [short, long] = RSS_GROWTH_KIB_MAX;
        assert!(grown <= run.either(short, long), "retries take {grown} KiB");
    }
}
