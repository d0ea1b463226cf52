//! Books that balance: what a program took in equals what it says became of it (reliability.md 5, V1 and V2).
//!
//! A program is read while it works, and no reading is a snapshot. So each audit reads three times: sums that only grow
//! lie between the first and the last reading, and what is in flight in the second one has to fit between them. At rest
//! the three are the same, and the equation is exact.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::metrics::Samples;
use crate::wait::pass;

/// A writer may have been interrupted between two numbers that belong together: what does not fit is read again.
const READ_AGAIN: u32 = 20;
const BETWEEN: Duration = Duration::from_millis(50);
/// For one reading of a page.
const PATIENCE: Duration = Duration::from_secs(10);
/// Names of the families that an audit needs.
const FAMILIES: &[&str] = &[
    "millrace_receiver_",
    "millrace_dispatcher_records",
    "millrace_dispatcher_dead_lettered_total",
    "millrace_dispatcher_lost_total",
    "millrace_dispatcher_discarded_total",
    "kn_eventing_process_latency_ms_count",
];

/// V1. Without `batches` each request that was answered 202 is one event.
///
/// # Errors
/// With both sides of the equation that does not hold.
pub fn audit_receiver(port: u16, batches: bool) -> Result<(), String> {
    audit(port, "the receiver", |readings| judge_receiver(readings, batches))
}

fn judge_receiver(readings: &Readings, batches: bool) -> Faults {
    let mut faults = Faults::default();
    let of = |name: &str, labels: &[(&str, &str)]| readings.range(name, labels);
    let received = of("millrace_receiver_requests_received_total", &[]);
    let answered = of("millrace_receiver_requests_total", &[]);
    let unanswered = of("millrace_receiver_requests_unanswered_total", &[]);
    // An answer counts when it is known, and its request is in flight until it is written.
    let open = readings.middle("millrace_receiver_requests_in_flight", &[]);
    let rest = received.minus(answered).minus(unanswered);
    faults.unless(rest.low <= open && rest.high >= 0.0, || {
            format!(
                "requests: {received} received, {answered} answered and {unanswered} unanswered, {open} in flight"
            )
        });
    let accepted = of("millrace_receiver_requests_total", &[("status", "202")]);
    let single = of("millrace_receiver_events_accepted_total", &[("mode", "single")]);
    let batch = of("millrace_receiver_events_accepted_total", &[("mode", "batch")]);
    faults.unless(batches || accepted.meets(single), || {
        format!("answers: {accepted} of 202, but {single} events of such requests")
    });
    let acknowledged = of("millrace_receiver_records_total", &[("outcome", "acknowledged")]);
    let unclaimed = of("millrace_receiver_records_unclaimed_total", &[]);
    let claimed = single.plus(batch).plus(unclaimed);
    let waiting = acknowledged.minus(claimed);
    // A report comes a moment before its request's answer, never behind it.
    let at_rest = open == 0.0 && acknowledged.is_exact() && claimed.is_exact();
    faults.unless(waiting.high >= 0.0 && (!at_rest || waiting.low <= 0.0), || {
            format!(
                "records: {acknowledged} acknowledged; {single} events answered 202, {batch} more in batches, \
                {unclaimed} answered otherwise; {open} requests in flight"
            )
        });
    faults
}

/// V2, for each egress.
///
/// # Errors
/// With both sides of each equation that does not hold.
pub fn audit_dispatcher(port: u16) -> Result<(), String> {
    audit(port, "the dispatcher", judge_dispatcher)
}

