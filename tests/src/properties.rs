//! The shipped properties files (platform.md 3.1), with changes where a case asks for them.

use millrace_bench::shipped;

/// The producer file with some values changed or added.
pub fn producer(changes: &[(String, String)]) -> String {
    with_changes(shipped::PRODUCER_PROPERTIES, changes)
}

/// The HTTP server file with some values changed or added.
pub fn http_server(changes: &[(String, String)]) -> String {
    with_changes(shipped::HTTP_SERVER_PROPERTIES, changes)
}

/// A changed key leaves its shipped line out: a key that stands twice is a mistake the receiver warns of.
fn with_changes(shipped: &str, changes: &[(String, String)]) -> String {
    let changed = |line: &str| changes.iter().any(|(key, _)| line.split('=').next() == Some(key));
    let mut text: String =
        shipped.lines().filter(|line| !changed(line)).map(|line| format!("{line}\n")).collect();
    text.extend(changes.iter().map(|(key, value)| format!("{key}={value}\n")));
    text
}
