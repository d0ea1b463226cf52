//! `bench round`: the whole chain with an oracle: an event is owed once its 202 was read.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use millrace_kafka::testing::MockCluster;
use serde_json::json;

use crate::arguments::{Cpus, duration};
use crate::load::options::{EventArguments, seats};
use crate::load::{self, LoadFigures, Plan, Url};
use crate::oracle::Owed;
use crate::products::Product;
use crate::report::{Output, Progress, Report};
use crate::sink::options::Stall;
use crate::sink::{self, Behaviour, Delay, Found, Sink, SinkPlan};
use crate::usage;

const TOPIC: &str = "round";

/// Send through the whole chain and check what arrives.
///
/// Without --url: starts an embedded Kafka, the receiver and the dispatcher that lie beside this program, and
/// a subscriber; with it, the chain is yours and must deliver to --listen. An event is owed once its 2xx answer
/// was read. Tells lost, duplicated and disordered events and the time from the planned sending to the arrival.
/// Ends with status 1 when something is lost, or when --ordered and something is out of order.
///
/// The embedded Kafka keeps 5 MiB of a partition: with a subscriber that cannot keep up for long, events are
/// lost there and nowhere else. Use your own Kafka with --bootstrap for that (topic `round`).
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  bench round --rate 2000 --ordered --keys 100
  bench round --rate 500 --delay exp:2ms --error-rate 0.02 --html round.html
  bench round --url http://broker-ingress.example/ns/b --listen 0.0.0.0:9000")]
pub struct RoundArguments {
    /// The way into your own chain.
    #[arg(long)]
    pub url: Option<Url>,
    /// Where the subscriber listens.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// A Kafka of your own in place of the embedded one.
    #[arg(long, conflicts_with = "url")]
    pub bootstrap: Option<String>,
    /// Partitions of the embedded Kafka's topic.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(i32).range(1..=200))]
    pub partitions: i32,
    /// Deliver in order, and insist on it.
    #[arg(long)]
    pub ordered: bool,
    /// Requests a second (open loop).
    #[arg(short, long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: u32,
    /// Connections of the sender.
    #[arg(short, long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub connections: u32,
    /// How long to send.
    #[arg(short, long, default_value = "10s", value_parser = duration)]
    pub duration: Duration,
    /// How long to wait for what is missing after that.
    #[arg(long, default_value = "30s", value_parser = duration)]
    pub patience: Duration,
    /// How long the subscriber takes: 5ms, 1ms..10ms, or exp:5ms.
    #[arg(long, default_value = "0", help_heading = "Subscriber")]
    pub delay: Delay,
    /// The share of requests that the subscriber refuses with 503, 0 to 1.
    #[arg(long, default_value_t = 0.0, help_heading = "Subscriber")]
    pub error_rate: f64,
    /// At the end of each PERIOD all answers wait for LENGTH.
    #[arg(long, value_name = "LENGTH/PERIOD", help_heading = "Subscriber")]
    pub stall: Option<Stall>,
    /// CPUs of receiver and dispatcher.
    #[arg(long)]
    pub target_cpus: Option<Cpus>,
    /// CPUs of the rest.
    #[arg(long)]
    pub cpus: Option<Cpus>,
    #[command(flatten)]
    pub events: EventArguments,
    #[command(flatten)]
    pub output: Output,
}

/// What stands between sender and subscriber, if we have started it.
struct Chain {
    url: Url,
    products: Vec<Product>,
    /// Ends after its clients.
    _cluster: Option<MockCluster>,
}

/// Runs the command. Whether all is well.
///
/// # Errors
/// When the chain cannot be started or loaded, or a result not be written.
pub fn run(arguments: &RoundArguments) -> Result<bool, Box<dyn Error>> {
    let others = arguments.cpus.clone().map(|cpus| cpus.0).unwrap_or_default();
    // Of the embedded Kafka's threads, too.
    usage::bind_to(&others)?;
    let sink = Sink::start(arguments.listen, arguments.sink_plan(&others))
        .map_err(|error| format!("{}: {error}", arguments.listen))?;
    let chain = start_chain(arguments, &sink)?;
    let plan = Plan {
        url: chain.url.clone(),
        shape: arguments.events.shape(),
        connections: arguments.connections as usize,
        rate: Some(f64::from(arguments.rate)),
        threads: seats(1, arguments.cpus.as_ref(), arguments.cpus.is_none()),
        warm_up: Duration::ZERO,
        duration: arguments.duration,
        timeout: Duration::from_secs(70),
        spin: false,
        owed: true,
        pid: None,
    };
    let mut progress = Progress::new();
    let whole = (arguments.duration + arguments.patience).as_secs_f64();
    let outcome = load::send(&plan, |second, accepted| {
        progress.show(second / whole, &format!("{accepted} accepted, {} arrived", sink.accepted()));
    })?;
    let owed = &outcome.tally.owed;
    let waited = wait_for_all(&sink, owed, arguments.patience, &mut progress);
    drop(progress);
    // Duplicates may follow what was waited for.
    thread::sleep(Duration::from_millis(300));
    let mut report = Report::new("bench round", load::settings_of(&plan));
    if let Some(settings) = report.settings.as_object_mut() {
        let subscriber = format!("{:?}", arguments.sink_plan(&others).behaviour);
        settings.insert("ordered".into(), arguments.ordered.into());
        settings.insert("subscriber".into(), subscriber.into());
        let own = if arguments.bootstrap.is_some() { "given" } else { "librdkafka's mock cluster" };
        settings.insert(
            "kafka".into(),
            if arguments.url.is_some() { "of the chain" } else { own }.into(),
        );
    }
    load::tell(&plan, &outcome, "Sender", &mut report);
    let found = sink::options::tell(&sink, Some(owed), "Subscriber", &mut report);
    let usage = told_usage(&chain, outcome.tally.events);
    report.figures = json!({
        "sender": LoadFigures::of(&plan, &outcome),
        "subscriber": report.figures,
        "waited_for_the_rest_s": waited.as_secs_f64(),
        "products": usage,
    });
    let good = is_good(&found, arguments.ordered);
    report.notes.push(verdict(&found, good, owed));
    report.publish(&arguments.output)?;
    Ok(good)
}

