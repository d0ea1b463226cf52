//! The record that all Kafka parts of the floor use: what the receiver writes for a 1 KiB binary event.

use millrace_kafka::properties::{
    ConsumerSettings, ProducerSettings, translate_consumer, translate_producer,
};
use millrace_kafka::{Headers, ProducerOptions};
use millrace_settings::{Origin, Properties, Report};

use crate::shipped;

/// As the receiver sets it when it batches itself.
const BURST_BYTES: &str = "1000000";

/// The headers of an event of `bench load`, in the receiver's order.
pub(crate) fn headers(key: Option<&str>) -> Headers {
    event("00c0ffee-0001-0000000002-0000000000000003", "com.example.load.0000", key)
}

/// The same with this id and type.
pub(crate) fn event(id: &str, kind: &str, key: Option<&str>) -> Headers {
    let mut headers = Headers::with_capacity(16);
    let mut add = |name: &str, value: &str| headers.add(name, Some(value.as_bytes()));
    add("ce_specversion", "1.0");
    add("ce_id", id);
    add("ce_source", "/benchmark/load");
    add("ce_type", kind);
    add("ce_subject", "orders/4711");
    add("ce_time", "2026-01-01T10:00:00.5Z");
    add("ce_tenant", "blue");
    if let Some(key) = key {
        add("ce_partitionkey", key);
    }
    add("content-type", "text/plain");
    headers
}

/// A producer as the receiver makes it from the shipped properties.
///
/// # Errors
/// When the shipped properties are refused.
pub(crate) fn producer_options(bootstrap: &str) -> Result<ProducerOptions, String> {
    let settings = producer_settings()?;
    let mut options = ProducerOptions::new(&settings, bootstrap, "bench");
    for (key, value) in [("statistics.interval.ms", "0"), ("batch.size", BURST_BYTES)] {
        options.pairs.push((key.to_owned(), value.to_owned()));
    }
    Ok(options)
}

fn producer_settings() -> Result<ProducerSettings, String> {
    let properties = properties(shipped::PRODUCER_PROPERTIES)?;
    translate_producer(&properties, &mut Report::new()).map_err(|error| error.to_string())
}

/// A consumer as the dispatcher makes it from the shipped properties, but from the beginning.
///
/// # Errors
/// When the shipped properties are refused.
pub(crate) fn consumer_settings() -> Result<ConsumerSettings, String> {
    let text = shipped::CONSUMER_PROPERTIES
        .replace("auto.offset.reset=latest", "auto.offset.reset=earliest");
    translate_consumer(&properties(&text)?, &mut Report::new()).map_err(|error| error.to_string())
}

fn properties(text: &str) -> Result<Properties, String> {
    let origin = Origin::File("shipped.properties".into());
    Properties::parse(text, origin).map_err(|error| error.to_string())
}