fn judge_dispatcher(readings: &Readings) -> Faults {
    let mut faults = Faults::default();
    let mut filtered_or_passed = Range::ZERO;
    for egress in readings.egresses() {
        let own = egress.labels();
        let of = |name: &str| readings.range(name, &own);
        let fate = |fate: &str| {
            let labels: Vec<_> = own.iter().copied().chain([("fate", fate)]).collect();
            readings.range("millrace_dispatcher_records_ended_total", &labels)
        };
        let begun = of("millrace_dispatcher_records_total");
        let ended = of("millrace_dispatcher_records_ended_total");
        let open = readings.middle("millrace_dispatcher_records_in_flight", &own);
        let rest = begun.minus(ended);
        faults.unless(rest.low <= open && open <= rest.high, || {
            let fates =
                ["delivered", "filtered", "discarded", "dead_lettered", "lost", "abandoned"];
            let fates = fates.map(|name| format!("{} {name}", fate(name))).join(", ");
            format!("{egress:?}: {begun} records taken; {fates}, {open} in flight")
        });
        // Three of the fates have a counter of their own, kept elsewhere.
        for (name, counter) in [
            ("discarded", "millrace_dispatcher_discarded_total"),
            ("dead_lettered", "millrace_dispatcher_dead_lettered_total"),
            ("lost", "millrace_dispatcher_lost_total"),
        ] {
            let (by_fate, counted) = (fate(name), of(counter));
            faults.unless(by_fate.meets(counted), || {
                format!("{egress:?}: {by_fate} {name}, but {counter} is {counted}")
            });
        }
        filtered_or_passed = filtered_or_passed.plus(begun).minus(fate("discarded"));
    }
    // Taken and looked at is one step for the shard, but not for whoever reads the page: what is in flight may not
    // be looked at yet.
    let open = readings.middle("millrace_dispatcher_records_in_flight", &[]);
    let processed = readings.range("kn_eventing_process_latency_ms_count", &[]);
    let rest = filtered_or_passed.minus(processed);
    let fits = rest.low <= open && rest.high >= 0.0;
    faults.unless(fits, || {
            format!(
                "{filtered_or_passed} records were no discards, but {processed} came through a filter; {open} in flight"
            )
        });
    faults
}

/// Judges readings until one balances, or none will.
fn audit(port: u16, who: &str, judge: impl Fn(&Readings) -> Faults) -> Result<(), String> {
    let started = Instant::now();
    for turn in 0.. {
        let readings = match Readings::take(port) {
            Ok(readings) => readings,
            // Started without metrics, or not far enough to have some, or gone meanwhile.
            Err(why) => {
                println!("The books of {who} are not audited: {why}");
                return Ok(());
            }
        };
        let Faults(faults) = judge(&readings);
        if faults.is_empty() {
            return Ok(());
        }
        if turn == READ_AGAIN {
            let took = started.elapsed();
            return Err(format!("The books of {who} do not balance after {took:.1?}:{faults}"));
        }
        pass(BETWEEN);
    }
    Ok(())
}

/// Three pages, one after the other.
struct Readings([Samples; 3]);

/// Whose numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Egress {
    group: String,
    name: String,
    namespace: String,
}

/// Where a number lay while the second page was read.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Range {
    low: f64,
    high: f64,
}

#[derive(Default)]
struct Faults(String);

impl Readings {
    fn take(port: u16) -> Result<Self, String> {
        let read = || Samples::try_scrape(port, FAMILIES, PATIENCE);
        Ok(Self([read()?, read()?, read()?]))
    }

    /// The range of a sum that only grows.
    fn range(&self, name: &str, labels: &[(&str, &str)]) -> Range {
        let [first, _, last] = &self.0;
        Range { low: first.sum(name, labels), high: last.sum(name, labels) }
    }

    /// What may go up and down.
    fn middle(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let [_, middle, _] = &self.0;
        middle.sum(name, labels)
    }

    /// Those that were there all the time: one that comes or goes takes its numbers along.
    fn egresses(&self) -> BTreeSet<Egress> {
        let known = |samples: &Samples| -> BTreeSet<Egress> {
            let all = samples.all("millrace_dispatcher_records_in_flight", &[]);
            let of = |labels: &std::collections::BTreeMap<String, String>, name: &str| {
                labels.get(name).cloned().unwrap_or_default()
            };
            all.map(|sample| Egress {
                group: of(&sample.labels, "consumer_group"),
                name: of(&sample.labels, "name"),
                namespace: of(&sample.labels, "namespace"),
            })
            .collect()
        };
        let [first, middle, last] = &self.0;
        let (first, middle, last) = (known(first), known(middle), known(last));
        first
            .into_iter()
            .filter(|egress| middle.contains(egress) && last.contains(egress))
            .collect()
    }
}

impl Egress {
    fn labels(&self) -> [(&str, &str); 3] {
        [("consumer_group", &self.group), ("name", &self.name), ("namespace", &self.namespace)]
    }
}

impl Range {
    const ZERO: Self = Self { low: 0.0, high: 0.0 };

    fn plus(self, other: Self) -> Self {
        Self { low: self.low + other.low, high: self.high + other.high }
    }

    fn minus(self, other: Self) -> Self {
        Self { low: self.low - other.high, high: self.high - other.low }
    }

