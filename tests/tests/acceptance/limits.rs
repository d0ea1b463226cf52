//! Bodies that are too large, and `Expect`: R93 to R95.

use std::fs;
use std::time::Duration;

use millrace_tests::http::{Connection, NoAnswer, Request};
use millrace_tests::matrix;
use millrace_tests::matrix::Variant;
use millrace_tests::rig::{Rig, unique};

const MIB: usize = 1024 * 1024;

/// The most memory the receiver has held so far, in bytes.
fn peak_bytes(rig: &Rig) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", rig.receiver.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

fn expecting(id: &str, target: &str, length: usize) -> Vec<u8> {
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nce-specversion: 1.0\r\nce-id: {id}\r\nce-source: /s\r\nce-type: t\r\nContent-Length: {length}\r\n\r\n"
    );
    head.into_bytes()
}

matrix! {
    /// Java answers 503, which makes senders try again and again (receiver.md W30).
    fn r093_record_larger_than_max_request_size(rig: &'static Rig) {
        let id = unique();
        let answer = rig.exchange(&Request::minimal("/ns/a", &id).body(vec![b'x'; MIB + 1]));
        assert_eq!(answer.status, 413);
        // Headers count too: this body alone is below the limit (receiver.md 4.4).
        rig.answers(&Request::minimal("/ns/a", &id).body(vec![b'x'; MIB - 20]), 413);
        assert!(rig.tail.now(&rig.topics.a, &id).is_empty());
        let id = unique();
        rig.record_of(&Request::minimal("/ns/a", &id).body(vec![b'x'; MIB - 4096]), &id);
    }

    fn r093_status_of_the_java_version_by_setting(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup.env("INGRESS_TOO_LARGE_STATUS", "503"));
        let answer = rig.exchange(&Request::minimal("/ns/a", &unique()).body(vec![b'x'; MIB + 1]));
        assert_eq!(answer.status, 503);
    }

    /// Java reads it all into memory.
    fn r094_body_of_64_mib(variant: Variant) {
        let rig = Rig::own(variant, |setup| setup);
        rig.accepted(&Request::minimal("/ns/a", &unique()));
        let before = peak_bytes(&rig);
        let chunk = vec![b'x'; MIB];
        for announced in [true, false] {
            let framing = if announced { format!("Content-Length: {}", 64 * MIB) } else { "Transfer-Encoding: chunked".into() };
            let head = format!("POST /ns/a HTTP/1.1\r\nHost: h\r\nce-specversion: 1.0\r\nce-id: 1\r\nce-source: /s\r\nce-type: t\r\n{framing}\r\n\r\n");
            let mut connection = Connection::open(rig.receiver.port());
            connection.send(head.as_bytes());
            if announced {
                assert_eq!(connection.answer().status, 413, "before any of the body is sent");
            }
            let chunk_head = if announced { String::new() } else { format!("{MIB:x}\r\n") };
            let chunk_end = if announced { "" } else { "\r\n" };
            let taken = (0..64).take_while(|_| {
                let whole = [chunk_head.as_bytes(), &chunk, chunk_end.as_bytes()].concat();
                connection.send_until_refused(&whole) == whole.len()
            });
            let taken = taken.count();
            assert!(taken < 64, "the receiver took all 64 MiB");
            if !announced {
                // The reset of what was under way may overtake the answer.
                match connection.answer_within(Duration::from_secs(5)) {
                    Ok(answer) => assert_eq!(answer.status, 413),
                    Err(error) => assert!(matches!(error, NoAnswer::Closed(_)), "{error:?}"),
                }
            }
        }
        let grown = peak_bytes(&rig).saturating_sub(before);
        assert!(grown < 16 * MIB, "the receiver grew by {grown} bytes");
        rig.accepted(&Request::minimal("/ns/a", &unique()));
    }

    /// Java sends no interim answer, which costs curl-like clients a second.
    fn r095_expect_100_continue(rig: &'static Rig) {
        let id = unique();
        let mut connection = Connection::open(rig.receiver.port());
        connection.send(&expecting(&id, "/ns/a", 4));
        let interim = connection.answer_within(Duration::from_millis(900)).expect("an interim answer at once");
        assert_eq!(interim.status, 100);
        connection.send(b"data");
        assert_eq!(connection.answer().status, 202);
        assert_eq!(rig.tail.one(&rig.topics.a, &id).value.as_deref(), Some(&b"data"[..]));
    }

    fn r095_expect_100_continue_of_what_will_be_refused(rig: &'static Rig) {
        for (target, length, status) in [("/ns/unknown", 4, 404), ("/ns/a", 64 * MIB, 413)] {
            let mut connection = Connection::open(rig.receiver.port());
            connection.send(&expecting("1", target, length));
            assert_eq!(connection.answer().status, status, "the final answer without an interim one");
        }
    }
}
