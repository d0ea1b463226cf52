//! `embedded-kafka`: a Kafka cluster in one small process, for trying out and for tests.
//!
//! Its first line on standard output is `bootstrap.servers=HOST:PORT`. It reads commands from standard input, one a
//! line, and answers each with `ok` or `error: …`; the end of the input means no more commands. SIGTERM ends it.
#![forbid(unsafe_code)]

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::thread;

use clap::Parser;
use millrace_bench::cluster::{Command, NewTopic, warning};
use millrace_bench::signals::EndSignals;
use millrace_kafka::testing::MockCluster;

#[derive(Parser)]
#[command(
    about = "A Kafka cluster in one small process (librdkafka's mock), for trying out and for tests."
)]
struct Arguments {
    /// A topic to make at start; may be given several times. Others are made with 4 partitions when first used.
    #[arg(long = "topic", value_name = "NAME:PARTITIONS")]
    topics: Vec<NewTopic>,
    /// How many brokers to run.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=9))]
    brokers: i32,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let signals = EndSignals::arm()?;
    let cluster = MockCluster::start(arguments.brokers)?;
    for topic in &arguments.topics {
        topic.create(&cluster)?;
    }
    say(&format!("bootstrap.servers={}", cluster.bootstrap_servers()))?;
    eprintln!("{}", warning());
    // The cluster ends with the process, not with its input: a daemon has none.
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if say(&answer(&line, &cluster)).is_err() {
                break;
            }
        }
        loop {
            thread::park();
        }
    });
    signals.wait();
    Ok(())
}

fn answer(line: &str, cluster: &MockCluster) -> String {
    let outcome = line.parse::<Command>().map_err(|error| error.to_string());
    match outcome.and_then(|command| command.run(cluster).map_err(|error| error.to_string())) {
        Ok(()) => "ok".to_owned(),
        Err(error) => format!("error: {error}"),
    }
}

/// A line that the reader at the other end of a pipe sees at once.
fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