    /// Whether both may have been the same.
    fn meets(self, other: Self) -> bool {
        self.low <= other.high && other.low <= self.high
    }

    fn is_exact(self) -> bool {
        self.low == self.high
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_exact() {
            write!(f, "{}", self.low)
        } else {
            write!(f, "{} to {}", self.low, self.high)
        }
    }
}

impl Faults {
    fn unless(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            // Writing to a String cannot fail.
            let _ = write!(self.0, "\n  {}", what());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics;

    /// Pages at rest.
    fn at_rest(page: &str) -> Readings {
        let samples = Samples(metrics::parse(page).unwrap());
        Readings([samples.clone(), samples.clone(), samples])
    }

    const RECEIVER: &str = "millrace_receiver_requests_received_total 12.0
millrace_receiver_requests_total{status=\"202\"} 7.0
millrace_receiver_requests_total{status=\"503\"} 3.0
millrace_receiver_requests_unanswered_total 2.0
millrace_receiver_requests_in_flight 0.0
millrace_receiver_events_accepted_total{mode=\"single\"} 7.0
millrace_receiver_events_accepted_total{mode=\"batch\"} 0.0
millrace_receiver_records_total{outcome=\"acknowledged\"} 8.0
millrace_receiver_records_unclaimed_total 1.0
";

    /// Each number that is wrong by one, either way, is noticed.
    #[test]
    fn a_receiver_that_miscounts_is_caught() {
        assert_eq!(judge_receiver(&at_rest(RECEIVER), false).0, "");
        for (line, value) in RECEIVER.lines().filter_map(|line| line.rsplit_once(' ')) {
            if line.contains("in_flight") || line.contains("batch") {
                continue;
            }
            let value: f64 = value.parse().unwrap();
            for wrong in [value - 1.0, value + 1.0] {
                let page =
                    RECEIVER.replace(&format!("{line} {value:.1}"), &format!("{line} {wrong:.1}"));
                assert_ne!(judge_receiver(&at_rest(&page), false).0, "", "{line} {wrong}");
            }
        }
    }

    const EGRESS: &str = "consumer_group=\"g\",name=\"n\",namespace=\"s\"";

    fn dispatcher() -> String {
        let mut page = format!(
            "millrace_dispatcher_records_total{{{EGRESS}}} 21.0\nmillrace_dispatcher_records_in_flight{{{EGRESS}}} 2.0\n"
        );
        for (fate, count) in [
            ("delivered", 7),
            ("filtered", 5),
            ("discarded", 3),
            ("dead_lettered", 2),
            ("lost", 1),
            ("abandoned", 1),
        ] {
            let _ = writeln!(
                page,
                "millrace_dispatcher_records_ended_total{{{EGRESS},fate=\"{fate}\"}} {count}.0"
            );
        }
        for (name, count) in [("dead_lettered", 2), ("lost", 1), ("discarded", 3)] {
            let _ = writeln!(page, "millrace_dispatcher_{name}_total{{{EGRESS}}} {count}.0");
        }
        page + "kn_eventing_process_latency_ms_count 18.0\n"
    }

    #[test]
    fn a_dispatcher_that_miscounts_is_caught() {
        let page = dispatcher();
        assert_eq!(judge_dispatcher(&at_rest(&page)).0, "");
        for (line, value) in page.lines().filter_map(|line| line.rsplit_once(' ')) {
            let value: f64 = value.parse().unwrap();
            // Up to what is in flight may not have come through the filter yet.
            let by = if line.contains("process_latency") { 3.0 } else { 1.0 };
            for wrong in [value - by, value + by] {
                let page =
                    page.replace(&format!("{line} {value:.1}"), &format!("{line} {wrong:.1}"));
                assert_ne!(judge_dispatcher(&at_rest(&page)).0, "", "{line} {wrong}");
            }
        }
    }

    #[test]
    fn what_moves_is_known_within_bounds() {
        let (grown, still) = (Range { low: 3.0, high: 5.0 }, Range { low: 2.0, high: 2.0 });
        assert_eq!(grown.minus(still), Range { low: 1.0, high: 3.0 });
        assert_eq!(still.minus(grown), Range { low: -3.0, high: -1.0 });
        assert!(!grown.meets(still) && grown.meets(Range { low: 5.0, high: 9.0 }));
        assert!(still.is_exact() && !grown.is_exact());
        assert_eq!(format!("{grown}, {still}"), "3 to 5, 2");
    }
}
