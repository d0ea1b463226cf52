//! hyper, fed the same bytes as ours. Shared by the second opinion and its fuzz target.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use millrace_http1::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::answers::{self, Answer};
use crate::connection::{Connection, Outcome, Routes};

/// Path and body of a request that was read to its end. CONNECT has a host for a path, which
/// hyper does not give as one.
type Accepted = (Vec<u8>, Vec<u8>);

/// Panics where we accept what hyper refuses, or see another path or body. Gives how many requests
/// we accepted.
pub(crate) fn compare_requests(name: &str, bytes: &[u8]) -> usize {
    let ours = our_requests(bytes);
    let hypers = run(serve(bytes));
    assert!(
        hypers.starts_with(&ours),
        "{name}: we see {ours:?}, hyper sees {hypers:?} in {}",
        bytes.escape_ascii()
    );
    ours.len()
}

/// The same for the answer of a server that then closes. Gives whether we accepted it.
pub(crate) fn compare_answers(name: &str, bytes: &[u8]) -> bool {
    let Ok(Some(ours)) = answers::read([bytes], usize::MAX, &Limits::default()) else {
        return false;
    };
    let hypers = run(ask(bytes));
    assert!(
        hypers
            .as_ref()
            .is_some_and(|hypers| hypers.status == ours.status && hypers.body == ours.body),
        "{name}: we see {ours:?}, hyper sees {hypers:?} in {}",
        bytes.escape_ascii()
    );
    true
}

fn run<T>(task: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime without drivers").block_on(task)
}

fn our_requests(bytes: &[u8]) -> Vec<Accepted> {
    let mut connection = Connection::new(Routes::Everything, Limits::default());
    connection.receive(bytes);
    let accepted = connection.outcomes.into_iter().filter_map(|outcome| match outcome {
        Outcome::Accepted { path, body } => Some((path, body)),
        _ => None,
    });
    accepted
        .map(|(path, body)| if path.starts_with(b"/") { (path, body) } else { (vec![], body) })
        .collect()
}

/// What hyper's server makes of a client's bytes.
async fn serve(bytes: &[u8]) -> Vec<Accepted> {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let (client, server) = tokio::io::duplex(64 * 1024);
    let service = service_fn(|request| answer(request, seen.clone()));
    let serve = async {
        // An error is how hyper says that it refuses.
        let _refused = hyper::server::conn::http1::Builder::new()
            .half_close(true)
            .max_headers(Limits::default().headers_max)
            .serve_connection(TokioIo::new(server), service)
            .await;
    };
    let (mut from_server, mut to_server) = tokio::io::split(client);
    let write = async {
        // hyper may close before it has read all.
        let _closed = to_server.write_all(bytes).await;
        let _closed = to_server.shutdown().await;
    };
    let read = async {
        let mut answers = Vec::new();
        let _whole = from_server.read_to_end(&mut answers).await;
    };
    tokio::join!(serve, write, read);
    seen.take()
}

/// Answers 404 to all, so that CONNECT and Upgrade change nothing.
async fn answer(
    request: Request<Incoming>,
    seen: Rc<RefCell<Vec<Accepted>>>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let path = match head.uri.path() {
        _ if head.method == Method::CONNECT => "",
        "*" => "",
        path => path,
    };
    if let Ok(body) = body.collect().await {
        seen.borrow_mut().push((path.as_bytes().to_vec(), body.to_bytes().to_vec()));
    }
    let mut response = Response::new(Empty::new());
    *response.status_mut() = StatusCode::NOT_FOUND;
    Ok(response)
}

/// What hyper's client makes of a server's bytes; `None` is a refusal.
async fn ask(bytes: &[u8]) -> Option<Answer> {
    let (client, mut server) = tokio::io::duplex(64 * 1024);
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_headers(Limits::default().headers_max)
        .handshake(TokioIo::new(client))
        .await
        .ok()?;
    let request = Request::post("/").header("host", "h").body(Empty::<Bytes>::new()).ok()?;
    let serve = async {
        // hyper refuses an answer that is there before its question.
        let mut question = Vec::new();
        while !question.ends_with(b"\r\n\r\n") {
            if server.read_buf(&mut question).await.unwrap_or(0) == 0 {
                return;
            }
        }
        // hyper may close before it has read all.
        let _closed = server.write_all(bytes).await;
        let _closed = server.shutdown().await;
    };
    let talk = async {
        let response = sender.send_request(request).await.ok()?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.ok()?.to_bytes().to_vec();
        drop(sender);
        Some(Answer { status, body, dropped: 0, reusable: false })
    };
    let drive = async {
        // An error is how hyper says that it refuses.
        let _refused = connection.await;
    };
    tokio::join!(talk, serve, drive).0
}
