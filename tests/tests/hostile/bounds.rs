//! S5: each bound at the edge (reliability.md 3) one below, at, and one beyond. The bounds in time are in the acceptance
//! suite (`connections`): they have no n + 1 that a test could hit.

use millrace_tests::drivers;
use millrace_tests::http::{Connection, NoAnswer, Request};
use millrace_tests::matrix::Variant;
use millrace_tests::rig::unique;
use millrace_tests::wait::SOON;

use crate::routes::Routes;

const MINIMAL: &str = "ce-specversion: 1.0\r\nce-id: 1\r\nce-source: /s\r\nce-type: t\r\n";

/// A request with a line of `line` bytes, header lines of `headers` bytes together, without their line ends.
fn head(line: usize, headers: usize) -> Vec<u8> {
    let mut text = "POST /ok?".to_owned();
    let version = " HTTP/1.1";
    text += &"q".repeat(line - text.len() - version.len());
    text += version;
    let known = format!("Host: h\r\n{MINIMAL}");
    let filler = headers - known.replace("\r\n", "").len() - "X: ".len();
    format!("{text}\r\n{known}X: {}\r\n\r\n", "x".repeat(filler)).into_bytes()
}

/// Sends it, wants this status, and an end to the connection exactly where the status is a refusal of the bytes.
fn answers(routes: &Routes, bytes: &[u8], status: u16, what: &str) {
    let mut connection = Connection::open(routes.port());
    connection.send(bytes);
    assert_eq!(connection.answer().status, status, "{what}");
    if status == 202 {
        assert_eq!(connection.exchange(&Request::get("/healthz")).status, 200, "{what}");
    } else {
        assert!(connection.closes(SOON), "{what}: open after {status}");
    }
}

/// At `n` - 1 and `n` accepted, at `n` + 1 the status.
fn around(routes: &Routes, what: &str, n: usize, beyond: u16, bytes: impl Fn(usize) -> Vec<u8>) {
    for (size, status) in [(n - 1, 202), (n, 202), (n + 1, beyond)] {
        answers(routes, &bytes(size), status, &format!("{what} of {size}"));
    }
}

fn chunked(extensions: usize, trailers: usize) -> Vec<u8> {
    let extension = |bytes: usize| {
        if bytes == 0 { String::new() } else { format!(";{}", "e".repeat(bytes - 1)) }
    };
    // Over two chunks: the sum counts.
    let (first, second) = (extensions / 2, extensions - extensions / 2);
    let trailer = match trailers {
        0 => String::new(),
        bytes => format!("T: {}\r\n", "t".repeat(bytes - "T: \r\n".len())),
    };
    format!(
        "POST /ok HTTP/1.1\r\nHost: h\r\n{MINIMAL}Transfer-Encoding: chunked\r\n\r\n1{}\r\na\r\n1{}\r\nb\r\n0\r\n{trailer}\r\n",
        extension(first),
        extension(second)
    )
    .into_bytes()
}

/// A record of so many bytes as librdkafka counts them: key, value, names and values of headers, 36 bytes of its own and
/// two for each short header. Java counts 61 more for the batch around it, and 21 instead of the 36.
fn record(bytes: usize) -> Vec<u8> {
    let headers = ["ce_specversion1.0", "ce_id1", "ce_source/s", "ce_typet"];
    let known = headers.concat().len() + 2 * headers.len() + 36;
    Request::minimal("/ok", "1").body(vec![b'x'; bytes - known]).to_bytes()
}

