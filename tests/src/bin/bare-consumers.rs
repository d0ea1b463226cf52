//! So many members of consumer groups and nothing else, to see what the Kafka client alone takes of the machine.
//!
//! Their settings are a consumer file's, given as text, as are the dispatcher's; they allocate as our programs do, so
//! that what those take beyond them is theirs, and not the settings' or the allocator's. Prints `ready` once each has its
//! partitions, then goes on until it is killed.
#![forbid(unsafe_code)]

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use millrace_kafka::properties::translate_consumer;
use millrace_kafka::{Consumer, ConsumerOptions, GroupEvent};
use millrace_process as _;
use millrace_settings::{Origin, Properties, Report};

const PAUSE: Duration = Duration::from_millis(50);
const EVENTS: usize = 64;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [bootstrap, topic, count, properties] = arguments.as_slice() else {
        eprintln!("usage: bare-consumers BOOTSTRAP TOPIC COUNT CONSUMER_PROPERTIES");
        return ExitCode::FAILURE;
    };
    match count
        .parse()
        .map_err(Into::into)
        .and_then(|count| run(bootstrap, topic, count, properties))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bare-consumers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(bootstrap: &str, topic: &str, count: usize, properties: &str) -> Result<(), Box<dyn Error>> {
    let properties = Properties::parse(properties, Origin::Environment)?;
    let settings = translate_consumer(&properties, &mut Report::new())?;
    let mut consumers = Vec::with_capacity(count);
    for number in 0..count {
        let group = format!("bare-{}-{number}", std::process::id());
        let options = ConsumerOptions::new(&settings, bootstrap, &group).among(&settings, count);
        let consumer = Consumer::create(&options, Arc::new(|| {}))?;
        consumer.subscribe([topic].into_iter())?;
        consumers.push(consumer);
    }
    let (mut queues, mut assigned) = (Vec::new(), 0);
    loop {
        for consumer in &consumers {
            let mut events = Vec::new();
            consumer.poll(EVENTS, |event| events.push(event));
            for event in events {
                match event {
                    GroupEvent::Assign(partitions) => {
                        queues.extend(consumer.accept(&partitions, |_| Arc::new(|| {}))?);
                        assigned += 1;
                        if assigned == count {
                            println!("ready");
                        }
                    }
                    GroupEvent::Revoke { partitions, .. } => consumer.release(&partitions)?,
                    _ => {}
                }
            }
        }
        thread::sleep(PAUSE);
    }
}
