//! The file that the stock readiness probe looks for (dispatcher.md 1.2, platform.md 10.2).
//!
//! It outlives a container in its pod's volume, so it goes first thing at start: a restarted
//! container is not ready by what the one before said.

use std::fs::{File, remove_file};
use std::io::ErrorKind;
use std::path::PathBuf;

/// The file, which exists while this says ready.
#[derive(Debug)]
pub(crate) struct Healthy {
    path: PathBuf,
}

impl Healthy {
    /// Not ready yet.
    pub(crate) fn new(path: PathBuf) -> Healthy {
        let healthy = Healthy { path };
        healthy.withdraw();
        healthy
    }

    /// Ready. Failure is no reason to stop: where nobody probes, nobody misses it.
    pub(crate) fn announce(&self) {
        let path = self.path.display();
        match File::create(&self.path) {
            Ok(_) => tracing::info!(file = %path, "Ready."),
            Err(error) => tracing::warn!(
                %error, file = %path,
                "The file of the readiness probe cannot be made: the pod will not be ready. Mount \
                 a writable directory, or set HEALTHY_FILE."
            ),
        }
    }

    /// Not ready any more.
    pub(crate) fn withdraw(&self) {
        match remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => tracing::warn!(
                %error, file = %self.path.display(),
                "The file of the readiness probe cannot be removed: the pod seems ready."
            ),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_last_container_left_goes_and_ready_comes_and_goes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("healthy");
        File::create(&path).unwrap();
        let healthy = Healthy::new(path.clone());
        assert!(!path.exists());
        healthy.announce();
        healthy.announce();
        assert_eq!(path.metadata().unwrap().len(), 0);
        healthy.withdraw();
        healthy.withdraw();
        assert!(!path.exists());
    }

    #[test]
    fn where_it_cannot_be_written_the_process_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("none/healthy");
        let healthy = Healthy::new(path.clone());
        healthy.announce();
        healthy.withdraw();
        assert!(!path.exists());
    }
}