drivers! {
    fn request_line(variant: Variant) {
        let routes = Routes::new(variant, |setup| setup);
        around(&routes, "a request line", 4096, 414, |bytes| head(bytes, 1000));
        let routes = Routes::new(variant, |setup| setup.http_server("maxInitialLineLength", "8192"));
        around(&routes, "a longer request line", 8192, 414, |bytes| head(bytes, 1000));
    }

    fn header_bytes(variant: Variant) {
        let routes = Routes::new(variant, |setup| setup);
        around(&routes, "headers", 8192, 431, |bytes| head(100, bytes));
        // Both bounds at once.
        answers(&routes, &head(4096, 8192), 202, "the largest head");
        let routes = Routes::new(variant, |setup| setup.http_server("maxHeaderSize", "32768"));
        around(&routes, "more headers", 32768, 431, |bytes| head(100, bytes));
    }

    fn header_count(variant: Variant) {
        let routes = Routes::new(variant, |setup| setup);
        around(&routes, "a number of headers", 128, 431, |count| {
            let five = format!("Host: h\r\n{MINIMAL}");
            format!("POST /ok HTTP/1.1\r\n{five}{}\r\n", "a: b\r\n".repeat(count - 5)).into_bytes()
        });
    }

    fn chunk_extensions(variant: Variant) {
        let routes = Routes::new(variant, |setup| setup);
        around(&routes, "chunk extensions", 4096, 400, |bytes| chunked(bytes, 0));
    }

    fn trailers(variant: Variant) {
        let routes = Routes::new(variant, |setup| setup);
        around(&routes, "trailers", 8192, 431, |bytes| chunked(0, bytes));
        around(&routes, "trailer lines", 128, 431, |count| {
            let head = format!("POST /ok HTTP/1.1\r\nHost: h\r\n{MINIMAL}Transfer-Encoding: chunked\r\n\r\n");
            format!("{head}1\r\na\r\n0\r\n{}\r\n", "a: b\r\n".repeat(count)).into_bytes()
        });
    }

    /// The record's size, which is what `max.request.size` is about; a body alone that is larger is refused unread.
    fn record_bytes(variant: Variant) {
        const N: usize = 20_000;
        let routes = Routes::new(variant, |setup| setup.producer("max.request.size", &N.to_string()));
        for (size, status) in [(N - 1, 202), (N, 202), (N + 1, 413)] {
            let mut connection = Connection::open(routes.port());
            connection.send(&record(size));
            assert_eq!(connection.answer().status, status, "a record of {size}");
            // It was read, so the connection is good.
            assert_eq!(connection.exchange(&Request::get("/healthz")).status, 200, "a record of {size}");
        }
        let announced = |bytes: usize| format!("POST /ok HTTP/1.1\r\nHost: h\r\n{MINIMAL}Content-Length: {bytes}\r\n\r\n");
        answers(&routes, announced(N + 1).as_bytes(), 413, "a body announced beyond the bound");
        // At the bound it is waited for.
        let mut connection = Connection::open(routes.port());
        connection.send(announced(N).as_bytes());
        connection.finish_sending();
        assert_eq!(connection.answer_within(SOON), Err(NoAnswer::Closed(Vec::new())));
        let chunks = |bytes: usize| {
            let head = format!("POST /ok HTTP/1.1\r\nHost: h\r\n{MINIMAL}Transfer-Encoding: chunked\r\n\r\n");
            [head.as_bytes(), format!("{bytes:x}\r\n").as_bytes()].concat()
        };
        answers(&routes, &chunks(N + 1), 413, "a chunk announced beyond the bound");
    }

    /// What waits in memory is bounded before it is read. Ours is the whole of `buffer.memory`, not nine tenths of it: it
    /// counts what is announced, so nothing can come on top.
    fn buffer_memory(variant: Variant) {
        const N: usize = 100_000;
        let routes = Routes::new(variant, |setup| {
            setup.producer("buffer.memory", &N.to_string()).producer("max.block.ms", "200")
        });
        for (size, status) in [(N - 1, 202), (N, 202), (N + 1, 503)] {
            let answer = routes.receiver.exchange(&Request::minimal("/ok", &unique()).body(vec![b'x'; size]));
            assert_eq!(answer.status, status, "a body of {size}");
        }
        // The same with two at once: one that is awaited takes its room.
        for (size, status) in [(N - 60_001, 202), (N - 60_000, 202), (N - 59_999, 503)] {
            let mut first = Connection::open(routes.port());
            let request = Request::minimal("/ok", &unique()).header("Expect", "100-continue").body(vec![b'x'; 60_000]).to_bytes();
            let (head, body) = request.split_at(request.len() - 60_000);
            first.send(head);
            assert_eq!(first.answer().status, 100, "the first has its room");
            let second = routes.receiver.exchange(&Request::minimal("/ok", &unique()).body(vec![b'x'; size]));
            assert_eq!(second.status, status, "a second body of {size}");
            first.send(body);
            assert_eq!(first.answer().status, 202, "the first, after a second of {size}");
        }
    }

    fn connections(variant: Variant) {
        const N: usize = 16;
        let routes = Routes::new(variant, |setup| {
            setup.env("INGRESS_MAX_CONNECTIONS", &N.to_string()).env("SHARDS", "1")
        });
        // The end of the connection that asked for readiness may not have been noticed yet: it counts until then.
        let mut open: Vec<Connection> = Vec::new();
        while open.len() < N {
            let mut connection = Connection::open(routes.port());
            connection.send(&Request::get("/healthz").to_bytes());
            match connection.answer_within(SOON) {
                Ok(answer) => {
                    assert_eq!(answer.status, 200);
                    open.push(connection);
                }
                Err(error) => assert!(open.len() == N - 1 && matches!(error, NoAnswer::Closed(_)), "{error:?}"),
            }
        }
        assert!(Connection::open(routes.port()).closes(SOON), "one beyond the bound is served");
        // Those within it are not disturbed by it.
        for connection in &mut open {
            assert_eq!(connection.exchange(&Request::get("/healthz")).status, 200);
        }
    }
}
