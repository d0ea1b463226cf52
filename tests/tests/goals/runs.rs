//! What the runs of several goals have in common: settings, subscribers that tell an oracle, verdicts.

use std::time::Duration;

use millrace_tests::fleet;
use millrace_tests::oracle::{Id, Oracle, Verdict};
use millrace_tests::schedule::Run;
use millrace_tests::setup::Setup;
use millrace_tests::stage::Case;
use millrace_tests::subscriber::{Answer, Endpoint, Received};

/// Members that notice each other's coming and going within seconds; the test's Kafka allows it.
pub(crate) fn nimble(setup: Setup) -> Setup {
    setup.consumer("session.timeout.ms", "3000").consumer("heartbeat.interval.ms", "500")
}

/// The oracle's id of the event in a request.
pub(crate) fn id(request: &Received) -> Id {
    let id = request.header("ce-id").unwrap_or_default();
    id.parse().unwrap_or_else(|reason| panic!("{reason}: {request:?}"))
}

/// Tells the oracle of each request, and answers it as `answer` says by its id and the number of attempts before; no
/// answer means 200.
pub(crate) fn watch(
    endpoint: &Endpoint,
    oracle: &Oracle,
    answer: impl Fn(Id, u32) -> Option<Answer> + Send + 'static,
) {
    let oracle = oracle.clone();
    endpoint.answers(move |request, _| {
        let id = id(request);
        let before = oracle.attempted(id, fleet::sender(request), request.arrived);
        answer(id, before).unwrap_or_else(|| {
            oracle.done(id);
            Answer::status(200)
        })
    });
}

/// A dead letter sink that takes all.
pub(crate) fn watch_dead_letters(endpoint: &Endpoint, oracle: &Oracle) {
    let oracle = oracle.clone();
    endpoint.answers(move |request, _| {
        oracle.done(id(request));
        Answer::status(200)
    });
}

/// The quiet phase and the line that every run ends with.
pub(crate) fn verdict(run: &Run, what: &str, oracle: &Oracle, footprints: &str) -> Verdict {
    oracle.settle(run.seconds(1.0, 10.0), Duration::from_secs(120));
    let verdict = oracle.verdict();
    println!("{} {what}: {verdict}; {footprints}; seed {}", run.name, run.seed);
    verdict
}

/// Waits until the first egress has committed all that was written, in each partition.
pub(crate) fn commits_reach_the_end(case: &Case<'_>, ends: &[i64]) {
    for (partition, end) in (0..).zip(ends) {
        for egress in &case.plan.egresses {
            case.settles_for(egress, partition, *end);
        }
    }
}
