//! One side of a comparison: a URL, and the process behind it.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;

use crate::ids;
use crate::load::wire::Wire;
use crate::load::{Shape, Url};
use crate::started::spawn_on;

/// A target must take its first event within this time.
const START_WITHIN: Duration = Duration::from_secs(120);
/// And end within this one, or it is killed.
const END_WITHIN: Duration = Duration::from_secs(30);

/// What is compared.
#[derive(Clone, Debug)]
pub struct Target {
    pub name: &'static str,
    pub url: Url,
    pub pid: Option<u32>,
    /// A command for a shell.
    pub start: Option<String>,
    /// Where it runs when started; none means anywhere.
    pub cpus: Vec<usize>,
}

/// How long a target took to start.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Started {
    /// To the first connection that it took.
    pub listening_ms: f64,
    /// To the first event that it accepted.
    pub accepting_ms: f64,
}

/// A started target; asked to end when dropped.
pub(super) struct Running {
    child: Child,
    pub(super) started: Started,
}

impl Target {
    /// For the reader of a result.
    pub fn words(&self) -> String {
        let process = match (&self.start, self.pid) {
            (Some(command), _) => format!(", started by {command:?} on CPUs {:?}", self.cpus),
            (None, Some(pid)) => format!(", process {pid}"),
            (None, None) => String::new(),
        };
        format!("{}{process}", self.url)
    }

    /// Starts it, if there is a command, and waits until it has accepted an event.
    pub(super) fn run(&self, shape: &Shape) -> Result<Option<Running>, Box<dyn Error>> {
        let Some(command) = &self.start else { return Ok(None) };
        if TcpStream::connect(self.url.address).is_ok() {
            return Err("somebody listens there already".into());
        }
        // `exec`, so that the process is the target and not its shell.
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec {command}")]);
        shell.stdin(Stdio::null()).stdout(Stdio::null());
        let began = Instant::now();
        let child = spawn_on(&mut shell, &self.cpus)?;
        let mut running =
            Running { child, started: Started { listening_ms: 0.0, accepting_ms: 0.0 } };
        let mut request = Wire::new(shape, &self.url, ids::new_run());
        let request = request.fill(0, 0, 0).to_vec();
        loop {
            if let Some(status) = running.child.try_wait()? {
                return Err(format!("it ended with {status} before it took an event").into());
            }
            let age = began.elapsed();
            if let Ok(stream) = TcpStream::connect(self.url.address) {
                if running.started.listening_ms == 0.0 {
                    running.started.listening_ms = age.as_secs_f64() * 1e3;
                }
                if accepts(stream, &request).unwrap_or(false) {
                    running.started.accepting_ms = began.elapsed().as_secs_f64() * 1e3;
                    return Ok(Some(running));
                }
            }
            if age > START_WITHIN {
                return Err(format!("it did not accept an event within {START_WITHIN:?}").into());
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn accepts(mut stream: TcpStream, request: &[u8]) -> io::Result<bool> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(request)?;
    let mut start = [0_u8; 10];
    stream.read_exact(&mut start)?;
    Ok(start.starts_with(b"HTTP/1.1 2"))
}

impl Running {
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let asked = pid.is_some_and(|pid| kill_process(pid, Signal::TERM).is_ok());
        let began = Instant::now();
        while asked && began.elapsed() < END_WITHIN {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
