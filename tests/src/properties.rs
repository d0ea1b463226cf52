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

/// A later line of the same key wins (platform.md 3.2).
fn with_changes(shipped: &str, changes: &[(String, String)]) -> String {
    let mut text = shipped.to_owned();
    text.extend(changes.iter().map(|(key, value)| format!("{key}={value}\n")));
    text
}
