//! Connections that are slow, idle, many or hostile (reliability.md 2, HTTP edge, and 3).

use std::time::{Duration, Instant};

use millrace_tests::http::{Connection, NoAnswer, Request};
use millrace_tests::matrix;
use millrace_tests::matrix::Variant;
use millrace_tests::rig::{Rig, unique};
use millrace_tests::wait::{SOON, until};

matrix! {
    fn request_in_single_bytes(rig: &'static Rig) {
        let id = unique();
        let bytes = Request::minimal("/ns/a", &id).body("in pieces").to_bytes();
        let mut connection = Connection::open(rig.receiver.port());
        for byte in bytes {
            connection.send(&[byte]);
        }
        assert_eq!(connection.answer().status, 202);
        assert_eq!(rig.tail.one(&rig.topics.a, &id).value.as_deref(), Some(&b"in pieces"[..]));
    }

    fn a_hundred_pipelined_requests(rig: &'static Rig) {
        let ids: Vec<String> = (0..100).map(|_| unique()).collect();
        let bytes: Vec<u8> = ids.iter().flat_map(|id| Request::minimal("/ns/a", id).body("x").to_bytes()).collect();
        let mut connection = Connection::open(rig.receiver.port());
        connection.send(&bytes);
        for id in &ids {
            assert_eq!(connection.answer().status, 202, "event {id}");
        }
        ids.iter().for_each(|id| drop(rig.tail.one(&rig.topics.a, id)));
    }

    fn connection_close_is_honoured(rig: &'static Rig) {
        let mut connection = Connection::open(rig.receiver.port());
        let answer = connection.exchange(&Request::minimal("/ns/a", &unique()).header("Connection", "close"));
        assert_eq!((answer.status, answer.header("connection")), (202, Some("close")));
        assert!(connection.closes(SOON));
    }

    fn http_1_0_closes_unless_kept_alive(rig: &'static Rig) {
        let mut connection = Connection::open(rig.receiver.port());
        connection.send(b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        assert_eq!(connection.answer().status, 200);
        connection.send(b"GET /healthz HTTP/1.0\r\n\r\n");
        assert_eq!(connection.answer().status, 200);
        assert!(connection.closes(SOON));
    }

    /// Two ways to tell the length are one too many: a proxy before us might take the other (RFC 9112, 6.1).
    fn smuggled_request_is_never_seen(rig: &'static Rig) {
        let id = unique();
        let hidden = String::from_utf8(Request::minimal("/ns/a", &id).to_bytes()).unwrap();
        let body = format!("0\r\n\r\n{hidden}");
        let headers = [
            format!("Content-Length: {}\r\nTransfer-Encoding: chunked", body.len()),
            format!("Content-Length: {}\r\nContent-Length: 0", body.len()),
            "Transfer-Encoding: chunked, identity".to_owned(),
            "Transfer-Encoding : chunked".to_owned(),
        ];
        for headers in headers {
            let mut connection = Connection::open(rig.receiver.port());
            connection.send(format!("POST /ns/a HTTP/1.1\r\nHost: h\r\n{headers}\r\n\r\n{body}").as_bytes());
            let status = connection.answer().status;
            assert!((400..=501).contains(&status), "{status} for {headers:?}");
            assert!(matches!(connection.answer_within(SOON), Err(NoAnswer::Closed(rest)) if rest.is_empty()), "{headers:?}");
        }
        rig.left_no_record(&id);
    }

    /// Java leaves the connection hanging (receiver.md W37).
    fn r141_large_body_of_a_refused_request(rig: &'static Rig) {
        let mut connection = Connection::open(rig.receiver.port());
        connection.send(&Request::minimal("/ns/unknown", &unique()).body(vec![b'x'; 10 * 1024 * 1024]).to_bytes());
        match connection.answer_within(SOON) {
            Ok(answer) => assert_eq!(answer.status, 404),
            // Cut while we were still writing: the answer may be lost with it.
            Err(error) => assert!(matches!(error, NoAnswer::Closed(_)), "{error:?}"),
        }
        connection.send(&Request::minimal("/ns/a", &unique()).to_bytes());
        match connection.answer_within(SOON) {
            Ok(answer) => assert_eq!(answer.status, 202),
            Err(error) => assert!(matches!(error, NoAnswer::Closed(_)), "{error:?}"),
        }
    }

    fn slow_head_is_cut(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup.env("INGRESS_HEAD_TIMEOUT_SECONDS", "1"));
        let mut connection = Connection::open(rig.receiver.port());
        let started = Instant::now();
        connection.send(b"POST /ns/a HTTP/1.1\r\nHost: h\r\n");
        let status = until("the connection to be cut", Duration::from_secs(10), || {
            connection.send(b"X-Slow: 1\r\n");
            match connection.answer_within(Duration::from_millis(50)) {
                Ok(answer) => Some(answer.status),
                Err(NoAnswer::Closed(_)) => Some(408),
                Err(_) => None,
            }
        });
        assert_eq!(status, 408);
        assert!(started.elapsed() > Duration::from_millis(900), "cut after {:?}", started.elapsed());
    }

    fn slow_body_is_cut(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup.env("INGRESS_BODY_TIMEOUT_SECONDS", "1"));
        let mut connection = Connection::open(rig.receiver.port());
        let bytes = Request::minimal("/ns/a", &unique()).body("0123456789").to_bytes();
        connection.send(&bytes[..bytes.len() - 5]);
        match connection.answer_within(Duration::from_secs(10)) {
            Ok(answer) => assert_eq!(answer.status, 408),
            Err(error) => assert!(matches!(error, NoAnswer::Closed(_)), "{error:?}"),
        }
        rig.accepted(&Request::minimal("/ns/a", &unique()));
    }

    fn idle_timeout_of_the_properties_file(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup.http_server("idleTimeout", "1"));
        let mut connection = Connection::open(rig.receiver.port());
        assert_eq!(connection.exchange(&Request::minimal("/ns/a", &unique())).status, 202);
        let idle_since = Instant::now();
        assert!(connection.closes(Duration::from_secs(10)), "the idle connection stays open");
        assert!(idle_since.elapsed() > Duration::from_millis(900), "closed after {:?}", idle_since.elapsed());
    }

    fn an_idle_connection_stays_by_default(rig: &'static Rig) {
        let mut connection = Connection::open(rig.receiver.port());
        assert_eq!(connection.exchange(&Request::minimal("/ns/a", &unique())).status, 202);
        assert!(!connection.closes(Duration::from_secs(3)), "closed while idle");
        assert_eq!(connection.exchange(&Request::minimal("/ns/a", &unique())).status, 202);
    }

    fn connections_beyond_the_bound_are_closed(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup.env("INGRESS_MAX_CONNECTIONS", "8").env("SHARDS", "1"));
        // The end of the connection that asked for readiness may not have been noticed yet: it counts until then.
        let served = || {
            until("a connection that is served", SOON, || {
                let mut connection = Connection::try_open(rig.receiver.port()).ok()?;
                connection.send(&Request::minimal("/ns/a", &unique()).to_bytes());
                connection.answer_within(SOON).ok().filter(|answer| answer.status == 202).map(|_| connection)
            })
        };
        let mut open: Vec<Connection> = (0..8).map(|_| served()).collect();
        let mut ninth = Connection::open(rig.receiver.port());
        assert!(ninth.closes(SOON), "the ninth connection is served");
        open.truncate(4);
        served();
    }

    fn two_hundred_connections_at_once(rig: &'static Rig) {
        let mut connections: Vec<(Connection, String)> =
            (0..200).map(|_| (Connection::open(rig.receiver.port()), unique())).collect();
        for (connection, id) in &mut connections {
            connection.send(&Request::minimal("/ns/a", id).body("x").to_bytes());
        }
        for (connection, id) in &mut connections {
            assert_eq!(connection.answer().status, 202, "event {id}");
            rig.tail.one(&rig.topics.a, id);
        }
    }
}