fn start_chain(arguments: &RoundArguments, sink: &Sink) -> Result<Chain, Box<dyn Error>> {
    if let Some(url) = &arguments.url {
        return Ok(Chain { url: url.clone(), products: Vec::new(), _cluster: None });
    }
    let cluster = match arguments.bootstrap {
        Some(_) => None,
        None => {
            let cluster = MockCluster::start(1)?;
            cluster.create_topic(TOPIC, arguments.partitions)?;
            Some(cluster)
        }
    };
    let embedded = || cluster.as_ref().map(MockCluster::bootstrap_servers);
    let bootstrap = arguments.bootstrap.clone().or_else(embedded).unwrap_or_default();
    let cpus = arguments.target_cpus.clone().map(|cpus| cpus.0).unwrap_or_default();
    let port = sink.address().port();
    let destination = format!("http://{}:{port}/", Ipv4Addr::LOCALHOST);
    // A group of its own, so that a Kafka of one's own can be used again and again.
    let group = format!("bench-{:08x}", crate::ids::new_run());
    let dispatcher =
        Product::dispatcher(&bootstrap, TOPIC, &group, arguments.ordered, &destination, &cpus)?;
    let receiver = Product::receiver(&bootstrap, TOPIC, &cpus)?;
    Ok(Chain {
        url: receiver.url().parse()?,
        products: vec![receiver, dispatcher],
        _cluster: cluster,
    })
}

/// Until all that is owed has come or the patience is over; how long it took.
fn wait_for_all(sink: &Sink, owed: &Owed, patience: Duration, progress: &mut Progress) -> Duration {
    let began = Instant::now();
    while began.elapsed() < patience && !sink.look(|check, _| check.has_all(owed)) {
        let came = sink.look(|check, _| check.distinct(owed.run));
        progress.show(0.9, &format!("waiting: {came} of {} arrived", owed.count()));
        thread::sleep(Duration::from_millis(100));
    }
    began.elapsed()
}

fn told_usage(chain: &Chain, events: u64) -> serde_json::Value {
    let one = |product: &Product| {
        let cpu = usage::cpu_of(product.program.pid()).unwrap_or_default();
        json!({
            "name": product.program.name(),
            "cpu_us_per_event_start_included": cpu.per(events),
            "peak_rss_kib": usage::peak_rss_kib(product.program.pid()),
            "started_in_ms": product.program.within.as_secs_f64() * 1e3,
        })
    };
    chain.products.iter().map(one).collect()
}

fn is_good(found: &[Found], ordered: bool) -> bool {
    let disordered = |found: &Found| {
        let verdict = &found.verdict;
        verdict.disordered_by_key + verdict.disordered_by_partition > 0
    };
    let ours = || found.iter().filter(|found| found.judged);
    ours().all(|found| found.verdict.lost == 0) && !(ordered && ours().any(disordered))
}

fn verdict(found: &[Found], good: bool, owed: &Owed) -> String {
    let duplicates: u64 =
        found.iter().filter(|found| found.judged).map(|found| found.verdict.duplicates).sum();
    if !good {
        return "NOT WELL: something was lost or, against the promise, out of order.".to_owned();
    }
    format!("All {} owed events arrived; {duplicates} came more than once.", owed.count())
}

impl RoundArguments {
    fn sink_plan(&self, cpus: &[usize]) -> SinkPlan {
        SinkPlan {
            behaviour: Behaviour {
                delay: self.delay,
                error_rate: self.error_rate.clamp(0.0, 1.0),
                stall: self.stall.map(|stall| (stall.period, stall.length)),
                ..Behaviour::default()
            },
            reply_type: String::new(),
            cpus: cpus.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::Verdict;

    fn found(lost: u64, disordered: u64) -> Vec<Found> {
        let verdict = Verdict { lost, disordered_by_key: disordered, ..Verdict::default() };
        vec![Found { run: 1, path: "/".into(), judged: true, verdict }]
    }

    #[test]
    fn loss_is_never_well_and_disorder_only_without_a_promise() {
        assert!(is_good(&found(0, 0), true));
        assert!(is_good(&found(0, 5), false));
        assert!(!is_good(&found(0, 5), true));
        assert!(!is_good(&found(1, 0), false));
    }
}
