//! The programs that a sweep has started: none is left behind, whatever way it ends.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use millrace_bench::products::Product;
use millrace_bench::signals::EndSignals;
use millrace_bench::started::StartError;
use rustix::process::{Pid, Signal, kill_process};

/// As a shell tells of a program that ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// Those that run now, with the folders of their settings.
#[derive(Clone, Default)]
pub(super) struct Children(Arc<Mutex<Vec<(u32, PathBuf)>>>);

/// A running program; told to end when dropped.
pub(super) struct Child {
    pub(super) product: Product,
    children: Children,
}

impl Children {
    /// From here on SIGINT and SIGTERM end this process only when no child runs any more.
    pub(super) fn watched() -> io::Result<Self> {
        let signals = EndSignals::arm()?;
        let children = Self::default();
        let running = children.clone();
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            signals.wait();
            // Held to the end, so that nothing new is started.
            let list = running.list();
            for (pid, folder) in list.iter() {
                kill(*pid);
                remove(folder);
            }
            eprintln!("\ntuning: interrupted; {} programs were ended", list.len());
            std::process::exit(INTERRUPTED);
        })?;
        Ok(children)
    }

    /// Starts one. Signals wait meanwhile, so that it is known before they are looked at.
    pub(super) fn start(
        &self,
        start: impl FnOnce() -> Result<Product, StartError>,
    ) -> Result<Child, StartError> {
        let mut list = self.list();
        let product = start()?;
        let folder = product.program.log_file().parent().map(PathBuf::from).unwrap_or_default();
        list.push((product.program.pid(), folder));
        drop(list);
        Ok(Child { product, children: self.clone() })
    }

    fn list(&self) -> MutexGuard<'_, Vec<(u32, PathBuf)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // With its groups left and its offsets committed: the Kafka may be one that goes on.
        self.product.program.stop();
        let pid = self.product.program.pid();
        self.children.list().retain(|(known, _)| *known != pid);
    }
}

fn kill(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // It may have ended by itself: a terminal's ctrl-C goes to all.
    let _ = pid.map(|pid| kill_process(pid, Signal::KILL));
}

/// A dying process may still write to its log.
fn remove(folder: &PathBuf) {
    for _ in 0..50 {
        if folder.as_os_str().is_empty() || fs::remove_dir_all(folder).is_ok() || !folder.exists() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
}
