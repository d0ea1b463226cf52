//! Starts children that die with the test process, whatever way it ends.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::thread;

use crate::wait::{SOON, until};

type Order = (Command, Sender<io::Result<Child>>);

/// A command for `program` under which the kernel kills it when this process is gone.
///
/// `setpriv` (util-linux) asks for the signal and then becomes the program, so the process id and the pipes are the
/// program's own.
pub fn command(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// Starts what [`command`] made.
///
/// The parent-death signal fires when the *thread* that forked ends, and a test is a thread of its own that may start
/// a rig shared by many. So one thread that never ends does all the forking.
///
/// # Panics
/// When the program cannot be started: nothing can be tested then.
pub fn spawn(command: Command) -> Child {
    let name = format!("{command:?}");
    let (answer, result) = channel();
    forker().send((command, answer)).expect("the forking thread never ends");
    let child = result.recv().expect("the forking thread answers each order");
    child.unwrap_or_else(|error| panic!("cannot start {name}: {error}"))
}

fn forker() -> Sender<Order> {
    static FORKER: OnceLock<Mutex<Sender<Order>>> = OnceLock::new();
    let forker = FORKER.get_or_init(|| {
        let (orders, incoming) = channel::<Order>();
        thread::spawn(move || {
            for (mut command, answer) in incoming {
                // The order's giver may be a test that has already failed.
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(orders)
    });
    forker.lock().expect("no one panics while cloning a sender").clone()
}

/// Stops every thread of a process, and returns once they stand. The signal alone does not: the others run on until
/// the thread that it was delivered to has had its turn, which on a busy machine takes a while.
pub fn stop(pid: u32) {
    signal(pid, "STOP");
    until("the process to stand", SOON, || {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
        let stands = |task: fs::DirEntry| {
            // proc(5): the state stands behind the name, which is in parentheses.
            let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
        };
        tasks.flatten().all(stands).then_some(())
    });
}

/// Sends a signal by its name (`TERM`, `KILL`, `CONT`) to a process of ours.
pub fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args(["-s", name, &pid.to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "cannot send SIG{name} to {pid}");
}
