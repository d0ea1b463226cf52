//! A program of ours as a child process: its log lines, its signals and its end.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;

use crate::books;
use crate::metrics::Samples;
use crate::mount::Mount;
use crate::setup::{Mounts, Program, Setup};
use crate::wait::{SOON, until, within};
use crate::{binaries, spawn};

/// The receiver's setting that lets it take batches.
const BATCHES: &str = "INGRESS_BATCH_ENABLED";

/// What all programs have in common; killed when dropped. Its books are audited before it is stopped.
pub struct Running {
    program: Program,
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
            Program::Dispatcher if setup.testing => binaries::dispatcher_testing(),
            Program::Dispatcher => binaries::dispatcher(),
        };
        let words = setup.within.iter().map(OsString::from);
        let starter = setup.started_by.iter().map(OsString::from);
        let mut words = words.chain(starter).chain([binary.into()]);
        let mut command = spawn::command(Path::new(&words.next().expect("at least the binary")));
        command.args(words);
        command.env_clear().envs(&mounts.environment).current_dir(mounts.folder());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = spawn::spawn(command);
        let (output, errors) = (Arc::default(), Arc::default());
        let readers = vec![
            collect(child.stdout.take().expect("it is piped"), Arc::clone(&output)),
            collect(child.stderr.take().expect("it is piped"), Arc::clone(&errors)),
        ];
        Self {
            program: setup.program,
            child: Mutex::new(child),
            mounts,
            output,
            errors,
            readers: Mutex::new(readers),
        }
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

    /// Sends a signal. Before one that ends it in good order, its books must balance.
    pub fn signal(&self, name: &str) {
        if matches!(name, "TERM" | "INT") {
            self.audit();
        }
        spawn::signal(self.pid(), name);
    }

    /// Reads its metrics once more, if it serves any: V1 and V2 of reliability.md 5.
    ///
    /// # Panics
    /// When its books do not balance.
    pub fn audit(&self) {
        if let Err(imbalance) = self.try_audit() {
            panic!("{imbalance}\n{}", self.printed());
        }
    }

    fn try_audit(&self) -> Result<(), String> {
        if self.stands() {
            return Ok(());
        }
        match self.program {
            Program::Receiver => {
                let batches = self.mounts.environment.get(BATCHES).is_some_and(|on| on == "true");
                books::audit_receiver(self.metrics_port(), batches)
            }
            Program::Dispatcher => books::audit_dispatcher(self.metrics_port()),
        }
    }

    /// Whether it has ended or was stopped, so that it would not answer.
    fn stands(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        // proc(5): the state stands behind the name, which is in parentheses.
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        matches!(state, None | Some('T' | 'Z' | 'X'))
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
        let audited = if thread::panicking() {
            eprintln!("{}", self.printed());
            Ok(())
        } else {
            self.try_audit()
        };
        if let Ok(mut child) = self.child.lock() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if let Err(imbalance) = audited {
            panic!("{imbalance}\n{}", self.printed());
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
