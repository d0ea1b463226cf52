//! The shipped properties files (platform.md 3.1), with changes where a case asks for them.

use millrace_bench::shipped;

/// `config-kafka-broker-consumer.properties`.
const CONSUMER: &str = millrace_bench::shipped::CONSUMER_PROPERTIES;
/// `config-kafka-broker-webclient.properties`.
const WEB_CLIENT: &str = millrace_bench::shipped::WEB_CLIENT_PROPERTIES;

/// The producer file with some values changed or added.
pub fn producer(changes: &[(String, String)]) -> String {
    with_changes(shipped::PRODUCER_PROPERTIES, changes)
}

/// The HTTP server file with some values changed or added.
pub fn http_server(changes: &[(String, String)]) -> String {
    with_changes(shipped::HTTP_SERVER_PROPERTIES, changes)
}

/// The consumer file of a broker's dispatcher with some values changed or added.
pub fn consumer(changes: &[(String, String)]) -> String {
    with_changes(CONSUMER, changes)
}

/// The HTTP client file with some values changed or added.
pub fn web_client(changes: &[(String, String)]) -> String {
    with_changes(WEB_CLIENT, changes)
}

/// A changed key leaves its shipped line out: a key that stands twice is a mistake the programs warn of. Of two
/// changes the later one counts.
fn with_changes(shipped: &str, changes: &[(String, String)]) -> String {
    let changed = |line: &str| changes.iter().any(|(key, _)| line.split('=').next() == Some(key));
    let mut text: String =
        shipped.lines().filter(|line| !changed(line)).map(|line| format!("{line}\n")).collect();
    for (at, (key, value)) in changes.iter().enumerate() {
        if !changes.iter().skip(at + 1).any(|(later, _)| later == key) {
            text.push_str(&format!("{key}={value}\n"));
        }
    }
    text
}
