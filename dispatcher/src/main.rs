//! The dispatcher: Kafka to HTTP subscribers.
fn main() {}
