//! A program of ours that runs beside this one, with the folder of its settings and its log.

use std::env;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use thiserror::Error;

use crate::usage;

const READY_WITHIN: Duration = Duration::from_secs(20);

#[derive(Debug, Error)]
pub enum StartError {
    #[error("{what}: {error}")]
    Io { what: String, error: io::Error },
    #[error("cargo could not build a binary ({0}); its messages are above")]
    Build(ExitStatus),
    #[error("the program ended at start with {0}; its log:\n{1}")]
    Ended(ExitStatus, String),
    #[error("the program was not ready after {READY_WITHIN:?}; its log:\n{0}")]
    NotReady(String),
}

/// A running program; killed when dropped.
pub struct Started {
    child: Child,
    folder: TempDir,
    name: &'static str,
    /// When it was started.
    pub began: Instant,
    /// From its start until it was ready, in steps of a millisecond.
    pub within: Duration,
}

impl Started {
    /// Starts the program of that name on its folder, bound to these CPUs (none means all), and waits
    /// until it is ready. `environment` gets the command and the folder.
    ///
    /// # Errors
    /// When it cannot be found, built or started, or does not become ready.
    pub(crate) fn start(
        name: &'static str,
        folder: TempDir,
        cpus: &[usize],
        environment: impl FnOnce(&mut Command, &Path),
        ready: impl Fn(&Path) -> bool,
    ) -> Result<Self, StartError> {
        let mut command = Command::new(find_or_build(name)?);
        environment(&mut command, folder.path());
        let log = File::create(log_in(&folder, name)).map_err(named("creating the log"))?;
        let error_log = log.try_clone().map_err(named("creating the log"))?;
        command.stdin(Stdio::null()).stdout(log).stderr(error_log);
        let began = Instant::now();
        let child = spawn_on(&mut command, cpus).map_err(named(&format!("starting the {name}")))?;
        let mut started = Self { child, folder, name, began, within: Duration::ZERO };
        while began.elapsed() < READY_WITHIN {
            if let Some(status) = started.ended() {
                return Err(StartError::Ended(status, started.log()));
            }
            if ready(started.folder.path()) {
                started.within = began.elapsed();
                return Ok(started);
            }
            thread::sleep(Duration::from_millis(1));
        }
        Err(StartError::NotReady(started.log()))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Where its settings lie.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn log_file(&self) -> PathBuf {
        log_in(&self.folder, self.name)
    }

    /// Its exit status, once it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Asks it to end, as Kubernetes does, and waits. Ctrl-C may have ended it before.
    pub fn stop(&mut self) {
        if self.ended().is_some() {
            return;
        }
        let pid = self.pid().to_string();
        let mut kill = Command::new("kill");
        kill.args(["-s", "TERM", &pid]).stderr(Stdio::null());
        // Without a `kill` program the drop still ends it.
        if kill.status().is_ok_and(|status| status.success()) {
            let _ = self.child.wait();
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_else(|error| format!("(unreadable: {error})"))
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn log_in(folder: &TempDir, name: &str) -> PathBuf {
    folder.path().join(format!("{name}.log"))
}

/// A new folder with these files in it, gone when dropped.
pub(crate) fn folder_with(files: &[(&str, String)]) -> Result<TempDir, StartError> {
    let folder =
        TempDir::with_prefix("millrace-bench-").map_err(named("making a temporary folder"))?;
    write_all(folder.path(), files).map_err(named("writing the settings"))?;
    Ok(folder)
}

pub(crate) fn named(what: &str) -> impl FnOnce(io::Error) -> StartError + use<> {
    let what = what.to_owned();
    move |error| StartError::Io { what, error }
}

/// A product's binary beside this program; built with the same profile when it is not there.
fn find_or_build(name: &str) -> Result<PathBuf, StartError> {
    let program = env::current_exe().map_err(named("finding this program"))?;
    let binary = program.with_file_name(name);
    if !binary.exists() {
        eprintln!("Building the {name}.");
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args([
            "build",
            "--package",
            &format!("millrace-{name}"),
            "--bin",
            name,
        ]);
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        if let Some(target) = program.ancestors().nth(2) {
            cargo.arg("--target-dir").arg(target);
        }
        let status = cargo.status().map_err(named("running cargo"))?;
        if !status.success() {
            return Err(StartError::Build(status));
        }
    }
    Ok(binary)
}

/// `wanted`, or one that the system chooses when that is taken.
pub(crate) fn free_port(wanted: u16) -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, wanted))
        .or_else(|_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)))?;
    Ok(listener.local_addr()?.port())
}

fn write_all(folder: &Path, files: &[(&str, String)]) -> io::Result<()> {
    for (name, content) in files {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, content)?;
    }
    Ok(())
}

/// Starts a process bound to these CPUs; to none means as this one.
///
/// # Errors
/// When it cannot be started or bound.
pub fn spawn_on(command: &mut Command, cpus: &[usize]) -> std::io::Result<Child> {
    // A process starts with the CPUs of the thread that starts it, so a thread is bound for it.
    thread::scope(|scope| {
        let bound = scope.spawn(|| {
            usage::bind_to(cpus)?;
            command.spawn()
        });
        bound.join().unwrap_or_else(|_| Err(std::io::Error::other("the starting thread panicked")))
    })
}

/// The body of a 200 answer.
pub(crate) fn answers(port: u16, path: &str) -> Option<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let within = Duration::from_secs(1);
    let mut stream = TcpStream::connect_timeout(&address, within).ok()?;
    stream.set_read_timeout(Some(within)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.take(1 << 20).read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| body.to_owned())
}
