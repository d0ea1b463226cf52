//! An HTTP server that stands for subscribers, dead letter sinks and reply targets: it notes every request byte for
//! byte and answers as a test tells it, well or badly.
//!
//! One server has many endpoints; the first segment of a request's path names its endpoint, as in `/d001/x?y`. An
//! endpoint answers 200 without a body until told otherwise.

mod answer;
mod server;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub use answer::{Answer, End, Gate};

use crate::wait::{SOON, within};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Received {
    pub method: String,
    pub target: String,
    /// Names and values as sent, in their order.
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
    /// When its last byte was there.
    pub arrived: Instant,
    /// Counts the connections of the server.
    pub connection: usize,
    /// How many requests the endpoint was busy with, this one included.
    pub concurrent: usize,
}

impl Received {
    /// The value of the only header of that name, as text; names are compared without case.
    ///
    /// # Panics
    /// When the header is there twice.
    pub fn header(&self, name: &str) -> Option<String> {
        self.bytes_of(name).map(|value| String::from_utf8_lossy(&value).into_owned())
    }

    /// [`Self::header`] as bytes.
    pub fn bytes_of(&self, name: &str) -> Option<Vec<u8>> {
        let mut found = self.headers.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name));
        let first = found.next();
        assert!(found.next().is_none(), "{name} is there twice: {:?}", self.headers);
        first.map(|(_, value)| value.clone())
    }

    /// The offset that the dispatcher says the record had.
    ///
    /// # Panics
    /// When it does not.
    pub fn offset(&self) -> i64 {
        let offset = self.header("ce-knativekafkaoffset").and_then(|offset| offset.parse().ok());
        offset.unwrap_or_else(|| panic!("no ce-knativekafkaoffset in {self:?}"))
    }

    /// The partition that the dispatcher says the record was in.
    pub fn partition(&self) -> i32 {
        let partition = self.header("ce-knativekafkapartition");
        let partition = partition.and_then(|partition| partition.parse().ok());
        partition.unwrap_or_else(|| panic!("no ce-knativekafkapartition in {self:?}"))
    }
}

/// The server. It stops to take connections when dropped.
pub struct Subscriber {
    address: SocketAddr,
    endpoints: Arc<Endpoints>,
    listener: server::Listener,
}

impl Subscriber {
    /// # Panics
    /// When no port of loopback can be had.
    pub fn start() -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST, 0)
    }

    /// On another address of loopback, such as 127.0.0.2; on any port for 0.
    ///
    /// # Panics
    /// When it cannot be had.
    pub fn start_at(host: Ipv4Addr, port: u16) -> Self {
        let endpoints = Arc::new(Endpoints::default());
        let listener = server::Listener::start(Arc::clone(&endpoints), host, port);
        Self { address: listener.address(), endpoints, listener }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `127.0.0.1:PORT`.
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn endpoint(&self, name: &str) -> Endpoint {
        self.endpoints.named(name)
    }

    /// Stops: connections are cut and new ones refused, as when a pod dies.
    pub fn stop(&self) {
        self.listener.stop();
    }

    /// Connections that it has taken so far.
    pub fn connections(&self) -> usize {
        self.listener.connections()
    }

    /// Connections that neither side has closed yet.
    pub fn open_connections(&self) -> usize {
        self.listener.open_connections()
    }
}

#[derive(Default)]
struct Endpoints(Mutex<BTreeMap<String, Endpoint>>);

impl Endpoints {
    fn named(&self, name: &str) -> Endpoint {
        let mut endpoints = self.0.lock().expect("no one panics in here");
        endpoints.entry(name.to_owned()).or_default().clone()
    }
}

type Script = Box<dyn Fn(&Received, usize) -> Answer + Send>;

/// What is behind one first path segment. Clones are the same endpoint.
#[derive(Clone, Default)]
pub struct Endpoint(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    script: Option<Script>,
    received: Vec<Received>,
    /// Requests so far, whether kept or not.
    count: usize,
    keeps_none: bool,
    busy: usize,
}

impl Endpoint {
    /// Answers by a function of the request and of its number, from 0.
    pub fn answers(&self, script: impl Fn(&Received, usize) -> Answer + Send + 'static) {
        self.state().script = Some(Box::new(script));
    }

    /// Answers every request like this.
    pub fn always(&self, answer: Answer) {
        self.answers(move |_, _| answer.clone());
    }

    /// Answers in turn; the last one goes on for ever.
    pub fn in_turn(&self, answers: Vec<Answer>) {
        let last = answers.len() - 1;
        self.answers(move |_, number| answers[number.min(last)].clone());
    }

    /// All requests so far, in the order they were complete.
    pub fn received(&self) -> Vec<Received> {
        self.state().received.clone()
    }

    pub fn count(&self) -> usize {
        self.state().count
    }

    /// From now on requests are answered and counted but not kept: for runs whose requests would fill the memory.
    pub fn keep_none(&self) {
        self.state().keeps_none = true;
    }

    /// Requests that have no answer yet.
    pub fn busy(&self) -> usize {
        self.state().busy
    }

    /// The most requests at a time so far.
    pub fn most_concurrent(&self) -> usize {
        self.state().received.iter().map(|request| request.concurrent).max().unwrap_or(0)
    }

    /// Waits until so many requests have come and returns them all.
    ///
    /// # Panics
    /// With what has come instead.
    pub fn wait(&self, count: usize) -> Vec<Received> {
        self.wait_within(count, SOON)
    }

    pub fn wait_within(&self, count: usize, limit: Duration) -> Vec<Received> {
        let came = within(limit, || (self.count() >= count).then(|| self.received()));
        came.unwrap_or_else(|| {
            panic!("{count} requests were expected, these came: {:#?}", self.received())
        })
    }

    /// Waits for the first request and wants no second one so far.
    pub fn one(&self) -> Received {
        let mut received = self.wait(1);
        assert_eq!(received.len(), 1, "one request was expected: {received:#?}");
        received.remove(0)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().expect("a script that panics ends the test run")
    }

    /// Notes a request and finds its answer.
    fn take(&self, mut request: Received) -> Answer {
        let mut state = self.state();
        state.busy += 1;
        request.concurrent = state.busy;
        let number = state.count;
        state.count += 1;
        let answer = match &state.script {
            Some(script) => script(&request, number),
            None => Answer::status(200),
        };
        if !state.keeps_none {
            state.received.push(request);
        }
        answer
    }

    fn done(&self) {
        self.state().busy -= 1;
    }
}
