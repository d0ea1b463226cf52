//! Python's confluent-kafka, as a second opinion and for transactions.

use std::path::PathBuf;
use std::process::Command;

use crate::binaries;
use crate::broker::in_ci;

/// A script of `tests/python` to be run by the interpreter that `tests/python.sh fetch` sets up. Missing, it is a loud
/// skip for a person and a failure in CI.
pub fn script(name: &str) -> Option<Command> {
    let python: PathBuf = binaries::root().join(".python/bin/python");
    if python.exists() {
        let mut command = Command::new(python);
        command.arg(binaries::root().join("tests/python").join(name));
        return Some(command);
    }
    assert!(!in_ci(), "there is no {}, and CI skips nothing", python.display());
    eprintln!("SKIPPED: no confluent-kafka for Python; run tests/python.sh fetch");
    None
}
