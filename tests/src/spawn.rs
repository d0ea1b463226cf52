//! Starts children that die with the test process, whatever way it ends.

use std::io;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::thread;

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

/// Sends a signal by its name (`TERM`, `KILL`, `STOP`, `CONT`) to a process of ours.
pub fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args(["-s", name, &pid.to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "cannot send SIG{name} to {pid}");
}
