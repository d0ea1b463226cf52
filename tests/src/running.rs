//! A program of ours as a child process: its log lines, its signals and its end.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;

use crate::metrics::Samples;
use crate::mount::Mount;
use crate::setup::{Mounts, Program, Setup};
use crate::wait::{SOON, until, within};
use crate::{binaries, spawn};

/// What all programs have in common; killed when dropped.
pub struct Running {
    child: Mutex<Child>,
    pub(crate) mounts: Mounts,
    output: Arc<Mutex<Vec<String>>>,
    errors: Arc<Mutex<Vec<String>>>,
    readers: Mutex<Vec<JoinHandle<()>>>,
}

impl Running {
    /// Starts it and returns at once.
    pub(crate) fn launch(setup: &Setup) -> Self {
        let mounts = Mounts::lay_out(setup);
        let binary = match setup.program {
            Program::Receiver => binaries::receiver(),
            Program::Dispatcher => binaries::dispatcher(),
        };
        let mut command = match &setup.started_by {
            Some(program) => {
                let mut command = spawn::command(program);
                command.arg(binary);
                command
            }
            None => spawn::command(&binary),
        };
        command.env_clear().envs(&mounts.environment).current_dir(mounts.folder());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = spawn::spawn(command);
        let (output, errors) = (Arc::default(), Arc::default());
        let readers = vec![
            collect(child.stdout.take().expect("it is piped"), Arc::clone(&output)),
            collect(child.stderr.take().expect("it is piped"), Arc::clone(&errors)),
        ];
        Self { child: Mutex::new(child), mounts, output, errors, readers: Mutex::new(readers) }
    }

    pub fn metrics_port(&self) -> u16 {
        self.mounts.metrics_port
    }

    /// The mount with the contract in its file `data`.
    pub fn contract(&self) -> &Mount {
        &self.mounts.contract
    }

    /// Swaps a new contract in, as kubelet does.
    pub fn swap_contract(&self, bytes: impl AsRef<[u8]>) {
        self.contract().swap(&[("data", bytes.as_ref())]);
    }

    pub fn scrape(&self) -> Samples {
        Samples::scrape(self.metrics_port(), "/metrics")
    }

    pub fn pid(&self) -> u32 {
        self.child.lock().expect("no test panics in here").id()
    }

    pub fn signal(&self, name: &str) {
        spawn::signal(self.pid(), name);
    }

    pub fn try_exit(&self) -> Option<ExitStatus> {
        let mut child = self.child.lock().expect("no test panics in here");
        let status = child.try_wait().expect("a child of ours");
        drop(child);
        if status.is_some() {
            // What it printed last is complete only at the end of its pipes.
            for reader in self.readers.lock().expect("no test panics in here").drain(..) {
                let _ = reader.join();
            }
        }
        status
    }

    pub fn wait_exit(&self, limit: Duration) -> ExitStatus {
        until("the program to end", limit, || self.try_exit())
    }

    /// Lines on standard output, as printed.
    pub fn output(&self) -> Vec<String> {
        self.output.lock().expect("no test panics in here").clone()
    }

    /// The JSON lines it has logged so far.
    pub fn logs(&self) -> Vec<Value> {
        let lines = self.output.lock().expect("no test panics in here");
        lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The first log line that fits, waited for.
    pub fn wait_for_log(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let found = within(SOON, || self.logs().into_iter().find(&fits));
        found.unwrap_or_else(|| panic!("no log line for: {what}\n{}", self.printed()))
    }

    /// Waits for a line of that level in which this text appears, in the message or a field.
    pub fn wait_for_log_text(&self, level: &str, text: &str) -> Value {
        self.wait_for_log(&format!("{level} with {text:?}"), |line| {
            line["level"] == level && line.to_string().contains(text)
        })
    }

    /// Lines on standard error, as printed.
    pub fn errors(&self) -> String {
        self.errors.lock().expect("no test panics in here").join("\n")
    }

    /// All it printed, for a failure's message.
    pub fn printed(&self) -> String {
        let output = self.output.lock().expect("no test panics in here").join("\n");
        format!("--- its standard output\n{output}\n--- its standard error\n{}\n---", self.errors())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.printed());
        }
        if let Ok(mut child) = self.child.lock() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn collect(pipe: impl Read + Send + 'static, lines: Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            lines.lock().expect("no test panics in here").push(line);
        }
    })
}
