//! The metrics endpoint: one path, answered by hyper on the control thread (platform.md 8.1).

use std::convert::Infallible;
use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::registry::Registry;

const PAGE_TYPE: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Connections served at once; further ones wait in the listen queue.
const CONNECTIONS_MAX: usize = 32;
/// Until the head of the request has come.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection's whole life: one request, then it closes. Scrapes are rare, and so a slow or
/// silent client cannot keep a place.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);
/// A scraper's head is a few hundred bytes; hyper asks for at least 8 KiB.
const HEAD_BYTES_MAX: usize = 16 * 1_024;
/// After an accept that failed, most often for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);
/// Kept open so that there are some when the process has no more: for the connection, for the kernel's
/// files that a page reads, and one to be sure.
const SPARE_FILES: usize = 3;
/// For a connection that takes the spare files. Nobody else is served meanwhile.
const SCARCE_TIMEOUT: Duration = Duration::from_secs(2);
/// How often the registry is told the time.
const TICK: Duration = Duration::from_secs(1);

/// Why the endpoint cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The address is taken, unknown, or not ours to use.
    #[error(
        "metrics endpoint: cannot listen on {host}:{port}: {source}; set another port in \
         metrics-endpoint or another address in METRICS_HOST"
    )]
    Bind {
        /// As configured.
        host: String,
        /// As configured.
        port: u16,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Binds and serves until dropped. A failure to bind is logged and ends this future only: events
/// do not need metrics (receiver.md W47).
pub async fn run(host: &str, port: u16, path: &str, registry: Registry) {
    match bind(host, port).await {
        Ok(listener) => serve(listener, registry, path).await,
        Err(error) => tracing::error!(%error, "Metrics are not served."),
    }
}

/// Listens on `host` (METRICS_HOST, a name or address) and `port`.
pub async fn bind(host: &str, port: u16) -> Result<TcpListener, AdminError> {
    // An IPv6 literal may come in brackets, as in a URL.
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    TcpListener::bind((bare, port)).await.map_err(|source| AdminError::Bind {
        host: host.to_owned(),
        port,
        source,
    })
}

/// Answers any method on exactly `path` with the page, all else with 404, until dropped; also
/// keeps the registry's clock. Runs on a tokio runtime with time and network.
pub async fn serve(listener: TcpListener, registry: Registry, path: &str) {
    if let Ok(address) = listener.local_addr() {
        tracing::info!(port = address.port(), path, "Metrics are served at {address}.");
    }
    tokio::select! {
        () = accept(listener, registry.clone(), path.into()) => {}
        () = keep_time(registry) => {}
    }
}

async fn keep_time(registry: Registry) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        registry.tick(Instant::now());
    }
}

async fn accept(listener: TcpListener, registry: Registry, path: Arc<str>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut spare = Spare(Vec::new());
    loop {
        spare.fill();
        // Never closed, so this waits for a place and cannot fail.
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(connection(stream, registry.clone(), path.clone(), place));
            }
            Err(error) => {
                crate::limited!(warn, %error, "Metrics endpoint: cannot accept a connection.");
                // A process without free files is one that somebody wants to look into.
                spare.0.clear();
                if let Ok(Ok((stream, _))) = timeout(ACCEPT_PAUSE, listener.accept()).await {
                    let served = connection(stream, registry.clone(), path.clone(), place);
                    drop(timeout(SCARCE_TIMEOUT, served).await);
                } else {
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Files held open for bad times.
struct Spare(Vec<File>);

impl Spare {
    /// As far as there are any.
    fn fill(&mut self) {
        let missing = SPARE_FILES.saturating_sub(self.0.len());
        self.0.extend((0..missing).map_while(|_| File::open("/dev/null").ok()));
    }
}

async fn connection(
    stream: TcpStream,
    registry: Registry,
    path: Arc<str>,
    _place: OwnedSemaphorePermit,
) {
    let answer = service_fn(|request| {
        let response = respond(&request, &registry, &path);
        async { Ok::<_, Infallible>(response) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer);
    match timeout(CONNECTION_TIMEOUT, served).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "Metrics endpoint: connection failed."),
        Err(_) => tracing::debug!("Metrics endpoint: connection closed, it took too long."),
    }
}

fn respond(request: &Request<Incoming>, registry: &Registry, path: &str) -> Response<Full<Bytes>> {
    if request.uri().path() != path {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    }
    let mut response = Response::new(Full::from(registry.render()));
    response.headers_mut().insert(CONTENT_TYPE, PAGE_TYPE);
    response
}

#[cfg(test)]
mod tests;
