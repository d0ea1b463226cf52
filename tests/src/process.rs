//! Our programs, running: the receiver with its ports, the dispatcher with its file of readiness.

use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;

use crate::http::{Answer, Connection, Request, exchange};
pub use crate::running::Running;
use crate::setup::{Program, Setup};
use crate::wait::{SOON, until};

/// The receiver as a child process; killed when dropped.
pub struct Receiver(Running);

impl Receiver {
    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// With what it printed, when it ends or is not ready in time.
    pub fn start(setup: &Setup) -> Self {
        let receiver = Self::launch(setup);
        receiver.wait_until_ready();
        receiver
    }

    /// Starts it and returns at once: for cases where it must not come up.
    pub fn launch(setup: &Setup) -> Self {
        assert_eq!(setup.program, Program::Receiver, "begin with Setup::new");
        Self(Running::launch(setup))
    }

    pub fn wait_until_ready(&self) {
        until("the receiver to be ready", SOON, || {
            if let Some(status) = self.try_exit() {
                panic!("the receiver ended with {status} at start\n{}", self.printed());
            }
            let answer = Connection::try_open(self.port()).ok().and_then(|mut connection| {
                connection.send(&Request::get("/readyz").to_bytes());
                connection.answer_within(Duration::from_secs(2)).ok()
            });
            answer.filter(|answer| answer.status == 200)
        });
    }

    pub fn port(&self) -> u16 {
        self.mounts.port
    }

    pub fn tls_port(&self) -> u16 {
        self.mounts.tls_port
    }

    /// One request on a connection of its own.
    pub fn exchange(&self, request: &Request) -> Answer {
        exchange(self.port(), request)
    }

    /// The status alone.
    pub fn status(&self, request: &Request) -> u16 {
        self.exchange(request).status
    }
}

impl Deref for Receiver {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.0
    }
}

/// The dispatcher as a child process; killed when dropped.
pub struct Dispatcher(Running);

impl Dispatcher {
    /// Starts it and waits until it is ready: the file that the readiness probe looks for is there.
    ///
    /// # Panics
    /// With what it printed, when it ends or is not ready in time.
    pub fn start(setup: &Setup) -> Self {
        let dispatcher = Self::launch(setup);
        dispatcher.wait_until_ready();
        dispatcher
    }

    /// Starts it and returns at once: for cases where it must not come up.
    pub fn launch(setup: &Setup) -> Self {
        assert_eq!(setup.program, Program::Dispatcher, "begin with Setup::dispatcher");
        Self(Running::launch(setup))
    }

    pub fn wait_until_ready(&self) {
        until("the dispatcher to be ready", SOON, || {
            if let Some(status) = self.try_exit() {
                panic!("the dispatcher ended with {status} at start\n{}", self.printed());
            }
            self.healthy_file().exists().then_some(())
        });
    }

    /// The file `healthy`.
    pub fn healthy_file(&self) -> PathBuf {
        self.mounts.healthy_file()
    }
}

impl Deref for Dispatcher {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.0
    }
}
