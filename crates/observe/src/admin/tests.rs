//! The endpoint over real sockets.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::names;
use crate::page::Page;
use crate::registry::RegistryOptions;

/// Runs a test against the endpoint on a thread of one, as in the product.
fn served<F: Future<Output = ()>>(path: &'static str, test: impl FnOnce(SocketAddr) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = bind("127.0.0.1", 0).await.unwrap();
        let address = listener.local_addr().unwrap();
        let registry = Registry::new(RegistryOptions::default());
        registry.observe(&names::SHARDS, &[], || 3.0);
        tokio::select! {
            () = serve(listener, registry, path) => panic!("stopped serving"),
            () = test(address) => {}
        }
    });
}

/// Sends bytes, reads until the end.
async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[test]
fn any_method_on_the_exact_path() {
    served("/metrics", |address| async move {
        for method in ["GET", "POST", "DELETE", "ODD"] {
            let request = format!("{method} /metrics?x=1 HTTP/1.1\r\nHost: x\r\n\r\n");
            let answer = ask(address, &request).await;
            let (head, page) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            let kind = "content-type: text/plain; version=0.0.4; charset=utf-8";
            assert!(head.to_ascii_lowercase().contains(kind), "{head}");
            let page = Page::parse(page);
            assert_eq!(page.value(names::SHARDS.name, &[]), Some(3.0));
        }
        for path in ["/", "/metrics/", "/metricsx", "/Metrics", "/m"] {
            let answer = ask(address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
            assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
        }
    });
}

#[test]
fn path_is_configurable() {
    served("/m", |address| async move {
        let answer = ask(address, "GET /m HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 "));
        let answer = ask(address, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 404 "));
    });
}

#[test]
fn hostile_heads_do_not_stop_it() {
    served("/metrics", |address| async move {
        for request in ["\0\0\0\r\n\r\n", "GET /metrics HTTP/9.9\r\n\r\n", "\x16\x03\x01"] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut answer = Vec::new();
            // Closed with or without a word, perhaps hard.
            let _ = stream.read_to_end(&mut answer).await;
            assert!(!answer.starts_with(b"HTTP/1.1 200"));
        }
        let huge =
            format!("GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(4 * HEAD_BYTES_MAX));
        let mut stream = TcpStream::connect(address).await.unwrap();
        let _ = stream.write_all(huge.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP/1.1 200"));
        let answer = ask(address, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 "));
    });
}

/// With all places held by silent clients a scrape waits, and is served when one goes.
#[test]
fn silent_clients_are_bounded() {
    served("/metrics", |address| async move {
        let mut silent = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET").await.unwrap();
            silent.push(stream);
        }
        let request = ask(address, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        tokio::pin!(request);
        let early = timeout(Duration::from_millis(300), &mut request).await;
        assert!(early.is_err(), "served beyond the bound");
        silent.pop();
        let answer = timeout(Duration::from_secs(5), request).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "));
    });
}

#[test]
fn taken_port_names_address_and_setting() {
    served("/metrics", |address| async move {
        let error = bind("127.0.0.1", address.port()).await.unwrap_err().to_string();
        assert!(
            error.contains(&address.to_string()) && error.contains("metrics-endpoint"),
            "{error}"
        );
        // And ends at once instead of taking the process down.
        let registry = Registry::new(RegistryOptions::default());
        let run = run("127.0.0.1", address.port(), "/metrics", registry);
        timeout(Duration::from_secs(5), run).await.unwrap();
    });
}
