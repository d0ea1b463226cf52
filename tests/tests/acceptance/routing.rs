//! Health, methods, routes and what HTTP itself refuses: R1 to R25.

use std::time::Duration;

use millrace_tests::contract::CHANNEL_HOST;
use millrace_tests::http::{Connection, NoAnswer, Request};
use millrace_tests::matrix;
use millrace_tests::rig::{Rig, unique};
use millrace_tests::wait::SOON;

fn minimal(target: &str) -> Request {
    Request::minimal(target, "1")
}

matrix! {
    fn r001_liveness(rig: &'static Rig) {
        rig.answers(&Request::get("/healthz"), 200);
    }

    fn r002_readiness_with_query(rig: &'static Rig) {
        rig.answers(&Request::get("/readyz?x=1"), 200);
    }

    fn r003_liveness_with_trailing_slash(rig: &'static Rig) {
        rig.answers(&Request::get("/healthz/"), 405);
    }

    fn r004_head_of_liveness(rig: &'static Rig) {
        rig.answers(&Request::new("HEAD", "/healthz"), 405);
    }

    fn r005_post_to_liveness(rig: &'static Rig) {
        rig.answers(&minimal("/healthz"), 404);
    }

    fn r006_get_of_an_ingress(rig: &'static Rig) {
        rig.answers(&Request::get("/ns/a"), 405);
    }

    fn r007_other_methods(rig: &'static Rig) {
        for method in ["PUT", "DELETE", "OPTIONS", "PATCH"] {
            rig.answers(&Request::new(method, "/ns/a"), 405);
        }
    }

    fn r008_unknown_path(rig: &'static Rig) {
        let id = unique();
        rig.answers(&Request::minimal("/ns/unknown", &id), 404);
        rig.left_no_record(&id);
    }

    fn r009_unknown_path_with_an_invalid_event(rig: &'static Rig) {
        rig.answers(&Request::new("POST", "/ns/unknown").body("no event"), 404);
    }

    fn r010_trailing_slash(rig: &'static Rig) {
        let id = unique();
        rig.record_of(&Request::minimal("/ns/a/", &id), &id);
    }

    fn r011_two_trailing_slashes(rig: &'static Rig) {
        rig.answers(&minimal("/ns/a//"), 404);
    }

    fn r012_query(rig: &'static Rig) {
        rig.accepted(&minimal("/ns/a?x=y"));
    }

    fn r013_percent_encoding_is_not_decoded(rig: &'static Rig) {
        rig.answers(&minimal("/ns/%61"), 404);
    }

    fn r014_path_below_an_ingress(rig: &'static Rig) {
        rig.answers(&minimal("/ns/a/sub"), 404);
    }

    fn r015_host_of_a_channel(rig: &'static Rig) {
        let id = unique();
        rig.accepted(&Request::minimal("/", &id).set("Host", CHANNEL_HOST));
        rig.tail.one(&rig.topics.c, &id);
    }

    fn r016_host_of_a_channel_with_an_unknown_path(rig: &'static Rig) {
        let id = unique();
        rig.accepted(&Request::minimal("/whatever", &id).set("Host", CHANNEL_HOST));
        rig.tail.one(&rig.topics.c, &id);
    }

    fn r017_path_wins_over_host(rig: &'static Rig) {
        let id = unique();
        rig.record_of(&Request::minimal("/ns/a", &id).set("Host", CHANNEL_HOST), &id);
    }

    /// Java answers 404: it compares hosts byte for byte (receiver.md W7).
    fn r018_host_in_capitals_with_port(rig: &'static Rig) {
        let id = unique();
        rig.accepted(&Request::minimal("/", &id).set("Host", "C-KN-CHANNEL.ns.svc.cluster.local:80"));
        rig.tail.one(&rig.topics.c, &id);
    }

    fn r019_unknown_host(rig: &'static Rig) {
        rig.answers(&minimal("/").set("Host", "d-kn-channel.ns.svc.cluster.local"), 404);
    }

    /// Java never answers.
    fn r020_http_1_0_without_host(rig: &'static Rig) {
        let mut connection = Connection::open(rig.receiver.port());
        connection.send(b"POST / HTTP/1.0\r\nce-specversion: 1.0\r\nce-id: 1\r\nce-source: /s\r\nce-type: t\r\nContent-Length: 0\r\n\r\n");
        let answer = connection.answer_within(Duration::from_secs(1)).expect("an answer within a second");
        assert_eq!(answer.status, 404);
    }

    /// HTTPS comes with a later issue; until then nothing listens there, as without a certificate (receiver.md 6).
    fn r021_https_port_is_closed(rig: &'static Rig) {
        let refused = Connection::try_open(rig.receiver.tls_port()).err().expect("nobody listens there");
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    }

    /// HTTP/2 comes with a later issue; until then its preface gets an HTTP/1.1 answer and a closed connection.
    fn r022_http_2_preface_is_refused(rig: &'static Rig) {
        let mut connection = Connection::open(rig.receiver.port());
        connection.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
        let answer = connection.answer();
        assert_eq!(answer.status, 505, "{answer:?}");
        assert!(connection.closes(SOON), "the connection stays open");
    }

    fn r023_request_line_too_long(rig: &'static Rig) {
        let target = format!("/ns/a?{}", "x".repeat(5000));
        assert_refused_and_closed(rig, &minimal(&target), 414);
    }

    fn r024_headers_too_large(rig: &'static Rig) {
        assert_refused_and_closed(rig, &minimal("/ns/a").header("X-Large", "x".repeat(9000)), 431);
    }

    fn r025_two_pipelined_requests(rig: &'static Rig) {
        let (first, second) = (unique(), unique());
        let mut bytes = Request::minimal("/ns/a", &first).to_bytes();
        bytes.extend(Request::minimal("/ns/a", &second).to_bytes());
        let mut connection = Connection::open(rig.receiver.port());
        connection.send(&bytes);
        assert_eq!([connection.answer().status, connection.answer().status], [202, 202]);
        rig.tail.one(&rig.topics.a, &first);
        rig.tail.one(&rig.topics.a, &second);
    }
}

fn assert_refused_and_closed(rig: &Rig, request: &Request, status: u16) {
    let mut connection = Connection::open(rig.receiver.port());
    connection.send(&request.to_bytes());
    assert_eq!(connection.answer().status, status);
    let second = minimal("/ns/a");
    connection.send(&second.to_bytes());
    assert!(
        matches!(connection.answer_within(SOON), Err(NoAnswer::Closed(rest)) if rest.is_empty()),
        "it still answers"
    );
}
