//! `tuning` as a user calls it: on this machine, under limits put up for it, and with a sweep to its end.
#![allow(clippy::unwrap_used)]

mod check;
mod profiles;
mod sweep;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn tuning() -> &'static str {
    env!("CARGO_BIN_EXE_tuning")
}

fn text(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{out}{err}")
}

fn run(program: impl AsRef<Path>, arguments: &[&str]) -> Output {
    let mut command = Command::new(program.as_ref());
    command.args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// A binary of the harness that lies beside ours, built when it is not there.
fn beside(package: &str, name: &str) -> PathBuf {
    let folder = Path::new(tuning()).parent().unwrap().to_owned();
    let binary = folder.join(name);
    if !binary.exists() {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        cargo.args(["build", "--quiet", "--package", package, "--bin", name, "--target-dir"]);
        cargo.arg(folder.parent().unwrap());
        if folder.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "{name} cannot be built");
    }
    binary
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}
