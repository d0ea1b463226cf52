//! `quickstart`: the whole round on an embedded Kafka: the real receiver with one Broker ingress, each record as it
//! lands, the real dispatcher with two Triggers, and what arrives at their subscriber.
#![forbid(unsafe_code)]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use millrace_bench::cluster::warning;
use millrace_bench::dispatcher;
use millrace_bench::event;
use millrace_bench::receiver::{INGRESS_PATH, Receiver, TOPIC};
use millrace_bench::signals::EndSignals;
use millrace_bench::subscriber::Subscriber;
use millrace_kafka::testing::{MockCluster, ReadFrom, Tail, TestConsumer};

#[derive(Parser)]
#[command(
    about = "Try Millrace: an embedded Kafka, receiver and dispatcher on it, and each event as it passes."
)]
struct Arguments {
    /// Where the receiver takes events; when it is taken, the system chooses another.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Send the example event, show its record, and end.
    #[arg(long)]
    once: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let signals = EndSignals::arm()?;
    let cluster = MockCluster::start(1)?;
    cluster.create_topic(TOPIC, 3)?;
    let bootstrap = cluster.bootstrap_servers();
    println!("Kafka     {bootstrap}\n          {}", warning());

    let mut receiver = Receiver::start(&bootstrap, arguments.port)?;
    println!("Receiver  http://127.0.0.1:{}{INGRESS_PATH}", receiver.port);
    println!("Metrics   http://127.0.0.1:{}/metrics", receiver.metrics_port);
    println!("Log       {}", receiver.program.log_file().display());
    let subscriber = Subscriber::start()?;
    let mut dispatcher = dispatcher::start(&bootstrap, TOPIC, subscriber.port)?;
    println!("Triggers  hello: events of type com.example.hello; other: of type com.example.other");
    println!("Log       {}\n", dispatcher.log_file().display());

    let consumer = TestConsumer::new(&bootstrap)?;
    let mut records = consumer.tail(TOPIC, ReadFrom::Beginning, Duration::from_secs(20))?;
    let outcome = if arguments.once {
        once(&mut records, &subscriber, receiver.port)
    } else {
        println!(
            "Send an event from another terminal; Ctrl-C ends.\n\n{}\n",
            event::curl_command(receiver.port)
        );
        show_until(signals, &mut records, &subscriber, &mut receiver)
    };
    receiver.program.stop();
    dispatcher.stop();
    outcome
}

fn once(records: &mut Tail<'_>, subscriber: &Subscriber, port: u16) -> Result<(), Box<dyn Error>> {
    let status = event::send(port)?;
    println!("{status}");
    if !status.starts_with("HTTP/1.1 202") {
        return Err("the event was not accepted".into());
    }
    let record = records
        .next(Duration::from_secs(30))
        .ok_or("the event was accepted, but no record came")?;
    println!("{}", event::describe(&record));
    let delivered = subscriber
        .next(Duration::from_secs(30))
        .ok_or("the event is in Kafka, but no subscriber got it")?;
    println!("{delivered}");
    Ok(())
}

/// Shows records until a signal comes; the receiver's own end before that is a failure.
fn show_until(
    signals: EndSignals,
    records: &mut Tail<'_>,
    subscriber: &Subscriber,
    receiver: &mut Receiver,
) -> Result<(), Box<dyn Error>> {
    let stopped = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&stopped);
    thread::spawn(move || {
        signals.wait();
        stop.store(true, Ordering::Relaxed);
    });
    let mut ended_at = None;
    while !stopped.load(Ordering::Relaxed) {
        if let Some(record) = records.next(Duration::from_millis(200)) {
            println!("{}\n", event::describe(&record));
        }
        while let Some(delivered) = subscriber.next(Duration::ZERO) {
            println!("{delivered}\n");
        }
        // Ctrl-C reaches the receiver too, maybe a moment before us.
        if let Some(status) = receiver.program.ended() {
            let ended_at = *ended_at.get_or_insert_with(Instant::now);
            if ended_at.elapsed() > Duration::from_secs(1) {
                return Err(format!(
                    "the receiver ended with {status}; its log is {}",
                    receiver.program.log_file().display()
                )
                .into());
            }
        }
    }
    Ok(())
}
