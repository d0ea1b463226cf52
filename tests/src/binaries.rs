//! Finds our binaries, and builds them when a test run did not.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// Takes the receiver at this path, whatever its age: an image's binary, a release build.
const RECEIVER_OVERRIDE: &str = "MILLRACE_RECEIVER";
/// The same for the dispatcher.
const DISPATCHER_OVERRIDE: &str = "MILLRACE_DISPATCHER";

pub fn receiver() -> PathBuf {
    static RECEIVER: OnceLock<PathBuf> = OnceLock::new();
    match env::var_os(RECEIVER_OVERRIDE) {
        Some(path) => path.into(),
        None => {
            let sources = ["receiver/src", "contract/src", "crates"];
            RECEIVER.get_or_init(|| built("receiver", "millrace-receiver", &sources)).clone()
        }
    }
}

pub fn dispatcher() -> PathBuf {
    static DISPATCHER: OnceLock<PathBuf> = OnceLock::new();
    match env::var_os(DISPATCHER_OVERRIDE) {
        Some(path) => path.into(),
        None => {
            let sources = ["dispatcher/src", "contract/src", "crates"];
            let build = || built("dispatcher", "millrace-dispatcher", &sources);
            DISPATCHER.get_or_init(build).clone()
        }
    }
}

/// The dispatcher with what only tests want inside (its feature `testing`): never taken from outside.
pub fn dispatcher_testing() -> PathBuf {
    static DISPATCHER: OnceLock<PathBuf> = OnceLock::new();
    let sources = ["dispatcher/src", "contract/src", "crates"];
    let build = || built("dispatcher-testing", "millrace-dispatcher", &sources);
    DISPATCHER.get_or_init(build).clone()
}

pub fn embedded_kafka() -> PathBuf {
    static EMBEDDED_KAFKA: OnceLock<PathBuf> = OnceLock::new();
    let sources = ["bench/src", "crates/kafka"];
    EMBEDDED_KAFKA.get_or_init(|| built("embedded-kafka", "millrace-bench", &sources)).clone()
}

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this crate is a folder of the repository")
}

/// `cargo test` leaves a binary alone unless an integration test of its own package asks for it, so one that is
/// missing, or older than a source file, is built first: a test must never judge yesterday's program.
fn built(name: &str, package: &str, sources: &[&str]) -> PathBuf {
    let folder = target_folder();
    let binary = folder.join(name);
    let newest = sources.iter().filter_map(|folder| newest_below(&root().join(folder))).max();
    if modified(&binary).is_none_or(|built| newest.is_none_or(|newest| built < newest)) {
        build(&folder, name, package);
    }
    binary
}

/// `target/<profile>`, seen from this test program in `target/<profile>/deps`.
fn target_folder() -> PathBuf {
    let program = env::current_exe().expect("Linux tells a program its path");
    let folder = program.parent().and_then(Path::parent);
    folder.expect("cargo puts test programs into target/<profile>/deps").to_owned()
}

fn build(folder: &Path, name: &str, package: &str) {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root()).args(["build", "--quiet", "--package", package, "--bin", name]);
    if name.ends_with("-testing") {
        command.args(["--features", "testing"]);
    }
    command
        .arg("--target-dir")
        .arg(folder.parent().expect("the profile is a folder of the target folder"));
    if folder.ends_with("release") {
        command.arg("--release");
    }
    let status = command.status();
    assert!(status.is_ok_and(|status| status.success()), "{command:?} failed");
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// The newest Rust source below a folder that belongs to a binary: tests, examples and fuzz targets do not.
fn newest_below(folder: &Path) -> Option<SystemTime> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    entries
        .filter_map(|entry| {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() {
                let skipped = ["tests", "fuzz", "target", "examples", "benches"];
                return if skipped.iter().any(|skip| name == *skip) {
                    None
                } else {
                    newest_below(&path)
                };
            }
            let source =
                path.extension().is_some_and(|extension| extension == "rs") && name != "tests.rs";
            if source { modified(&path) } else { None }
        })
        .max()
}
